//! What a run doubts: looked for at every visit, and once at the end.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Bench;
use crate::machine::{MachineTime, cpu_seconds, descendants, ended_children_seconds, machine_time, now_ns};
use crate::result::{Doubt, DoubtKind, LOAD_BUSY_MAX, LatencyVisit, SaturationVisit, raise};

/// Shares of the machine above which others are said to disturb.
const STEAL_MAX: f64 = 0.01;
const OTHERS_MAX: f64 = 0.05;
/// Deliveries of one event share its moment, so what is independent is the event: a 99th percentile wants one beyond it in
/// all repetitions together.
const EVENTS_MIN: f64 = 100.0;
const LATE_US_MAX: u64 = 1000;
const REPETITIONS_MIN: u32 = 10;
/// Files beside the sockets that a process has open.
const FILES_SPARE: u64 = 200;
/// Two clocks that are read one after the other, on a machine that others use too, may differ by so much.
const APART_NS_MAX: i128 = 5_000_000;
/// A clock that is set slowly gains or loses at most one part in 2000.
const SLEW_SHARE: i128 = 2000;

/// CPU time of the machine, of the laboratory and of the server when a visit began.
#[derive(Debug)]
pub(crate) struct Watch(Option<Reading>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    machine: MachineTime,
    ours_s: f64,
    clocks: Clocks,
}

/// The time of day and the monotonic clock, read together, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    day_ns: i128,
    steady_ns: i128,
}

impl Clocks {
    fn now() -> Self {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { day_ns: day.as_nanos() as i128, steady_ns: i128::from(now_ns()) }
    }

    /// By how many microseconds the two went apart since an earlier reading, beyond what setting a clock slowly does.
    fn apart_us(self, earlier: Self) -> Option<f64> {
        let steady = self.steady_ns - earlier.steady_ns;
        let apart = (self.day_ns - earlier.day_ns - steady).abs();
        (apart > APART_NS_MAX + steady / SLEW_SHARE).then_some(apart as f64 / 1000.0)
    }
}

impl Reading {
    fn now(server: u32) -> Option<Self> {
        // A server may have processes of its own, or have ended within the visit.
        let mut pids = descendants(std::process::id());
        if !pids.contains(&server) {
            pids.push(server);
        }
        let alive = pids.into_iter().filter_map(|pid| cpu_seconds(pid).ok()).sum::<f64>();
        let ours = alive + ended_children_seconds().unwrap_or(0.0);
        Some(Self { machine: machine_time().ok()?, ours_s: ours, clocks: Clocks::now() })
    }
}

impl Watch {
    pub(crate) fn start(server: u32) -> Self {
        Self(Reading::now(server))
    }

    /// Raises a doubt where the hypervisor or other processes took time.
    pub(crate) fn end(self, server: u32, place: &str, doubts: &mut Vec<Doubt>) {
        let (Some(before), Some(after)) = (self.0, Reading::now(server)) else { return };
        let machine = after.machine.since(before.machine);
        let total = machine.total.max(1) as f64;
        let steal = machine.steal as f64 / total;
        let ours = (after.ours_s - before.ours_s) * rustix::param::clock_ticks_per_second() as f64;
        let others = (machine.busy as f64 - ours) / total;
        if steal > STEAL_MAX {
            raise(doubts, DoubtKind::Steal, place, steal * 100.0);
        }
        if others > OTHERS_MAX {
            raise(doubts, DoubtKind::MachineBusy, place, others * 100.0);
        }
        if let Some(us) = after.clocks.apart_us(before.clocks) {
            raise(doubts, DoubtKind::Clock, place, us);
        }
    }
}

impl Bench {
    fn raise(&mut self, kind: DoubtKind, place: &str, value: f64) {
        raise(&mut self.run.doubts, kind, place, value);
    }

    /// Doubts about where the run takes place, before it begins.
    pub(super) fn doubt_the_place(&mut self) {
        let environment = &self.run.environment;
        let (files, dirty, optimised) =
            (environment.file_limit, environment.git_dirty == Some(true), environment.optimised);
        if !self.place.apart() {
            self.raise(DoubtKind::OneCore, "", f64::from(self.place.cores));
        }
        let cells = self.scenario.cells.iter().map(|cell| cell.subscribers);
        let most = cells.chain(self.scenario.memory_at.iter().copied()).chain([self.scenario.crowd.most()]);
        let most = most.max().unwrap_or(0);
        if files < u64::from(most) + FILES_SPARE {
            self.raise(DoubtKind::FileLimit, "", files as f64);
        }
        let few =
            self.scenario.cells.iter().map(|cell| (cell, cell.events())).filter(|(_, n)| *n < EVENTS_MIN);
        for (name, events) in few.map(|(cell, events)| (cell.name.clone(), events)).collect::<Vec<_>>() {
            self.raise(DoubtKind::FewSamples, &name, events);
        }
        let fewest = self.scenario.cells.iter().map(|cell| cell.repetitions).min();
        let fewest = fewest.unwrap_or(self.scenario.repetitions);
        if fewest < REPETITIONS_MIN {
            self.raise(DoubtKind::FewRepetitions, "", f64::from(fewest));
        }
        if dirty {
            self.raise(DoubtKind::DirtyTree, "", 1.0);
        }
        if !optimised {
            self.raise(DoubtKind::DebugBuild, "", 1.0);
        }
    }

    /// Doubts about an open-loop visit.
    pub(super) fn doubt_latency(&mut self, place: &str, visit: &LatencyVisit) {
        self.doubt_load(place, visit.load_busy, &visit.void);
        if visit.late_us_max > LATE_US_MAX {
            self.raise(DoubtKind::LatePublisher, place, visit.late_us_max as f64);
        }
    }

    /// Doubts about a closed-loop visit.
    pub(super) fn doubt_saturation(&mut self, place: &str, visit: &SaturationVisit) {
        self.doubt_load(place, visit.load_busy, &visit.void);
    }

    /// Doubts that every loaded visit may raise.
    pub(super) fn doubt_load(&mut self, place: &str, busy: f64, void: &[String]) {
        if busy > LOAD_BUSY_MAX {
            self.raise(DoubtKind::LoadBusy, place, busy * 100.0);
        }
        if !void.is_empty() {
            self.raise(DoubtKind::Void, place, 1.0);
        }
    }

    /// Doubts about the run as a whole, after it ended.
    pub(super) fn doubt_the_whole(&mut self) {
        if self.run.partial {
            let run = &self.run;
            let visits = run.latency.len() + run.saturation.len() + run.raw.len() + run.memory.len();
            let crowds = run
                .crowd
                .as_ref()
                .map_or(0, |c| c.crowd.len() + c.scale.len() + c.stalled.len() + c.soak.len());
            self.raise(DoubtKind::Partial, "", (visits + crowds) as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_is_set_slowly() {
        let read = |day_ms: i128, steady_ms: i128| Clocks {
            day_ns: day_ms * 1_000_000,
            steady_ns: steady_ms * 1_000_000,
        };
        let before = read(0, 0);
        assert_eq!(read(10_000, 10_000).apart_us(before), None);
        assert_eq!(read(10_009, 10_000).apart_us(before), None, "half a thousandth may be set slowly");
        assert_eq!(read(10_100, 10_000).apart_us(before), Some(100_000.0));
        assert_eq!(read(9_900, 10_000).apart_us(before), Some(100_000.0));
    }
}
