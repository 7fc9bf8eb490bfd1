//! When events are due: pure.

use std::time::Duration;

use crate::result::Burst;

/// The schedule of a cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Events a second; with bursts it is what they come to.
    pub(crate) rate: u32,
    pub(crate) burst: Option<Burst>,
    /// Unrecorded time before.
    pub(crate) warm_up: Duration,
    /// Recorded time.
    pub(crate) duration: Duration,
}

impl Plan {
    /// Events that are due within a time.
    pub(super) fn events_in(&self, time: Duration) -> u64 {
        match self.burst {
            None => (time.as_secs_f64() * f64::from(self.rate)) as u64,
            // One at the very beginning, and so none in no time.
            Some(burst) => {
                let bursts = (time.as_secs_f64() / burst.every_s).ceil();
                bursts as u64 * u64::from(burst.events)
            }
        }
    }

    /// When the event of this index, from 0, is due after the start, nanoseconds.
    pub(super) fn due_ns(&self, index: u64) -> u64 {
        match self.burst {
            None => index.saturating_mul(1_000_000_000) / u64::from(self.rate.max(1)),
            Some(burst) => {
                let turn = index / u64::from(burst.events.max(1));
                (turn as f64 * burst.every_s * 1e9) as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_evenly_or_together() {
        let plan = |burst| Plan { rate: 50, burst, warm_up: Duration::ZERO, duration: Duration::ZERO };
        let even = plan(None);
        assert_eq!((even.events_in(Duration::from_secs(2)), even.due_ns(50)), (100, 1_000_000_000));
        let bursts = plan(Some(Burst { events: 10, every_s: 0.5 }));
        assert_eq!(bursts.events_in(Duration::from_secs(2)), 40);
        assert_eq!((bursts.events_in(Duration::from_millis(1)), bursts.events_in(Duration::ZERO)), (10, 0));
        assert_eq!((bursts.due_ns(9), bursts.due_ns(10), bursts.due_ns(39)), (0, 500_000_000, 1_500_000_000));
    }
}
