//! What may stand round the feed: proxies in front of it, TLS and HTTP/2 under it, a browser behind it. Each is measured
//! once a run, whatever the number of repetitions, and says itself how many rounds it makes.

use std::ops::RangeInclusive;

use serde::Deserialize;
use toml::Spanned;

use super::written::Reading;
use crate::proxies::ProxyPlan;
use crate::result::{FactorExtent, LossExtent, ProxyExtent, ProxyKind};

const EVENTS: RangeInclusive<f64> = 2.0..=1000.0;
const SPACING_MS: RangeInclusive<f64> = 1.0..=5000.0;
const WATCHED_SECONDS: RangeInclusive<f64> = 0.0..=600.0;
const STREAMS: RangeInclusive<f64> = 0.0..=4000.0;
const ROUNDS: RangeInclusive<f64> = 0.0..=100.0;
const SUBSCRIBERS: RangeInclusive<f64> = 1.0..=2000.0;
const RATE_PER_SECOND: RangeInclusive<f64> = 1.0..=10_000.0;
const PAYLOAD_BYTES: RangeInclusive<f64> = 64.0..=60_000.0;
const SECONDS: RangeInclusive<f64> = 0.1..=600.0;
const STREAMS_A_CONNECTION: RangeInclusive<f64> = 1.0..=100.0;
const OPENING_SECONDS: RangeInclusive<f64> = 0.0..=60.0;
const RTT_MS: RangeInclusive<f64> = 0.0..=10_000.0;
const LOSS_PERCENT: RangeInclusive<f64> = 0.0..=50.0;
const JITTER_MS: RangeInclusive<f64> = 0.0..=10_000.0;
const LINK_BYTES_PER_SECOND: RangeInclusive<f64> = 1000.0..=4e9;
const LOSS_ROUNDS: RangeInclusive<f64> = 1.0..=100.0;
const LOSS_SUBSCRIBERS: RangeInclusive<f64> = 1.0..=200.0;
const LOSS_RATE_PER_SECOND: RangeInclusive<f64> = 1.0..=1000.0;
const MEMORY_POINTS_MIN: usize = 2;

/// What a scenario asks for round the feed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// Real proxies in front of every transport.
    pub proxies: Option<ProxyPlan>,
    /// TLS and HTTP/2.
    pub factors: Option<FactorExtent>,
    /// Whether a real browser opens streams.
    pub browser: bool,
    /// Links that lose packets.
    pub loss: Option<LossExtent>,
}

impl Surroundings {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.proxies.is_none() && self.factors.is_none() && !self.browser && self.loss.is_none()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenProxies {
    only: Option<Vec<ProxyKind>>,
    events: Spanned<f64>,
    spacing_ms: Spanned<f64>,
    idle_s: Spanned<f64>,
    disturbance_s: Spanned<f64>,
    streams: Spanned<f64>,
    rounds: Spanned<f64>,
    subscribers: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFactors {
    rounds: Spanned<f64>,
    subscribers: Spanned<f64>,
    streams_a_connection: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
    memory: Spanned<Vec<Spanned<f64>>>,
    opening_s: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLoss {
    rounds: Spanned<f64>,
    rtt_ms: Spanned<Vec<Spanned<f64>>>,
    loss_percent: Spanned<Vec<Spanned<f64>>>,
    jitter_ms: Option<Spanned<f64>>,
    reorder_percent: Option<Spanned<f64>>,
    bytes_per_s: Option<Spanned<f64>>,
    subscribers: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
}

/// Reads what is asked for, and notes every mistake.
pub(super) fn meant(
    reading: &mut Reading<'_>,
    written: Option<&WrittenProxies>,
    factors: Option<&WrittenFactors>,
    browser: bool,
    loss: Option<&WrittenLoss>,
) -> Surroundings {
    Surroundings {
        proxies: written.map(|written| proxies(reading, written)),
        factors: factors.map(|written| extent(reading, written)),
        browser,
        loss: loss.map(|written| links(reading, written)),
    }
}

fn links(reading: &mut Reading<'_>, written: &WrittenLoss) -> LossExtent {
    for (field, list) in [("rtt_ms", &written.rtt_ms), ("loss_percent", &written.loss_percent)] {
        if list.get_ref().is_empty() {
            reading.mistake(list.span(), &format!("`{field}` must have a value"));
        }
    }
    let number = |reading: &mut Reading<'_>, field, value: &Option<Spanned<f64>>, bounds| {
        value.as_ref().map(|value| reading.number(field, value, bounds))
    };
    let rtts = written.rtt_ms.get_ref().iter();
    let losses = written.loss_percent.get_ref().iter();
    LossExtent {
        rounds: reading.count("rounds", &written.rounds, &LOSS_ROUNDS),
        rtt_ms: rtts.map(|rtt| reading.count("rtt_ms", rtt, &RTT_MS)).collect(),
        loss_percent: losses.map(|loss| reading.number("loss_percent", loss, &LOSS_PERCENT)).collect(),
        jitter_ms: number(reading, "jitter_ms", &written.jitter_ms, &JITTER_MS).unwrap_or(0.0) as u32,
        reorder_percent: number(reading, "reorder_percent", &written.reorder_percent, &LOSS_PERCENT)
            .unwrap_or(0.0),
        bytes_per_s: number(reading, "bytes_per_s", &written.bytes_per_s, &LINK_BYTES_PER_SECOND)
            .map(|rate| rate as u64),
        subscribers: reading.count("subscribers", &written.subscribers, &LOSS_SUBSCRIBERS),
        rate: reading.count("rate", &written.rate, &LOSS_RATE_PER_SECOND),
        payload_bytes: reading.count("payload", &written.payload, &PAYLOAD_BYTES),
        seconds: reading.number("seconds", &written.seconds, &SECONDS),
    }
}

fn proxies(reading: &mut Reading<'_>, written: &WrittenProxies) -> ProxyPlan {
    let extent = ProxyExtent {
        events: reading.count("events", &written.events, &EVENTS),
        spacing_ms: reading.count("spacing_ms", &written.spacing_ms, &SPACING_MS),
        idle_s: reading.number("idle_s", &written.idle_s, &WATCHED_SECONDS),
        disturbance_s: reading.number("disturbance_s", &written.disturbance_s, &WATCHED_SECONDS),
        streams: reading.count("streams", &written.streams, &STREAMS),
        rounds: reading.count("rounds", &written.rounds, &ROUNDS),
        subscribers: reading.count("subscribers", &written.subscribers, &SUBSCRIBERS),
        rate: reading.count("rate", &written.rate, &RATE_PER_SECOND),
        payload_bytes: reading.count("payload", &written.payload, &PAYLOAD_BYTES),
        cost_s: reading.number("seconds", &written.seconds, &SECONDS),
    };
    ProxyPlan { extent, proxies: written.only.clone().unwrap_or_else(|| ProxyKind::ALL.to_vec()) }
}

fn extent(reading: &mut Reading<'_>, written: &WrittenFactors) -> FactorExtent {
    let points = written.memory.get_ref();
    let memory_at: Vec<u32> =
        points.iter().map(|point| reading.count("memory", point, &SUBSCRIBERS)).collect();
    if !memory_at.is_empty() && (memory_at.len() < MEMORY_POINTS_MIN || !memory_at.is_sorted_by(|a, b| a < b))
    {
        reading.mistake(written.memory.span(), "`memory` must be empty, or two or more rising numbers");
    }
    FactorExtent {
        rounds: reading.count("rounds", &written.rounds, &ROUNDS),
        subscribers: reading.count("subscribers", &written.subscribers, &SUBSCRIBERS),
        streams_a_connection: reading.count(
            "streams_a_connection",
            &written.streams_a_connection,
            &STREAMS_A_CONNECTION,
        ),
        rate: reading.count("rate", &written.rate, &RATE_PER_SECOND),
        payload_bytes: reading.count("payload", &written.payload, &PAYLOAD_BYTES),
        seconds: reading.number("seconds", &written.seconds, &SECONDS),
        memory_at,
        opening_s: reading.number("opening_s", &written.opening_s, &OPENING_SECONDS),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    const GOOD: &str = "name = \"t\"\nrepetitions = 1\nwarm_up_s = 0\n[proxies]\nonly = [\"nginx\"]\nevents = 5\nspacing_ms = 20\nidle_s = 0\ndisturbance_s = 0\nstreams = 0\nrounds = 0\nsubscribers = 5\nrate = 50\npayload = 64\nseconds = 1\n";

    fn check(from: &str, to: &str, expected: &[&str]) {
        assert!(GOOD.contains(from), "{from} is not in the text");
        let error = parse("t", &GOOD.replacen(from, to, 1)).expect_err("a mistake was accepted").to_string();
        for part in expected {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }

    #[test]
    fn proxies_alone_are_a_scenario() {
        let scenario = parse("t", GOOD).unwrap();
        let plan = scenario.surroundings.proxies.unwrap();
        assert_eq!((plan.extent.events, plan.proxies.len()), (5, 1));
        assert!(scenario.surroundings.factors.is_none() && !scenario.surroundings.browser);
    }

    #[test]
    fn mistakes_name_their_line() {
        check("events = 5", "events = 0", &["line 6", "`events` is 0"]);
        check("\"nginx\"", "\"squid\"", &["line 5", "squid"]);
        check("rate = 50", "rat = 50", &["line 13", "rat"]);
    }

    const LOSS: &str = "name = \"t\"\nrepetitions = 1\nwarm_up_s = 0\n[loss]\nrounds = 1\nrtt_ms = [40]\nloss_percent = [0, 2.5]\nsubscribers = 5\nrate = 50\npayload = 64\nseconds = 1\n";

    #[test]
    fn links_alone_are_a_scenario_and_their_mistakes_name_their_line() {
        let loss = parse("t", LOSS).unwrap().surroundings.loss.unwrap();
        assert_eq!((loss.rtt_ms, loss.loss_percent, loss.bytes_per_s), (vec![40], vec![0.0, 2.5], None));
        let wrong = |from: &str, to: &str| parse("t", &LOSS.replacen(from, to, 1)).unwrap_err().to_string();
        let error = wrong("2.5", "60");
        assert!(error.contains("line 7") && error.contains("`loss_percent` is 60"), "{error}");
        let error = wrong("[40]", "[]");
        assert!(error.contains("line 6") && error.contains("`rtt_ms` must have a value"), "{error}");
        assert!(wrong("rounds", "round").contains("line 5"));
    }
}
