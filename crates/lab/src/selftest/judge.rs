//! Holds what was reported against what was injected.

use super::Finding;
use super::case::{Case, Times};
use crate::load::Window;
use crate::result::{Integrity, Transport};

/// A histogram of three digits is right to this share.
const RESOLUTION: f64 = 0.001;

/// What the laboratory saw.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) integrity: Integrity,
    pub(super) window: Window,
    /// The publisher's largest delay, microseconds.
    pub(super) late_us_max: u64,
}

/// The finding of a case. Times are judged where a band is given.
pub(super) fn finding(
    case: &Case,
    transport: Transport,
    observed: &Observed,
    band_us: Option<u64>,
) -> Finding {
    let mut wrong = counts(case, &observed.integrity);
    if let Some(band_us) = band_us {
        wrong.extend(times(case, observed, band_us));
    }
    let injected = if case.is_honest() { "nothing".to_owned() } else { case.arguments.join(" ") };
    Finding { transport, case: case.name, injected, reported: reported(case, observed, band_us), wrong }
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

/// Every time that is not what it has to be.
fn times(case: &Case, observed: &Observed, band_us: u64) -> Vec<String> {
    let latency = &observed.window.latency;
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
fn reported(case: &Case, observed: &Observed, band_us: Option<u64>) -> String {
    let faults = observed.integrity.faults();
    let mut words = if faults.is_empty() { vec!["clean".to_owned()] } else { faults };
    let latency = &observed.window.latency;
    match (case.times, band_us) {
        (_, None) | (Times::Any, _) => {}
        (Times::Delayed(_), Some(band)) => words.push(format!(
            "{} to {} µs, median {} µs (band {band} µs)",
            latency.at(0.0),
            latency.max(),
            latency.at(0.5)
        )),
        (Times::Stalled(ms), Some(band)) => {
            let (half, late, _) = stalled(case, ms, band);
            words.push(format!(
                "{} deliveries later than {} ms ({late} were due), p99 {} µs, largest {} µs; the publisher was held back for up to {} µs",
                latency.above(half),
                half / 1000,
                latency.at(0.99),
                latency.max(),
                observed.late_us_max
            ));
        }
    }
    words.join(", ")
}
