//! What lost packets do to each transport: a table for each round-trip time, by the share that is lost.

use super::charts::Table;
use super::metric;
use super::section::{Section, table, told};
use super::text::Words;
use crate::result::{Latency, LossResults, LossVisit, Run, Transport};
use crate::scenario::Metric;

const HEADS: [&str; 8] = [
    "loss.share",
    "table.transport",
    "metric.p50_us",
    "metric.p99_us",
    "metric.max_us",
    "loss.sent_again",
    "loss.void",
    "loss.deliveries",
];

/// The section; `None` where nothing was measured, which the limits say.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    let results = run.loss.as_ref().filter(|results| !results.visits.is_empty())?;
    let tables = results.extent.rtt_ms.iter().map(|rtt| {
        let extent = &results.extent;
        let values = [
            ("rtt", w.digits(f64::from(*rtt), 0)),
            ("rate", w.digits(f64::from(extent.rate), 0)),
            ("subscribers", w.digits(f64::from(extent.subscribers), 0)),
            ("payload", w.digits(f64::from(extent.payload_bytes), 0)),
        ];
        let heading = w.fill("loss.table", &values.each_ref().map(|(name, text)| (*name, text.as_str())));
        (heading, by_share(run, results, *rtt, w))
    });
    Some(Section::of(tables.collect()))
}

fn by_share(run: &Run, results: &LossResults, rtt_ms: u32, w: Words) -> Table {
    let rows = results.extent.loss_percent.iter().flat_map(|share| {
        let of = |transport: &Transport| row(results, rtt_ms, *share, *transport, w);
        run.scenario.transports.iter().map(of).collect::<Vec<_>>()
    });
    table(&HEADS, rows.collect(), w)
}

/// The visits of one transport to one link.
fn visits(results: &LossResults, rtt_ms: u32, share: f64, transport: Transport) -> Vec<&LossVisit> {
    let is_it = |visit: &&LossVisit| {
        (visit.rtt_ms, visit.transport) == (rtt_ms, transport)
            && (visit.loss_percent - share).abs() < f64::EPSILON
    };
    results.visits.iter().filter(is_it).collect()
}

/// The latencies of those visits that are not void.
fn merged(visits: &[&LossVisit]) -> Latency {
    let mut all = Latency::new();
    let valid = visits.iter().filter(|visit| visit.void.is_empty());
    valid.filter_map(|visit| visit.latency.as_ref()?.load().ok()).for_each(|one| all.merge(&one));
    all
}

/// The 99th percentile, microseconds, over the first of the links that loses this share, percent.
pub(super) fn p99_us(results: &LossResults, share: f64, transport: Transport) -> Option<f64> {
    let all = merged(&visits(results, *results.extent.rtt_ms.first()?, share, transport));
    (all.count() > 0).then(|| all.at(0.99) as f64)
}

/// One transport over one link, all rounds together.
fn row(results: &LossResults, rtt_ms: u32, share: f64, transport: Transport, w: Words) -> Vec<String> {
    let visits = visits(results, rtt_ms, share, transport);
    let valid = || visits.iter().filter(|visit| visit.void.is_empty());
    let all = merged(&visits);
    let latency = |of: fn(&Latency) -> u64| {
        let known = (all.count() > 0).then(|| of(&all) as f64);
        told(known, |us| metric::printed(Metric::P99Us, us, w))
    };
    let sum = |of: fn(&LossVisit) -> u64| valid().map(|visit| of(visit)).sum::<u64>() as f64;
    vec![
        format!("{} %", w.number(share)),
        format!("{} {}", metric::mark(transport), metric::transport(transport, w)),
        latency(|all| all.at(0.5)),
        latency(|all| all.at(0.99)),
        latency(Latency::max),
        w.digits(sum(|visit| visit.server_retransmitted + visit.client_retransmitted), 0),
        w.digits(visits.iter().filter(|visit| !visit.void.is_empty()).count() as f64, 0),
        w.digits(sum(|visit| visit.deliveries), 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::synthetic;
    use crate::result::LossExtent;

    /// Two valid visits and a void one by SSE, at one share.
    fn lossy() -> Run {
        let visit = |us: u64, void: bool| {
            let mut latency = Latency::new();
            (0..100).for_each(|_| latency.record(us));
            LossVisit {
                transport: Transport::Sse,
                rtt_ms: 40,
                loss_percent: 1.0,
                round: 0,
                void: if void { vec!["given up".to_owned()] } else { Vec::new() },
                latency: latency.store().ok().filter(|_| !void),
                deliveries: 100,
                down_bytes: 1,
                up_bytes: 1,
                server_retransmitted: 7,
                client_retransmitted: 1,
                passed: [100, 100],
                lost: [1, 1],
                dropped: [0, 0],
            }
        };
        let extent = LossExtent { rtt_ms: vec![40], loss_percent: vec![1.0], ..LossExtent::default() };
        let visits = vec![visit(20_000, false), visit(60_000, false), visit(1, true)];
        Run { loss: Some(LossResults { not_measured: None, extent, visits }), ..synthetic() }
    }

    #[test]
    fn rounds_are_taken_together_and_void_ones_are_only_counted() {
        let section = section(&lossy(), Words(super::super::Language::English)).unwrap();
        let rows = &section.tables[0].1.rows;
        assert_eq!(rows.len(), 3);
        let sse: Vec<&str> = rows[1].iter().map(|cell| cell.trim()).collect();
        assert_eq!(sse[1], "■ SSE");
        assert!(
            sse[2].starts_with("20.0") && sse[3].starts_with("60.") && sse[4].starts_with("60."),
            "{sse:?}"
        );
        assert_eq!(&sse[5..], ["16", "1", "200"]);
        assert_eq!(rows[0][2], "–", "a transport without a visit has no figure");
        let results = lossy().loss.unwrap();
        assert!(p99_us(&results, 1.0, Transport::Sse).is_some_and(|us| (59_000.0..61_000.0).contains(&us)));
        assert_eq!(p99_us(&results, 3.0, Transport::Sse), None);
        assert!(super::section(&synthetic(), Words(super::super::Language::French)).is_none());
    }
}
