//! The schedule of an open-loop publisher: deadlines at a fixed distance, whatever the world does meanwhile.
//!
//! Pure: the time comes in as an argument, on a clock that starts anywhere and never runs backwards.

use std::time::Duration;

/// The highest rate, in events a second.
pub(crate) const RATE_MAX: f64 = 5000.0;

/// How far behind the schedule the source still catches up. Deadlines older than that, but for one, are missed:
/// they are counted and never published, so that a stall does not end in a flood.
pub(crate) const CATCH_UP_MAX: Duration = Duration::from_millis(100);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// Events to publish now.
    pub(crate) events: u64,
    /// Deadlines that are given up.
    pub(crate) missed: u64,
}

/// The deadlines of one publisher.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The distance between deadlines; `None` while nothing is to be published.
    every: Option<Duration>,
    /// The next deadline.
    next: Duration,
}

impl Pace {
    /// A schedule at `rate` events a second (0 is none), whose first deadline is one distance after `now`.
    pub(crate) fn start(rate: f64, now: Duration) -> Self {
        let mut pace = Self { every: None, next: now };
        pace.change(rate, now);
        pace
    }

    /// Goes on at another rate. A deadline that is already nearer than the new distance stays, so that turning a
    /// knob to and fro does not hold events back for ever.
    pub(crate) fn change(&mut self, rate: f64, now: Duration) {
        let was = self.every;
        self.every = (rate > 0.0).then(|| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX));
        let fresh = now.saturating_add(self.every.unwrap_or(Duration::MAX));
        self.next = if was.is_some() { self.next.min(fresh) } else { fresh };
    }

    /// When the next event is due; `None` while nothing is to be published.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.every.map(|_| self.next)
    }

    /// Takes every deadline up to `now`.
    pub(crate) fn take(&mut self, now: Duration) -> Due {
        let Some(every) = self.every else { return Due::default() };
        let Some(late) = now.checked_sub(self.next) else { return Due::default() };
        let passed = whole(late, every) + 1;
        let events = passed.min(whole(CATCH_UP_MAX, every).max(1));
        self.next = self.next.saturating_add(times(every, passed));
        Due { events, missed: passed - events }
    }
}

/// How many times `every` goes into `length`.
fn whole(length: Duration, every: Duration) -> u64 {
    u64::try_from(length.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX - 1)
}

fn times(every: Duration, count: u64) -> Duration {
    let nanos = every.as_nanos().saturating_mul(u128::from(count));
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The events and the missed ticks at each of the times.
    fn check(rate: f64, times_ms: &[u64], expected: &[(u64, u64)]) {
        let mut pace = Pace::start(rate, ms(1000));
        let found: Vec<(u64, u64)> =
            times_ms.iter().map(|at| pace.take(ms(*at))).map(|due| (due.events, due.missed)).collect();
        assert_eq!(found, expected, "rate {rate}");
    }

    #[test]
    fn keeps_its_deadlines_whenever_it_is_asked() {
        check(
            2.0,
            &[1000, 1499, 1500, 1500, 1900, 2000, 2499, 2500],
            &[(0, 0), (0, 0), (1, 0), (0, 0), (0, 0), (1, 0), (0, 0), (1, 0)],
        );
        check(1000.0, &[1001, 1005, 1006], &[(1, 0), (4, 0), (1, 0)]);
        check(0.0, &[1000, 9_999_999], &[(0, 0), (0, 0)]);
    }

    #[test]
    fn a_stall_is_caught_up_within_the_bound_and_counted_beyond() {
        check(5000.0, &[1100, 2000], &[(500, 0), (500, 4000)]);
        check(2.0, &[5000, 5499, 5500], &[(1, 7), (0, 0), (1, 0)]);
        check(100.0, &[1060, 1500], &[(6, 0), (10, 34)]);
    }

    #[test]
    fn no_tick_is_lost_between_events_and_missed() {
        let mut rng = fastrand::Rng::with_seed(11);
        let (mut pace, mut now, mut ticks) = (Pace::start(777.0, Duration::ZERO), Duration::ZERO, 0);
        for _ in 0..2000 {
            now += Duration::from_micros(rng.u64(1..300_000));
            let due = pace.take(now);
            ticks += due.events + due.missed;
            assert!(due.events <= 500);
        }
        let expected = now.as_nanos() / Duration::from_secs_f64(1.0 / 777.0).as_nanos();
        assert_eq!(u128::from(ticks), expected);
    }

    #[test]
    fn another_rate_holds_from_now_on() {
        let mut pace = Pace::start(0.001, ms(0));
        pace.change(10.0, ms(50));
        assert_eq!(pace.deadline(), Some(ms(150)));
        pace.change(1.0, ms(60));
        assert_eq!(pace.deadline(), Some(ms(150)), "the nearer deadline stays");
        pace.change(0.0, ms(70));
        assert_eq!((pace.deadline(), pace.take(ms(500))), (None, Due::default()));
        pace.change(4.0, ms(1000));
        assert_eq!(pace.deadline(), Some(ms(1250)), "a pause owes nothing");
    }
}
