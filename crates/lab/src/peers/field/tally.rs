//! What one subscriber received: from its first event on, every number must come once and in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::peers::wire::Sighting;

/// One subscriber's count.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    first: u64,
    last: u64,
    received: u64,
    skipped: u64,
    again: u64,
    early: u64,
    foreign: u64,
    pub(super) ended: bool,
}

/// What a visit's subscribers received against what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Events published.
    pub published: u64,
    /// Events that the server refused.
    pub refused: u64,
    /// Deliveries that were due: each subscriber's events from its first on.
    pub expected: u64,
    /// Deliveries, once each.
    pub received: u64,
    /// Events that a subscriber never got.
    pub lost: u64,
    /// Events that came twice, or after a later one.
    pub repeated_or_late: u64,
    /// Events received before their intended time.
    pub early: u64,
    /// Events that could not be read.
    pub foreign: u64,
    /// Streams that ended.
    pub ended: u64,
}

impl Tally {
    /// Enters an event seen at `now_us`; whether it is a delivery.
    pub(crate) fn enter(&mut self, sighting: Option<Sighting>, now_us: u64) -> bool {
        let Some(Sighting { number, intended_us }) = sighting else {
            self.foreign += 1;
            return false;
        };
        self.early += u64::from(intended_us > now_us);
        if number <= self.last {
            self.again += 1;
            return false;
        }
        if self.first == 0 {
            self.first = number;
        } else {
            self.skipped += number - self.last - 1;
        }
        self.last = number;
        self.received += 1;
        true
    }

    /// The number that comes next, where the stream itself tells none.
    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }

    /// Adds this subscriber to a visit's account of `published` events.
    pub(crate) fn add_to(&self, account: &mut Account) {
        if self.first > 0 {
            account.expected += (account.published + 1).saturating_sub(self.first);
            account.lost += self.skipped + account.published.saturating_sub(self.last);
        }
        account.received += self.received;
        account.repeated_or_late += self.again;
        account.early += self.early;
        account.foreign += self.foreign;
        account.ended += u64::from(self.ended);
    }
}

impl Account {
    /// Why nothing may be drawn from a visit; empty where every event arrived everywhere, once and in order.
    pub fn faults(&self) -> Vec<String> {
        let counts = [
            ("lost", self.lost),
            ("doubled or out of order", self.repeated_or_late),
            ("received before their time", self.early),
            ("unreadable", self.foreign),
            ("streams ended", self.ended),
            ("events refused", self.refused),
        ];
        let told =
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}"));
        let mut faults: Vec<String> = told.collect();
        if faults.is_empty() && self.received != self.expected {
            faults.push(format!("{} received, but {} expected", self.received, self.expected));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &[u64], published: u64, faults: &[&str]) {
        let mut tally = Tally::default();
        for &number in numbers {
            tally.enter(Some(Sighting { number, intended_us: 100 }), 200);
        }
        let mut account = Account { published, ..Account::default() };
        tally.add_to(&mut account);
        assert_eq!(account.faults(), faults, "{numbers:?} of {published}");
    }

    #[test]
    fn everything_from_the_first_on_counts() {
        check(&[1, 2, 3], 3, &[]);
        check(&[3, 4], 4, &[]);
        check(&[1, 3], 3, &["1 lost"]);
        check(&[1, 2], 4, &["2 lost"]);
        check(&[1, 2, 2, 3], 3, &["1 doubled or out of order"]);
        check(&[1, 3, 2], 3, &["1 lost", "1 doubled or out of order"]);
        check(&[1, 2, 3], 2, &["3 received, but 2 expected"]);
    }

    #[test]
    fn times_that_cannot_be_and_strangers_are_faults() {
        let mut tally = Tally::default();
        tally.enter(Some(Sighting { number: 1, intended_us: 300 }), 200);
        tally.enter(None, 200);
        tally.ended = true;
        let mut account = Account { published: 1, refused: 1, ..Account::default() };
        tally.add_to(&mut account);
        let faults = ["1 received before their time", "1 unreadable", "1 streams ended", "1 events refused"];
        assert_eq!(account.faults(), faults);
    }
}
