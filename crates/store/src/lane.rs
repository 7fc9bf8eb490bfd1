//! What the store knows of one namespace while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tricast_feed::{Epoch, Hole, Millis, Namespace, Offset};
use tricast_hub::{Feed, Memory};

use crate::record::{Remembered, State};
use crate::reserve::Reserved;

/// Offsets that are reserved at once, at least.
const BLOCK_MIN: u64 = 4096;

/// Offsets that are reserved at once, at most, but for a batch that is larger.
const BLOCK_MAX: u64 = 1 << 20;

/// Reservations that follow each other faster than this grow.
const BLOCK_LASTS: Millis = Millis(500);

/// One namespace.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) namespace: Namespace,
    pub(crate) epoch: Epoch,
    /// Where the numbering of this run began.
    base: Offset,
    holes: Vec<Hole>,
    inner: Mutex<Inner>,
}

/// What changes of it.
#[derive(Debug)]
pub(crate) struct Inner {
    /// The newest offset that was given out.
    pub(crate) last: Offset,
    /// The newest offset that is on disk.
    pub(crate) durable: Offset,
    /// The time of the newest event.
    pub(crate) time: Millis,
    /// No offset above this may be given out.
    pub(crate) ceiling: Offset,
    /// The ceiling that somebody needs.
    wanted: Offset,
    /// Whether `reserve` names the namespace.
    pub(crate) is_known: bool,
    block: u64,
    reserved_at: Millis,
    pub(crate) memory: Memory,
    pub(crate) feed: Option<Arc<Feed>>,
}

impl Lane {
    /// A namespace that goes on at `last`, where offsets up to `ceiling` are reserved already.
    pub(crate) fn new(
        namespace: Namespace,
        epoch: Epoch,
        holes: Vec<Hole>,
        (last, time, ceiling): (Offset, Millis, Offset),
        keys: Vec<Remembered>,
    ) -> Self {
        let mut memory = Memory::default();
        for key in keys {
            memory.keep(key.key, key.fingerprint, key.first, key.count as usize, key.time);
        }
        let inner = Inner {
            last,
            durable: last,
            time,
            ceiling: ceiling.max(last),
            wanted: Offset::ZERO,
            is_known: false,
            block: BLOCK_MIN,
            reserved_at: Millis(0),
            memory,
            feed: None,
        };
        Self { namespace, epoch, base: last, holes, inner: Mutex::new(inner) }
    }

    /// Locks what changes. Every critical section leaves it whole.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the head of a segment says of it.
    pub(crate) fn state(&self) -> State {
        let inner = self.lock();
        let (last, floor) = (inner.durable, inner.floor(inner.durable));
        drop(inner);
        State { namespace: self.namespace.clone(), epoch: self.epoch, last, floor, holes: self.holes.clone() }
    }

    /// The oldest retained offset, which is at most the one behind the newest on disk.
    pub(crate) fn floor(&self) -> Offset {
        let inner = self.lock();
        inner.floor(inner.durable)
    }

    /// What `reserve` says of it, with the ceiling that it is to have.
    pub(crate) fn reserved(&self, ceiling: Offset) -> Reserved {
        Reserved { epoch: self.epoch, base: self.base, ceiling }
    }
}

impl Inner {
    fn floor(&self, durable: Offset) -> Offset {
        // Nobody uses a namespace without a feed; all of it stays for when somebody does.
        self.feed.as_ref().map_or(Offset(1), |feed| feed.first().min(durable.next()))
    }

    /// Asks for room for so many more offsets. True if there is some now.
    pub(crate) fn has_room(&mut self, count: usize) -> bool {
        let needed = Offset(self.last.0 + count as u64);
        if needed > self.ceiling {
            self.wanted = self.wanted.max(needed);
            return false;
        }
        true
    }

    /// Whether a new ceiling is due: somebody waits for it, or will soon.
    pub(crate) fn wants_ceiling(&self) -> bool {
        let left = self.ceiling.0 - self.last.0;
        // While nothing was reserved by this run, nothing was given out either.
        self.wanted > self.ceiling || (self.reserved_at > Millis(0) && left < self.block / 2)
    }

    /// The ceiling that is due now.
    pub(crate) fn next_ceiling(&mut self, now: Millis) -> Offset {
        let fast = now.since(self.reserved_at) < BLOCK_LASTS;
        self.block = if fast { (self.block * 2).min(BLOCK_MAX) } else { BLOCK_MIN };
        self.reserved_at = now;
        Offset(self.last.max(self.wanted).0 + self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_with_the_pace_and_hold_the_largest_batch() {
        let start = (Offset(10), Millis(0), Offset(10));
        let lane = Lane::new(Namespace::new("a").unwrap(), Epoch::from_random(1), vec![], start, vec![]);
        let mut inner = lane.lock();
        assert!(!inner.wants_ceiling());
        assert!(!inner.has_room(1) && inner.wants_ceiling());
        assert_eq!(inner.next_ceiling(Millis(10_000)), Offset(11 + BLOCK_MIN));
        assert_eq!(inner.next_ceiling(Millis(10_001)), Offset(11 + 2 * BLOCK_MIN));
        assert!(!inner.has_room(100_000));
        assert_eq!(inner.next_ceiling(Millis(20_000)), Offset(100_010 + BLOCK_MIN));
        inner.ceiling = Offset(100_010 + BLOCK_MIN);
        assert!(inner.has_room(100_000) && !inner.wants_ceiling());
        inner.last = Offset(100_010 + BLOCK_MIN / 2 + 1);
        assert!(inner.wants_ceiling(), "soon");
    }
}
