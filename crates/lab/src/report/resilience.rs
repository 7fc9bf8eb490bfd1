//! Breaks: how long it takes to be back, what was missed meanwhile, and what a crowd that comes back does.

use super::charts::{Chart, Charts, Table};
use super::metric;
use super::section::{Section, table, told};
use super::svg::{Drawing, Scale};
use super::text::Words;
use super::workloads;
use crate::result::{CellRecord, Latency, Run, Transport};
use crate::summary::{RecoveryFigure, account, recovery};

const HEADS: [&str; 11] = [
    "table.transport",
    "resilience.breaks",
    "resilience.attempts",
    "resilience.back_half",
    "resilience.back_most",
    "resilience.caught_up",
    "resilience.made_up",
    "resilience.told_lost",
    "metric.lost",
    "metric.duplicated",
    "resilience.silence",
];
const HEIGHT: f64 = 260.0;

/// The section; `None` where nothing broke connections and nobody was slow.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    let disturbed: Vec<&CellRecord> = run.scenario.cells.iter().filter(|c| is_disturbed(run, c)).collect();
    if disturbed.is_empty() {
        return None;
    }
    let tables = disturbed
        .iter()
        .map(|cell| (format!("{} · {}", cell.name, workloads::in_words(cell, w)), recoveries(run, cell, w)));
    let ecdfs = disturbed.iter().filter_map(|cell| reconnects(run, cell, w));
    let herds = disturbed.iter().filter(|cell| cell.workload.deploy.is_some());
    let herds = herds.filter_map(|cell| herd(run, cell, w));
    let charts = ecdfs.chain(herds).collect();
    Some(Section::of(tables.collect()).with(Vec::new(), charts))
}

/// Whether a cell breaks connections, or holds them up.
pub(super) fn is_disturbed(run: &Run, cell: &CellRecord) -> bool {
    let load = &cell.workload;
    let recorded = || run.latency.iter().any(|v| v.cell == cell.name && v.recovery.is_some());
    load.sweep.is_none()
        && (load.deploy.is_some() || load.slow.is_some() || load.network.is_some() || recorded())
}

fn ms(us: f64, w: Words) -> String {
    w.with_unit(us / 1000.0, w.get("unit.ms"))
}

fn recoveries(run: &Run, cell: &CellRecord, w: Words) -> Table {
    let rows = run.scenario.transports.iter().map(|t| row(run, cell, *t, w)).collect();
    table(&HEADS, rows, w)
}

fn row(run: &Run, cell: &CellRecord, transport: Transport, w: Words) -> Vec<String> {
    let known = recovery(run, &cell.name, transport);
    let of = |pick: fn(&RecoveryFigure) -> u64| {
        told(known.as_ref().map(|figure| pick(figure) as f64), |v| w.digits(v, 0))
    };
    let at = |latency: Option<&Latency>, quantile: f64| {
        told(latency.map(|latency| latency.at(quantile) as f64), |us| ms(us, w))
    };
    let reconnect = known.as_ref().and_then(|figure| figure.reconnect.as_ref());
    let catch_up = known.as_ref().and_then(|figure| figure.catch_up.as_ref());
    let silence = known.as_ref().and_then(|figure| figure.silence_us).map(|us| us as f64);
    let account = account(run, &cell.name, transport);
    vec![
        format!("{} {}", metric::mark(transport), metric::transport(transport, w)),
        of(|figure| figure.breaks),
        of(|figure| figure.attempts),
        at(reconnect, 0.5),
        at(reconnect, 1.0),
        at(catch_up, 0.99),
        of(|figure| figure.made_up),
        of(|figure| figure.told_lost),
        w.digits(account.lost as f64, 0),
        w.digits(account.duplicated as f64, 0),
        told(silence, |us| ms(us, w)),
    ]
}

/// Who is back after which time.
fn reconnects(run: &Run, cell: &CellRecord, w: Words) -> Option<Chart> {
    let known =
        run.scenario.transports.iter().filter_map(|t| Some((*t, recovery(run, &cell.name, *t)?.reconnect?)));
    let title = w.fill("resilience.ecdf.title", &[("cell", &cell.name)]);
    ecdf(&known.collect::<Vec<_>>(), &title, w.get("resilience.ecdf"), w.get("axis.back_ms"), w)
}

/// Shares of values at most so large, over a logarithmic axis of milliseconds.
pub(super) fn ecdf(
    known: &[(Transport, Latency)],
    title: &str,
    caption: &str,
    axis: &str,
    w: Words,
) -> Option<Chart> {
    const SHARES: [f64; 6] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
    let low = known.iter().map(|(_, latency)| latency.at(0.0)).min()? as f64 / 1000.0;
    let high = known.iter().map(|(_, latency)| latency.max()).max()? as f64 / 1000.0;
    let x = Scale::log(low, high);
    let mut drawing = Drawing::new(HEIGHT, x, Scale::linear(0.0, 100.0));
    drawing.y_axis(w.get("axis.share"), |v| w.digits(v, 0));
    let marks: Vec<_> = x.ticks().into_iter().map(|v| (v, super::charts::tick(v, w))).collect();
    drawing.x_axis(axis, &marks);
    for (transport, latency) in known {
        let steps = latency.steps();
        let count = latency.count() as f64;
        let points: Vec<_> =
            steps.iter().map(|(_, us, n)| (*us as f64 / 1000.0, *n as f64 / count * 100.0)).collect();
        drawing.line(transport.key(), &points);
        for share in SHARES {
            drawing.point(
                transport.key(),
                metric::shape(*transport),
                latency.at(share) as f64 / 1000.0,
                share * 100.0,
            );
        }
    }
    let head = std::iter::once(w.get("axis.share").to_owned())
        .chain(known.iter().map(|(t, _)| format!("{} ({})", metric::transport(*t, w), w.get("unit.ms"))));
    let row = |share: &f64| {
        let values = known.iter().map(|(_, latency)| w.number(latency.at(*share) as f64 / 1000.0));
        std::iter::once(w.digits(share * 100.0, 0)).chain(values).collect()
    };
    Some(Chart {
        svg: drawing.finish(title, caption),
        title: title.to_owned(),
        caption: caption.to_owned(),
        table: Table { head: head.collect(), rows: SHARES.iter().map(row).collect() },
        legend: known.iter().map(|(t, _)| *t).collect(),
    })
}

/// Latency over the time of a cell whose server goes away: the herd that comes back.
fn herd(run: &Run, cell: &CellRecord, w: Words) -> Option<Chart> {
    let chart = Charts { run, w }.over_time_of(&cell.name)?;
    let title = w.fill("resilience.herd.title", &[("cell", &cell.name)]);
    Some(Chart { title, caption: w.get("resilience.herd").to_owned(), ..chart })
}
