//! What a cell asks for beyond a plain feed of events at a steady rate to readers that read at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Transport;

/// The shape of a cell's load. Everything is absent from a plain feed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Rooms that subscribers are in, one each, and that events go to in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<u32>,
    /// Events leave in bursts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// How events are published.
    #[serde(default, skip_serializing_if = "Publishing::is_post")]
    pub publishing: Publishing,
    /// The network between subscribers and server: the name of a `[network.<name>]` table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Readers that read slowly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowReaders>,
    /// The server goes away within the window, and comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Deploy>,
    /// The sweep that this cell is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
}

impl Workload {
    /// Whether nothing beyond a plain feed is asked for.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Events that leave together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Events of one burst.
    pub events: u32,
    /// From the start of one burst to that of the next, seconds.
    pub every_s: f64,
}

/// How events are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Publishing {
    /// By POST, over a few kept connections.
    #[default]
    Post,
    /// By the subscribers: over a WebSocket in band, otherwise by a POST beside the stream.
    Subscribers,
}

impl Publishing {
    /// Whether events are published by POST alone.
    pub fn is_post(&self) -> bool {
        *self == Self::Post
    }
}

/// Readers that take less than comes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowReaders {
    /// Their share of the subscribers, percent.
    pub percent: f64,
    /// What each reads a second, bytes.
    pub bytes_per_s: u32,
}

/// A deploy within the window: everybody has to come back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// When it begins, seconds after the window opens.
    pub at_s: f64,
    /// How long nobody listens, seconds.
    pub away_s: f64,
}

/// A step of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The sweep's name: cells with the same one belong together.
    pub name: String,
    /// What grows.
    pub axis: SweepAxis,
    /// Transports that take part; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<Transport>,
}

/// What grows in a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SweepAxis {
    /// Events a second.
    Rate,
    /// Open subscribers.
    Subscribers,
    /// Bytes of `data`.
    Payload,
}
