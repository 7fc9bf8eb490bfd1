//! The balance: what subscribers were owed, against what became of it.
//!
//! Two ways of counting meet here. What is *owed* is counted when a pass plans: by the audiences that an event reaches,
//! and the members these have. What became of it is counted where it happens: delivered, skipped, conflated, or given
//! back by a subscriber that leaves. A subscriber that has caught up owes nothing any more; where the two counts differ
//! then, something was lost or doubled, and the difference is kept as [`Tally::imbalance`], which must be zero.
//!
//! Nothing here is shared: each worker keeps its own, and they are added when somebody asks.

use crate::Way;

/// One transport's part of the balance of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Events times their audience.
    pub owed: u64,
    /// Handed to a connection or put into an answer.
    pub delivered: u64,
    /// Of these, read from the history after a resume or between two polls.
    pub replayed: u64,
    /// Told as a gap: not delivered because the subscriber was slow, or the history too short.
    pub skipped: u64,
    /// Told as a gap: a newer event of the same key came instead.
    pub conflated: u64,
    /// Given back by subscribers that left or changed their rooms before they had it: their sessions resume it.
    pub returned: u64,
    /// Not delivered yet.
    pub pending: u64,
    /// What is missing or too much; must be zero.
    pub imbalance: u64,
}

impl Tally {
    /// What does not add up: owed against its parts, and what single subscribers showed.
    #[must_use]
    pub fn fault(&self) -> u64 {
        let parts = self.delivered + self.skipped + self.conflated + self.returned + self.pending;
        self.imbalance + self.owed.abs_diff(parts)
    }

    fn add(&mut self, other: &Self) {
        self.owed += other.owed;
        self.delivered += other.delivered;
        self.replayed += other.replayed;
        self.skipped += other.skipped;
        self.conflated += other.conflated;
        self.returned += other.returned;
        self.pending += other.pending;
        self.imbalance += other.imbalance;
    }
}

/// The balance of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Events that were ever published in this life of the log.
    pub published: u64,
    /// By transport, in the order of [`Way::ALL`].
    pub ways: [Tally; 3],
}

impl Balance {
    /// The part of a transport.
    #[must_use]
    pub fn of(&self, way: Way) -> &Tally {
        &self.ways[way.index()]
    }

    /// What does not add up, over all transports; must be zero.
    #[must_use]
    pub fn fault(&self) -> u64 {
        self.ways.iter().map(Tally::fault).sum()
    }

    pub(crate) fn add(&mut self, ways: &[Tally; 3]) {
        self.ways.iter_mut().zip(ways).for_each(|(mine, other)| mine.add(other));
    }
}

/// What one subscriber is owed, as far as that is counted: from the moment on when it has been live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Debt(u32);

/// What became of events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fate {
    pub(crate) delivered: u64,
    pub(crate) skipped: u64,
    pub(crate) conflated: u64,
}

impl Fate {
    fn all(self) -> u64 {
        self.delivered + self.skipped + self.conflated
    }
}

impl Debt {
    /// It is not counted yet.
    pub(crate) const UNCOUNTED: Self = Self(u32::MAX);

    pub(crate) fn is_counted(self) -> bool {
        self != Self::UNCOUNTED
    }

    pub(crate) fn open(self) -> u64 {
        if self.is_counted() { u64::from(self.0) } else { 0 }
    }

    /// A pass has so many more for it.
    pub(crate) fn grow(&mut self, count: u64, tally: &mut Tally) {
        if !self.is_counted() {
            return;
        }
        match u32::try_from(self.open() + count).ok().filter(|open| *open < u32::MAX) {
            Some(open) => {
                self.0 = open;
                tally.owed += count;
            }
            // Four thousand million events behind: it is counted again when it is live again.
            None => self.give_back(tally),
        }
    }

    /// So many of them are settled.
    pub(crate) fn settle(&mut self, fate: Fate, tally: &mut Tally) {
        tally.delivered += fate.delivered;
        tally.skipped += fate.skipped;
        tally.conflated += fate.conflated;
        if !self.is_counted() {
            tally.owed += fate.all();
            tally.replayed += fate.delivered;
            return;
        }
        match self.open().checked_sub(fate.all()) {
            Some(open) => self.0 = u32::try_from(open).unwrap_or(u32::MAX - 1),
            None => {
                // More came than was owed.
                let surplus = fate.all() - self.open();
                tally.imbalance += surplus;
                tally.owed += surplus;
                self.0 = 0;
            }
        }
    }

    /// It has caught up: from now on it is counted, and nothing can be open. Gives what is missing.
    pub(crate) fn caught_up(&mut self, tally: &mut Tally) -> u64 {
        let missing = self.open();
        tally.imbalance += missing;
        tally.owed -= missing;
        self.0 = 0;
        missing
    }

    /// It leaves, or wants something else: what is open is nobody's any more.
    pub(crate) fn give_back(&mut self, tally: &mut Tally) {
        tally.returned += self.open();
        *self = Self::UNCOUNTED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(delivered: u64) -> Fate {
        Fate { delivered, ..Fate::default() }
    }

    #[test]
    fn what_is_settled_balances() {
        let (mut debt, mut tally) = (Debt::UNCOUNTED, Tally::default());
        debt.settle(delivered(5), &mut tally);
        assert_eq!(debt.caught_up(&mut tally), 0);
        debt.grow(7, &mut tally);
        debt.settle(delivered(3), &mut tally);
        debt.settle(Fate { skipped: 1, conflated: 1, ..Fate::default() }, &mut tally);
        tally.pending = debt.open();
        assert_eq!((tally.owed, tally.pending, tally.replayed, tally.fault()), (12, 2, 5, 0));
        debt.give_back(&mut tally);
        tally.pending = debt.open();
        assert_eq!((tally.returned, tally.fault()), (2, 0));
    }

    #[test]
    fn what_is_lost_or_doubled_shows() {
        let (mut debt, mut tally) = (Debt::UNCOUNTED, Tally::default());
        debt.caught_up(&mut tally);
        debt.grow(2, &mut tally);
        debt.settle(delivered(1), &mut tally);
        assert_eq!(debt.caught_up(&mut tally), 1);
        assert_eq!(tally.fault(), 1, "one was lost");
        debt.grow(1, &mut tally);
        debt.settle(delivered(2), &mut tally);
        assert_eq!(tally.fault(), 2, "and one came twice");
    }
}
