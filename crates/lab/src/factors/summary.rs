//! Figures of the factors: one row a transport and carriage.

use crate::result::{Carriage, FactorMemory, FactorOpening, FactorResults, FactorVisit, Latency, Transport};

/// What a transport costs over a carriage. Quantiles are of all rounds' events together, all else is the median over the
/// rounds; a figure is absent where every visit that it comes from is void.
#[derive(Debug, Clone, PartialEq)]
pub struct FactorRow {
    /// The transport.
    pub transport: Transport,
    /// What carried it.
    pub carriage: Carriage,
    /// TCP connections of the subscribers.
    pub connections: Option<f64>,
    /// Median latency, microseconds.
    pub p50_us: Option<f64>,
    /// 99th percentile of latency, microseconds.
    pub p99_us: Option<f64>,
    /// CPU microseconds of the server a delivery.
    pub cpu_us: Option<f64>,
    /// Bytes a delivery in both directions, with TLS records and HTTP/2 frames.
    pub bytes: Option<f64>,
    /// Of these what is not the event's own JSON.
    pub overhead_bytes: Option<f64>,
    /// KiB of server memory a stream: the slope.
    pub kib_a_stream: Option<f64>,
    /// CPU microseconds of the server to open a stream.
    pub opening_cpu_us: Option<f64>,
    /// Streams opened a second, by one client on one core.
    pub opened_a_second: Option<f64>,
}

/// One row for every transport and carriage that was visited, in the order in which they are shown.
pub fn rows(results: &FactorResults) -> Vec<FactorRow> {
    let all = Transport::ALL.into_iter().flat_map(|t| Carriage::of(t).iter().map(move |c| (t, *c)));
    let visited = |(transport, carriage): &(Transport, Carriage)| {
        results.visits.iter().any(|visit| (visit.transport, visit.carriage) == (*transport, *carriage))
    };
    all.filter(visited).map(|(transport, carriage)| row(results, transport, carriage)).collect()
}

fn row(results: &FactorResults, transport: Transport, carriage: Carriage) -> FactorRow {
    let is = |t, c| (t, c) == (transport, carriage);
    let whole = |visit: &&FactorVisit| {
        is(visit.transport, visit.carriage) && visit.void.is_empty() && visit.deliveries > 0
    };
    let visits: Vec<&FactorVisit> = results.visits.iter().filter(whole).collect();
    let of =
        |figure: &dyn Fn(&FactorVisit) -> f64| median(visits.iter().map(|visit| figure(visit)).collect());
    let wire = |visit: &FactorVisit| (visit.wire.down + visit.wire.up) as f64;
    let memory = results.memory.iter().filter(|m| is(m.transport, m.carriage) && m.void.is_empty());
    let opening = |figure: &dyn Fn(&FactorOpening) -> f64| {
        let whole = |o: &&FactorOpening| is(o.transport, o.carriage) && o.void.is_empty() && o.opened > 0;
        median(results.opening.iter().filter(whole).map(figure).collect())
    };
    let latency = merged(&visits);
    FactorRow {
        transport,
        carriage,
        connections: of(&|visit| f64::from(visit.connections)),
        p50_us: latency.as_ref().map(|latency| latency.at(0.5) as f64),
        p99_us: latency.as_ref().map(|latency| latency.at(0.99) as f64),
        cpu_us: of(&|visit| visit.server_cpu_s * 1e6 / visit.deliveries as f64),
        bytes: of(&|visit| wire(visit) / visit.deliveries as f64),
        overhead_bytes: of(&|visit| (wire(visit) - visit.wire.events as f64) / visit.deliveries as f64),
        kib_a_stream: median(memory.filter_map(slope).collect()),
        opening_cpu_us: opening(&|o| o.server_cpu_s * 1e6 / f64::from(o.opened)),
        opened_a_second: opening(&|o| f64::from(o.opened) / o.wall_s),
    }
}

fn merged(visits: &[&FactorVisit]) -> Option<Latency> {
    let mut stored = visits.iter().filter_map(|visit| visit.latency.as_ref()?.load().ok());
    let mut whole = stored.next()?;
    stored.for_each(|one| whole.merge(&one));
    Some(whole)
}

/// KiB a stream, by least squares over the readings.
fn slope(memory: &FactorMemory) -> Option<f64> {
    let points: Vec<(f64, f64)> =
        memory.points.iter().map(|point| (f64::from(point.subscribers), point.pss_kib as f64)).collect();
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let (up, down) = points.iter().fold((0.0, 0.0), |(up, down), point| {
        (up + (point.0 - x) * (point.1 - y), down + (point.0 - x).powi(2))
    });
    (down > 0.0).then(|| up / down)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_a_row_and_void_visits_have_no_figure() {
        let mut results = crate::fixture::synthetic().factors.unwrap();
        let before = rows(&results);
        assert_eq!(before.len(), 8);
        let secure =
            before.iter().find(|r| (r.transport, r.carriage) == (Transport::Sse, Carriage::H1Tls)).unwrap();
        assert!((secure.kib_a_stream.unwrap() - 40.0).abs() < 1e-6);
        assert!((secure.cpu_us.unwrap() - 4.8).abs() < 1e-6);
        assert_eq!(secure.opened_a_second, Some(900.0));
        results.visits.iter_mut().for_each(|visit| visit.void.push("1 lost".to_owned()));
        assert!(rows(&results).iter().all(|row| row.cpu_us.is_none() && row.p50_us.is_none()));
    }
}
