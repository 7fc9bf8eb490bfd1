//! Subscribers that asked for less: at most so many deliveries a second, each with everything that came meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;
use tricast_feed::Offset;

use crate::key::Key;

/// One subscriber's pace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    interval: Duration,
    /// When the next delivery may begin.
    next: Instant,
    /// Up to here the delivery that has begun goes.
    until: Offset,
    /// Whether it stands among those that wait for their time.
    is_queued: bool,
}

/// What a pace allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// To read up to here.
    UpTo(Offset),
    /// To wait until then; the subscriber is to be queued.
    Queue(Instant),
    /// To wait: it is queued already.
    Wait,
}

impl Pace {
    /// At most `rate` deliveries a second. What is there up to `until` may go at once; after that, the first delivery
    /// waits for an interval if one has just been made.
    pub(crate) fn new(rate: u32, until: Offset, is_going_on: bool, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { interval, next: if is_going_on { now + interval } else { now }, until, is_queued: false }
    }

    /// What a subscriber that stands at `offset` may do about everything up to `end`.
    pub(crate) fn ask(&mut self, offset: Offset, end: Offset, now: Instant) -> Leave {
        if offset < self.until {
            return Leave::UpTo(self.until.min(end));
        }
        if now >= self.next {
            (self.until, self.next) = (end, now + self.interval);
            return Leave::UpTo(end);
        }
        if std::mem::replace(&mut self.is_queued, true) { Leave::Wait } else { Leave::Queue(self.next) }
    }

    /// The time has come for which it was queued.
    pub(crate) fn called(&mut self) {
        self.is_queued = false;
    }
}

/// Those that wait for their time, each once.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    by_time: BinaryHeap<Reverse<(Instant, Key)>>,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Instant, key: Key) {
        self.by_time.push(Reverse((at, key)));
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.peek().map(|Reverse((at, _))| *at)
    }

    /// One that is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Key> {
        if self.next()? > now {
            return None;
        }
        self.by_time.pop().map(|Reverse((_, key))| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_gathers_what_comes_meanwhile() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(10, Offset(5), false, start);
        assert_eq!(pace.ask(Offset(0), Offset(9), at(0)), Leave::UpTo(Offset(5)), "the replay flows");
        assert_eq!(pace.ask(Offset(5), Offset(9), at(0)), Leave::UpTo(Offset(9)));
        assert_eq!(pace.ask(Offset(7), Offset(12), at(1)), Leave::UpTo(Offset(9)), "what began goes on");
        assert_eq!(pace.ask(Offset(9), Offset(12), at(1)), Leave::Queue(at(100)));
        assert_eq!(pace.ask(Offset(9), Offset(13), at(2)), Leave::Wait);
        pace.called();
        assert_eq!(pace.ask(Offset(9), Offset(20), at(100)), Leave::UpTo(Offset(20)));
        assert_eq!(pace.ask(Offset(20), Offset(21), at(150)), Leave::Queue(at(200)));
    }

    #[test]
    fn the_queue_gives_who_is_due() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.push(start + Duration::from_secs(2), Key::for_test(2));
        queue.push(start + Duration::from_secs(1), Key::for_test(1));
        assert_eq!(queue.take(start), None);
        assert_eq!(queue.next(), Some(start + Duration::from_secs(1)));
        assert_eq!(queue.take(start + Duration::from_secs(3)), Some(Key::for_test(1)));
        assert_eq!(queue.take(start + Duration::from_secs(3)), Some(Key::for_test(2)));
        assert_eq!(queue.take(start + Duration::from_secs(3)), None);
    }
}
