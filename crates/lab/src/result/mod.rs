//! The stored result, `run.json`, format `tricast-run/2`. It holds what was observed, visit by visit, with raw
//! histograms; every figure of the report is derived from it by [`crate::summary`], so that a report can be made
//! again, and differently, from the file alone. `docs/run.schema.json` describes it to others.

mod crowd;
mod doubt;
mod environment;
mod factors;
mod histogram;
mod loss;
mod origin;
mod proxies;
mod recovery;
mod visits;
mod workload;

pub use self::crowd::{
    Axis, CrowdResults, CrowdVisit, MemoryReading, MemorySample, ScaleVisit, ShareLatency, SoakVisit,
    StalledVisit,
};
pub use self::doubt::{Doubt, DoubtKind};
pub(crate) use self::doubt::{LOAD_BUSY_MAX, raise};
pub use self::environment::{Environment, Sysctl};
pub use self::factors::{
    BrowserResults, BrowserTry, Carriage, FactorExtent, FactorMemory, FactorOpening, FactorResults,
    FactorVisit, WireBytes,
};
pub use self::histogram::{Latency, StoredHistogram};
pub use self::loss::{LossExtent, LossResults, LossVisit};
pub use self::origin::{Kept, MicroFigure, Omission, TargetRecord};
pub use self::proxies::{
    Configuration, ConfigurationText, CostRound, CostVisit, Disturbance, Flow, HELD_MEDIAN_US_MAX,
    HELD_US_MAX, Hold, Opening, ProxyAbsence, ProxyCell, ProxyExtent, ProxyKind, ProxyRecord, ProxyResults,
};
pub use self::recovery::{Recovery, Tcp};
pub use self::visits::{
    Bytes, Integrity, LatencyVisit, MemoryPoint, MemoryVisit, RawVisit, SaturationVisit, Slice,
};
pub use self::workload::{Burst, Deploy, Publishing, SlowReaders, Sweep, SweepAxis, Workload};

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;
use crate::error::{LabError, Result};
use crate::scenario::Assertion;

/// The format's name and version; a reader refuses any other.
pub const FORMAT: &str = "tricast-run/2";

/// The file's name inside a run's folder.
pub const FILE: &str = "run.json";

/// One of the three ways of delivery under comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Long polling over HTTP/1.1 keep-alive.
    Poll,
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    Websocket,
}

impl Transport {
    /// All three, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Sse, Self::Websocket];

    /// The name used in results, class names and text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sse => "sse",
            Self::Websocket => "websocket",
        }
    }
}

/// Everything that a run observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Always [`FORMAT`].
    pub format: String,
    /// The run's folder name: UTC start time and scenario.
    pub id: String,
    /// When it began, UTC, RFC 3339 to the second.
    pub started: String,
    /// When it ended, UTC, RFC 3339 to the second.
    pub finished: String,
    /// Whether it was stopped before all visits were made.
    pub partial: bool,
    /// True for figures made up for a test; a report of such a file says so in its title.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// Orders the transports and feeds the bootstrap.
    pub seed: u64,
    /// The scenario as it was written.
    pub scenario: ScenarioRecord,
    /// Where and with what the run was made.
    pub environment: Environment,
    /// The order in which the transports were visited, one list a repetition.
    pub order: Vec<Vec<Transport>>,
    /// Open-loop visits.
    pub latency: Vec<LatencyVisit>,
    /// Closed-loop visits.
    pub saturation: Vec<SaturationVisit>,
    /// The raw send loop's visits.
    pub raw: Vec<RawVisit>,
    /// Memory against the number of idle subscribers.
    pub memory: Vec<MemoryVisit>,
    /// What crowds came to; absent where the scenario has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowd: Option<CrowdResults>,
    /// The server under test, where it is not the tricast that runs the laboratory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRecord>,
    /// Real proxies in front of each transport; absent where the scenario has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<ProxyResults>,
    /// HTTP/2 and TLS against plain HTTP/1.1; absent where the scenario does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<FactorResults>,
    /// What a real browser allows; absent where none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<BrowserResults>,
    /// Lost packets; absent where the scenario does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossResults>,
    /// Code paths by criterion, where its estimates were found beside the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub micro: Vec<MicroFigure>,
    /// What was taken over from earlier runs with the same inputs; absent where everything was measured now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// What the scenario asked for and was not measured, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<Omission>,
    /// What the run doubts about its own figures.
    pub doubts: Vec<Doubt>,
}

/// The scenario of a run: its text, and what the report needs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioRecord {
    /// Its name.
    pub name: String,
    /// The TOML text.
    pub text: String,
    /// How many repetitions were asked for.
    pub repetitions: u32,
    /// Transports under comparison.
    pub transports: Vec<Transport>,
    /// The latency cells, in order.
    pub cells: Vec<CellRecord>,
    /// What was asserted.
    pub assertions: Vec<Assertion>,
}

/// What a latency cell asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellRecord {
    /// Its name, to which the visits refer.
    pub name: String,
    /// Open subscribers.
    pub subscribers: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of `data`.
    pub payload: u32,
    /// Measured seconds a visit.
    pub seconds: f64,
    /// In how many of the repetitions it was visited, where not in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetitions: Option<u32>,
    /// What it asks for beyond a plain feed.
    #[serde(default, skip_serializing_if = "Workload::is_plain")]
    pub workload: Workload,
}

impl Run {
    /// Whether the run compared the transports with each other.
    pub fn compares(&self) -> bool {
        !self.scenario.cells.is_empty() || !self.saturation.is_empty()
    }

    /// The networks that the scenario's cells name; empty where its text cannot be read by this version.
    pub(crate) fn networks(&self) -> BTreeMap<String, Conditions> {
        let scenario = crate::scenario::parse(&self.scenario.name, &self.scenario.text);
        scenario.map(|scenario| scenario.networks).unwrap_or_default()
    }

    /// Reads a stored result: the folder of a run, or its `run.json`.
    ///
    /// # Errors
    /// A file that cannot be read, another format, an unknown or missing field, a histogram that is none.
    pub fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        let run: Self = read_versioned(&file, FORMAT)?;
        let stored = run.latency.iter().filter_map(|visit| Some((visit, visit.latency.as_ref()?)));
        for (visit, histogram) in stored {
            let place = (&visit.cell, visit.transport.key(), visit.repetition + 1);
            let told =
                |error| LabError::result(&file, &format!("{} {} {}: {error}", place.0, place.1, place.2));
            histogram.load().map_err(told)?;
        }
        Ok(run)
    }

    /// The JSON Schema of a stored result, as `docs/run.schema.json` has it.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }

    /// Writes the result into a run's folder, whole.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        let text = serde_json::to_string(self).map_err(|e| LabError::result(&file, &e))?;
        write_whole(&file, &text)
    }
}

/// Writes a file by way of a temporary name beside it, so that a reader never sees half of it, and one that cannot be
/// written leaves the last one as it was.
pub(crate) fn write_whole(file: &Path, text: &str) -> Result<()> {
    let half = file.with_added_extension("part");
    let written = fs::write(&half, text).and_then(|()| fs::rename(&half, file));
    written.map_err(|error| {
        // On a full disk half of a file is in the way of everything else.
        let _kept_for_want_of_better = fs::remove_file(&half);
        LabError::io(format!("write {}", file.display()))(error)
    })
}

/// The format alone, which every version of a result has.
#[derive(Deserialize)]
struct Versioned {
    format: String,
}

/// Reads a stored result of exactly this format. The format is looked at before anything else, so that an old file is
/// told by its version and not by the first field that is missing.
pub(crate) fn read_versioned<T: serde::de::DeserializeOwned>(file: &Path, format: &str) -> Result<T> {
    let text = fs::read_to_string(file).map_err(|e| LabError::result(file, &e))?;
    let known: Versioned = serde_json::from_str(&text).map_err(|e| LabError::result(file, &e))?;
    if known.format != format {
        let what = format!("`format` is {}, but this tricast reads {format} only", known.format);
        return Err(LabError::result(file, &what));
    }
    serde_json::from_str(&text).map_err(|e| LabError::result(file, &e))
}
