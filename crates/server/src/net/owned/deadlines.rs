//! When something is due on a connection: an answer to a poll, or its end.
//!
//! A connection moves its deadline with every request, and has one alarm in the queue all the same: an alarm that goes
//! off early is set again for the deadline of then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The alarms of a worker, in milliseconds since its start.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BinaryHeap<Reverse<(u64, u32)>>);

impl Deadlines {
    /// Sees to it that an alarm goes off at `at` or earlier. `alarm` is the connection's next one, zero for none. True
    /// if this one is now the first of all.
    pub(crate) fn add(&mut self, at: u64, seat: u32, alarm: &mut u64) -> bool {
        if *alarm != 0 && *alarm <= at {
            return false;
        }
        *alarm = at;
        self.0.push(Reverse((at, seat)));
        self.next() == Some(at)
    }

    /// The time of the next alarm.
    pub(crate) fn next(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes an alarm that has gone off.
    pub(crate) fn take(&mut self, now: u64) -> Option<(u64, u32)> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(alarm)| alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alarm_for_deadlines_that_move_on() {
        let mut deadlines = Deadlines::default();
        let mut alarm = 0;
        assert!(deadlines.add(100, 7, &mut alarm));
        for later in 101..200 {
            assert!(!deadlines.add(later, 7, &mut alarm));
        }
        assert_eq!(deadlines.take(99), None);
        assert_eq!(deadlines.take(100), Some((100, 7)));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn an_earlier_deadline_has_its_own_alarm() {
        let mut deadlines = Deadlines::default();
        let mut alarm = 0;
        deadlines.add(100, 7, &mut alarm);
        assert!(deadlines.add(50, 7, &mut alarm) && alarm == 50);
        assert!(!deadlines.add(60, 8, &mut 0));
        assert_eq!([deadlines.take(200), deadlines.take(200)], [Some((50, 7)), Some((60, 8))]);
    }
}
