//! The section on scale: what crowds came to, in sentences and tables. Its drawings are in `scale_charts`.

use super::charts::{Chart, Table};
use super::metric;
use super::scale_charts;
use super::section::Section;
use super::text::Words;
use super::void::reasons;
use crate::result::{Axis, Integrity, Run, SoakVisit};
use crate::summary::{
    CheckedCrowd, CrowdClaim, CrowdFigure, Drift, StalledFigure, check_crowd, crowds, drift, median, scale,
    stalled,
};

const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

/// The section; `None` where the run had no crowd.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    let results = run.crowd.as_ref()?;
    let figures = crowds(run);
    let mut sentences: Vec<String> = figures.iter().map(|figure| crowd_in_words(figure, w)).collect();
    sentences.extend(stalled(run).map(|figure| stalled_in_words(&figure, w)));
    sentences.extend(results.soak.iter().map(|visit| soak_in_words(visit, run.seed, w)));
    let mut charts: Vec<Chart> =
        Axis::ALL.into_iter().filter_map(|axis| scale_charts::axis(&scale(run, axis)?, w)).collect();
    charts.extend(
        results.soak.iter().filter_map(|visit| scale_charts::soak(visit, drift(visit, run.seed)?, w)),
    );
    let tables = figures.iter().filter_map(|figure| latency_table(figure, w)).collect();
    Some(Section { sentences, tables, charts })
}

fn count(value: u64, w: Words) -> String {
    w.digits(value as f64, 0)
}

/// Lost, doubled and reordered, for a sentence.
fn whole(account: &Integrity, w: Words) -> [(&'static str, String); 4] {
    [
        ("received", count(account.received, w)),
        ("lost", count(account.lost, w)),
        ("doubled", count(account.duplicated, w)),
        ("reordered", count(account.out_of_order, w)),
    ]
}

fn fill(key: &str, values: &[(&'static str, String)], w: Words) -> String {
    w.fill(key, &values.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>())
}

fn ms(us: f64, w: Words) -> String {
    w.with_unit(us / 1000.0, w.get("unit.ms"))
}

fn crowd_in_words(figure: &CrowdFigure<'_>, w: Words) -> String {
    let visit = figure.visit;
    let mut values = whole(&figure.integrity, w).to_vec();
    values.extend([
        ("subscribers", count(visit.subscribers.into(), w)),
        ("rate", count(visit.rate.into(), w)),
        ("payload", count(visit.payload.into(), w)),
        ("why", figure.void.join(", ")),
    ]);
    let (Some((all, pass)), Some(ratio)) = (&figure.whole, figure.p99_passes) else {
        return fill("scale.crowd.void", &values, w);
    };
    values.extend([
        ("p50", ms(all.at(0.5) as f64, w)),
        ("p99", ms(all.at(0.99) as f64, w)),
        ("pass", ms(pass.at(0.5) as f64, w)),
        ("longest", ms(pass.max() as f64, w)),
        ("ratio", w.digits(ratio, 2)),
        ("busy", w.percent(visit.server_cpu_s / visit.wall_s.max(1e-9) * 100.0)),
        ("load", w.percent(visit.load_busy * 100.0)),
    ]);
    fill("scale.crowd", &values, w)
}

fn latency_table(figure: &CrowdFigure<'_>, w: Words) -> Option<(String, Table)> {
    let (all, pass) = figure.whole.as_ref()?;
    let names = ["50", "90", "99", "99.9", "100"]
        .map(|p| if w.0.tag() == "fr" { p.replace('.', ",") } else { p.to_owned() });
    let head =
        [w.get("axis.percentile").to_owned()].into_iter().chain(names.map(|p| format!("{p} %"))).collect();
    let row = |name: String, latency: &crate::result::Latency| {
        std::iter::once(name).chain(QUANTILES.map(|q| w.number(latency.at(q) as f64 / 1000.0))).collect()
    };
    let mut rows: Vec<Vec<String>> = figure
        .shares
        .iter()
        .map(|(t, latency)| row(format!("{} {}", metric::mark(*t), metric::transport(*t, w)), latency))
        .collect();
    rows.push(row(w.get("scale.all").to_owned(), all));
    rows.push(row(w.get("scale.pass").to_owned(), pass));
    let heading = w.fill(
        "scale.crowd.title",
        &[("subscribers", &count(figure.visit.subscribers.into(), w)), ("unit", w.get("unit.ms"))],
    );
    Some((heading, Table { head, rows }))
}

fn stalled_in_words(figure: &StalledFigure<'_>, w: Words) -> String {
    let visit = figure.visit;
    let kib = |value: Option<f64>| value.map_or("–".to_owned(), |v| w.with_unit(v, w.get("unit.kib")));
    let mut values = vec![
        ("stalled", count(visit.stalled.into(), w)),
        ("healthy", count(visit.healthy.into(), w)),
        ("rate", count(visit.rate.into(), w)),
        ("why", figure.void.join(", ")),
        ("pss", kib(figure.pss_kib)),
        ("kernel", kib(figure.kernel_kib)),
    ];
    let (Some((with, without)), Some(ratio)) = (figure.p99_us, median(&figure.ratios)) else {
        return fill("scale.stalled.void", &values, w);
    };
    let bound =
        |pick: fn(f64, f64) -> f64, from: f64| w.digits(figure.ratios.iter().copied().fold(from, pick), 2);
    values.extend([
        ("with", ms(with, w)),
        ("without", ms(without, w)),
        ("ratio", w.digits(ratio, 2)),
        ("low", bound(f64::min, f64::INFINITY)),
        ("high", bound(f64::max, 0.0)),
        ("rounds", count(figure.ratios.len() as u64, w)),
        ("band", w.percent((figure.band.unwrap_or(1.0) - 1.0) * 100.0)),
    ]);
    let mut text = fill("scale.stalled", &values, w);
    if !figure.void.is_empty() {
        text.push_str(&fill("scale.stalled.some_void", &values, w));
    }
    text
}

fn soak_in_words(visit: &SoakVisit, seed: u64, w: Words) -> String {
    let mut values = whole(&visit.staying, w).to_vec();
    values.extend([
        ("subscribers", count(visit.subscribers.into(), w)),
        ("churn", count(visit.churn.into(), w)),
        ("connects", count(visit.connects, w)),
        ("minutes", w.number(visit.wall_s / 60.0)),
        ("why", visit.void.join(", ")),
        ("passed", count(visit.passed.received, w)),
    ]);
    if !visit.void.is_empty() {
        return fill("scale.soak.void", &values, w);
    }
    let mut text = fill("scale.soak", &values, w);
    if let Some(drift) = drift(visit, seed) {
        text.push_str(&drift_in_words(drift, w));
    }
    text
}

/// The slope of memory with its interval, and what can be told from it.
pub(super) fn drift_in_words(drift: Drift, w: Words) -> String {
    let kib = |value: f64| signed(value, w);
    let told = match drift.interval {
        (low, _) if low > 0.0 => "scale.soak.grows",
        (_, high) if high < 0.0 => "scale.soak.shrinks",
        _ => "scale.soak.flat",
    };
    let percent = drift.slope * drift.minutes / drift.mean_kib.max(1.0) * 100.0;
    let values = [
        ("slope", kib(drift.slope)),
        ("low", kib(drift.interval.0)),
        ("high", kib(drift.interval.1)),
        ("mean", w.with_unit(drift.mean_kib / 1024.0, w.get("unit.mib"))),
        ("percent", format!("{}{}", sign(percent), w.percent(percent.abs()))),
        ("told", w.get(told).to_owned()),
    ];
    fill("scale.soak.memory", &values, w)
}

fn signed(value: f64, w: Words) -> String {
    format!("{}{}", sign(value), w.number(value.abs()))
}

fn sign(value: f64) -> char {
    if value < 0.0 { '−' } else { '+' }
}

/// A claim of a crowd: its words, its value, and how it came out.
pub(super) fn claims(run: &Run, w: Words) -> Vec<(String, String, CheckedCrowd)> {
    check_crowd(run).into_iter().map(|checked| claim(checked, w)).collect()
}

fn claim(checked: CheckedCrowd, w: Words) -> (String, String, CheckedCrowd) {
    let (key, digits) = match checked.claim {
        CrowdClaim::Whole => ("scale.claim.whole", 0),
        CrowdClaim::Passes => ("scale.claim.passes", 2),
        CrowdClaim::SoakWhole => ("scale.claim.soak", 0),
        CrowdClaim::Stalled => ("scale.claim.stalled", 2),
    };
    let values =
        [("subscribers", count(checked.subscribers.into(), w)), ("bound", w.digits(checked.at_most, digits))];
    let value = checked.value.map_or("–".to_owned(), |value| w.digits(value, digits));
    (fill(key, &values, w), value, checked)
}

/// Void visits of crowds with their reasons.
pub(super) fn void(run: &Run, w: Words) -> Vec<String> {
    let Some(results) = &run.crowd else { return Vec::new() };
    let crowd = results.crowd.iter().map(|v| (format!("crowd {}", v.cell), v.repetition, &v.void));
    let scale =
        results.scale.iter().map(|v| (format!("scale {} {}", v.axis.key(), v.at), v.repetition, &v.void));
    let stalled = results.stalled.iter().map(|v| (format!("stalled {}/3", v.place + 1), v.round, &v.void));
    let soak = results.soak.iter().map(|v| ("soak".to_owned(), v.repetition, &v.void));
    let all = crowd.chain(scale).chain(stalled).chain(soak).filter(|(.., void)| !void.is_empty());
    all.map(|(place, repetition, void)| format!("{place} · {}: {}", repetition + 1, reasons(void, w)))
        .collect()
}
