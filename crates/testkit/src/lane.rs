//! The three transports by name.

use std::fmt;

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Long polling.
    Poll,
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    Ws,
}

impl Lane {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Sse, Self::Ws];

    /// The last part of its path, and its name in the state of a namespace.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sse => "sse",
            Self::Ws => "ws",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
