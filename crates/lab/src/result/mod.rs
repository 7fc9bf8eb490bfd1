//! The stored result, `run.json`, format `tricast-run/1`. It holds what was observed, visit by visit, with raw
//! histograms; every figure of the report is derived from it by [`crate::summary`], so that a report can be made
//! again, and differently, from the file alone. `docs/run.schema.json` describes it to others.

mod crowd;
mod doubt;
mod environment;
mod histogram;
mod visits;

pub use self::crowd::{
    Axis, CrowdResults, CrowdVisit, MemoryReading, MemorySample, ScaleVisit, ShareLatency, SoakVisit,
    StalledVisit,
};
pub(crate) use self::doubt::raise;
pub use self::doubt::{Doubt, DoubtKind};
pub use self::environment::{Environment, Sysctl};
pub use self::histogram::{Latency, StoredHistogram};
pub use self::visits::{
    Bytes, Integrity, LatencyVisit, MemoryPoint, MemoryVisit, RawVisit, SaturationVisit, Slice,
};

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};
use crate::scenario::Assertion;

/// The format's name and version; a reader refuses any other.
pub const FORMAT: &str = "tricast-run/1";

/// The file's name inside a run's folder.
pub const FILE: &str = "run.json";

/// One of the three ways of delivery under comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// What the run doubts about its own figures.
    pub doubts: Vec<Doubt>,
}

/// The scenario of a run: its text, and what the report needs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

impl Run {
    /// Whether the run compared the transports with each other.
    pub fn compares(&self) -> bool {
        !self.scenario.cells.is_empty() || !self.saturation.is_empty()
    }

    /// Reads a stored result: the folder of a run, or its `run.json`.
    ///
    /// # Errors
    /// A file that cannot be read, another format, an unknown or missing field.
    pub fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        let text = fs::read_to_string(&file).map_err(|e| LabError::result(&file, &e))?;
        let run: Self = serde_json::from_str(&text).map_err(|e| LabError::result(&file, &e))?;
        if run.format == FORMAT {
            Ok(run)
        } else {
            Err(LabError::result(&file, &format!("`format` is {}, but must be {FORMAT}", run.format)))
        }
    }

    /// Writes the result into a run's folder, by way of a temporary name, so that a reader never sees half a file.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        let half = folder.join("run.json.part");
        let text = serde_json::to_string_pretty(self).map_err(|e| LabError::result(&file, &e))?;
        fs::write(&half, text)
            .and_then(|()| fs::rename(&half, &file))
            .map_err(|e| LabError::result(&file, &e))
    }
}
