//! What one subscriber received, by our own numbers: which came, which came twice or late, which were told as lost.

use std::collections::BTreeSet;

use crate::result::Integrity;

/// Numbers that are remembered one by one because they have not come.
const HOLES_MAX: usize = 200_000;

/// One subscriber's ledger. Its places are 1, 2, 3 and so on, whatever the numbers of the events that it is to get.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last: u64,
    received: u64,
    holes: BTreeSet<u64>,
    duplicated: u64,
    late: u64,
    negative: u64,
    foreign: u64,
    /// Events of which it was told that they will not come.
    pub(super) told_lost: u64,
}

impl Ledger {
    /// Enters the event of a place; whether it had not come before.
    pub(super) fn enter(&mut self, place: u64, intended_us: u64, now_us: u64) -> bool {
        self.negative += u64::from(intended_us > now_us);
        if place > self.last {
            let room = HOLES_MAX.saturating_sub(self.holes.len());
            self.holes.extend((self.last + 1..place).take(room));
            self.last = place;
            self.received += 1;
            return true;
        }
        let late = self.holes.remove(&place);
        self.late += u64::from(late);
        self.duplicated += u64::from(!late);
        self.received += u64::from(late);
        late
    }

    /// What did not come so far counts as if it had: the stream may have stood only after it.
    pub(super) fn begin_here(&mut self) {
        self.received = self.last;
        self.holes.clear();
    }

    /// Something came that is not ours, or not for this subscriber.
    pub(super) fn stranger(&mut self) {
        self.foreign += 1;
    }

    /// The highest place that came.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Places that came, once each.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether all of so many are here or told.
    pub(super) fn has(&self, due: u64) -> bool {
        self.received + self.told_lost >= due
    }

    /// Adds this subscriber to an account; `due` events were for it. Order counts where the publishers kept one.
    pub(super) fn add_to(&self, account: &mut Integrity, due: u64, ordered: bool) {
        account.expected += due.saturating_sub(self.told_lost.min(due - self.received.min(due)));
        account.received += self.received;
        account.lost += due.saturating_sub(self.received + self.told_lost);
        account.duplicated += self.duplicated;
        account.out_of_order += if ordered { self.late } else { 0 };
        account.negative += self.negative;
        account.foreign += self.foreign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(places: &[u64], told: u64, due: u64) -> Integrity {
        let mut ledger = Ledger { told_lost: told, ..Ledger::default() };
        for place in places {
            ledger.enter(*place, 1, 2);
        }
        let mut account = Integrity { published: due, ..Integrity::default() };
        ledger.add_to(&mut account, due, true);
        account
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(account(&[1, 2, 3], 0, 3).faults(), Vec::<String>::new());
        assert_eq!(account(&[1, 3], 0, 3).faults(), ["1 lost"]);
        assert_eq!(account(&[1, 3], 1, 3).faults(), Vec::<String>::new(), "it was told");
        assert_eq!(account(&[1, 1, 2, 3], 0, 3).faults(), ["1 duplicated"]);
        assert_eq!(account(&[1, 3, 2], 0, 3).faults(), ["1 out of order"]);
        assert_eq!(account(&[], 0, 3).faults(), ["3 lost"]);
    }
}
