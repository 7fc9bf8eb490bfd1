//! The cases: a load, the arguments of a faulty server, and what has to be reported of it.

use std::time::Duration;

use crate::result::Integrity;

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
    /// For times as well as counts.
    pub(super) const WHOLE: Self =
        Self { subscribers: 8, rate: 200, events: 400, settle: Duration::from_millis(700) };
    /// For counts alone.
    #[cfg(test)]
    pub(super) const BRIEF: Self =
        Self { subscribers: 3, rate: 400, events: 120, settle: Duration::from_millis(1500) };

    /// Nanoseconds between two events.
    pub(super) fn interval_us(self) -> u64 {
        1_000_000 / u64::from(self.rate)
    }
}

/// What is expected of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Nothing: the case is about counts.
    Any,
    /// Every delivery takes at least so long, and the median no longer than that and the band, milliseconds.
    Delayed(u64),
    /// Everything stands still once for so long, milliseconds, and what falls due meanwhile is late by what is left.
    Stalled(u64),
}

/// One fault.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<String>,
    pub(super) shape: Shape,
    /// Counts that are to be reported; the others are to be zero.
    pub(super) counts: Counts,
    pub(super) times: Times,
}

/// Counts that a fault leads to, beside which everything is to be whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    lost: u64,
    duplicated: u64,
    out_of_order: u64,
    refused: u64,
    /// Every stream ends before this event, counted from 1.
    died_at: u64,
}

impl Case {
    pub(super) fn is_honest(&self) -> bool {
        self.arguments.is_empty()
    }

    /// Whether the publisher has to wait for answers, so that its ticks are missed.
    pub(super) fn holds_the_publisher(&self) -> bool {
        matches!(self.times, Times::Stalled(_))
    }

    /// What has to be reported, where `published` events were accepted in all.
    pub(super) fn expected(&self, published: u64) -> Integrity {
        let all = u64::from(self.shape.subscribers);
        let Counts { lost, duplicated, out_of_order, refused, .. } = self.counts;
        let expected = published * all;
        let received = expected - lost;
        let counts = Integrity { lost, duplicated, out_of_order, refused, ..Integrity::default() };
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

/// All cases, the honest server first.
pub(super) fn all(shape: Shape) -> Vec<Case> {
    let (events, middle) = (u64::from(shape.events), u64::from(shape.events) / 2);
    let case = |name, arguments: &[String], counts, times| Case {
        name,
        arguments: arguments.to_vec(),
        shape,
        counts,
        times,
    };
    let said = |name: &str, value: u64| format!("{name}={value}");
    let none = Counts::default();
    vec![
        case("honest", &[], none, Times::Delayed(0)),
        case("delay", &[said("delay_ms", 20)], none, Times::Delayed(20)),
        case("loss", &[said("drop_every", 10)], Counts { lost: events / 10, ..none }, Times::Any),
        case("duplicate", &[said("twice_at", middle)], Counts { duplicated: 1, ..none }, Times::Any),
        // When everything that was owed has come, one event comes again.
        case(
            "late duplicate",
            &[said("twice_at", events), said("again_ms", 25)],
            Counts { duplicated: 1, ..none },
            Times::Any,
        ),
        case("reordering", &[said("swap_at", middle)], Counts { out_of_order: 1, ..none }, Times::Any),
        case("stall", &[said("stall_at", middle), said("stall_ms", 400)], none, Times::Stalled(400)),
        case("end", &[said("die_at", middle)], Counts { died_at: middle, ..none }, Times::Any),
        case("refusal", &[said("refuse_every", 20)], Counts { refused: events / 20, ..none }, Times::Any),
        case("late answers", &[said("answer_ms", 30)], none, Times::Delayed(0)),
    ]
}
