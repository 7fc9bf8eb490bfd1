//! Holds what was reported against what was injected.

use super::case::{Case, Costs, Times};
use super::costs::{self, bytes_per_delivery};
use crate::result::{Bytes, Integrity, Latency, Recovery, StoredHistogram, Transport};

/// A histogram of three digits is right to this share.
const RESOLUTION: f64 = 0.001;

/// What the laboratory saw.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) integrity: Integrity,
    pub(super) latency: Latency,
    /// The publisher's largest delay, microseconds.
    pub(super) late_us_max: u64,
    pub(super) deliveries: u64,
    pub(super) answers: u64,
    pub(super) bytes: Bytes,
    /// CPU seconds of the server, where it is a process of its own.
    pub(super) cpu_s: Option<f64>,
    pub(super) recovery: Option<Recovery>,
}

/// What the same engine showed of the honest server on the same transport.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// The 99.9th percentile, microseconds.
    pub(super) band_us: u64,
    pub(super) cpu_s: Option<f64>,
    pub(super) delivery_bytes: f64,
}

impl Reference {
    pub(super) fn of(transport: Transport, observed: &Observed) -> Self {
        Self {
            band_us: observed.latency.at(0.999),
            cpu_s: observed.cpu_s,
            delivery_bytes: bytes_per_delivery(transport, observed),
        }
    }
}

/// What is wrong with a report.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// What does not depend on how busy the machine is.
    pub(super) exact: Vec<String>,
    /// Times and CPU time.
    pub(super) timed: Vec<String>,
}

/// Judges what was seen; times and CPU time where there is a reference.
pub(super) fn verdict(
    case: &Case,
    transport: Transport,
    observed: &Observed,
    reference: Option<Reference>,
) -> Verdict {
    let mut verdict = Verdict { exact: counts(case, &observed.integrity), timed: Vec::new() };
    verdict.exact.extend(came_back(case, observed));
    let costs = costs::costs(case, transport, observed, reference);
    match case.costs {
        Costs::Burnt(_) => verdict.timed.extend(costs),
        Costs::Any | Costs::Padded(_) => verdict.exact.extend(costs),
    }
    if let Some(honest) = reference {
        verdict.timed.extend(times(case, observed, honest.band_us));
    }
    verdict
}

/// Every count that is not what it has to be.
pub(super) fn counts(case: &Case, seen: &Integrity) -> Vec<String> {
    let Some(published) = case.published() else { return end(case, seen) };
    let due = case.expected(published);
    let pairs = [
        ("published", seen.published, due.published),
        ("received", seen.received, due.received),
        ("expected", seen.expected, due.expected),
        ("lost", seen.lost, due.lost),
        ("duplicated", seen.duplicated, due.duplicated),
        ("out of order", seen.out_of_order, due.out_of_order),
        ("too early", seen.negative, due.negative),
        ("foreign", seen.foreign, due.foreign),
        ("ended", seen.ended, due.ended),
        ("refused", seen.refused, due.refused),
    ];
    let differing = pairs.iter().filter(|(_, seen, due)| seen != due);
    differing.map(|(what, seen, due)| format!("{seen} {what} instead of {due}")).collect()
}

/// The engine gives a visit up with the first stream that ends, and reads no other: at least one end has to be told,
/// nothing may have come that was not sent, and all that did not come has to be missing. An event may have come whose
/// publisher was not answered yet: it is no part of what is expected, and counts as refused.
fn end(case: &Case, seen: &Integrity) -> Vec<String> {
    let most = case.before_the_end();
    let accounted = seen.lost + seen.received;
    let ahead = seen.expected + seen.refused * u64::from(case.shape.subscribers);
    let mismatch = format!("{} lost and {} received of {} expected", seen.lost, seen.received, seen.expected);
    let claims = [
        ("no end was told", seen.ended > 0),
        ("more came than was sent", seen.received <= most),
        (&mismatch, (seen.expected..=ahead).contains(&accounted)),
        ("doubled or swapped", seen.duplicated + seen.out_of_order + seen.foreign == 0),
    ];
    claims.iter().filter(|(_, holds)| !holds).map(|(what, _)| (*what).to_owned()).collect()
}

/// Every count of breaks and returns that is not what it has to be.
fn came_back(case: &Case, observed: &Observed) -> Vec<String> {
    if !case.beside.returns {
        return Vec::new();
    }
    let Some(seen) = &observed.recovery else { return vec!["nothing is told of breaks".to_owned()] };
    let all = u64::from(case.shape.subscribers);
    let times = |stored: &Option<StoredHistogram>| stored.as_ref().map_or(0, |stored| stored.count);
    let pairs = [
        ("breaks", seen.breaks, all),
        ("attempts to come back", seen.attempts, all),
        ("returns", times(&seen.reconnect), all),
        ("subscribers that caught up", times(&seen.catch_up), all),
        ("told as lost", seen.told_lost, case.counts.told),
    ];
    let differing = pairs.iter().filter(|(_, seen, due)| seen != due);
    let mut wrong: Vec<String> =
        differing.map(|(what, seen, due)| format!("{seen} {what} instead of {due}")).collect();
    // The event that all streams ended at is missed by everybody, and those that followed before they were back.
    if case.counts.told + case.counts.lost == 0 && seen.made_up < all {
        wrong.push(format!("{} made up for instead of {all} or more", seen.made_up));
    }
    wrong
}

/// Every time that is not what it has to be.
fn times(case: &Case, observed: &Observed, band_us: u64) -> Vec<String> {
    let latency = &observed.latency;
    let mut wrong = Vec::new();
    let mut within = |what: &str, seen: u64, low: u64, high: u64| {
        if !(low..=high).contains(&seen) {
            wrong.push(format!("{what} {seen} instead of {low} to {high}"));
        }
    };
    match case.times {
        Times::Any => {}
        Times::Delayed(ms) => {
            let (least, most) = bounds(ms * 1000, band_us);
            within("least µs", latency.at(0.0), least, u64::MAX);
            within("median µs", latency.at(0.5), least, most);
        }
        Times::Stalled(ms) => {
            let (half, late, slack) = stalled(case, ms, band_us);
            within("late deliveries", latency.above(half), late - slack, late + slack);
            let (least, most) = bounds(ms * 1000, band_us + case.shape.interval_us());
            within("largest µs", latency.max(), least - case.shape.interval_us(), most);
        }
    }
    wrong
}

/// Half of a stall in microseconds, how many deliveries have to be later than that, and how many more or fewer the band
/// allows.
fn stalled(case: &Case, ms: u64, band_us: u64) -> (u64, u64, u64) {
    let (half, all) = (ms * 1000 / 2, u64::from(case.shape.subscribers));
    let events = half / case.shape.interval_us();
    let slack = 1 + band_us / case.shape.interval_us();
    (half, events * all, slack.min(events) * all)
}

fn bounds(us: u64, band_us: u64) -> (u64, u64) {
    let resolution = (us as f64 * RESOLUTION).ceil() as u64;
    (us.saturating_sub(resolution), us + resolution + band_us)
}

/// What was reported, in words.
pub(super) fn reported(
    case: &Case,
    transport: Transport,
    observed: &Observed,
    reference: Option<Reference>,
) -> String {
    let faults = observed.integrity.faults();
    let mut words = if faults.is_empty() { vec!["clean".to_owned()] } else { faults };
    words.extend(observed.recovery.as_ref().map(|seen| {
        let Recovery { breaks, told_lost, made_up, .. } = seen;
        format!("{breaks} breaks, {made_up} made up for, {told_lost} told as lost")
    }));
    words.extend(reference.and_then(|honest| timed(case, observed, honest.band_us)));
    words.extend(costs::reported(case, transport, observed, reference));
    words.join(", ")
}

fn timed(case: &Case, observed: &Observed, band_us: u64) -> Option<String> {
    let latency = &observed.latency;
    match case.times {
        Times::Any => None,
        Times::Delayed(_) => Some(format!(
            "{} to {} µs, median {} µs (band {band_us} µs)",
            latency.at(0.0),
            latency.max(),
            latency.at(0.5)
        )),
        Times::Stalled(ms) => {
            let (half, late, _) = stalled(case, ms, band_us);
            Some(format!(
                "{} deliveries later than {} ms ({late} were due), p99 {} µs, largest {} µs; the publisher was held back for up to {} µs",
                latency.above(half),
                half / 1000,
                latency.at(0.99),
                latency.max(),
                observed.late_us_max
            ))
        }
    }
}
