//! What a reader gets that lags further than it may: nothing of what it missed, or the newest of it. Either way it is
//! told what falls away.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{ConflationKey, Entry, Gap, GapReason, Interest, Log, Millis, Offset, Read, ReadLimit};

/// How far a reader may be behind. A bound that is `None` does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Events of its own that it has not read.
    pub events_max: Option<u64>,
    /// Bytes of these.
    pub bytes_max: Option<u64>,
    /// Age of the oldest of these.
    pub age_max: Option<Millis>,
}

impl Lag {
    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }
}

/// What is left of a reader's events when only the newest of each key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conflation {
    /// Events that fell away for a newer one of their key.
    pub conflated: u64,
    /// Events that fell away because even the rest was too much.
    pub skipped: u64,
}

impl<P> Log<P> {
    /// Whether a reader that stands at `after` is further behind `upto` than it may be.
    ///
    /// The cost is bounded by what it may have: the look stops at the first event too many.
    #[must_use]
    pub fn lags(&self, after: Offset, upto: Offset, interest: &Interest, lag: Lag, now: Millis) -> bool {
        let is_near = lag.events_max.is_some_and(|most| upto.0.saturating_sub(after.0) <= most);
        if lag.is_free() || (is_near && lag.bytes_max.is_none() && lag.age_max.is_none()) {
            return false;
        }
        let (mut events, mut bytes) = (0, 0);
        self.own(after, upto, interest).any(|entry| {
            events += 1;
            bytes += entry.size as u64;
            lag.events_max.is_some_and(|most| events > most)
                || lag.bytes_max.is_some_and(|most| bytes > most)
                || (events == 1 && lag.age_max.is_some_and(|most| now.since(entry.time) > most))
        })
    }

    /// Leaves out everything up to `upto`, and tells so.
    #[must_use]
    pub fn skip(&self, after: Offset, upto: Offset) -> Read<P> {
        let upto = upto.min(self.last).max(after);
        let gap = Gap { from: after.next(), to: upto, reason: GapReason::Slow };
        Read { entries: Vec::new(), after, upto, gaps: if upto > after { vec![gap] } else { vec![] } }
    }

    /// Reads as [`Log::read`] does, but of several events with one key only the newest; and of what is left, no more
    /// than `lag` allows, the newest again. What falls away is told as gaps from the first offset to the last.
    #[must_use]
    pub fn read_newest(
        &self,
        after: Offset,
        upto: Offset,
        interest: &Interest,
        lag: Lag,
        limit: ReadLimit,
    ) -> (Read<P>, Conflation) {
        let upto = upto.min(self.last);
        let mut newest: HashMap<&ConflationKey, Offset> = HashMap::new();
        for entry in self.own(after, upto, interest) {
            if let Some(key) = &entry.key {
                newest.insert(key, entry.offset);
            }
        }
        let is_newest =
            |entry: &Entry<P>| entry.key.as_ref().is_none_or(|key| newest.get(key) == Some(&entry.offset));
        let kept = || self.own(after, upto, interest).filter(|entry| is_newest(entry));
        let mut surplus = Surplus::over(lag, kept().map(|entry| entry.size as u64));
        let front = self.front_gap(after, upto);
        let from = front.map_or(after, |gap| gap.to.max(after));
        let upto = self.before_next_hole(from, upto);
        let gaps = front.into_iter().collect();
        let mut read = Read { entries: Vec::new(), after, upto, gaps };
        let (mut fallen, mut bytes) = (Conflation::default(), 0);
        for entry in self.own(after, upto, interest) {
            let reason = if !is_newest(entry) {
                GapReason::Conflated
            } else if surplus.takes(entry.size as u64) {
                GapReason::Slow
            } else {
                let is_full = read.entries.len() >= limit.events
                    || (bytes + entry.size > limit.bytes && !read.entries.is_empty());
                if is_full {
                    read.upto = Offset(entry.offset.0 - 1);
                    break;
                }
                bytes += entry.size;
                read.entries.push(Arc::clone(entry));
                continue;
            };
            match reason {
                GapReason::Conflated => fallen.conflated += 1,
                _ => fallen.skipped += 1,
            }
            tell_fallen(&mut read, entry.offset, reason);
        }
        (read, fallen)
    }
}

/// Tells that an event falls away, as part of the newest gap where nothing lies between.
fn tell_fallen<P>(read: &mut Read<P>, offset: Offset, reason: GapReason) {
    let newest_event = read.entries.last().map_or(Offset::ZERO, |entry| entry.offset);
    match read.gaps.last_mut() {
        Some(gap) if gap.reason == reason && gap.from > newest_event => gap.to = offset,
        _ => read.gaps.push(Gap { from: offset, to: offset, reason }),
    }
}

/// What must fall away from the front so that the rest is no more than a reader may be behind.
struct Surplus {
    events: u64,
    bytes: u64,
}

impl Surplus {
    fn over(lag: Lag, sizes: impl Iterator<Item = u64>) -> Self {
        let (mut events, mut bytes) = (0_u64, 0_u64);
        sizes.for_each(|size| {
            events += 1;
            bytes += size;
        });
        Self {
            events: lag.events_max.map_or(0, |most| events.saturating_sub(most)),
            bytes: lag.bytes_max.map_or(0, |most| bytes.saturating_sub(most)),
        }
    }

    fn takes(&mut self, size: u64) -> bool {
        let takes = self.events > 0 || self.bytes > 0;
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Addressing, Epoch, Member, Piece, Retention, RoomSet};

    const LIMIT: ReadLimit = ReadLimit { events: 100, bytes: 1000 };

    /// A log of broadcasts of one byte each, one for each letter: its key, or none for a dot.
    fn log(keys: &str) -> Log<()> {
        let mut log = Log::new(Epoch::from_random(1), Retention::default());
        for (place, key) in keys.chars().enumerate() {
            let key = (key != '.').then(|| ConflationKey::new(&key.to_string()).unwrap());
            log.append(Millis(place as u64), Addressing::default(), key, |_, _| ((), 1));
        }
        log
    }

    fn interest() -> Interest {
        Interest::of(Member(1), RoomSet::default())
    }

    /// Events by offset, gaps as `from..to` with the first letter of their reason.
    fn shown(read: &Read<()>) -> String {
        let piece = |piece| match piece {
            Piece::Event(entry) => entry.offset.to_string(),
            Piece::Gap(gap) => format!("{}..{}{}", gap.from, gap.to, &gap.reason.name()[..1]),
        };
        read.pieces().map(piece).collect::<Vec<_>>().join(" ")
    }

    fn check(keys: &str, events_max: Option<u64>, limit: ReadLimit, expected: &str) {
        let lag = Lag { events_max, ..Lag::default() };
        let log = log(keys);
        let (read, fallen) = log.read_newest(Offset::ZERO, log.last(), &interest(), lag, limit);
        assert_eq!(shown(&read), expected, "{keys}");
        let told: u64 = read.gaps.iter().map(|gap| gap.to.0 - gap.from.0 + 1).sum();
        assert_eq!(told, fallen.conflated + fallen.skipped, "here every event is the reader's own");
    }

    #[test]
    fn only_the_newest_of_each_key_is_left() {
        check("aaba", None, LIMIT, "1..2c 3 4");
        check("a.a.b", None, LIMIT, "1..1c 2 3 4 5");
        check("abcabc", None, LIMIT, "1..3c 4 5 6");
        check("....", Some(2), LIMIT, "1..2s 3 4");
        check("ab.a.", Some(3), LIMIT, "1..1c 2..2s 3 4 5");
    }

    #[test]
    fn a_read_that_is_full_goes_on_where_it_stopped() {
        check("aabbcc", None, ReadLimit { events: 2, bytes: 100 }, "1..1c 2 3..3c 4 5..5c");
        check("aabbcc", None, ReadLimit { events: 9, bytes: 1 }, "1..1c 2 3..3c");
    }

    #[test]
    fn every_bound_of_the_lag_holds_alone() {
        let log = log("......");
        let lags = |lag, upto| log.lags(Offset(1), Offset(upto), &interest(), lag, Millis(100));
        let events = Lag { events_max: Some(3), ..Lag::default() };
        assert!(!lags(events, 4) && lags(events, 5));
        let bytes = Lag { bytes_max: Some(3), ..Lag::default() };
        assert!(!lags(bytes, 4) && lags(bytes, 5));
        let age = |most| Lag { age_max: Some(Millis(most)), ..Lag::default() };
        assert!(!lags(age(99), 6) && lags(age(98), 6) && !lags(age(1), 1));
        assert!(!lags(Lag::default(), 6));
    }

    #[test]
    fn a_skip_names_its_range() {
        let log = log("....");
        assert_eq!(shown(&log.skip(Offset(1), Offset(3))), "2..3s");
        assert!(log.skip(Offset(4), Offset(9)).is_empty());
    }
}
