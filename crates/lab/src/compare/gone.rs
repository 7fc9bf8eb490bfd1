//! Figures that the later run should have and has not: it was asked for them, and every visit is void or missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{cell_of, flight_of};
use crate::result::{Run, Transport};
use crate::scenario::{Metric, Scenario, parse};
use crate::summary::{Figure, Subject, figure};

/// A figure of the earlier run that the later one was asked for too, and does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gone {
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
}

/// The figure of one transport, where it is gone.
pub(super) fn gone(before: &Run, after: &Run, subject: Subject<'_>, transport: Transport) -> Option<Gone> {
    let was = figure(before, subject, transport)?;
    let asked = after.scenario.transports.contains(&transport);
    let asked = asked && !is_overload(after, subject, transport);
    (asked && figure(after, subject, transport).is_none()).then(|| Gone {
        metric: subject.metric,
        transport,
        cell: cell_of(subject),
        in_flight: flight_of(subject),
        before: was,
    })
}

/// Whether a figure is of a sweep's step that was visited and is void: where a sweep ends is what it is to find.
fn is_overload(run: &Run, subject: Subject<'_>, transport: Transport) -> bool {
    let cell = run.scenario.cells.iter().find(|cell| cell.name == subject.cell);
    let visited = || run.latency.iter().any(|v| v.cell == subject.cell && v.transport == transport);
    cell.is_some_and(|cell| cell.workload.sweep.is_some()) && visited()
}

/// The scenario as it was written; `None` where this version cannot read it.
fn written(run: &Run) -> Option<Scenario> {
    parse(&run.scenario.name, &run.scenario.text).ok()
}

/// The numbers of events in flight that a run was asked for.
pub(super) fn flights(run: &Run) -> BTreeSet<u32> {
    let asked = written(run).into_iter().flat_map(|scenario| scenario.saturations);
    asked.map(|one| one.in_flight).chain(run.saturation.iter().map(|visit| visit.in_flight)).collect()
}

/// The subscribers of the closed loops with so many events in flight: as visited, or as asked for where nothing was.
pub(super) fn loads(run: &Run, in_flight: u32) -> BTreeSet<u32> {
    let visits = run.saturation.iter().filter(|visit| visit.in_flight == in_flight);
    let visited: BTreeSet<u32> = visits.map(|visit| visit.subscribers).collect();
    if !visited.is_empty() {
        return visited;
    }
    let asked = written(run).into_iter().flat_map(|scenario| scenario.saturations);
    asked.filter(|one| one.in_flight == in_flight).map(|one| one.subscribers).collect()
}

/// The numbers of subscribers at which memory was read: as visited, or as asked for where no visit is valid.
pub(super) fn memory_at(run: &Run) -> BTreeSet<u32> {
    let valid = run.memory.iter().filter(|visit| visit.void.is_empty());
    let read: BTreeSet<u32> = valid.flat_map(|visit| &visit.points).map(|point| point.subscribers).collect();
    if !read.is_empty() {
        return read;
    }
    written(run).into_iter().flat_map(|scenario| scenario.memory_at).collect()
}
