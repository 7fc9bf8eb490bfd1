//! Remembers the answers to publishes that carry an idempotency key.

use std::collections::{HashMap, VecDeque};

use tricast_feed::{Draft, Millis, Offset};

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
pub enum Known {
    /// Nothing: append.
    No,
    /// The same publish was answered so.
    Same(Offset, usize),
    /// The key was used for something else.
    Other,
}

/// The keys of one namespace, oldest first.
#[derive(Debug, Default)]
pub struct Memory {
    by_key: HashMap<IdempotencyKey, Remembered>,
    in_order: VecDeque<IdempotencyKey>,
}

impl Memory {
    /// What is known of this key, for a publish with this [`fingerprint`].
    #[must_use]
    pub fn look(&self, key: &IdempotencyKey, fingerprint: u64) -> Known {
        match self.by_key.get(key) {
            None => Known::No,
            Some(found) if found.fingerprint == fingerprint => Known::Same(found.first, found.count),
            Some(_) => Known::Other,
        }
    }

    /// Remembers the answer to a publish: its first offset and how many events it has.
    pub fn keep(&mut self, key: IdempotencyKey, fingerprint: u64, first: Offset, count: usize, at: Millis) {
        self.in_order.push_back(key.clone());
        self.by_key.insert(key, Remembered { fingerprint, first, count, at });
    }

    /// Forgets what is older than the window or too much.
    pub fn forget(&mut self, now: Millis, window: Millis, keys_max: usize) {
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

/// Tells two publishes apart, the same in every version of the program (FNV-1a of 64 bits). It guards a client against
/// its own mistake, not against an attack.
#[must_use]
pub fn fingerprint(drafts: &[Draft]) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for draft in drafts {
        hash.text(draft.kind.as_str().as_bytes());
        hash.number(draft.addressing.rooms.len() as u128);
        draft.addressing.rooms.iter().for_each(|room| hash.text(room.as_str().as_bytes()));
        for session in [draft.addressing.except, draft.addressing.to] {
            hash.number(u128::from(session.is_some()));
            hash.number(session.map_or(0, |session| session.0));
        }
        hash.text(draft.key.as_ref().map_or(b"", |key| key.as_str().as_bytes()));
        hash.text(&draft.data);
    }
    hash.0
}

struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u128) {
        self.bytes(&number.to_le_bytes());
    }

    /// The length goes first, so that what ends one text cannot begin the next.
    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u128);
        self.bytes(text);
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
