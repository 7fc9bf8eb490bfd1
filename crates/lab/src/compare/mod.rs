//! Two runs against each other: what improved, what regressed, and what cannot be told from noise.
//!
//! A change counts where the 95 % interval of the ratio of medians leaves 1 out, and the ratio is outside the larger
//! noise band of both runs: outside twice of it where one side has three repetitions, and with fewer nothing is judged.
//! Absolute times of two machines are not compared at all; bytes, counts, memory and ratios
//! to the machine's own raw loop are.
//!
//! Cells are compared where both runs have one of the same name that asks for the same; the others are named.

mod gone;
mod sides;
#[cfg(test)]
mod tests;
mod words;

pub use self::gone::Gone;
pub use self::sides::Side;
pub(crate) use self::words::side_text;
pub use self::words::{ChangesText, changes_in_words};

use serde::{Deserialize, Serialize};

use crate::result::{CellRecord, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Figure, Subject, figure, is_total, noise as noise_within, ratio_interval, repeated};

/// Two runs against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The run that is compared with.
    pub before: Side,
    /// The run that is judged.
    pub after: Side,
    /// Whether both were made on one machine, as far as their records tell.
    pub same_machine: bool,
    /// What was compared.
    pub changes: Vec<Change>,
    /// Figures of the earlier run that the later one was asked for too, and does not have.
    #[serde(default)]
    pub gone: Vec<Gone>,
    /// Metrics that are not compared, since absolute times of different machines say nothing about the program.
    pub refused: Vec<Metric>,
    /// Cells that only one run has, or that ask for different things.
    pub unmatched: Vec<String>,
}

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What was measured.
    pub metric: Metric,
    /// For which transport.
    pub transport: Transport,
    /// The open-loop cell, for metrics of latency and bytes.
    pub cell: Option<String>,
    /// Events in flight, for metrics of a closed loop.
    pub in_flight: Option<u32>,
    /// The figure before.
    pub before: Figure,
    /// The figure after.
    pub after: Figure,
    /// The ratio after to before with its 95 % interval; absent for counts.
    pub ratio: Option<Figure>,
    /// The larger of both runs' noise bands, as a ratio over 1; absent where neither measured it.
    pub noise: Option<f64>,
    /// What it comes to.
    pub judgement: Judgement,
}

/// What a change comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Worse by more than the noise.
    Regressed,
    /// Better by more than the noise.
    Improved,
    /// No difference that can be told from the noise.
    WithinNoise,
    /// Fewer than three repetitions, or no noise band: nothing can be told.
    Untold,
}

impl Judgement {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Regressed, Self::Improved, Self::WithinNoise, Self::Untold];

    /// The name used in text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::WithinNoise => "within_noise",
            Self::Untold => "untold",
        }
    }
}

impl Changes {
    /// Whether anything regressed.
    pub fn regressed(&self) -> bool {
        self.changes.iter().any(|change| change.judgement == Judgement::Regressed)
    }

    /// Whether no figure of both runs was compared, counts of lost and doubled events aside, which every run has.
    pub fn is_void(&self) -> bool {
        self.gone.is_empty() && self.changes.iter().all(|change| is_total(change.metric))
    }

    /// Whether the later run may not pass: something regressed, is gone, or nothing could be compared.
    pub fn alarms(&self) -> bool {
        self.regressed() || !self.gone.is_empty() || self.is_void()
    }

    /// How many changes were judged so. Of a figure that is gone nothing can be told.
    pub fn count(&self, judgement: Judgement) -> usize {
        let gone = if judgement == Judgement::Untold { self.gone.len() } else { 0 };
        self.changes.iter().filter(|change| change.judgement == judgement).count() + gone
    }
}

/// Whether a metric's value says the same on every machine.
pub fn is_portable(metric: Metric) -> bool {
    match metric {
        Metric::BytesPerDelivery
        | Metric::KibPerConnection
        | Metric::RawRatio
        | Metric::Lost
        | Metric::ToldLost
        | Metric::Duplicated => true,
        Metric::P50Us
        | Metric::P99Us
        | Metric::P999Us
        | Metric::MaxUs
        | Metric::DeliveriesPerSecond
        | Metric::CpuUsPerDelivery
        | Metric::ReconnectP99Us
        | Metric::CatchUpP99Us
        | Metric::SilenceUs => false,
    }
}

/// Compares a run with an earlier one.
pub fn changes(before: &Run, after: &Run) -> Changes {
    let same_machine = Side::same_machine(&before.environment, &after.environment);
    let told = |metric: &Metric| same_machine || is_portable(*metric);
    let (cells, unmatched) = matched(before, after);
    let (mut changes, mut gone) = (Vec::new(), Vec::new());
    let mut refused = Vec::new();
    for metric in METRICS {
        if !told(&metric) {
            refused.push(metric);
            continue;
        }
        for (cell, in_flight) in places(metric, &cells, before, after) {
            let subject = Subject { metric, cell, in_flight };
            let noise = noise(before, after, subject);
            let each = Transport::ALL.into_iter().filter_map(|t| change(before, after, subject, t, noise));
            changes.extend(each);
            let lost = |t: &Transport| gone::gone(before, after, subject, *t);
            gone.extend(Transport::ALL.iter().filter_map(lost));
        }
    }
    changes.sort_by_key(|change| change.judgement);
    Changes {
        before: Side::of(before),
        after: Side::of(after),
        same_machine,
        changes,
        gone,
        refused,
        unmatched,
    }
}

/// What is compared; the largest latency is not, since one value of a run says nothing.
const METRICS: [Metric; 13] = [
    Metric::P50Us,
    Metric::P99Us,
    Metric::P999Us,
    Metric::DeliveriesPerSecond,
    Metric::CpuUsPerDelivery,
    Metric::RawRatio,
    Metric::KibPerConnection,
    Metric::BytesPerDelivery,
    Metric::ReconnectP99Us,
    Metric::CatchUpP99Us,
    Metric::ToldLost,
    Metric::Lost,
    Metric::Duplicated,
];

/// The cells that both runs have alike, and the names of the others.
fn matched<'a>(before: &'a Run, after: &'a Run) -> (Vec<&'a str>, Vec<String>) {
    let alike = |one: &&CellRecord, run: &Run| {
        let same = |other: &CellRecord| {
            other.name == one.name
                && (other.subscribers, other.rate, other.payload) == (one.subscribers, one.rate, one.payload)
                && other.seconds.total_cmp(&one.seconds).is_eq()
                && other.workload == one.workload
        };
        run.scenario.cells.iter().any(same)
    };
    let cells = before.scenario.cells.iter().filter(|cell| alike(cell, after));
    let names = cells.map(|cell| cell.name.as_str()).collect::<Vec<_>>();
    let all = before.scenario.cells.iter().chain(&after.scenario.cells).map(|cell| cell.name.clone());
    let mut unmatched: Vec<String> = all.filter(|name| !names.contains(&name.as_str())).collect();
    unmatched.sort();
    unmatched.dedup();
    (names, unmatched)
}

fn places<'a>(metric: Metric, cells: &[&'a str], before: &Run, after: &Run) -> Vec<(&'a str, u32)> {
    match metric {
        Metric::P50Us
        | Metric::P99Us
        | Metric::P999Us
        | Metric::MaxUs
        | Metric::BytesPerDelivery
        | Metric::ReconnectP99Us
        | Metric::CatchUpP99Us
        | Metric::ToldLost
        | Metric::SilenceUs => cells.iter().map(|cell| (*cell, 1)).collect(),
        Metric::DeliveriesPerSecond | Metric::CpuUsPerDelivery | Metric::RawRatio => {
            let both = |k: &u32| gone::loads(before, *k) == gone::loads(after, *k);
            gone::flights(before).into_iter().filter(both).map(|k| ("", k)).collect()
        }
        Metric::KibPerConnection if gone::memory_at(before) != gone::memory_at(after) => Vec::new(),
        Metric::KibPerConnection | Metric::Lost | Metric::Duplicated => vec![("", 1)],
    }
}

/// The larger of both runs' noise bands.
fn noise(before: &Run, after: &Run, subject: Subject<'_>) -> Option<f64> {
    let noise = [before, after].into_iter().filter_map(|run| noise_within(run, subject));
    noise.fold(None, |most: Option<f64>, one| Some(most.map_or(one, |m| m.max(one))))
}

fn change(
    before: &Run,
    after: &Run,
    subject: Subject<'_>,
    transport: Transport,
    noise: Option<f64>,
) -> Option<Change> {
    let [was, is] = [before, after].map(|run| figure(run, subject, transport));
    let (was, is) = (was?, is?);
    let ratio =
        if is_total(subject.metric) { None } else { ratio(before, after, subject, transport, [was, is]) };
    Some(Change {
        metric: subject.metric,
        transport,
        cell: cell_of(subject),
        in_flight: flight_of(subject),
        before: was,
        after: is,
        ratio,
        noise,
        judgement: match subject.metric {
            Metric::Lost | Metric::Duplicated => counts(was, is),
            Metric::ToldLost => told_lost(was, is).unwrap_or_else(|| judge(subject.metric, ratio, noise)),
            metric => judge(metric, ratio, noise),
        },
    })
}

fn cell_of(subject: Subject<'_>) -> Option<String> {
    (!subject.cell.is_empty()).then(|| subject.cell.to_owned())
}

fn flight_of(subject: Subject<'_>) -> Option<u32> {
    let closed =
        matches!(subject.metric, Metric::DeliveriesPerSecond | Metric::CpuUsPerDelivery | Metric::RawRatio);
    closed.then_some(subject.in_flight)
}

fn ratio(
    before: &Run,
    after: &Run,
    subject: Subject<'_>,
    transport: Transport,
    [was, is]: [Figure; 2],
) -> Option<Figure> {
    let [old, new] = [before, after].map(|run| repeated(run, subject, transport));
    let (low, high) = ratio_interval(&old, &new, before.seed ^ after.seed.rotate_left(32))?;
    (was.value > 0.0).then(|| Figure {
        value: is.value / was.value,
        low,
        high,
        repetitions: old.len().min(new.len()),
    })
}

/// One more lost or doubled event is a regression, whatever the noise.
fn counts(was: Figure, is: Figure) -> Judgement {
    match is.value.total_cmp(&was.value) {
        std::cmp::Ordering::Greater => Judgement::Regressed,
        std::cmp::Ordering::Less => Judgement::Improved,
        std::cmp::Ordering::Equal => Judgement::WithinNoise,
    }
}

/// Where no event is told as lost there is no ratio: then every repetition of the other side must have some.
fn told_lost(was: Figure, is: Figure) -> Option<Judgement> {
    let enough = was.repetitions.min(is.repetitions) >= REPETITIONS_LEAST;
    match (was.high <= 0.0, is.high <= 0.0) {
        (true, true) => Some(Judgement::WithinNoise),
        (true, false) if enough && is.low > 0.0 => Some(Judgement::Regressed),
        (false, true) if enough && was.low > 0.0 => Some(Judgement::Improved),
        _ => None,
    }
}

/// A ratio that is closer to 1 is no change, however exactly it was measured.
const SLIGHT: f64 = 1.005;

/// With fewer repetitions on either side the medians are those of single visits, and nothing is judged.
const REPETITIONS_LEAST: usize = 3;

/// With fewer than so many the band must be left twice. A run against itself shows why: of the sample's figures three
/// repetitions against three others leave the plain band about once in a hundred times, four about once in a thousand.
pub(crate) const REPETITIONS_ENOUGH: usize = 4;

fn judge(metric: Metric, ratio: Option<Figure>, noise: Option<f64>) -> Judgement {
    let Some(ratio) = ratio.filter(|ratio| ratio.repetitions >= REPETITIONS_LEAST) else {
        return Judgement::Untold;
    };
    let Some(noise) = noise.map(|noise| noise.max(SLIGHT)) else { return Judgement::Untold };
    let noise = if ratio.repetitions < REPETITIONS_ENOUGH { noise * noise } else { noise };
    let grew = ratio.value > noise && ratio.low > 1.0;
    let shrank = ratio.value < 1.0 / noise && ratio.high < 1.0;
    match (grew, shrank, metric.more_is_better()) {
        (false, false, _) => Judgement::WithinNoise,
        (true, _, true) | (_, true, false) => Judgement::Improved,
        (true, _, false) | (_, true, true) => Judgement::Regressed,
    }
}
