//! Figures of the crowd cells. As everywhere the unit is the repetition, and a void visit gives no figure.

use super::assertions::Outcome;
use super::statistics::{Line, fit, fit_relative, line_interval, median};
use super::values::merge;
use crate::result::{
    Axis, CrowdResults, CrowdVisit, Integrity, Latency, Run, ScaleVisit, SoakVisit, StalledVisit, Transport,
};

/// Readings of memory that a slope wants at least.
const DRIFT_SAMPLES_MIN: usize = 10;

/// A crowd cell over all its valid visits.
#[derive(Debug, Clone)]
pub struct CrowdFigure<'a> {
    /// The first visit, for what was asked for.
    pub visit: &'a CrowdVisit,
    /// Latency of each transport's share.
    pub shares: Vec<(Transport, Latency)>,
    /// Latency of all, and the lengths of all passes; `None` where every visit is void.
    pub whole: Option<(Latency, Latency)>,
    /// 99th percentile over the median pass, as the median over repetitions.
    pub p99_passes: Option<f64>,
    /// Sums over all visits, void ones above all.
    pub integrity: Integrity,
    /// Why visits are void.
    pub void: Vec<String>,
}

/// The crowd cells, in the order in which they were visited.
pub fn crowds(run: &Run) -> Vec<CrowdFigure<'_>> {
    let visits = run.crowd.as_ref().map_or(&[][..], |results| &results.crowd);
    let mut cells: Vec<&str> = Vec::new();
    for visit in visits {
        if !cells.contains(&visit.cell.as_str()) {
            cells.push(&visit.cell);
        }
    }
    let of = |cell: &&str| visits.iter().filter(|v| v.cell == **cell).collect::<Vec<_>>();
    cells.iter().filter_map(|cell| crowd(&of(cell))).collect()
}

fn crowd<'a>(visits: &[&'a CrowdVisit]) -> Option<CrowdFigure<'a>> {
    let first = visits.first()?;
    let valid: Vec<_> = visits.iter().filter(|v| v.void.is_empty()).collect();
    let share = |transport: Transport| {
        let stored = valid.iter().flat_map(|v| &v.latency).filter(|s| s.transport == transport);
        Some((transport, merge(stored.map(|s| &s.latency))?))
    };
    let all = merge(valid.iter().flat_map(|v| &v.latency).map(|share| &share.latency));
    let passes = merge(valid.iter().filter_map(|v| v.pass.as_ref()));
    Some(CrowdFigure {
        visit: first,
        shares: Transport::ALL.into_iter().filter_map(share).collect(),
        whole: all.zip(passes),
        p99_passes: median(&valid.iter().filter_map(|v| p99_passes(v)).collect::<Vec<_>>()),
        integrity: total(visits.iter().map(|v| &v.integrity)),
        void: visits.iter().flat_map(|v| v.void.iter().cloned()).collect(),
    })
}

fn p99_passes(visit: &CrowdVisit) -> Option<f64> {
    let all = merge(visit.latency.iter().map(|share| &share.latency))?;
    let pass = merge(visit.pass.iter())?;
    Some(all.at(0.99) as f64 / pass.at(0.5).max(1) as f64)
}

/// The sum of what visits' subscribers received against what was published.
pub(super) fn total<'a>(accounts: impl Iterator<Item = &'a Integrity>) -> Integrity {
    accounts.fold(Integrity::default(), |sum, one| Integrity {
        published: sum.published + one.published,
        refused: sum.refused + one.refused,
        expected: sum.expected + one.expected,
        received: sum.received + one.received,
        lost: sum.lost + one.lost,
        duplicated: sum.duplicated + one.duplicated,
        out_of_order: sum.out_of_order + one.out_of_order,
        negative: sum.negative + one.negative,
        foreign: sum.foreign + one.foreign,
        ended: sum.ended + one.ended,
        missed_ticks: sum.missed_ticks + one.missed_ticks,
    })
}

/// Server CPU at one step of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalePoint {
    /// How far the axis has grown.
    pub at: u32,
    /// Deliveries of an event.
    pub audience: f64,
    /// CPU microseconds an event: the median over repetitions.
    pub event_us: f64,
    /// The smallest and the largest of them.
    pub range: (f64, f64),
    /// Valid visits that it rests on.
    pub visits: usize,
}

/// Server CPU over one axis.
#[derive(Debug, Clone)]
pub struct ScaleFigure {
    /// What grows.
    pub axis: Axis,
    /// Its steps, rising; one whose visits are all void is left out.
    pub points: Vec<ScalePoint>,
    /// The line through all valid visits, by relative deviations where the cost is to follow: see [`ScaleFigure::x`]
    /// for its unit.
    pub line: Option<Line>,
    /// Void visits: the step, and why.
    pub void: Vec<(u32, String)>,
}

impl ScaleFigure {
    /// Where a point lies for the fitted line: at the number of subscribers or the event's audience, where the cost
    /// is to follow them, else at the decimal logarithm of the axis, where it is to stay.
    pub fn x(axis: Axis, at: u32, audience: f64) -> f64 {
        match axis {
            Axis::Subscribers => f64::from(at),
            Axis::RoomsInTurn => audience,
            Axis::Rooms | Axis::Namespaces | Axis::History => f64::from(at.max(1)).log10(),
        }
    }

    /// Whether the cost is to follow the axis, in proportion; on the others it is to stay.
    pub fn follows(axis: Axis) -> bool {
        matches!(axis, Axis::Subscribers | Axis::RoomsInTurn)
    }

    /// The last step's cost over the first's.
    pub fn growth(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        (self.points.len() > 1).then(|| last.event_us / first.event_us)
    }
}

/// One axis; `None` where it was not measured.
pub fn scale(run: &Run, axis: Axis) -> Option<ScaleFigure> {
    let visits: Vec<_> = run.crowd.as_ref()?.scale.iter().filter(|v| v.axis == axis).collect();
    let valid: Vec<_> = visits.iter().copied().filter(|v| v.void.is_empty() && v.events > 0).collect();
    let mut steps: Vec<u32> = valid.iter().map(|v| v.at).collect();
    steps.sort_unstable();
    steps.dedup();
    let points = valid.iter().map(|v| (ScaleFigure::x(axis, v.at, audience(v)), event_us(v)));
    let line = if ScaleFigure::follows(axis) { fit_relative(points) } else { fit(points) };
    let void = visits.iter().filter(|v| !v.void.is_empty()).map(|v| (v.at, v.void.join(", ")));
    let figure = ScaleFigure {
        axis,
        points: steps.iter().filter_map(|at| point(*at, &valid)).collect(),
        line,
        void: void.collect(),
    };
    (!visits.is_empty()).then_some(figure)
}

fn point(at: u32, valid: &[&ScaleVisit]) -> Option<ScalePoint> {
    let here: Vec<_> = valid.iter().filter(|v| v.at == at).collect();
    let costs: Vec<f64> = here.iter().map(|v| event_us(v)).collect();
    let low = costs.iter().copied().fold(f64::INFINITY, f64::min);
    let high = costs.iter().copied().fold(0.0, f64::max);
    Some(ScalePoint {
        at,
        audience: median(&here.iter().map(|v| audience(v)).collect::<Vec<_>>())?,
        event_us: median(&costs)?,
        range: (low, high),
        visits: here.len(),
    })
}

fn audience(visit: &ScaleVisit) -> f64 {
    visit.deliveries as f64 / visit.events as f64
}

fn event_us(visit: &ScaleVisit) -> f64 {
    visit.server_cpu_s * 1e6 / visit.events as f64
}

/// Healthy readers beside stalled ones.
#[derive(Debug, Clone)]
pub struct StalledFigure<'a> {
    /// The first visit with stalled readers, for what was asked for.
    pub visit: &'a StalledVisit,
    /// 99th percentile of the healthy ones with and without the stalled ones, microseconds, medians over rounds.
    pub p99_us: Option<(f64, f64)>,
    /// With over without in each complete round; without is the geometric mean of the round's two ends.
    pub ratios: Vec<f64>,
    /// The larger of a round's two ends over the smaller, the widest of all rounds: the server against itself.
    pub band: Option<f64>,
    /// KiB of server memory that a stalled reader adds to an idle one: the growth while they were filled, less the
    /// growth of the servers without them.
    pub pss_kib: Option<f64>,
    /// KiB of socket memory of the kernel, both ends, likewise.
    pub kernel_kib: Option<f64>,
    /// Why visits are void.
    pub void: Vec<String>,
}

/// The stalled readers; `None` where they were not measured.
pub fn stalled(run: &Run) -> Option<StalledFigure<'_>> {
    let visits = &run.crowd.as_ref()?.stalled;
    let visit = visits.iter().find(|v| v.stalled > 0)?;
    let rounds = visits.iter().map(|v| v.round).max().unwrap_or(0);
    let whole: Vec<[&StalledVisit; 3]> = (0..=rounds).filter_map(|round| complete(visits, round)).collect();
    let p99 = |place: usize| whole.iter().filter_map(|r| p99_us(r[place])).collect::<Vec<_>>();
    let (first, with, last) = (p99(0), p99(1), p99(2));
    let ends: Vec<f64> = first.iter().zip(&last).map(|(a, b)| (a * b).sqrt()).collect();
    Some(StalledFigure {
        visit,
        p99_us: median(&with).zip(median(&ends)),
        ratios: with.iter().zip(&ends).map(|(with, without)| with / without).collect(),
        band: first.iter().zip(&last).map(|(a, b)| (a / b).max(b / a)).reduce(f64::max),
        pss_kib: added(&whole, |v| v.filled.pss_kib as f64 - v.idle.pss_kib as f64),
        kernel_kib: added(&whole, |v| v.filled.kernel_kib as f64 - v.idle.kernel_kib as f64),
        void: visits.iter().flat_map(|v| v.void.iter().cloned()).collect(),
    })
}

/// The three valid visits of a round, in their places.
fn complete(visits: &[StalledVisit], round: u32) -> Option<[&StalledVisit; 3]> {
    let at = |place| visits.iter().find(|v| v.round == round && v.place == place && v.void.is_empty());
    Some([at(0)?, at(1)?, at(2)?])
}

fn p99_us(visit: &StalledVisit) -> Option<f64> {
    Some(merge(visit.latency.iter())?.at(0.99) as f64)
}

/// What the stalled readers of a round added, for each of them.
fn added(rounds: &[[&StalledVisit; 3]], growth: fn(&StalledVisit) -> f64) -> Option<f64> {
    let each = |[first, with, last]: &[&StalledVisit; 3]| {
        (growth(with) - f64::midpoint(growth(first), growth(last))) / f64::from(with.stalled)
    };
    median(&rounds.iter().map(each).collect::<Vec<_>>())
}

/// How memory moved in the course of a soak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// KiB a minute, by the least-squares line through the samples after the settling time.
    pub slope: f64,
    /// 95 % interval of the slope.
    pub interval: (f64, f64),
    /// KiB at the start of the line.
    pub base_kib: f64,
    /// Mean of the samples, KiB.
    pub mean_kib: f64,
    /// Minutes that the samples span.
    pub minutes: f64,
}

/// The drift of a soak; `None` for too few samples.
pub fn drift(visit: &SoakVisit, seed: u64) -> Option<Drift> {
    // A soak that was stopped early keeps half of its samples at least.
    let settle_s = visit.settle_s.min(visit.wall_s / 2.0);
    let kept = visit.samples.iter().filter(|sample| sample.at_s >= settle_s);
    let points: Vec<(f64, f64)> = kept.map(|s| (s.at_s / 60.0, s.pss_kib as f64)).collect();
    let line = fit(points.iter().copied()).filter(|_| points.len() >= DRIFT_SAMPLES_MIN)?;
    let interval = line_interval(&points, seed)?;
    let minutes = points.last()?.0 - points.first()?.0;
    let mean_kib = points.iter().map(|p| p.1).sum::<f64>() / points.len() as f64;
    Some(Drift {
        slope: line.slope,
        interval,
        base_kib: line.intercept + line.slope * settle_s / 60.0,
        mean_kib,
        minutes,
    })
}

/// What the crowd cells claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrowdClaim {
    /// Nothing was lost, doubled or reordered in a crowd.
    Whole,
    /// The 99th percentile of a crowd is within so many passes.
    Passes,
    /// Nothing was lost, doubled or reordered for those that stayed.
    SoakWhole,
    /// Stalled readers delay the others' 99th percentile by no more than so many times.
    Stalled,
}

/// A claim and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckedCrowd {
    /// What is claimed.
    pub claim: CrowdClaim,
    /// The subscribers it is claimed for; of the stalled readers their number.
    pub subscribers: u32,
    /// The largest value that passes.
    pub at_most: f64,
    /// The figure, if there is a valid one.
    pub value: Option<f64>,
    /// Whether it passes.
    pub outcome: Outcome,
}

/// Checks what the crowd cells claim.
pub fn check_crowd(run: &Run) -> Vec<CheckedCrowd> {
    let mut all = Vec::new();
    for figure in crowds(run) {
        let subscribers = figure.visit.subscribers;
        all.push(whole(CrowdClaim::Whole, subscribers, &figure.integrity));
        if let Some(bound) = figure.visit.p99_passes_at_most {
            all.push(checked(CrowdClaim::Passes, subscribers, bound, figure.p99_passes));
        }
    }
    if let Some((figure, bound)) =
        stalled(run).and_then(|f| Some((f.visit.p99_ratio_at_most?, f))).map(|(b, f)| (f, b))
    {
        all.push(checked(CrowdClaim::Stalled, figure.visit.stalled, bound, median(&figure.ratios)));
    }
    let soaks = run.crowd.as_ref().map_or(&[][..], |results: &CrowdResults| &results.soak);
    all.extend(soaks.iter().map(|soak| whole(CrowdClaim::SoakWhole, soak.subscribers, &soak.staying)));
    all
}

fn checked(claim: CrowdClaim, subscribers: u32, at_most: f64, value: Option<f64>) -> CheckedCrowd {
    let outcome = match value {
        None => Outcome::Void,
        Some(value) if value <= at_most => Outcome::Pass,
        Some(_) => Outcome::Fail,
    };
    CheckedCrowd { claim, subscribers, at_most, value, outcome }
}

/// Faults of delivery alone; a missed tick or an ended stream makes a visit void, which its figures show.
fn whole(claim: CrowdClaim, subscribers: u32, account: &Integrity) -> CheckedCrowd {
    let faults = account.lost + account.duplicated + account.out_of_order + account.foreign;
    let nothing = account.received == 0;
    checked(claim, subscribers, 0.0, (!nothing || faults > 0).then_some(faults as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::synthetic;
    use crate::result::MemorySample;

    fn results(run: &mut Run) -> &mut CrowdResults {
        run.crowd.as_mut().unwrap()
    }

    #[test]
    fn the_fixture_scales_as_it_was_made_to() {
        let run = synthetic();
        let line = scale(&run, Axis::Subscribers).unwrap().line.unwrap();
        assert!((line.slope - 3.0).abs() < 0.1 && line.r_squared > 0.99, "{line:?}");
        let rooms = scale(&run, Axis::Rooms).unwrap();
        assert!((rooms.growth().unwrap() - 1.0).abs() < 0.05, "{rooms:?}");
        let turn = scale(&run, Axis::RoomsInTurn).unwrap();
        assert_eq!(turn.points.iter().map(|p| p.audience).collect::<Vec<_>>(), [1000.0, 1.0]);
    }

    #[test]
    fn a_void_step_is_drawn_from_by_nothing_and_named() {
        let mut run = synthetic();
        for visit in results(&mut run).scale.iter_mut().filter(|v| v.axis == Axis::Rooms && v.at == 1) {
            visit.void.push("1 lost".to_owned());
        }
        let rooms = scale(&run, Axis::Rooms).unwrap();
        assert!(
            rooms.points.iter().all(|p| p.at != 1)
                && rooms.void.iter().all(|(at, why)| *at == 1 && why == "1 lost")
        );
    }

    #[test]
    fn a_round_is_compared_with_its_own_ends() {
        let mut run = synthetic();
        let figure = stalled(&run).unwrap();
        assert_eq!(figure.ratios.len(), 3);
        assert!(figure.ratios.iter().all(|r| (1.0..1.2).contains(r)), "{:?}", figure.ratios);
        assert!((figure.pss_kib.unwrap() - 20.0).abs() < 0.1 && figure.band.unwrap() >= 1.0);
        results(&mut run).stalled[0].void.push("x".to_owned());
        assert_eq!(stalled(&run).unwrap().ratios.len(), 2);
    }

    #[test]
    fn claims_pass_fail_and_are_void() {
        let outcomes = |run: &Run| check_crowd(run).iter().map(|c| (c.claim, c.outcome)).collect::<Vec<_>>();
        let mut run = synthetic();
        assert!(outcomes(&run).iter().all(|(_, outcome)| *outcome == Outcome::Pass), "{:?}", outcomes(&run));
        assert_eq!(outcomes(&run).len(), 4);
        for visit in &mut results(&mut run).crowd {
            visit.void.push("1 lost".to_owned());
            visit.integrity.lost = 1;
        }
        results(&mut run).stalled.iter_mut().for_each(|v| v.p99_ratio_at_most = Some(1.0));
        let changed = outcomes(&run);
        assert!(changed.contains(&(CrowdClaim::Whole, Outcome::Fail)));
        assert!(changed.contains(&(CrowdClaim::Passes, Outcome::Void)));
        assert!(changed.contains(&(CrowdClaim::Stalled, Outcome::Fail)));
    }

    #[test]
    fn drift_leaves_the_settling_out() {
        let mut run = synthetic();
        let soak = &mut results(&mut run).soak[0];
        let kib = |s: u64| if s < 60 { 1000 * s } else { 60_000 + s / 6 };
        soak.samples = (0..600).map(|s| MemorySample { at_s: s as f64, pss_kib: kib(s) }).collect();
        (soak.settle_s, soak.wall_s) = (60.0, 600.0);
        let drift = super::drift(soak, 1).unwrap();
        assert!((drift.slope - 10.0).abs() < 0.1, "{drift:?}");
        assert!(drift.interval.0 <= drift.slope && drift.slope <= drift.interval.1);
        soak.samples.truncate(60 + DRIFT_SAMPLES_MIN - 1);
        assert_eq!(super::drift(soak, 1), None, "nine readings are too few");
    }
}
