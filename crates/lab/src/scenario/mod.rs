//! Scenarios: what a run does, read from TOML.
//!
//! A scenario is written by people, so every mistake is answered with its line, and a key that the laboratory does
//! not know is a mistake. Some scenarios are embedded, by the name of their file; any other name is a path.

mod checks;
mod crowd;
mod surroundings;
mod written;

pub use self::crowd::{CrowdCell, CrowdCells, ScaleCell, SoakCell, StalledCell};
pub use self::surroundings::Surroundings;
pub(crate) use self::written::breaks;
pub use self::written::parse;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;
use crate::error::{LabError, Result};
use crate::result::{Transport, Workload};

/// The embedded scenarios by name.
const EMBEDDED: [(&str, &str); 27] = [
    ("quick", include_str!("../../../../benches/scenarios/quick.toml")),
    ("full", include_str!("../../../../benches/scenarios/full.toml")),
    ("crowd", include_str!("../../../../benches/scenarios/crowd.toml")),
    ("crowd-brief", include_str!("../../../../benches/scenarios/crowd-brief.toml")),
    ("scale", include_str!("../../../../benches/scenarios/scale.toml")),
    ("stalled", include_str!("../../../../benches/scenarios/stalled.toml")),
    ("soak", include_str!("../../../../benches/scenarios/soak.toml")),
    ("factors", include_str!("../../../../benches/scenarios/factors.toml")),
    ("browser", include_str!("../../../../benches/scenarios/browser.toml")),
    ("loss", include_str!("../../../../benches/scenarios/loss.toml")),
    ("proxies", include_str!("../../../../benches/scenarios/proxies.toml")),
    ("proxies-brief", include_str!("../../../../benches/scenarios/proxies-brief.toml")),
    ("quiet", include_str!("../../../../benches/scenarios/quiet.toml")),
    ("notifications", include_str!("../../../../benches/scenarios/notifications.toml")),
    ("dashboard", include_str!("../../../../benches/scenarios/dashboard.toml")),
    ("chat", include_str!("../../../../benches/scenarios/chat.toml")),
    ("burst", include_str!("../../../../benches/scenarios/burst.toml")),
    ("broadcast", include_str!("../../../../benches/scenarios/broadcast.toml")),
    ("large", include_str!("../../../../benches/scenarios/large.toml")),
    ("mobile", include_str!("../../../../benches/scenarios/mobile.toml")),
    ("buffering", include_str!("../../../../benches/scenarios/buffering.toml")),
    ("deploy", include_str!("../../../../benches/scenarios/deploy.toml")),
    ("slow", include_str!("../../../../benches/scenarios/slow.toml")),
    ("two-way", include_str!("../../../../benches/scenarios/two-way.toml")),
    ("workloads", include_str!("../../../../benches/scenarios/workloads.toml")),
    ("knee", include_str!("../../../../benches/scenarios/knee.toml")),
    ("load-side", include_str!("../../../../benches/scenarios/load-side.toml")),
];

/// A scenario as meant: checked, with its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The name that results carry.
    pub name: String,
    /// The text it was read from, kept in the result.
    pub text: String,
    /// How often everything is repeated; the unit of the statistics is the repetition.
    pub repetitions: u32,
    /// How long each latency cell is loaded before anything is recorded.
    pub warm_up: Duration,
    /// Transports under comparison, in written order.
    pub transports: Vec<Transport>,
    /// Open-loop latency cells; the steps of sweeps are among them.
    pub cells: Vec<Cell>,
    /// Networks that cells name.
    pub networks: BTreeMap<String, Conditions>,
    /// Closed-loop throughput cells.
    pub saturations: Vec<Saturation>,
    /// Numbers of idle subscribers at which memory is read.
    pub memory_at: Vec<u32>,
    /// Cells with a crowd on all transports at once.
    pub crowd: CrowdCells,
    /// Proxies, TLS and HTTP/2, a browser.
    pub surroundings: Surroundings,
    /// What must hold.
    pub assertions: Vec<Assertion>,
}

/// One open-loop latency cell: events on a schedule to a number of subscribers.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Its name, unique in the scenario.
    pub name: String,
    /// Open subscribers.
    pub subscribers: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of the event's `data`.
    pub payload: u32,
    /// How long it is measured.
    pub duration: Duration,
    /// How often it is repeated: in the first so many of the scenario's repetitions.
    pub repetitions: u32,
    /// What it asks for beyond a plain feed.
    pub workload: Workload,
}

impl Cell {
    /// Events that all of its visits by one transport publish while they are recorded.
    pub(crate) fn events(&self) -> f64 {
        let rate = self.workload.burst.map_or(f64::from(self.rate), |b| f64::from(b.events) / b.every_s);
        rate * self.duration.as_secs_f64() * f64::from(2 * self.repetitions)
    }
}

/// One closed-loop cell: the next events leave when everybody has the last ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Saturation {
    /// Events published together and delivered before the next.
    pub in_flight: u32,
    /// Open subscribers.
    pub subscribers: u32,
    /// Bytes of the event's `data`.
    pub payload: u32,
    /// How long it is measured.
    pub duration: Duration,
}

/// A claim that the run confirms or refutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// What is compared.
    pub metric: Metric,
    /// The transport, or every one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The latency cell, for a metric of latency; the first one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// Events in flight, for a metric of throughput or cost; one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// The largest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The smallest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
}

/// A figure that can be compared, asserted and drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Median latency, microseconds.
    P50Us,
    /// 99th percentile of latency, microseconds.
    P99Us,
    /// 99.9th percentile of latency, microseconds.
    P999Us,
    /// Largest latency, microseconds.
    MaxUs,
    /// Deliveries a second of wall clock.
    DeliveriesPerSecond,
    /// Server CPU microseconds a delivery.
    CpuUsPerDelivery,
    /// Deliveries per server CPU second against the raw send loop's; 1.00 is the loop.
    RawRatio,
    /// KiB of server memory an idle connection.
    KibPerConnection,
    /// Bytes on the socket a delivery, both directions.
    BytesPerDelivery,
    /// Events that did not arrive.
    Lost,
    /// Events that arrived twice.
    Duplicated,
    /// 99th percentile of the time from a break to a stream that stands again, microseconds.
    ReconnectP99Us,
    /// 99th percentile of the time from a break to the last event that was missed, microseconds.
    CatchUpP99Us,
    /// Events of which subscribers were told that they will not come.
    ToldLost,
    /// The longest time without anything although something was due, microseconds.
    SilenceUs,
}

impl Metric {
    /// The name used in scenarios, results and text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::P50Us => "p50_us",
            Self::P99Us => "p99_us",
            Self::P999Us => "p999_us",
            Self::MaxUs => "max_us",
            Self::DeliveriesPerSecond => "deliveries_per_second",
            Self::CpuUsPerDelivery => "cpu_us_per_delivery",
            Self::RawRatio => "raw_ratio",
            Self::KibPerConnection => "kib_per_connection",
            Self::BytesPerDelivery => "bytes_per_delivery",
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::ReconnectP99Us => "reconnect_p99_us",
            Self::CatchUpP99Us => "catch_up_p99_us",
            Self::ToldLost => "told_lost",
            Self::SilenceUs => "silence_us",
        }
    }

    /// Whether a larger value is the better one.
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::DeliveriesPerSecond | Self::RawRatio)
    }
}

impl Scenario {
    /// Whether the scenario compares the transports with each other.
    pub fn compares(&self) -> bool {
        !self.cells.is_empty() || !self.saturations.is_empty()
    }
}

/// The names of the embedded scenarios, each with the first sentence of its text.
pub fn embedded() -> impl Iterator<Item = (&'static str, String)> {
    EMBEDDED.iter().map(|(name, text)| (*name, first_sentence(text)))
}

/// The first sentence of the comment that a scenario or a target begins with, over as many lines as it takes.
pub fn first_sentence(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let comment = lines.collect::<Vec<_>>().join(" ");
    match comment.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => comment,
    }
}

/// Reads an embedded scenario by its name, or the file at a path.
///
/// # Errors
/// A file that cannot be read, and every mistake in it, with its line.
pub fn load(name: &str) -> Result<Scenario> {
    if let Some((name, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
        return parse(name, text);
    }
    let text = fs::read_to_string(name).map_err(|source| {
        let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        let detail = format!("neither one of {} nor a readable file ({source})", names.join(", "));
        LabError::Scenario { name: name.to_owned(), detail }
    })?;
    parse(name, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_told_whole() {
        assert_eq!(first_sentence("# One: 1.5 of\n# two. Three.\nname = \"x\"\n# no\n"), "One: 1.5 of two.");
        assert_eq!(first_sentence("# All of it\n"), "All of it");
        assert_eq!(first_sentence("name = \"x\"\n"), "");
        let targets = crate::work::target::EMBEDDED.map(|(name, text)| (name, first_sentence(text)));
        for (name, sentence) in embedded().chain(targets) {
            assert!(sentence.ends_with('.') && !sentence.contains(". "), "{name}: {sentence}");
        }
    }
}
