//! What a subscriber will not get.

use crate::Offset;

/// Why offsets will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The subscriber did not keep up.
    Slow,
    /// The history no longer holds them.
    Expired,
    /// A newer event of the same key took their place.
    Conflated,
    /// The engine lost them.
    Engine,
}

impl GapReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Slow, Self::Expired, Self::Conflated, Self::Engine];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Conflated => "conflated",
            Self::Engine => "engine",
        }
    }
}

/// Offsets, both ends included, that will not come: those among them that were the reader's own, it has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first of them.
    pub from: Offset,
    /// The last of them.
    pub to: Offset,
    /// Why.
    pub reason: GapReason,
}
