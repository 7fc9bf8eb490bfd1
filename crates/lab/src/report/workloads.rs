//! Every cell that is no step of a sweep, in one table: what each transport made of it.

use super::metric;
use super::scorecard::bound;
use super::section::{Section, table, told};
use super::text::Words;
use crate::result::{CellRecord, Publishing, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Figure, Subject, account, figure, is_beyond, load_bound, open_cpu};

const HEADS: [&str; 10] = [
    "table.transport",
    "metric.p50_us",
    "metric.p99_us",
    "metric.p999_us",
    "metric.cpu_us_per_delivery",
    "metric.bytes_per_delivery",
    "metric.lost",
    "metric.duplicated",
    "workloads.reordered",
    "workloads.repetitions",
];

/// The section; `None` where the scenario has no more than plain feeds.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    let cells = || run.scenario.cells.iter().filter(|cell| cell.workload.sweep.is_none());
    if cells().all(|cell| cell.workload.is_plain()) && cells().count() < 4 {
        return None;
    }
    let one = |cell: &CellRecord| {
        let rows = run.scenario.transports.iter().map(|t| row(run, cell, *t, w)).collect();
        (format!("{} · {}", cell.name, in_words(cell, w)), table(&HEADS, rows, w))
    };
    Some(Section::of(cells().map(one).collect()))
}

fn row(run: &Run, cell: &CellRecord, transport: Transport, w: Words) -> Vec<String> {
    let subject = |metric| Subject { metric, cell: &cell.name, in_flight: 1 };
    let of = |metric| figure(run, subject(metric), transport);
    let void = || w.get("score.void").to_owned();
    let printed = |metric: Metric, figure: Option<Figure>| {
        let text = |f: Figure| metric::printed(metric, f.value, w);
        let told = |f| bound(metric, text(f), load_bound(run, subject(metric), transport));
        match figure {
            Some(_) if is_beyond(run, subject(metric), transport) => "–".to_owned(),
            figure => figure.map_or_else(void, told),
        }
    };
    let account = account(run, &cell.name, transport);
    let count = |value: u64| w.digits(value as f64, 0);
    let mut cells = vec![format!("{} {}", metric::mark(transport), metric::transport(transport, w))];
    cells.extend([Metric::P50Us, Metric::P99Us, Metric::P999Us].map(|one| printed(one, of(one))));
    cells.push(printed(Metric::CpuUsPerDelivery, open_cpu(run, &cell.name, transport)));
    cells.push(printed(Metric::BytesPerDelivery, of(Metric::BytesPerDelivery)));
    let repetitions = of(Metric::P50Us).map_or(0, |figure| figure.repetitions as u64);
    cells.extend([account.lost, account.duplicated, account.out_of_order, repetitions].map(count));
    cells
}

/// What a cell asks for.
pub(super) fn in_words(cell: &CellRecord, w: Words) -> String {
    let number = |value: f64| if value.fract() == 0.0 { w.digits(value, 0) } else { w.number(value) };
    // Where events leave in bursts, these make the rate.
    let rate = cell.workload.burst.map_or(f64::from(cell.rate), |b| f64::from(b.events) / b.every_s);
    let mut parts = vec![w.fill(
        "place.cell",
        &[
            ("rate", &number(rate)),
            ("subscribers", &number(cell.subscribers.into())),
            ("payload", &number(cell.payload.into())),
        ],
    )];
    let load = &cell.workload;
    if let Some(rooms) = load.rooms {
        parts.push(w.fill("workloads.rooms", &[("rooms", &number(rooms.into()))]));
    }
    if let Some(burst) = load.burst {
        let values = [("events", number(burst.events.into())), ("every", number(burst.every_s))];
        parts.push(w.fill("workloads.burst", &values.each_ref().map(|(k, v)| (*k, v.as_str()))));
    }
    if load.publishing == Publishing::Subscribers {
        parts.push(w.get("workloads.two_way").to_owned());
    }
    if let Some(network) = &load.network {
        parts.push(w.fill("workloads.network", &[("network", network)]));
    }
    if let Some(slow) = load.slow {
        let values = [("percent", number(slow.percent)), ("bytes", number(slow.bytes_per_s.into()))];
        parts.push(w.fill("workloads.slow", &values.each_ref().map(|(k, v)| (*k, v.as_str()))));
    }
    if let Some(deploy) = load.deploy {
        parts.push(w.fill("workloads.deploy", &[("away", &told(Some(deploy.away_s), number))]));
    }
    parts.join(", ")
}
