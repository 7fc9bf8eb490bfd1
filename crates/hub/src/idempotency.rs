//! Remembers the answers to publishes that carry an idempotency key.

use std::collections::{HashMap, VecDeque};

use tricast_feed::{Millis, Offset};

use crate::IdempotencyKey;

#[derive(Debug, Clone, Copy)]
struct Remembered {
    fingerprint: u64,
    first: Offset,
    count: usize,
    at: Millis,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: append.
    No,
    /// The same publish was answered so.
    Same(Offset, usize),
    /// The key was used for something else.
    Other,
}

/// The keys of one namespace, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    by_key: HashMap<IdempotencyKey, Remembered>,
    in_order: VecDeque<IdempotencyKey>,
}

impl Memory {
    pub(crate) fn look(&self, key: &IdempotencyKey, fingerprint: u64) -> Known {
        match self.by_key.get(key) {
            None => Known::No,
            Some(found) if found.fingerprint == fingerprint => Known::Same(found.first, found.count),
            Some(_) => Known::Other,
        }
    }

    pub(crate) fn keep(
        &mut self,
        key: IdempotencyKey,
        fingerprint: u64,
        first: Offset,
        count: usize,
        at: Millis,
    ) {
        self.in_order.push_back(key.clone());
        self.by_key.insert(key, Remembered { fingerprint, first, count, at });
    }

    /// Forgets what is older than the window or too much.
    pub(crate) fn forget(&mut self, now: Millis, window: Millis, keys_max: usize) {
        while let Some(oldest) = self.in_order.front() {
            let aged = self.by_key.get(oldest).is_none_or(|kept| now.since(kept.at) > window);
            if !aged && self.in_order.len() <= keys_max {
                return;
            }
            if let Some(gone) = self.in_order.pop_front() {
                self.by_key.remove(&gone);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_for_its_window_and_its_body() {
        let key = |name: &str| IdempotencyKey::new(name).unwrap();
        let mut memory = Memory::default();
        memory.keep(key("a"), 1, Offset(5), 2, Millis(0));
        assert_eq!(memory.look(&key("a"), 1), Known::Same(Offset(5), 2));
        assert_eq!(memory.look(&key("a"), 2), Known::Other);
        assert_eq!(memory.look(&key("b"), 1), Known::No);
        memory.forget(Millis(100), Millis(100), 10);
        assert_eq!(memory.look(&key("a"), 1), Known::Same(Offset(5), 2));
        memory.forget(Millis(101), Millis(100), 10);
        assert_eq!(memory.look(&key("a"), 1), Known::No);
        for (place, name) in ["x", "y", "z"].into_iter().enumerate() {
            memory.keep(key(name), 1, Offset(place as u64), 1, Millis(200));
        }
        memory.forget(Millis(200), Millis(100), 2);
        assert_eq!(memory.look(&key("x"), 1), Known::No);
        assert_ne!(memory.look(&key("y"), 1), Known::No);
    }
}
