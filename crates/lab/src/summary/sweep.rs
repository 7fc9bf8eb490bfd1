//! Sweeps: what a growing load does, and where it becomes too much.

use super::{Figure, Subject, figure, load_bound, open_cpu, valid};
use crate::result::{CellRecord, Integrity, LatencyVisit, Run, SweepAxis, Transport};
use crate::scenario::Metric;

/// From here on p99 has left what it was at the lowest load: the limit is passed.
const KNEE: f64 = 5.0;
/// The share of the offered deliveries that has to arrive within the window.
const KEPT_UP: f64 = 0.98;

/// The load may leave late for this share of a visit's events before the visit speaks against the step: a tenth of what p99
/// leaves out.
const LATE_SHARE: f64 = 0.001;

/// One sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepFigure {
    /// Its name.
    pub name: String,
    /// What grows.
    pub axis: SweepAxis,
    /// The steps of each transport, rising.
    pub series: Vec<(Transport, Vec<SweepPoint>)>,
}

/// One step of a sweep for one transport.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// How far the axis has grown.
    pub at: f64,
    /// Events a second.
    pub rate: f64,
    /// Deliveries a second that were asked for.
    pub offered: f64,
    /// Deliveries a second that were made; `None` where every visit is void.
    pub delivered: Option<f64>,
    /// Visits of the step that are void, and so in none of its figures. Those are left out of which the load itself was late
    /// for a few events, with no other fault: they say nothing about the server.
    pub void: usize,
    /// 99th percentile of latency, microseconds.
    pub p99_us: Option<Figure>,
    /// Server CPU microseconds a delivery.
    pub cpu_us: Option<Figure>,
    /// Whether the load was at its own limit, so that latency is at most, and what is delivered at least, what it says.
    pub load_bound: bool,
}

impl SweepFigure {
    /// The last step that a transport bears: nearly everything that was asked for is delivered, nothing is void up to
    /// there, and p99 has not left what it was. Over a growing rate that is five times that of the lowest load; where an
    /// event takes longer by its nature, since it goes to more or is longer, it is the interval between two events.
    /// `None` where it bears every step, or none.
    pub fn knee(&self, transport: Transport) -> Option<&SweepPoint> {
        let (_, points) = self.series.iter().find(|(t, _)| *t == transport)?;
        let lowest = points.first()?.p99_us?.value;
        let most = |p: &SweepPoint| match self.axis {
            SweepAxis::Rate => lowest * KNEE,
            SweepAxis::Subscribers | SweepAxis::Payload => 1_000_000.0 / p.rate.max(f64::EPSILON),
        };
        let bears = |p: &&SweepPoint| {
            p.void == 0
                && p.p99_us.is_some_and(|f| f.value <= most(p))
                && p.delivered.is_some_and(|d| d >= p.offered * KEPT_UP)
        };
        let borne = points.iter().take_while(bears).count();
        if borne == points.len() { None } else { points.get(borne.checked_sub(1)?) }
    }

    /// Whether the step after the knee was measured by a load at its own limit: the server may bear more.
    pub fn knee_is_loads(&self, transport: Transport) -> bool {
        let (Some(knee), Some((_, points))) =
            (self.knee(transport), self.series.iter().find(|(t, _)| *t == transport))
        else {
            return false;
        };
        points.iter().find(|p| p.at > knee.at).is_some_and(|p| p.load_bound)
    }
}

/// The run's sweeps, in the order of the scenario.
pub fn sweeps(run: &Run) -> Vec<SweepFigure> {
    let mut found: Vec<(&str, SweepAxis, Vec<&CellRecord>)> = Vec::new();
    for cell in &run.scenario.cells {
        let Some(sweep) = &cell.workload.sweep else { continue };
        match found.iter_mut().find(|(name, ..)| *name == sweep.name) {
            Some((.., cells)) => cells.push(cell),
            None => found.push((&sweep.name, sweep.axis, vec![cell])),
        }
    }
    found.into_iter().map(|(name, axis, cells)| one(run, name, axis, &cells)).collect()
}

fn one(run: &Run, name: &str, axis: SweepAxis, cells: &[&CellRecord]) -> SweepFigure {
    let series = |transport: &Transport| {
        let mut points: Vec<SweepPoint> = cells
            .iter()
            .filter(|cell| takes_part(cell, *transport))
            .map(|cell| point(run, axis, cell, *transport))
            .collect();
        points.sort_by(|a, b| a.at.total_cmp(&b.at));
        (*transport, points)
    };
    let series = run.scenario.transports.iter().map(series).filter(|(_, points)| !points.is_empty());
    SweepFigure { name: name.to_owned(), axis, series: series.collect() }
}

/// Whether a step is measured for a transport; a sweep may leave some out.
fn takes_part(cell: &CellRecord, transport: Transport) -> bool {
    let asked = cell.workload.sweep.as_ref().map(|sweep| &sweep.transports);
    asked.is_none_or(|asked| asked.is_empty() || asked.contains(&transport))
}

fn point(run: &Run, axis: SweepAxis, cell: &CellRecord, transport: Transport) -> SweepPoint {
    let at = match axis {
        SweepAxis::Rate => cell.rate,
        SweepAxis::Subscribers => cell.subscribers,
        SweepAxis::Payload => cell.payload,
    };
    // The window ends with the last receipt, which a light load has before its last interval is over.
    let sum = valid(run, &cell.name, transport)
        .fold((0.0, 0.0), |sum, v| (sum.0 + v.deliveries as f64, sum.1 + v.wall_s.max(cell.seconds)));
    let asked = run.latency.iter().filter(|v| v.cell == cell.name && v.transport == transport);
    // Of a cell with rooms only the audience of an event's room receives it.
    let audience = f64::from(cell.subscribers) / f64::from(cell.workload.rooms.unwrap_or(1).max(1));
    let p99 = Subject { metric: Metric::P99Us, cell: &cell.name, in_flight: 1 };
    SweepPoint {
        at: f64::from(at),
        rate: f64::from(cell.rate),
        offered: f64::from(cell.rate) * audience,
        delivered: (sum.1 > 0.0).then(|| sum.0 / sum.1),
        void: asked.filter(|v| !v.void.is_empty() && !slipped(v)).count(),
        p99_us: figure(run, p99, transport),
        load_bound: load_bound(run, p99, transport),
        cpu_us: open_cpu(run, &cell.name, transport),
    }
}

/// Whether all that is wrong with a visit is that the load left late for a few events.
fn slipped(visit: &LatencyVisit) -> bool {
    let account = &visit.integrity;
    let in_time = Integrity { missed_ticks: 0, ..*account };
    let few = account.missed_ticks as f64 <= account.published as f64 * LATE_SHARE;
    account.missed_ticks > 0 && few && visit.void.len() == 1 && in_time.faults().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::synthetic;

    #[test]
    fn the_limit_is_the_last_step_that_is_borne() {
        let found = sweeps(&synthetic());
        assert_eq!(found.len(), 1);
        let knee = |transport| found[0].knee(transport).map(|p| p.at);
        assert_eq!(knee(Transport::Poll), Some(100.0));
        assert_eq!(knee(Transport::Sse), Some(1000.0));
        // One void visit among whole ones: what is left of the step does not speak for it.
        let mut spoilt = synthetic();
        let at_limit =
            |v: &&mut crate::result::LatencyVisit| v.cell == "rate-1000" && v.transport == Transport::Sse;
        spoilt.latency.iter_mut().find(at_limit).unwrap().void.push("398 ticks missed".to_owned());
        assert_eq!(sweeps(&spoilt)[0].knee(Transport::Sse).map(|p| p.at), Some(100.0));
        // One of which the load was late for an event in a thousand says nothing about the server.
        let mut late = synthetic();
        let visit = late.latency.iter_mut().find(at_limit).unwrap();
        (visit.integrity.published, visit.integrity.missed_ticks) = (3000, 3);
        visit.integrity.expected = visit.integrity.received;
        visit.void.push("3 ticks missed".to_owned());
        assert_eq!(sweeps(&late)[0].knee(Transport::Sse).map(|p| p.at), Some(1000.0));
        late.latency.iter_mut().find(at_limit).unwrap().integrity.missed_ticks = 4;
        assert_eq!(sweeps(&late)[0].knee(Transport::Sse).map(|p| p.at), Some(100.0));
        // Where the load could do no more, it is not the server's limit.
        assert!(!found[0].knee_is_loads(Transport::Sse));
        let mut busy = synthetic();
        busy.latency.iter_mut().filter(|v| v.cell == "rate-5000").for_each(|v| v.load_busy = 0.9);
        assert!(sweeps(&busy)[0].knee_is_loads(Transport::Sse));
        assert!(!sweeps(&busy)[0].knee_is_loads(Transport::Poll));
        let poll = &found[0].series[0].1;
        assert_eq!(poll[0].offered, 1000.0);
        assert!((poll[0].delivered.unwrap() - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn a_void_step_ends_what_is_borne_and_no_limit_is_none() {
        let mut run = synthetic();
        let void = |v: &&mut crate::result::LatencyVisit| v.cell == "rate-1000";
        run.latency.iter_mut().filter(void).for_each(|v| v.void.push("late".to_owned()));
        let found = sweeps(&run);
        assert_eq!(found[0].knee(Transport::Sse).map(|p| p.at), Some(100.0));
        run.scenario.cells.retain(|c| !["rate-1000", "rate-5000"].contains(&c.name.as_str()));
        let found = sweeps(&run);
        assert_eq!(found[0].knee(Transport::Sse), None);
    }
}
