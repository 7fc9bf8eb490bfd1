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
