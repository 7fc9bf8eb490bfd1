//! The cells of a crowd, as written and as meant.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::written::Reading;
use crate::result::Axis;

/// A process may have 20,000 files open; the server has a few beside its subscribers.
const CROWD: RangeInclusive<f64> = 1.0..=19_000.0;
const RATE_PER_SECOND: RangeInclusive<f64> = 1.0..=1000.0;
const PAYLOAD_BYTES: RangeInclusive<f64> = 64.0..=16_000.0;
const SECONDS: RangeInclusive<f64> = 0.1..=86_400.0;
const AXIS: RangeInclusive<f64> = 0.0..=1_000_000.0;
const FILL_KIB: RangeInclusive<f64> = 16.0..=4096.0;
const CHURN_PER_SECOND: RangeInclusive<f64> = 1.0..=5000.0;
const RATIO: RangeInclusive<f64> = 1.0..=1000.0;
const STEPS_MIN: usize = 2;

/// The crowd cells of a scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CrowdCells {
    /// Open-loop crowds.
    pub crowds: Vec<CrowdCell>,
    /// Server CPU against a size that grows.
    pub scales: Vec<ScaleCell>,
    /// Readers that never read.
    pub stalled: Option<StalledCell>,
    /// A long time with churn.
    pub soak: Option<SoakCell>,
}

/// A crowd under an open loop.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdCell {
    /// Its name, unique in the scenario.
    pub name: String,
    /// Open subscribers, all transports together.
    pub subscribers: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of the event's `data`.
    pub payload: u32,
    /// How long it is measured.
    pub duration: Duration,
    /// The claim: p99 is at most so many median passes.
    pub p99_passes_at_most: Option<f64>,
}

/// Server CPU over one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleCell {
    /// What grows.
    pub axis: Axis,
    /// How far, step by step, rising.
    pub at: Vec<u32>,
    /// Open subscribers; on the axis of subscribers each step is its own number.
    pub subscribers: u32,
    /// Subscribers that get each event, where the axis leaves that open.
    pub audience: u32,
    /// Bytes of the event's `data`.
    pub payload: u32,
    /// How long each step is measured.
    pub duration: Duration,
}

/// Healthy readers beside stalled ones, in rounds of without, with, without.
#[derive(Debug, Clone, PartialEq)]
pub struct StalledCell {
    /// Readers that never read.
    pub stalled: u32,
    /// Readers that do.
    pub healthy: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of the event's `data`.
    pub payload: u32,
    /// KiB that are published for each reader before the window, so that the stalled ones are full.
    pub fill_kib: u32,
    /// How long each of the three is measured.
    pub duration: Duration,
    /// The claim: p99 with the stalled ones is at most so many times p99 without.
    pub p99_ratio_at_most: Option<f64>,
}

/// A crowd with churn over a long time.
#[derive(Debug, Clone, PartialEq)]
pub struct SoakCell {
    /// Open subscribers, those that pass included.
    pub subscribers: u32,
    /// Subscribers that are replaced in turn; the others stay to the end.
    pub passing: u32,
    /// Connects, and as many disconnects, a second.
    pub churn: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of the event's `data`.
    pub payload: u32,
    /// Events that the server retains: few, so that a history that fills is not taken for a leak.
    pub history: u32,
    /// How long it lasts.
    pub duration: Duration,
    /// Time between two readings of memory.
    pub sample: Duration,
    /// Time from the start that is left out of the slope of memory; at most half of what was measured is.
    pub settle: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCrowd {
    name: Spanned<String>,
    subscribers: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
    p99_passes_at_most: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScale {
    axis: Spanned<Axis>,
    at: Spanned<Vec<Spanned<f64>>>,
    subscribers: Option<Spanned<f64>>,
    audience: Option<Spanned<f64>>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenStalled {
    stalled: Spanned<f64>,
    healthy: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    fill_kib: Spanned<f64>,
    seconds: Spanned<f64>,
    p99_ratio_at_most: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSoak {
    subscribers: Spanned<f64>,
    passing: Spanned<f64>,
    churn: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    history: Spanned<f64>,
    seconds: Spanned<f64>,
    sample_s: Spanned<f64>,
    settle_s: Spanned<f64>,
}

impl CrowdCells {
    /// Whether the scenario has no crowd.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Visits of one repetition.
    pub fn visits(&self) -> u64 {
        let scale: usize = self.scales.iter().map(|cell| cell.at.len()).sum();
        let rest = 3 * usize::from(self.stalled.is_some()) + usize::from(self.soak.is_some());
        (self.crowds.len() + scale + rest) as u64
    }

    /// The largest number of subscribers that any cell opens.
    pub fn most(&self) -> u32 {
        let crowds = self.crowds.iter().map(|cell| cell.subscribers);
        let scales = self.scales.iter().map(ScaleCell::most);
        let stalled = self.stalled.iter().map(|cell| cell.stalled + cell.healthy);
        let soak = self.soak.iter().map(|cell| cell.subscribers);
        crowds.chain(scales).chain(stalled).chain(soak).max().unwrap_or(0)
    }

    /// Lets every cell last so long.
    pub fn last(&mut self, time: Duration) {
        self.crowds.iter_mut().for_each(|cell| cell.duration = time);
        self.scales.iter_mut().for_each(|cell| cell.duration = time);
        self.stalled.iter_mut().for_each(|cell| cell.duration = time);
        self.soak.iter_mut().for_each(|cell| cell.duration = time);
    }

    /// Lets no cell open more than so many subscribers. Steps of an axis that become equal are one step.
    pub fn at_most(&mut self, most: u32) {
        let most = most.max(1);
        self.crowds.iter_mut().for_each(|cell| cell.subscribers = cell.subscribers.min(most));
        self.scales.iter_mut().for_each(|cell| cell.at_most(most));
        if let Some(cell) = &mut self.stalled {
            cell.healthy = cell.healthy.min((most / 2).max(1));
            cell.stalled = cell.stalled.min(most.saturating_sub(cell.healthy).max(1));
        }
        if let Some(cell) = &mut self.soak {
            let share = f64::from(cell.passing) / f64::from(cell.subscribers.max(1));
            cell.subscribers = cell.subscribers.min(most.max(2));
            cell.passing = ((f64::from(cell.subscribers) * share) as u32).clamp(1, cell.subscribers - 1);
        }
    }
}

impl ScaleCell {
    fn most(&self) -> u32 {
        match self.axis {
            Axis::Subscribers => self.at.last().copied().unwrap_or(0),
            _ => self.subscribers,
        }
    }

    fn at_most(&mut self, most: u32) {
        if self.axis != Axis::Subscribers {
            self.subscribers = self.subscribers.min(most);
            self.audience = self.audience.min(most);
        }
        let places = match self.axis {
            Axis::Subscribers => most,
            _ => self.places(),
        };
        self.at.iter_mut().for_each(|at| *at = (*at).min(places));
        self.at.dedup();
    }

    /// The largest number of rooms or namespaces in each of which there can be a subscriber.
    fn places(&self) -> u32 {
        match self.axis {
            Axis::RoomsInTurn => self.subscribers,
            Axis::Rooms | Axis::Namespaces => self.subscribers.saturating_sub(self.audience) + 1,
            Axis::Subscribers | Axis::History => u32::MAX,
        }
    }
}

impl Reading<'_> {
    fn crowd(&mut self, cell: &WrittenCrowd) -> CrowdCell {
        CrowdCell {
            name: cell.name.get_ref().clone(),
            subscribers: self.count("subscribers", &cell.subscribers, &CROWD),
            rate: self.count("rate", &cell.rate, &RATE_PER_SECOND),
            payload: self.count("payload", &cell.payload, &PAYLOAD_BYTES),
            duration: self.time("seconds", &cell.seconds),
            p99_passes_at_most: self.ratio("p99_passes_at_most", cell.p99_passes_at_most.as_ref()),
        }
    }

    fn scale(&mut self, cell: &WrittenScale) -> ScaleCell {
        let axis = *cell.axis.get_ref();
        let bounds = if axis == Axis::Subscribers { &CROWD } else { &AXIS };
        let at: Vec<u32> = cell.at.get_ref().iter().map(|at| self.count("at", at, bounds)).collect();
        if at.len() < STEPS_MIN || !at.is_sorted_by(|a, b| a < b) {
            self.mistake(cell.at.span(), "`at` must be two or more rising numbers");
        }
        if axis != Axis::History && at.first() == Some(&0) {
            self.mistake(cell.at.span(), "`at` may start at 0 on the axis of history only");
        }
        let subscribers =
            self.beside_axis("subscribers", axis != Axis::Subscribers, cell, cell.subscribers.as_ref());
        let wants_audience = !matches!(axis, Axis::Subscribers | Axis::RoomsInTurn);
        let audience = self.beside_axis("audience", wants_audience, cell, cell.audience.as_ref());
        if audience > subscribers {
            self.mistake(cell.axis.span(), "`audience` is larger than `subscribers`");
        }
        let payload = self.count("payload", &cell.payload, &PAYLOAD_BYTES);
        let duration = self.time("seconds", &cell.seconds);
        let meant = ScaleCell { axis, at, subscribers, audience, payload, duration };
        if meant.at.last().is_some_and(|at| *at > meant.places()) {
            self.mistake(
                cell.at.span(),
                &format!("`at` leaves some empty: it can be {} at most", meant.places()),
            );
        }
        meant
    }

    /// A number that an axis wants, or leaves no place for.
    fn beside_axis(
        &mut self,
        field: &str,
        wanted: bool,
        cell: &WrittenScale,
        value: Option<&Spanned<f64>>,
    ) -> u32 {
        match value {
            Some(value) if wanted => return self.count(field, value, &CROWD),
            Some(value) => self.mistake(value.span(), &format!("`{field}` says nothing on this axis")),
            None if wanted => self.mistake(cell.axis.span(), &format!("this axis wants `{field}`")),
            None => {}
        }
        0
    }

    fn stalled(&mut self, cell: &WrittenStalled) -> StalledCell {
        let meant = StalledCell {
            stalled: self.count("stalled", &cell.stalled, &CROWD),
            healthy: self.count("healthy", &cell.healthy, &CROWD),
            rate: self.count("rate", &cell.rate, &RATE_PER_SECOND),
            payload: self.count("payload", &cell.payload, &PAYLOAD_BYTES),
            fill_kib: self.count("fill_kib", &cell.fill_kib, &FILL_KIB),
            duration: self.time("seconds", &cell.seconds),
            p99_ratio_at_most: self.ratio("p99_ratio_at_most", cell.p99_ratio_at_most.as_ref()),
        };
        if f64::from(meant.stalled + meant.healthy) > *CROWD.end() {
            self.mistake(
                cell.stalled.span(),
                &format!("`stalled` and `healthy` are over {} together", CROWD.end()),
            );
        }
        meant
    }

    fn soak(&mut self, cell: &WrittenSoak) -> SoakCell {
        let meant = SoakCell {
            subscribers: self.count("subscribers", &cell.subscribers, &CROWD),
            passing: self.count("passing", &cell.passing, &CROWD),
            churn: self.count("churn", &cell.churn, &CHURN_PER_SECOND),
            rate: self.count("rate", &cell.rate, &RATE_PER_SECOND),
            payload: self.count("payload", &cell.payload, &PAYLOAD_BYTES),
            history: self.count("history", &cell.history, &(1.0..=*AXIS.end())),
            duration: self.time("seconds", &cell.seconds),
            sample: self.time("sample_s", &cell.sample_s),
            settle: self.time("settle_s", &cell.settle_s),
        };
        if meant.passing >= meant.subscribers {
            self.mistake(cell.passing.span(), "`passing` must leave some of `subscribers` that stay");
        }
        meant
    }

    fn time(&mut self, field: &str, value: &Spanned<f64>) -> Duration {
        Duration::from_secs_f64(self.number(field, value, &SECONDS).clamp(0.0, *SECONDS.end()))
    }

    fn ratio(&mut self, field: &str, value: Option<&Spanned<f64>>) -> Option<f64> {
        value.map(|value| self.number(field, value, &RATIO))
    }
}

/// Everything that a scenario's text says of crowds.
#[derive(Default)]
pub(super) struct WrittenCells {
    pub(super) crowd: Vec<WrittenCrowd>,
    pub(super) scale: Vec<WrittenScale>,
    pub(super) stalled: Option<WrittenStalled>,
    pub(super) soak: Option<WrittenSoak>,
}

/// The cells as meant.
pub(super) fn meant(reading: &mut Reading<'_>, written: &WrittenCells) -> CrowdCells {
    for (index, cell) in written.crowd.iter().enumerate() {
        if written.crowd[..index].iter().any(|other| other.name.get_ref() == cell.name.get_ref()) {
            reading.mistake(cell.name.span(), &format!("a second crowd named `{}`", cell.name.get_ref()));
        }
    }
    for (index, cell) in written.scale.iter().enumerate() {
        if written.scale[..index].iter().any(|other| other.axis.get_ref() == cell.axis.get_ref()) {
            reading.mistake(cell.axis.span(), &format!("a second axis `{}`", cell.axis.get_ref().key()));
        }
    }
    CrowdCells {
        crowds: written.crowd.iter().map(|cell| reading.crowd(cell)).collect(),
        scales: written.scale.iter().map(|cell| reading.scale(cell)).collect(),
        stalled: written.stalled.as_ref().map(|cell| reading.stalled(cell)),
        soak: written.soak.as_ref().map(|cell| reading.soak(cell)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const HEAD: &str = "name = \"t\"\nrepetitions = 1\nwarm_up_s = 0.5\n";
    const SCALE: &str = "[[scale]]\naxis = \"rooms\"\nat = [1, 10]\nsubscribers = 50\naudience = 5\npayload = 256\nseconds = 1\n";
    const SOAK: &str = "[soak]\nsubscribers = 150\npassing = 30\nchurn = 20\nrate = 10\npayload = 256\nhistory = 50\nseconds = 60\nsample_s = 1\nsettle_s = 10\n";

    fn cells(text: &str) -> CrowdCells {
        parse("t", &format!("{HEAD}{text}")).unwrap().crowd
    }

    fn check(text: &str, from: &str, to: &str, expected: &str) {
        assert!(text.contains(from), "{from} is not in the text");
        let error =
            parse("t", &format!("{HEAD}{}", text.replacen(from, to, 1))).expect_err("accepted").to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }

    #[test]
    fn mistakes_are_told() {
        check(SCALE, "rooms", "room", "line 5");
        check(SCALE, "[1, 10]", "[10, 1]", "rising");
        check(SCALE, "[1, 10]", "[0, 1]", "history only");
        check(SCALE, "audience = 5\n", "", "wants `audience`");
        check(SCALE, "audience = 5", "audience = 51", "larger than");
        check(SCALE, "axis = \"rooms\"", "axis = \"subscribers\"", "`audience` says nothing");
        check(
            SCALE,
            "axis = \"rooms\"\nat = [1, 10]",
            "axis = \"rooms_in_turn\"\nat = [1, 51]",
            "some empty",
        );
        check(&format!("{SCALE}{SCALE}"), "seconds", "seconds", "a second axis `rooms`");
        check(SOAK, "passing = 30", "passing = 150", "that stay");
        check(SOAK, "subscribers = 150", "subscribers = 19001", "19000");
    }

    #[test]
    fn sizes_can_be_bounded_and_times_set() {
        let mut meant = cells(&format!("{SCALE}{SOAK}"));
        meant.at_most(5);
        meant.last(Duration::from_secs(3));
        let scale = &meant.scales[0];
        assert_eq!((scale.at.as_slice(), scale.subscribers, scale.audience), (&[1][..], 5, 5));
        let soak = meant.soak.as_ref().unwrap();
        assert!(soak.passing < soak.subscribers && soak.subscribers == 5);
        assert_eq!((soak.duration.as_secs(), scale.duration.as_secs(), meant.most()), (3, 3, 5));
    }

    #[test]
    fn a_repetition_has_as_many_visits_as_steps() {
        assert_eq!(cells(&format!("{SCALE}{SOAK}")).visits(), 2 + 1);
        assert!(
            cells("[[cell]]\nname = \"a\"\nsubscribers = 1\nrate = 1\npayload = 100\nseconds = 1\n")
                .is_empty()
        );
    }
}
