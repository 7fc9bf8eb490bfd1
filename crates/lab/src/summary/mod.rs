//! From observations to figures: what the report prints is computed here, from a stored [`Run`] alone.
//!
//! The unit is the repetition. Its two halves are joined first (histograms merged, times and counts added), then the
//! median over repetitions is taken, with a 95 % bootstrap interval. The two halves are the same server measured twice:
//! dealt to two sides by chance, their medians show the noise, and no difference inside that band is called one.

mod assertions;
mod cost;
mod crowd;
mod recovery;
mod statistics;
mod sweep;
mod values;

pub use self::assertions::{Checked, Outcome};
pub use self::cost::{
    CostPoint, WirePoint, account, client_cpu, cost_points, exchange_bytes, header_bytes, is_plain, open_cpu,
    plain_cells, reconnect, valid, wire_points,
};
pub use self::crowd::{
    CheckedCrowd, CrowdClaim, CrowdFigure, Drift, ScaleFigure, ScalePoint, StalledFigure, check_crowd,
    crowds, drift, scale, stalled,
};
pub use self::recovery::{RecoveryFigure, recovery};
pub use self::statistics::{
    Line, fit, fit_relative, interval, line_interval, median, ratio_interval, self_ratio,
};
pub use self::sweep::{SweepFigure, SweepPoint, sweeps};

use serde::{Deserialize, Serialize};

use crate::result::{LOAD_BUSY_MAX, Latency, Run, Transport};
use crate::scenario::Metric;

/// Events of which one is the 99.9th percentile.
const P999_EVENTS_MIN: u64 = 1000;

/// What a figure is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject<'a> {
    /// What is measured.
    pub metric: Metric,
    /// The latency cell, for metrics of latency and bytes.
    pub cell: &'a str,
    /// Events in flight, for metrics of throughput and cost.
    pub in_flight: u32,
}

/// A median over repetitions with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The median.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Repetitions that it rests on.
    pub repetitions: usize,
}

/// How the transports compare by one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// One is better than every other by more than the noise, and the intervals do not touch.
    Best(Transport),
    /// Some are better than the others, but cannot be told apart from each other: see [`Comparison::leaders`].
    Tied,
    /// None can be told apart from the best.
    NoDifference,
    /// One that looks worse was measured by a load at its own limit, so nobody can be said to be better than it.
    LoadBound,
    /// A figure rests on one repetition, so that chance may have made any difference.
    TooFew,
    /// Fewer than two transports have a figure.
    NotComparable,
}

/// A subject's figures for all transports.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// One for each transport of the scenario; `None` where it is void or was not measured.
    pub figures: Vec<(Transport, Option<Figure>)>,
    /// The ratio, at least 1, within which the same server stays when it is compared with itself: see [`noise`]. `None` where
    /// a figure rests on one repetition.
    pub noise: Option<f64>,
    /// Who is best, if anyone.
    pub ranking: Ranking,
    /// The best, and all that cannot be told apart from it; empty where nothing can be compared, or the load decides.
    pub leaders: Vec<Transport>,
    /// Those whose figure the load may have limited: a bound, and no more; see [`load_bound`].
    pub load_bound: Vec<Transport>,
}

impl Comparison {
    /// The figure of one transport.
    pub fn of(&self, transport: Transport) -> Option<Figure> {
        self.figures.iter().find(|(t, _)| *t == transport).and_then(|(_, figure)| *figure)
    }

    /// The largest upper end of all intervals.
    pub fn high(&self) -> f64 {
        self.figures.iter().filter_map(|(_, figure)| figure.map(|f| f.high.max(f.value))).fold(0.0, f64::max)
    }
}

/// One transport's figure.
pub fn figure(run: &Run, subject: Subject<'_>, transport: Transport) -> Option<Figure> {
    figure_of(run, &values::of(run, subject, transport))
}

/// One transport's values, one for each repetition that has a valid visit.
pub fn repeated(run: &Run, subject: Subject<'_>, transport: Transport) -> Vec<f64> {
    values::of(run, subject, transport)
}

/// The figure of one value a repetition; `None` of nothing.
fn figure_of(run: &Run, values: &[f64]) -> Option<Figure> {
    let value = median(values)?;
    let (low, high) = interval(values, run.seed)?;
    Some(Figure { value, low, high, repetitions: values.len() })
}

/// All transports' figures, their noise and their ranking.
pub fn compare(run: &Run, subject: Subject<'_>) -> Comparison {
    let figures: Vec<_> = run.scenario.transports.iter().map(|t| (*t, figure(run, subject, *t))).collect();
    let known = figures.iter().filter(|(_, figure)| figure.is_some()).count();
    let is_repeated = |(t, figure): &(Transport, Option<Figure>)| {
        figure.is_none() || is_total(subject.metric) || values::is_repeated(run, subject, *t)
    };
    if !figures.iter().all(is_repeated) {
        let ranking = if known < 2 { Ranking::NotComparable } else { Ranking::TooFew };
        let load_bound = load_bounds(run, subject);
        return Comparison { figures, noise: None, ranking, leaders: Vec::new(), load_bound };
    }
    let noise = noise(run, subject);
    let leaders = leaders(subject.metric, &figures, noise.unwrap_or(1.0));
    let load_bound = load_bounds(run, subject);
    let ranking = match rank(&leaders, known) {
        Ranking::Best(_) | Ranking::Tied if load_bound.iter().any(|t| !leaders.contains(t)) => {
            Ranking::LoadBound
        }
        ranking => ranking,
    };
    let leaders = if ranking == Ranking::LoadBound { Vec::new() } else { leaders };
    Comparison { figures, noise, ranking, leaders, load_bound }
}

fn load_bounds(run: &Run, subject: Subject<'_>) -> Vec<Transport> {
    run.scenario.transports.iter().copied().filter(|t| load_bound(run, subject, *t)).collect()
}

/// Whether a metric is one count of a whole run.
pub(crate) fn is_total(metric: Metric) -> bool {
    matches!(metric, Metric::Lost | Metric::Duplicated)
}

/// Whether a percentile lies beyond what was measured: deliveries of one event share its moment, so of fewer than a
/// thousand events none is the one in a thousand.
pub fn is_beyond(run: &Run, subject: Subject<'_>, transport: Transport) -> bool {
    let events = || valid(run, subject.cell, transport).map(|visit| visit.integrity.published).sum::<u64>();
    subject.metric == Metric::P999Us && events() < P999_EVENTS_MIN
}

/// Whether the load was so busy behind a figure that a faster load might have found a better one: throughput is then at
/// least, and latency at most, what was measured.
pub fn load_bound(run: &Run, subject: Subject<'_>, transport: Transport) -> bool {
    values::load_busy(run, subject, transport).is_some_and(|busy| busy > LOAD_BUSY_MAX)
}

/// How far the same server is from itself, as a ratio of at least 1: see [`self_ratio`], the widest of all transports;
/// `None` where nothing was measured twice.
pub fn noise(run: &Run, subject: Subject<'_>) -> Option<f64> {
    // Both halves are held against one visit to the raw loop, whose own noise only other repetitions show.
    let beside_raw = subject.metric == Metric::RawRatio;
    let pairs = |t: &Transport| {
        let repeated = beside_raw.then(|| values::in_turn(run, subject, *t));
        [Some(values::twice(run, subject, *t)), repeated].into_iter().flatten()
    };
    let bands = run.scenario.transports.iter().flat_map(pairs).filter_map(|p| self_ratio(&p, run.seed));
    bands.fold(None, |widest: Option<f64>, band| Some(widest.map_or(band, |w| w.max(band))))
}

fn rank(leaders: &[Transport], known: usize) -> Ranking {
    match leaders {
        [] => Ranking::NotComparable,
        [best] => Ranking::Best(*best),
        all if all.len() == known => Ranking::NoDifference,
        _ => Ranking::Tied,
    }
}

/// The best, and those that differ from it by no more than the noise or with intervals that touch.
fn leaders(metric: Metric, figures: &[(Transport, Option<Figure>)], noise: f64) -> Vec<Transport> {
    let known: Vec<(Transport, Figure)> = figures.iter().filter_map(|(t, f)| f.map(|f| (*t, f))).collect();
    let ordered = known.iter().map(|(_, figure)| *figure);
    let by_value = |a: &Figure, b: &Figure| a.value.total_cmp(&b.value);
    let best = if metric.more_is_better() { ordered.max_by(by_value) } else { ordered.min_by(by_value) };
    let Some(best) = best.filter(|_| known.len() > 1) else { return Vec::new() };
    let behind = |figure: &Figure| {
        let (smaller, larger) = if metric.more_is_better() { (figure, &best) } else { (&best, figure) };
        larger.value > smaller.value * noise && larger.low > smaller.high
    };
    known.iter().filter(|(_, figure)| !behind(figure)).map(|(transport, _)| *transport).collect()
}

/// All valid latencies of one cell and transport, merged; `None` where every visit is void.
pub fn merged(run: &Run, cell: &str, transport: Transport) -> Option<Latency> {
    let visits = run.latency.iter().filter(|visit| visit.cell == cell && visit.transport == transport);
    let stored = visits.filter(|visit| visit.void.is_empty()).filter_map(|visit| visit.latency.as_ref());
    values::merge(stored)
}

/// All valid latencies of one cell and transport from the time at which the publish request left, merged; `None` where
/// they were not recorded.
pub fn merged_since_sent(run: &Run, cell: &str, transport: Transport) -> Option<Latency> {
    values::merge(valid(run, cell, transport).filter_map(|visit| visit.since_sent.as_ref()))
}

/// Checks the scenario's assertions.
pub fn check(run: &Run) -> Vec<Checked> {
    assertions::check(run)
}

/// The first latency cell's name, which stands for latency where no cell is named.
pub fn first_cell(run: &Run) -> &str {
    run.scenario.cells.first().map_or("", |cell| cell.name.as_str())
}

/// The numbers of events in flight that were measured, rising.
pub fn flights(run: &Run) -> Vec<u32> {
    let mut flights: Vec<u32> = run.saturation.iter().map(|visit| visit.in_flight).collect();
    flights.sort_unstable();
    flights.dedup();
    flights
}

/// The raw loop's CPU microseconds a delivery, with `joined` events in one send, as the median over repetitions of
/// all bytes it sent.
pub fn raw_cpu_us(run: &Run, joined: u32) -> Option<f64> {
    let valid = run
        .raw
        .iter()
        .filter(|visit| visit.joined == joined && visit.void.is_empty() && visit.deliveries > 0);
    median(&valid.map(|visit| visit.cpu_s * 1e6 / visit.deliveries as f64).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f64, spread: f64) -> Option<Figure> {
        Some(Figure { value, low: value - spread, high: value + spread, repetitions: 3 })
    }

    fn check(metric: Metric, values: [Option<Figure>; 3], noise: f64, expected: Ranking) {
        let figures: Vec<_> = Transport::ALL.into_iter().zip(values).collect();
        let known = values.iter().flatten().count();
        assert_eq!(rank(&leaders(metric, &figures, noise), known), expected);
    }

    #[test]
    fn nothing_published_is_no_zero() {
        let mut run = crate::fixture::synthetic();
        let lost =
            |run: &Run| figure(run, Subject { metric: Metric::Lost, cell: "", in_flight: 1 }, Transport::Sse);
        assert_eq!(lost(&run).map(|f| f.value), Some(0.0));
        run.latency.retain(|visit| visit.transport != Transport::Sse);
        run.saturation.retain(|visit| visit.transport != Transport::Sse);
        assert_eq!(lost(&run), None);
    }

    #[test]
    fn one_in_a_thousand_wants_a_thousand() {
        let mut run = crate::fixture::synthetic();
        let cell = run.scenario.cells[0].name.clone();
        let beyond =
            |run: &Run, metric| is_beyond(run, Subject { metric, cell: &cell, in_flight: 1 }, Transport::Sse);
        let mine = |visit: &&mut crate::result::LatencyVisit| {
            visit.cell == cell && visit.transport == Transport::Sse
        };
        let visits = run.latency.iter_mut().filter(mine).map(|visit| visit.integrity.published = 0).count();
        assert!(visits > 1 && beyond(&run, Metric::P999Us) && !beyond(&run, Metric::P99Us));
        run.latency.iter_mut().find(mine).unwrap().integrity.published = 999;
        assert!(beyond(&run, Metric::P999Us));
        run.latency.iter_mut().filter(mine).last().unwrap().integrity.published = 1;
        assert!(!beyond(&run, Metric::P999Us));
    }

    #[test]
    fn nobody_is_best_after_one_repetition() {
        let mut run = crate::fixture::synthetic();
        let cell = run.scenario.cells[0].name.clone();
        let bytes = Subject { metric: Metric::BytesPerDelivery, cell: &cell, in_flight: 1 };
        assert_eq!(compare(&run, bytes).ranking, Ranking::Best(Transport::Websocket));
        // One half alone of all repetitions but the first is no second one.
        let mut halved = run.clone();
        halved.latency.retain(|visit| visit.repetition == 0 || visit.half == 0);
        run.latency.retain(|visit| visit.repetition == 0);
        for run in [run, halved] {
            let found = compare(&run, bytes);
            assert_eq!((found.ranking, found.noise), (Ranking::TooFew, None));
            assert!(found.leaders.is_empty() && found.of(Transport::Sse).is_some());
        }
    }

    #[test]
    fn nobody_is_better_than_what_the_load_limited() {
        let mut run = crate::fixture::synthetic();
        let subject = Subject { metric: Metric::DeliveriesPerSecond, cell: "", in_flight: 1 };
        for visit in &mut run.saturation {
            visit.load_busy = 0.5;
            visit.wall_s *= if visit.transport == Transport::Poll { 4.0 } else { 1.0 };
        }
        let before = compare(&run, subject);
        assert!(before.load_bound.is_empty());
        assert!(matches!(before.ranking, Ranking::Best(_) | Ranking::Tied), "{before:?}");
        let behind = *run.scenario.transports.iter().find(|t| !before.leaders.contains(t)).unwrap();
        let busy = |run: &mut Run, transport| {
            let visits = run.saturation.iter_mut().filter(|visit| visit.transport == transport);
            visits.for_each(|visit| visit.load_busy = 0.9);
        };
        // The best is no less the best for a load that held it back.
        let mut other = run.clone();
        before.leaders.iter().for_each(|leader| busy(&mut other, *leader));
        assert_eq!(compare(&other, subject).ranking, before.ranking);
        busy(&mut run, behind);
        let bound = compare(&run, subject);
        assert_eq!((bound.ranking, bound.load_bound), (Ranking::LoadBound, vec![behind]));
        assert!(bound.leaders.is_empty());
    }

    #[test]
    fn best_is_only_who_is_outside_the_noise() {
        let best = |transport| Ranking::Best(transport);
        check(Metric::P99Us, [of(30.0, 1.0), of(20.0, 1.0), of(10.0, 1.0)], 1.1, best(Transport::Websocket));
        check(Metric::RawRatio, [of(30.0, 1.0), of(20.0, 1.0), of(10.0, 1.0)], 1.1, best(Transport::Poll));
        check(Metric::P99Us, [of(30.0, 1.0), of(11.0, 0.1), of(10.0, 0.1)], 1.2, Ranking::Tied);
        check(Metric::P99Us, [of(30.0, 1.0), of(20.0, 6.0), of(10.0, 6.0)], 1.2, Ranking::Tied);
        check(Metric::P99Us, [of(11.0, 3.0), of(10.0, 3.0), of(10.0, 3.0)], 1.2, Ranking::NoDifference);
        check(Metric::P99Us, [None, None, of(10.0, 1.0)], 1.2, Ranking::NotComparable);
    }
}
