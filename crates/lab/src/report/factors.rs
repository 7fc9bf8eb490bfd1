//! TLS and HTTP/2 against plain HTTP/1.1, and how many streams a browser opens.

use super::charts::Chart;
use super::metric::{self, shape};
use super::section::{Section, table, told};
use super::svg::{Bar, Group, bars};
use super::text::Words;
use crate::result::{BrowserTry, Carriage, FactorResults, FactorVisit, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{fit, median};

const HEADS: [&str; 9] = [
    "factors.carriage",
    "table.transport",
    "metric.p50_us",
    "metric.p99_us",
    "metric.cpu_us_per_delivery",
    "factors.client_cpu",
    "metric.bytes_per_delivery",
    "factors.memory",
    "factors.opening",
];
const BROWSER: [&str; 6] = [
    "factors.carriage",
    "table.transport",
    "factors.asked",
    "factors.stood",
    "factors.request",
    "factors.after",
];

/// The section; `None` where neither was measured, which the limits say.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    let factors = run.factors.as_ref().filter(|factors| !factors.visits.is_empty());
    let browser = run.browser.as_ref().filter(|browser| !browser.tries.is_empty());
    let mut section = Section::of(Vec::new());
    if let Some(factors) = factors {
        let rows = pairs(run).filter_map(|(t, c)| row(factors, t, c, w)).collect();
        section.tables.push((w.get("factors.table").to_owned(), table(&HEADS, rows, w)));
        section.charts.extend(cpu_chart(run, factors, w));
    }
    if let Some(browser) = browser {
        let rows = browser.tries.iter().map(|attempt| tried(attempt, w)).collect();
        let heading = w.fill("factors.browser", &[("browser", &browser.browser)]);
        section.tables.push((heading, table(&BROWSER, rows, w)));
        section.sentences.extend(browser.tries.iter().find(|t| t.stood < t.asked).map(|t| limit(t, w)));
    }
    (factors.is_some() || browser.is_some()).then_some(section)
}

fn pairs(run: &Run) -> impl Iterator<Item = (Transport, Carriage)> + '_ {
    Carriage::ALL.into_iter().flat_map(|carriage| {
        let asked = run.scenario.transports.iter();
        asked.filter(move |t| Carriage::of(**t).contains(&carriage)).map(move |t| (*t, carriage))
    })
}

fn carriage(carriage: Carriage, w: Words) -> String {
    w.get(&format!("factors.{}", carriage.key())).to_owned()
}

fn marked(transport: Transport, w: Words) -> String {
    format!("{} {}", metric::mark(transport), metric::transport(transport, w))
}

/// The median over rounds of something of the valid visits.
fn over_rounds(
    factors: &FactorResults,
    transport: Transport,
    carriage: Carriage,
    of: impl Fn(&FactorVisit) -> Option<f64>,
) -> Option<f64> {
    let is = |v: &&FactorVisit| v.transport == transport && v.carriage == carriage && v.void.is_empty();
    median(&factors.visits.iter().filter(is).filter_map(of).collect::<Vec<_>>())
}

/// Server CPU microseconds a delivery, the median over rounds.
pub(super) fn cpu_us(factors: &FactorResults, transport: Transport, carriage: Carriage) -> Option<f64> {
    over_rounds(factors, transport, carriage, |v| {
        (v.deliveries > 0).then(|| v.server_cpu_s * 1e6 / v.deliveries as f64)
    })
}

fn row(factors: &FactorResults, transport: Transport, one: Carriage, w: Words) -> Option<Vec<String>> {
    factors.visits.iter().find(|v| (v.transport, v.carriage) == (transport, one))?;
    let quantile = |q: f64| {
        over_rounds(factors, transport, one, |v| Some(v.latency.as_ref()?.load().ok()?.at(q) as f64))
    };
    let each = |of: fn(&FactorVisit) -> f64| {
        over_rounds(factors, transport, one, |v| (v.deliveries > 0).then(|| of(v) / v.deliveries as f64))
    };
    let us = |value: Option<f64>| told(value, |v| metric::printed(Metric::CpuUsPerDelivery, v, w));
    let memory =
        factors.memory.iter().filter(|v| (v.transport, v.carriage) == (transport, one) && v.void.is_empty());
    let memory = memory.filter_map(|v| {
        Some(fit(v.points.iter().map(|p| (f64::from(p.subscribers), p.pss_kib as f64)))?.slope)
    });
    let opening = factors
        .opening
        .iter()
        .filter(|v| (v.transport, v.carriage) == (transport, one) && v.void.is_empty() && v.opened > 0);
    let opening = median(&opening.map(|v| v.server_cpu_s * 1e6 / f64::from(v.opened)).collect::<Vec<_>>());
    Some(vec![
        carriage(one, w),
        marked(transport, w),
        told(quantile(0.5), |v| metric::printed(Metric::P50Us, v, w)),
        told(quantile(0.99), |v| metric::printed(Metric::P99Us, v, w)),
        us(cpu_us(factors, transport, one)),
        us(each(|v| v.load_cpu_s * 1e6)),
        told(each(|v| (v.wire.down + v.wire.up) as f64), |v| metric::printed(Metric::BytesPerDelivery, v, w)),
        told(median(&memory.collect::<Vec<_>>()), |v| metric::printed(Metric::KibPerConnection, v, w)),
        us(opening),
    ])
}

fn cpu_chart(run: &Run, factors: &FactorResults, w: Words) -> Option<Chart> {
    let group = |one: Carriage| {
        let bar = |t: &Transport| {
            let value = cpu_us(factors, *t, one)?;
            Some(Bar {
                class: t.key(),
                shape: shape(*t),
                name: metric::transport(*t, w).to_owned(),
                value,
                whisker: None,
                text: metric::printed(Metric::CpuUsPerDelivery, value, w),
            })
        };
        let bars = run.scenario.transports.iter().filter_map(bar).collect();
        Group { heading: carriage(one, w), bars, limit: None }
    };
    let groups: Vec<Group> = Carriage::ALL.map(group).into_iter().filter(|g| !g.bars.is_empty()).collect();
    let (title, caption) = (w.get("factors.chart.title"), w.get("factors.chart"));
    let rows = groups
        .iter()
        .flat_map(|g| g.bars.iter().map(|b| vec![g.heading.clone(), b.name.clone(), b.text.clone()]));
    let heads = ["factors.carriage", "table.transport", "table.value"];
    let figures = table(&heads, rows.collect(), w);
    (!groups.is_empty()).then(|| Chart {
        svg: bars(&groups, title, caption),
        title: title.to_owned(),
        caption: caption.to_owned(),
        table: figures,
        legend: Vec::new(),
    })
}

fn tried(attempt: &BrowserTry, w: Words) -> Vec<String> {
    let count = |value: u32| w.digits(f64::from(value), 0);
    let answered = if attempt.request_answered { "factors.yes" } else { "factors.no" };
    vec![
        carriage(attempt.carriage, w),
        marked(attempt.transport, w),
        count(attempt.asked),
        count(attempt.stood),
        w.get(answered).to_owned(),
        count(attempt.stood_after_one_closed),
    ]
}

fn limit(attempt: &BrowserTry, w: Words) -> String {
    let values = [
        ("stood", attempt.stood.to_string()),
        ("asked", attempt.asked.to_string()),
        ("transport", metric::transport(attempt.transport, w).to_owned()),
        ("carriage", carriage(attempt.carriage, w)),
    ];
    w.fill("factors.limit", &values.each_ref().map(|(k, v)| (*k, v.as_str())))
}
