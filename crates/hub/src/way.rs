//! The three transports, as the hub sees them: how an event is encoded on the way out.

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// An answer to a long poll.
    Poll,
    /// Server-Sent Events.
    Sse,
    /// WebSocket frames.
    Ws,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Sse, Self::Ws];

    /// The name in answers, metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sse => "sse",
            Self::Ws => "ws",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// How a subscriber's bytes are shaped: its way out, and whether SSE carries HTTP's chunks already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// A poll's answer.
    Answer,
    /// SSE as it is, for a carrier that frames bodies itself or not at all.
    Events,
    /// SSE in HTTP/1.1 chunks (RFC 9112, section 7.1), for a carrier that writes bytes as they are.
    ChunkedEvents,
    /// WebSocket frames.
    Frames,
}

impl Shape {
    pub(crate) const COUNT: usize = 4;

    pub(crate) fn of(way: Way, is_chunked: bool) -> Self {
        match way {
            Way::Poll => Self::Answer,
            Way::Sse if is_chunked => Self::ChunkedEvents,
            Way::Sse => Self::Events,
            Way::Ws => Self::Frames,
        }
    }
}
