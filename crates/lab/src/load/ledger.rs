//! The ledger of one subscriber: which offsets came, and which did not. A fresh namespace starts at offset 1 and has no
//! holes, so that a subscriber that was there from the start must see 1, 2, 3 and so on.

use std::collections::BTreeSet;

use super::event::Sighting;
use crate::result::Integrity;

/// Holes that are remembered one by one, to tell a late event from a second one.
const HOLES_MAX: usize = 100_000;

/// What one subscriber received.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    epoch: Option<[u8; 8]>,
    last: u64,
    received: u64,
    holes: BTreeSet<u64>,
    duplicated: u64,
    out_of_order: u64,
    negative: u64,
    foreign: u64,
    ended: bool,
}

impl Ledger {
    /// Enters an event, seen at `now_us`; whether it counts as a delivery.
    pub(crate) fn enter(&mut self, sighting: Option<&Sighting>, now_us: u64) -> bool {
        let Some(sighting) = sighting else {
            self.foreign += 1;
            return false;
        };
        if *self.epoch.get_or_insert(sighting.epoch) != sighting.epoch {
            self.foreign += 1;
            return false;
        }
        self.negative += u64::from(sighting.intended_us > now_us);
        let fresh = self.place(sighting.offset);
        self.received += u64::from(fresh);
        fresh
    }

    fn place(&mut self, offset: u64) -> bool {
        if offset > self.last {
            let room = HOLES_MAX.saturating_sub(self.holes.len());
            self.holes.extend((self.last + 1..offset).take(room));
            self.last = offset;
            return true;
        }
        let late = self.holes.remove(&offset);
        self.out_of_order += u64::from(late);
        self.duplicated += u64::from(!late);
        late
    }

    /// Notes that the stream ended, which it should not.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the stream ended.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// The largest offset that came; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Adds this subscriber to a visit's account of `published` events.
    pub(crate) fn add_to(&self, account: &mut Integrity) {
        account.expected += account.published;
        account.received += self.received;
        account.lost += account.published.saturating_sub(self.received);
        account.duplicated += self.duplicated;
        account.out_of_order += self.out_of_order;
        account.negative += self.negative;
        account.foreign += self.foreign;
        account.ended += u64::from(self.ended);
    }
}

impl Integrity {
    /// Why a visit is void; empty where published times subscribers arrived, once, in order, at a time that can be.
    pub fn faults(&self) -> Vec<String> {
        let counts = [
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("out of order", self.out_of_order),
            ("received before their time", self.negative),
            ("unreadable or of another epoch", self.foreign),
            ("streams ended", self.ended),
            ("publish requests refused", self.refused),
            ("ticks missed", self.missed_ticks),
        ];
        let told =
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}"));
        let mut faults: Vec<String> = told.collect();
        if faults.is_empty() && self.received != self.expected {
            faults.push(format!("{} received, but {} expected", self.received, self.expected));
        }
        if self.published == 0 {
            faults.push("nothing was published".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(offset: u64) -> Sighting {
        Sighting { epoch: *b"abcdefgh", offset, intended_us: 100, sent_us: 100 }
    }

    fn check(offsets: &[u64], published: u64, faults: &[&str]) {
        let mut ledger = Ledger::default();
        for offset in offsets {
            ledger.enter(Some(&seen(*offset)), 200);
        }
        let mut account = Integrity { published, ..Integrity::default() };
        ledger.add_to(&mut account);
        assert_eq!(account.faults(), faults, "{offsets:?}");
    }

    #[test]
    fn what_is_whole_and_in_order_passes() {
        check(&[1, 2, 3], 3, &[]);
    }

    #[test]
    fn loss_duplicates_and_order_make_a_visit_void() {
        check(&[1, 3], 3, &["1 lost"]);
        check(&[1, 2], 3, &["1 lost"]);
        check(&[2, 3], 3, &["1 lost"]);
        check(&[1, 2, 2, 3], 3, &["1 duplicated"]);
        check(&[1, 2, 3, 1], 3, &["1 duplicated"]);
        check(&[1, 3, 2], 3, &["1 out of order"]);
        check(&[1, 2, 3, 4], 3, &["4 received, but 3 expected"]);
        check(&[], 0, &["nothing was published"]);
    }

    #[test]
    fn times_that_cannot_be_and_strangers_make_a_visit_void() {
        let mut ledger = Ledger::default();
        ledger.enter(Some(&seen(1)), 99);
        ledger.enter(None, 200);
        ledger.enter(Some(&Sighting { epoch: *b"hgfedcba", ..seen(2) }), 200);
        ledger.end();
        let mut account = Integrity { published: 1, refused: 2, missed_ticks: 3, ..Integrity::default() };
        ledger.add_to(&mut account);
        let faults = account.faults();
        assert_eq!(
            faults,
            [
                "1 received before their time",
                "2 unreadable or of another epoch",
                "1 streams ended",
                "2 publish requests refused",
                "3 ticks missed"
            ]
        );
    }
}
