//! Real proxies in front of each transport: what they let through, hold back and cut, and what they cost.

use super::metric;
use super::section::{Section, table, told};
use super::text::Words;
use crate::result::{
    Configuration, CostVisit, Disturbance, Hold, Latency, Opening, ProxyCell, ProxyRecord, ProxyResults, Run,
    Transport,
};
use crate::summary::median;

const HEADS: [&str; 10] = [
    "table.transport",
    "proxies.works",
    "proxies.added",
    "proxies.beats",
    "proxies.silent",
    "proxies.reload",
    "proxies.restart",
    "proxies.stood",
    "proxies.cpu",
    "proxies.p99",
];

/// The section; `None` where nothing was measured, which the limits say.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    let results = run.proxies.as_ref().filter(|results| !results.cells.is_empty())?;
    let mut tables = Vec::new();
    for record in &results.proxies {
        for configuration in Configuration::ALL {
            let heading =
                format!("{} · {}", version(record), w.get(&format!("proxies.{}", configuration.key())));
            let cells =
                results.cells.iter().filter(|c| (c.proxy, c.configuration) == (record.proxy, configuration));
            let rows: Vec<_> = cells.map(|cell| row(results, cell, w)).collect();
            if !rows.is_empty() {
                tables.push((heading, table(&HEADS, rows, w)));
            }
        }
    }
    let absent = results.proxies.iter().filter(|record| record.absent.is_some());
    let absent: Vec<&str> = absent.map(|record| record.proxy.name()).collect();
    let mut sentences = vec![counted(results, w)];
    if !absent.is_empty() {
        sentences.push(w.fill("proxies.absent", &[("proxies", &absent.join(", "))]));
    }
    Some(Section::of(tables).with(sentences, Vec::new()))
}

fn version(record: &ProxyRecord) -> String {
    if record.version.is_empty() { record.proxy.name().to_owned() } else { record.version.clone() }
}

/// Through how many pairs of proxy and configuration each transport works without being held back.
fn counted(results: &ProxyResults, w: Words) -> String {
    let told = Transport::ALL.map(|transport| {
        let [fit, all] = [true, false].map(|only_fit| {
            let cells = results.cells.iter().filter(|c| c.transport == transport);
            cells.filter(|c| !only_fit || is_fit(c)).count().to_string()
        });
        let values = [("transport", metric::transport(transport, w)), ("fit", &fit), ("all", &all)];
        w.fill("proxies.counted", &values)
    });
    told.join(" ")
}

/// Whether a transport works through a proxy at once.
fn is_fit(cell: &ProxyCell) -> bool {
    cell.works() && cell.holds_back() == Some(false)
}

/// Who works through most proxies in their untouched configuration, best first, with the counts in words; `None` where
/// nothing was measured.
pub(super) fn best(run: &Run, w: Words) -> Option<(Vec<Transport>, String)> {
    let results = run.proxies.as_ref().filter(|results| !results.cells.is_empty())?;
    let fit = |transport: &Transport| {
        let cells = results.cells.iter().filter(|c| c.configuration == Configuration::Default);
        cells.filter(|c| c.transport == *transport && is_fit(c)).count()
    };
    let mut order = vec![Transport::Sse, Transport::Websocket, Transport::Poll];
    order.retain(|transport| fit(transport) > 0);
    order.sort_by_key(|transport| std::cmp::Reverse(fit(transport)));
    Some((order, counted(results, w)))
}

fn row(results: &ProxyResults, cell: &ProxyCell, w: Words) -> Vec<String> {
    let ms = |ms: f64| w.with_unit(ms, w.get("unit.ms"));
    let added = cell.flow.as_ref().filter(|flow| flow.received > 0);
    let added = added
        .map(|f| format!("{} / {}", ms(f.added_us_median as f64 / 1e3), ms(f.added_us_max as f64 / 1e3)));
    let disturbed = |one: Option<Disturbance>| one.map_or("–".to_owned(), |d| disturbance(&d, w));
    let stood = cell.stood.map(|stood| {
        let values =
            [("stood", w.digits(stood.into(), 0)), ("asked", w.digits(results.extent.streams.into(), 0))];
        w.fill("proxies.of", &values.each_ref().map(|(k, v)| (*k, v.as_str())))
    });
    vec![
        format!("{} {}", metric::mark(cell.transport), metric::transport(cell.transport, w)),
        works(cell, w),
        added.unwrap_or_else(|| "–".to_owned()),
        hold(cell.idle_with_beats, w),
        hold(cell.idle_without_beats, w),
        disturbed(cell.reload),
        disturbed(cell.restart),
        stood.unwrap_or_else(|| "–".to_owned()),
        told(proxy_cpu_us(cell), |us| w.with_unit(us, w.get("unit.us"))),
        told(added_p99_us(cell), |us| ms(us / 1e3)),
    ]
}

fn works(cell: &ProxyCell, w: Words) -> String {
    match cell.opening {
        Opening::Opened { .. } if is_fit(cell) => w.get("proxies.yes").to_owned(),
        Opening::Opened { .. } if cell.holds_back() == Some(true) => w.get("proxies.held").to_owned(),
        Opening::Opened { .. } => w.get("proxies.broken").to_owned(),
        Opening::Refused { status } => w.fill("proxies.refused", &[("status", &status.to_string())]),
        Opening::Silent { .. } => w.get("proxies.nothing").to_owned(),
        Opening::Ended => w.get("proxies.ended").to_owned(),
    }
}

fn hold(hold: Hold, w: Words) -> String {
    let seconds = |key: &str, s: f64| w.fill(key, &[("seconds", &w.digits(s, 0))]);
    match hold {
        Hold::Held { watched_s } => seconds("proxies.hold.held", watched_s),
        Hold::Cut { after_s, .. } => seconds("proxies.hold.cut", after_s),
        Hold::Deaf { watched_s } => seconds("proxies.hold.deaf", watched_s),
        Hold::NotMeasured => "–".to_owned(),
    }
}

fn disturbance(one: &Disturbance, w: Words) -> String {
    let values = [
        ("lost", w.digits(one.lost().into(), 0)),
        ("endings", w.digits(one.endings.into(), 0)),
        ("silence", w.with_unit(one.silence_ms, w.get("unit.ms"))),
    ];
    w.fill("proxies.disturbed", &values.each_ref().map(|(k, v)| (*k, v.as_str())))
}

/// CPU microseconds of the proxy a delivery: the median over the pairs.
fn proxy_cpu_us(cell: &ProxyCell) -> Option<f64> {
    let valid =
        cell.cost.iter().map(|round| &round.through).filter(|v| v.void.is_empty() && v.deliveries > 0);
    median(&valid.map(|v| v.proxy_cpu_s * 1e6 / v.deliveries as f64).collect::<Vec<_>>())
}

/// What the proxy adds to the 99th percentile, microseconds: the median over the pairs.
fn added_p99_us(cell: &ProxyCell) -> Option<f64> {
    let p99 = |visit: &CostVisit| {
        let latency: Latency = visit.latency.as_ref().filter(|_| visit.void.is_empty())?.load().ok()?;
        Some(latency.at(0.99) as f64)
    };
    let added = cell.cost.iter().filter_map(|round| Some(p99(&round.through)? - p99(&round.direct)?));
    median(&added.collect::<Vec<_>>())
}
