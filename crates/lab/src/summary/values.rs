//! A subject's value in each repetition, and in each of its two halves.

use super::{Subject, fit, median};
use crate::result::{
    Integrity, Latency, LatencyVisit, RawVisit, Recovery, Run, SaturationVisit, StoredHistogram, Transport,
};
use crate::scenario::Metric;

/// One value for each repetition that has a valid visit.
pub(super) fn of(run: &Run, subject: Subject<'_>, transport: Transport) -> Vec<f64> {
    match subject.metric {
        Metric::Lost => total(run, transport, |account| account.lost),
        Metric::Duplicated => total(run, transport, |account| account.duplicated),
        _ => (0..repetitions(run))
            .filter_map(|repetition| at(run, subject, transport, repetition, None))
            .collect(),
    }
}

/// The same server measured twice: both halves of each repetition that has both. What is read once a repetition, as memory
/// is, pairs each second repetition with the one before.
pub(super) fn twice(run: &Run, subject: Subject<'_>, transport: Transport) -> Vec<(f64, f64)> {
    if matches!(subject.metric, Metric::Lost | Metric::Duplicated) {
        return Vec::new();
    }
    let halves = halves(run, subject, transport);
    if halves.is_empty() { in_turn(run, subject, transport) } else { halves }
}

/// Both halves of each repetition that has both.
fn halves(run: &Run, subject: Subject<'_>, transport: Transport) -> Vec<(f64, f64)> {
    let half = |repetition, half| at(run, subject, transport, repetition, Some(half)).filter(|v| *v > 0.0);
    (0..repetitions(run)).filter_map(|r| Some((half(r, 0)?, half(r, 1)?))).collect()
}

/// Whether a figure rests on two repetitions at least, with both halves where it has halves.
pub(super) fn is_repeated(run: &Run, subject: Subject<'_>, transport: Transport) -> bool {
    let halves = halves(run, subject, transport).len();
    let whole = if halves == 0 { of(run, subject, transport).len() } else { halves };
    whole > 1
}

/// How busy the load was behind a figure that it may have limited, as the median share of its core; `None` of what it
/// cannot: the server's own costs, and counts.
pub(super) fn load_busy(run: &Run, subject: Subject<'_>, transport: Transport) -> Option<f64> {
    let open = run.latency.iter().filter(|v| v.cell == subject.cell && v.transport == transport);
    let closed = run.saturation.iter().filter(|v| v.transport == transport);
    let busy: Vec<f64> = match subject.metric {
        Metric::P50Us | Metric::P99Us | Metric::P999Us | Metric::MaxUs => {
            open.filter(|v| v.void.is_empty()).map(|v| v.load_busy).collect()
        }
        Metric::DeliveriesPerSecond => {
            let asked = closed.filter(|v| v.in_flight == subject.in_flight && v.void.is_empty());
            asked.map(|v| v.load_busy).collect()
        }
        _ => Vec::new(),
    };
    median(&busy)
}

/// Pairs of repetitions, for what is not measured in two halves.
pub(super) fn in_turn(run: &Run, subject: Subject<'_>, transport: Transport) -> Vec<(f64, f64)> {
    let values = of(run, subject, transport);
    let pairs = values.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    pairs.filter(|(one, other)| *one > 0.0 && *other > 0.0).collect()
}

/// Merges stored histograms; `None` of none, or where one cannot be read.
pub(super) fn merge<'a>(stored: impl Iterator<Item = &'a StoredHistogram>) -> Option<Latency> {
    let mut all = Latency::new();
    for histogram in stored {
        all.merge(&histogram.load().ok()?);
    }
    (all.count() > 0).then_some(all)
}

fn repetitions(run: &Run) -> u32 {
    run.scenario.repetitions
}

/// Losses and duplicates count over all visits, void ones above all; there is no count where nothing was published.
fn total(run: &Run, transport: Transport, count: fn(&Integrity) -> u64) -> Vec<f64> {
    let open = run.latency.iter().filter(|v| v.transport == transport).map(|v| &v.integrity);
    let closed = run.saturation.iter().filter(|v| v.transport == transport).map(|v| &v.integrity);
    let asked: Vec<&Integrity> = open.chain(closed).filter(|account| account.published > 0).collect();
    let sum = asked.iter().map(|account| count(account)).sum::<u64>() as f64;
    if asked.is_empty() { Vec::new() } else { vec![sum] }
}

fn at(
    run: &Run,
    subject: Subject<'_>,
    transport: Transport,
    repetition: u32,
    half: Option<u32>,
) -> Option<f64> {
    let open = || {
        let visits =
            run.latency.iter().filter(move |v| v.transport == transport && v.repetition == repetition);
        visits
            .filter(move |v| v.cell == subject.cell && v.void.is_empty() && half.is_none_or(|h| h == v.half))
    };
    let closed = || {
        let visits =
            run.saturation.iter().filter(move |v| v.transport == transport && v.repetition == repetition);
        visits.filter(move |v| {
            v.in_flight == subject.in_flight && v.void.is_empty() && half.is_none_or(|h| h == v.half)
        })
    };
    match subject.metric {
        Metric::P50Us => quantile(open(), 0.5),
        Metric::P99Us => quantile(open(), 0.99),
        Metric::P999Us => quantile(open(), 0.999),
        Metric::MaxUs => quantile(open(), 1.0),
        Metric::BytesPerDelivery => ratio(open(), |v| (v.bytes.total() as f64, v.deliveries as f64)),
        Metric::DeliveriesPerSecond => ratio(closed(), |v| (v.deliveries as f64, v.wall_s)),
        Metric::CpuUsPerDelivery => ratio(closed(), |v| (v.server_cpu_s * 1e6, v.deliveries as f64)),
        Metric::RawRatio => {
            let server = ratio(closed(), |v: &SaturationVisit| (v.deliveries as f64, v.server_cpu_s))?;
            Some(server / raw(run, transport, repetition)?)
        }
        Metric::KibPerConnection => slope(run, transport, repetition, half),
        Metric::ReconnectP99Us => recovered(open(), |recovery| recovery.reconnect.as_ref()),
        Metric::CatchUpP99Us => recovered(open(), |recovery| recovery.catch_up.as_ref()),
        Metric::ToldLost => {
            let told: Vec<u64> = open().filter_map(|v| Some(v.recovery.as_ref()?.told_lost)).collect();
            (!told.is_empty()).then(|| told.iter().sum::<u64>() as f64)
        }
        Metric::SilenceUs => open().filter_map(|v| v.silence_us_max).max().map(|us| us as f64),
        Metric::Lost | Metric::Duplicated => None,
    }
}

fn quantile<'a>(visits: impl Iterator<Item = &'a LatencyVisit>, quantile: f64) -> Option<f64> {
    let merged = merge(visits.filter_map(|visit| visit.latency.as_ref()))?;
    Some(merged.at(quantile) as f64)
}

/// The 99th percentile of a histogram of recoveries.
fn recovered<'a>(
    visits: impl Iterator<Item = &'a LatencyVisit>,
    of: impl Fn(&'a Recovery) -> Option<&'a StoredHistogram>,
) -> Option<f64> {
    let merged = merge(visits.filter_map(|visit| of(visit.recovery.as_ref()?)))?;
    Some(merged.at(0.99) as f64)
}

/// The sum of one part over the sum of the other.
fn ratio<'a, V: 'a>(visits: impl Iterator<Item = &'a V>, parts: impl Fn(&V) -> (f64, f64)) -> Option<f64> {
    let sum = visits.map(parts).fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    (sum.0 > 0.0 && sum.1 > 0.0).then(|| sum.0 / sum.1)
}

/// The raw loop's deliveries a CPU second, one event a send, with this transport's bytes.
fn raw(run: &Run, transport: Transport, repetition: u32) -> Option<f64> {
    let visits = run.raw.iter().filter(|v| v.transport == transport && v.repetition == repetition);
    let unjoined = visits.filter(|v| v.joined == 1 && v.void.is_empty());
    ratio(unjoined, |v: &RawVisit| (v.deliveries as f64, v.cpu_s))
}

fn slope(run: &Run, transport: Transport, repetition: u32, half: Option<u32>) -> Option<f64> {
    let mut visits = run.memory.iter().filter(|v| v.transport == transport && v.repetition == repetition);
    let visit = visits.find(|v| v.void.is_empty() && half.is_none())?;
    Some(fit(visit.points.iter().map(|p| (f64::from(p.subscribers), p.pss_kib as f64)))?.slope)
}
