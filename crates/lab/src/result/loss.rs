//! What lost packets do to each transport, over the kernel's own TCP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StoredHistogram, Transport};

/// Visits over a link that loses packets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
    /// What was asked for.
    #[serde(default)]
    pub extent: LossExtent,
    /// Open-loop visits, in the order in which they were made.
    #[serde(default)]
    pub visits: Vec<LossVisit>,
}

/// The links and the load over them. Every transport is visited over every pair of round-trip time and loss.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossExtent {
    /// How often each is visited.
    pub rounds: u32,
    /// Round-trip times of the link, half of it each way, milliseconds.
    pub rtt_ms: Vec<u32>,
    /// Packets of 100 that are lost, each for itself, in each direction.
    pub loss_percent: Vec<f64>,
    /// Up to so much more delay each way, by chance, order kept, milliseconds.
    pub jitter_ms: u32,
    /// Packets of 100 that arrive a quarter of a round trip late, so that others overtake them.
    pub reorder_percent: f64,
    /// Bytes a second of the link each way; absent where it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<u64>,
    /// Subscribers of a visit.
    pub subscribers: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of an event's `data`.
    pub payload_bytes: u32,
    /// Length of a visit's window, seconds.
    pub seconds: f64,
}

/// An open-loop visit of one transport over one link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossVisit {
    /// The transport.
    pub transport: Transport,
    /// Round-trip time of the link, milliseconds.
    pub rtt_ms: u32,
    /// Packets of 100 that the link loses.
    pub loss_percent: f64,
    /// From 0.
    pub round: u32,
    /// Why no figure may be drawn from it; empty where every event came to everybody, once and in order.
    pub void: Vec<String>,
    /// Latency from the intended publish time, microseconds; absent where void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<StoredHistogram>,
    /// Events delivered in the window.
    pub deliveries: u64,
    /// Bytes of the subscribers' TCP streams in the window, from the server.
    pub down_bytes: u64,
    /// The same to the server.
    pub up_bytes: u64,
    /// TCP segments that the server's side sent again since its start, as its kernel counts them.
    pub server_retransmitted: u64,
    /// TCP segments that the subscribers' side sent again.
    pub client_retransmitted: u64,
    /// Packets that the link carried since its start, to the server and back.
    pub passed: [u64; 2],
    /// Packets that it lost by chance.
    pub lost: [u64; 2],
    /// Packets that found its queue full.
    pub dropped: [u64; 2],
}
