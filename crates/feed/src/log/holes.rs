//! Holes in the numbering: offsets that an engine may have given to events which it has lost since.

use crate::{Log, Offset};

/// Offsets, both included, that no event has: the engine may have given them to events that it has lost since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The first of them.
    pub from: Offset,
    /// The last of them.
    pub to: Offset,
}

impl<P> Log<P> {
    /// The hole that this offset is in.
    pub(super) fn hole_at(&self, offset: Offset) -> Option<Hole> {
        self.holes.iter().copied().find(|hole| (hole.from..=hole.to).contains(&offset))
    }

    /// How many offsets between the oldest event and this one no event has.
    pub(super) fn missing_before(&self, offset: Offset) -> u64 {
        let first = self.first();
        let behind_first = self.holes.iter().filter(|hole| hole.from > first && hole.from < offset);
        behind_first.map(|hole| hole.to.0.min(offset.0 - 1) - hole.from.0 + 1).sum()
    }

    /// The end of what can be read at once: `upto`, or what stands before the next hole.
    pub(super) fn before_next_hole(&self, after: Offset, upto: Offset) -> Offset {
        let next = self.holes.iter().find(|hole| hole.from > after && hole.from <= upto);
        next.map_or(upto, |hole| Offset(hole.from.0 - 1))
    }
}
