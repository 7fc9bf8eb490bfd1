//! The cases: a load, the arguments of a faulty server, and what has to be reported of it.

use std::time::Duration;

use super::LoadEngine;
use crate::result::{Burst, Integrity};

/// CPU time that the server burns for an event, microseconds: several times of what it costs without.
const BURN_US: u64 = 1000;
/// Bytes by which a delivery is padded.
const PADDING: u64 = 32;
/// Events that whoever comes back does not get.
const FORGOTTEN: u64 = 3;
const ROOMS: u32 = 2;
const BURST_EVENTS: u32 = 10;

/// How a case is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) subscribers: u32,
    /// Events a second.
    pub(super) rate: u32,
    pub(super) events: u32,
    /// Wait for the last events, of which some may never come.
    pub(super) settle: Duration,
}

impl Shape {
    /// For times and costs as well as counts.
    pub(super) const WHOLE: Self =
        Self { subscribers: 8, rate: 200, events: 200, settle: Duration::from_millis(500) };
    /// For counts and bytes alone.
    #[cfg(test)]
    pub(super) const BRIEF: Self =
        Self { subscribers: 4, rate: 400, events: 120, settle: Duration::from_millis(1500) };

    /// Microseconds between two events.
    pub(super) fn interval_us(self) -> u64 {
        1_000_000 / u64::from(self.rate)
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.events) * 1000 / u64::from(self.rate))
    }
}

/// What is expected of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Nothing: the case is not about times.
    Any,
    /// Every delivery takes at least so long, and the median no longer than that and the band, milliseconds.
    Delayed(u64),
    /// Everything stands still once for so long, milliseconds, and what falls due meanwhile is late by what is left.
    Stalled(u64),
}

/// What is expected of the costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Costs {
    /// Nothing: the case is not about costs.
    Any,
    /// Every delivery is so many bytes longer than its event needs.
    Padded(u64),
    /// Every event costs the server so much CPU time more than without, microseconds.
    Burnt(u64),
}

/// What the engine of workloads does beside the even load.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Beside {
    /// Subscribers and events are in so many rooms; 0 is none.
    pub(super) rooms: u32,
    /// Events leave together.
    pub(super) burst: Option<Burst>,
    /// Every stream breaks once, and comes back.
    pub(super) returns: bool,
}

/// One fault.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<String>,
    pub(super) shape: Shape,
    pub(super) beside: Beside,
    /// Counts that are to be reported; the others are to be zero.
    pub(super) counts: Counts,
    pub(super) times: Times,
    pub(super) costs: Costs,
}

/// Counts that a fault leads to, beside which everything is to be whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
    pub(super) refused: u64,
    /// Events that came into a room that they are not for.
    pub(super) foreign: u64,
    /// Events of which it is told that they will not come.
    pub(super) told: u64,
    /// Every stream ends before this event, counted from 1, and stays away.
    pub(super) died_at: u64,
}

impl Case {
    pub(super) fn new(name: &'static str, faults: &[(&str, u64)], shape: Shape) -> Self {
        Self {
            name,
            arguments: faults.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            shape,
            beside: Beside::default(),
            counts: Counts::default(),
            times: Times::Any,
            costs: Costs::Any,
        }
    }

    /// Whether what is to be counted has to come within a time, which a busy machine may miss.
    pub(super) fn is_race(&self) -> bool {
        self.arguments.iter().any(|argument| argument.starts_with("again_ms="))
    }

    /// What the server does wrong and what is special about the load, in words.
    pub(super) fn injected(&self) -> String {
        let Beside { rooms, burst, .. } = self.beside;
        let mut words = self.arguments.clone();
        words.extend((rooms > 0).then(|| format!("in {rooms} rooms")));
        words.extend(burst.map(|burst| format!("in bursts of {}", burst.events)));
        if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
    }

    /// What has to be reported, where `published` events were accepted in all.
    pub(super) fn expected(&self, published: u64) -> Integrity {
        let all = u64::from(self.shape.subscribers);
        let Counts { lost, duplicated, out_of_order, refused, foreign, told, .. } = self.counts;
        let expected = published * all / u64::from(self.beside.rooms.max(1)) - told;
        let received = expected - lost;
        let counts = Integrity { lost, duplicated, out_of_order, refused, foreign, ..Integrity::default() };
        Integrity { published, expected, received, ..counts }
    }

    /// Deliveries at most before all streams end.
    pub(super) fn before_the_end(&self) -> u64 {
        self.counts.died_at.saturating_sub(1) * u64::from(self.shape.subscribers)
    }

    /// Events that the server has to have accepted; `None` where its end stops the publisher somewhere.
    pub(super) fn published(&self) -> Option<u64> {
        let planned = u64::from(self.shape.events) - self.counts.refused;
        (self.counts.died_at == 0).then_some(planned)
    }
}

/// All cases of an engine, the honest server first.
pub(super) fn all(shape: Shape, engine: LoadEngine) -> Vec<Case> {
    let (events, middle) = (u64::from(shape.events), u64::from(shape.events) / 2);
    let case = |name, faults: &[(&str, u64)]| Case::new(name, faults, shape);
    let none = Counts::default();
    let mut cases = vec![
        Case { times: Times::Delayed(0), costs: Costs::Padded(0), ..case("honest", &[]) },
        Case { times: Times::Delayed(100), ..case("delay", &[("delay_ms", 100)]) },
        Case { counts: Counts { lost: events / 10, ..none }, ..case("loss", &[("drop_every", 10)]) },
        Case { counts: Counts { duplicated: 1, ..none }, ..case("duplicate", &[("twice_at", middle)]) },
        // When everything that was owed has come, one event comes again.
        Case {
            counts: Counts { duplicated: 1, ..none },
            ..case("late duplicate", &[("twice_at", events), ("again_ms", 25)])
        },
        Case { counts: Counts { out_of_order: 1, ..none }, ..case("reordering", &[("swap_at", middle)]) },
        Case { times: Times::Stalled(400), ..case("stall", &[("stall_at", middle), ("stall_ms", 400)]) },
        Case { counts: Counts { refused: events / 20, ..none }, ..case("refusal", &[("refuse_every", 20)]) },
        Case { times: Times::Delayed(0), ..case("late answers", &[("answer_ms", 30)]) },
    ];
    match engine {
        LoadEngine::Plain => cases
            .push(Case { counts: Counts { died_at: middle, ..none }, ..case("end", &[("die_at", middle)]) }),
        LoadEngine::Workloads => cases.extend(of_workloads(shape)),
    }
    cases.extend([
        Case { costs: Costs::Padded(PADDING), ..case("bytes", &[("pad_bytes", PADDING)]) },
        Case { costs: Costs::Burnt(BURN_US), ..case("CPU", &[("burn_us", BURN_US)]) },
    ]);
    cases
}

/// What only the engine of workloads knows: rooms, bursts, and coming back.
fn of_workloads(shape: Shape) -> [Case; 5] {
    let (events, middle) = (u64::from(shape.events), u64::from(shape.events) / 2);
    let all = u64::from(shape.subscribers);
    let none = Counts::default();
    let case = |name, faults: &[(&str, u64)], beside, counts| Case {
        beside,
        counts,
        ..Case::new(name, faults, shape)
    };
    let rooms = Beside { rooms: ROOMS, ..Beside::default() };
    let every_s = f64::from(BURST_EVENTS) / f64::from(shape.rate);
    let burst = Beside { burst: Some(Burst { events: BURST_EVENTS, every_s }), ..Beside::default() };
    let returns = Beside { returns: true, ..Beside::default() };
    let outside = all - all / u64::from(ROOMS);
    let forgotten = all * FORGOTTEN;
    let forgets = ("forget", FORGOTTEN);
    [
        case(
            "wrong rooms",
            &[("astray_every", 10)],
            rooms,
            Counts { foreign: events / 10 * outside, ..none },
        ),
        case("loss in bursts", &[("drop_every", 10)], burst, Counts { lost: events / 10, ..none }),
        case("return", &[("die_at", middle)], returns, none),
        case(
            "loss, told",
            &[("die_at", middle), forgets, ("tell", 1)],
            returns,
            Counts { told: forgotten, ..none },
        ),
        case("loss, untold", &[("die_at", middle), forgets], returns, Counts { lost: forgotten, ..none }),
    ]
}
