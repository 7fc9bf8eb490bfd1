//! The stored result of a comparison with other servers, `peers.json`, format `tricast-peers/1`: what was observed,
//! cell by cell. Every figure of the report is derived from it by [`super::summary`]. `docs/peers.schema.json`
//! describes it to others.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::field::Account;
use crate::error::{LabError, Result};
use crate::result::{
    Doubt, Environment, MemoryPoint, StoredHistogram, Transport, read_versioned, write_whole,
};

/// The format's name and version; a reader refuses any other.
pub const FORMAT: &str = "tricast-peers/1";
/// The file's name inside a run's folder.
pub const FILE: &str = "peers.json";

/// Everything that a comparison observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Always [`FORMAT`].
    pub format: String,
    /// UTC start time and `peers`.
    pub id: String,
    /// When it began, UTC, RFC 3339 to the second.
    pub started: String,
    /// When it ended, UTC, RFC 3339 to the second.
    pub finished: String,
    /// Whether it was stopped before all visits were made.
    pub partial: bool,
    /// True for figures made up for a test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// What was asked for.
    pub extent: Extent,
    /// Where and with what it was made.
    pub environment: Environment,
    /// All servers of the table, those that are not there with the reason.
    pub servers: Vec<ServerRecord>,
    /// What was observed.
    pub cells: Vec<Cell>,
    /// What the comparison doubts about its own figures.
    pub doubts: Vec<Doubt>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Paired rounds; every second one in reverse order.
    pub rounds: u32,
    /// Bytes of every event.
    pub payload_bytes: u32,
    /// Subscribers for one event in flight and for connects.
    pub few: u32,
    /// Subscribers for saturation, latency and memory.
    pub many: u32,
    /// Events in flight when saturated, at most.
    pub in_flight: u32,
    /// Seconds of a closed loop.
    pub closed_s: f64,
    /// Seconds of an open loop.
    pub open_s: f64,
    /// Whether the raw loops were run.
    pub raw: bool,
}

/// One server of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRecord {
    /// Its key, to which the cells refer.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The transports that were measured.
    pub transports: Vec<Transport>,
    /// What it is made of, each with its version.
    pub version: String,
    /// Its settings, or its whole source where that is all there is.
    pub configuration: String,
    /// Why it was not measured here; `None` where it was.
    pub absent: Option<String>,
}

/// What a cell measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Connects a server CPU second, to the first answer.
    Connects,
    /// Deliveries a server CPU second, one event in flight.
    Single,
    /// The raw loop with the same bytes: sends, or answers to polls.
    Raw,
    /// Deliveries a server CPU second, up to [`Extent::in_flight`] events in flight.
    Saturated,
    /// The raw loop with so many events joined into one send.
    RawJoined,
    /// Memory against idle subscribers.
    Memory,
    /// Latency at half of the server's own saturated rate.
    HalfRate,
    /// Latency at half of the rate that the slowest server reaches by this transport.
    EqualRate,
}

impl Measure {
    /// The name used in tables and text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Connects => "connects",
            Self::Single => "single",
            Self::Raw => "raw",
            Self::Saturated => "saturated",
            Self::RawJoined => "raw_joined",
            Self::Memory => "memory",
            Self::HalfRate => "half_rate",
            Self::EqualRate => "equal_rate",
        }
    }
}

/// One measure of one server by one transport in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The server's key.
    pub server: String,
    /// The transport under load.
    pub transport: Transport,
    /// What was measured.
    pub measure: Measure,
    /// Round, from 0.
    pub round: u32,
    /// Why no figure may be drawn from this cell; empty where all is well.
    pub void: Vec<String>,
    /// What arrived so far on this server against what was published.
    pub account: Account,
    /// Open subscribers.
    pub subscribers: u32,
    /// Connects, deliveries, sends or answers, as the measure says.
    pub units: u64,
    /// Poll answers that carried them; 0 for a stream.
    pub answers: u64,
    /// CPU seconds, user and system, of all the server's processes, or of the raw loop.
    pub cpu_s: f64,
    /// Length of the cell, seconds.
    pub wall_s: f64,
    /// Share of the cell in which the load did useful work, 0 to 1.
    pub load_busy: f64,
    /// Events a second, of an open loop; 0 elsewhere.
    pub rate: f64,
    /// Bytes of one send of a raw loop; 0 elsewhere.
    pub send_bytes: u64,
    /// Latency from the intended publish time to receipt, microseconds.
    pub latency: Option<StoredHistogram>,
    /// Memory readings, by rising number of subscribers.
    pub memory: Vec<MemoryPoint>,
}

impl Cell {
    /// A cell in which nothing was observed yet.
    pub(crate) fn empty(server: &str, transport: Transport, measure: Measure, round: u32) -> Self {
        Self {
            server: server.to_owned(),
            transport,
            measure,
            round,
            void: Vec::new(),
            account: Account::default(),
            subscribers: 0,
            units: 0,
            answers: 0,
            cpu_s: 0.0,
            wall_s: 0.0,
            load_busy: 0.0,
            rate: 0.0,
            send_bytes: 0,
            latency: None,
            memory: Vec::new(),
        }
    }
}

impl Peers {
    /// Reads a stored comparison: the folder of a run, or its `peers.json`.
    ///
    /// # Errors
    /// A file that cannot be read, another format, an unknown or missing field.
    pub fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        read_versioned(&file, FORMAT)
    }

    /// The JSON Schema of a stored comparison, as `docs/peers.schema.json` has it.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }

    /// Writes the comparison into a run's folder, whole.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        let text = serde_json::to_string_pretty(self).map_err(|e| LabError::result(&file, &e))?;
        write_whole(&file, &text)
    }
}
