//! What a delivery costs the server in CPU, by how fast events come, and on the wire, by how large they are: the points
//! that a reader may interpolate between.

use super::{Figure, figure_of};
use crate::result::{CellRecord, Integrity, LatencyVisit, Run, SaturationVisit, Transport, Workload};

/// Server CPU a delivery at one rate.
#[derive(Debug, Clone, PartialEq)]
pub struct CostPoint {
    /// The open-loop cell; `None` for a closed loop.
    pub cell: Option<String>,
    /// Events published together in a closed loop; 1 in an open one.
    pub in_flight: u32,
    /// Events a second that each subscriber received.
    pub rate: f64,
    /// Open subscribers.
    pub subscribers: u32,
    /// CPU microseconds a delivery.
    pub cpu_us: Figure,
}

/// Bytes on the socket a delivery in one open-loop cell, in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct WirePoint {
    /// The cell.
    pub cell: String,
    /// Bytes of `data` that were asked for.
    pub payload: u32,
    /// Events a second.
    pub rate: u32,
    /// All bytes of both directions a delivery.
    pub bytes: Figure,
    /// The events' own `data`, bytes a delivery.
    pub data: f64,
}

/// Whether a cell is a feed of events at a steady rate to everybody, whatever sweep it belongs to.
pub fn is_plain(cell: &CellRecord) -> bool {
    Workload { sweep: None, ..cell.workload.clone() }.is_plain()
}

/// The cells that [`is_plain`] says yes to.
pub fn plain_cells(run: &Run) -> impl Iterator<Item = &CellRecord> {
    run.scenario.cells.iter().filter(|cell| is_plain(cell))
}

/// The points of one transport, by rising rate: plain open-loop cells, then closed loops.
pub fn cost_points(run: &Run, transport: Transport) -> Vec<CostPoint> {
    let open = plain_cells(run).filter_map(|cell| open_point(run, cell, transport));
    let mut flights: Vec<(u32, u32)> = run.saturation.iter().map(|v| (v.in_flight, v.subscribers)).collect();
    flights.sort_unstable();
    flights.dedup();
    let closed = flights.into_iter().filter_map(|(k, n)| closed_point(run, k, n, transport));
    let mut points: Vec<CostPoint> = open.chain(closed).collect();
    points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    points
}

fn open_point(run: &Run, cell: &CellRecord, transport: Transport) -> Option<CostPoint> {
    let values = by_repetition(run, |repetition| {
        let visits = valid(run, &cell.name, transport).filter(|v| v.repetition == repetition);
        share(visits.map(|v| (v.server_cpu_s * 1e6, v.deliveries as f64)))
    });
    Some(CostPoint {
        cell: Some(cell.name.clone()),
        in_flight: 1,
        rate: f64::from(cell.rate),
        subscribers: cell.subscribers,
        cpu_us: figure_of(run, &values)?,
    })
}

fn closed_point(run: &Run, in_flight: u32, subscribers: u32, transport: Transport) -> Option<CostPoint> {
    let is = |v: &&SaturationVisit| {
        (v.in_flight, v.subscribers, v.transport) == (in_flight, subscribers, transport) && v.void.is_empty()
    };
    let values = by_repetition(run, |repetition| {
        let visits = run.saturation.iter().filter(is).filter(|v| v.repetition == repetition);
        share(visits.map(|v| (v.server_cpu_s * 1e6, v.deliveries as f64)))
    });
    let rate = share(
        run.saturation.iter().filter(is).map(|v| (v.deliveries as f64, v.wall_s * f64::from(subscribers))),
    );
    Some(CostPoint { cell: None, in_flight, rate: rate?, subscribers, cpu_us: figure_of(run, &values)? })
}

/// The bytes of one transport in every plain cell that has a valid visit.
pub fn wire_points(run: &Run, transport: Transport) -> Vec<WirePoint> {
    plain_cells(run).filter_map(|cell| wire_point(run, cell, transport)).collect()
}

fn wire_point(run: &Run, cell: &CellRecord, transport: Transport) -> Option<WirePoint> {
    let each = |of: fn(&LatencyVisit) -> u64| {
        by_repetition(run, |repetition| {
            let visits = valid(run, &cell.name, transport).filter(|v| v.repetition == repetition);
            share(visits.map(|v| (of(v) as f64, v.deliveries as f64)))
        })
    };
    Some(WirePoint {
        cell: cell.name.clone(),
        payload: cell.payload,
        rate: cell.rate,
        bytes: figure_of(run, &each(|v| v.bytes.total()))?,
        data: figure_of(run, &each(|v| v.bytes.payload))?.value,
    })
}

/// Bytes of the head of a request and of its answer, of the polls that carried events: what an exchange of its own
/// costs before anything is said. `None` where no poll was counted.
pub fn exchange_bytes(run: &Run) -> Option<f64> {
    let polls = plain_cells(run).flat_map(|cell| valid(run, &cell.name, Transport::Poll));
    share(polls.map(|v| ((v.bytes.up + v.bytes.head_down) as f64, v.answers as f64)))
}

/// Valid open-loop visits of one cell and transport.
pub fn valid<'a>(
    run: &'a Run,
    cell: &'a str,
    transport: Transport,
) -> impl Iterator<Item = &'a LatencyVisit> {
    run.latency.iter().filter(move |v| v.cell == cell && v.transport == transport && v.void.is_empty())
}

fn by_repetition(run: &Run, of: impl Fn(u32) -> Option<f64>) -> Vec<f64> {
    (0..run.scenario.repetitions).filter_map(of).collect()
}

fn share(parts: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let sum = parts.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    (sum.1 > 0.0).then(|| sum.0 / sum.1)
}

/// The median time from a break to a stream that stands again, microseconds, in the first cell that breaks connections
/// and has valid visits: the cell's name and the figure.
pub fn reconnect(run: &Run, transport: Transport) -> Option<(&str, Figure)> {
    run.scenario.cells.iter().find_map(|cell| {
        let values = by_repetition(run, |repetition| {
            let visits = valid(run, &cell.name, transport).filter(|v| v.repetition == repetition);
            let stored = visits.filter_map(|v| v.recovery.as_ref()?.reconnect.as_ref());
            Some(super::values::merge(stored)?.at(0.5) as f64)
        });
        Some((cell.name.as_str(), figure_of(run, &values)?))
    })
}

/// Server CPU microseconds a delivery in one open-loop cell.
pub fn open_cpu(run: &Run, cell: &str, transport: Transport) -> Option<Figure> {
    of_visits(run, cell, transport, |v| Some(v.server_cpu_s * 1e6))
}

/// CPU microseconds a delivery of the load, which stands for the clients, in one open-loop cell.
pub fn client_cpu(run: &Run, cell: &str, transport: Transport) -> Option<Figure> {
    of_visits(run, cell, transport, |v| v.client_cpu_s.map(|s| s * 1e6))
}

/// Bytes of TCP and IP headers a delivery in one open-loop cell, as the kernel counted segments.
pub fn header_bytes(run: &Run, cell: &str, transport: Transport) -> Option<Figure> {
    of_visits(run, cell, transport, |v| v.tcp.map(|tcp| tcp.header_bytes as f64))
}

/// Something of the visits over their deliveries; visits that do not know it are left out.
fn of_visits(
    run: &Run,
    cell: &str,
    transport: Transport,
    of: fn(&LatencyVisit) -> Option<f64>,
) -> Option<Figure> {
    let values = by_repetition(run, |repetition| {
        let visits = valid(run, cell, transport).filter(|v| v.repetition == repetition);
        share(visits.filter_map(|v| Some((of(v)?, v.deliveries as f64))))
    });
    figure_of(run, &values)
}

/// What the subscribers of one cell and transport received against what was published, over all visits, void ones
/// above all.
pub fn account(run: &Run, cell: &str, transport: Transport) -> Integrity {
    let visits = run.latency.iter().filter(|v| v.cell == cell && v.transport == transport);
    super::crowd::total(visits.map(|v| &v.integrity))
}
