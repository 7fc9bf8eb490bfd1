//! One visit is one transport, loaded in one way, in one half of one repetition, against a freshly started server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Recovery, StoredHistogram, Tcp, Transport};

/// Bytes seen at the subscribers' sockets during a visit, TCP and IP headers not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// The events' `data`, as published.
    pub payload: u64,
    /// The rest of the events' JSON: id, type, time.
    pub envelope: u64,
    /// What the transport puts round events: SSE fields and chunk sizes, frame headers, the poll answer's JSON, beats.
    pub framing: u64,
    /// Response heads: status line and headers.
    pub head_down: u64,
    /// Everything that the subscribers sent: requests, pongs.
    pub up: u64,
}

impl Bytes {
    /// The sum of both directions.
    pub fn total(&self) -> u64 {
        self.payload + self.envelope + self.framing + self.head_down + self.up
    }
}

/// What a visit's subscribers received against what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Integrity {
    /// Events that the server accepted, warm-up included.
    pub published: u64,
    /// Publish requests that the server did not accept, or not in time.
    pub refused: u64,
    /// Published events times subscribers.
    pub expected: u64,
    /// Events received, without duplicates.
    pub received: u64,
    /// Events that never came.
    pub lost: u64,
    /// Events that came again.
    pub duplicated: u64,
    /// Events that came after a later one.
    pub out_of_order: u64,
    /// Events received before their intended time.
    pub negative: u64,
    /// Events of another epoch, or that could not be read.
    pub foreign: u64,
    /// Subscribers whose stream ended.
    pub ended: u64,
    /// Ticks of the publisher's schedule that were missed.
    pub missed_ticks: u64,
}

/// A slice of time of a latency visit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Milliseconds from the visit's start to the slice's, by intended publish time.
    pub at_ms: u32,
    /// Median of the slice, microseconds.
    pub p50_us: u64,
    /// 99th percentile of the slice, microseconds.
    pub p99_us: u64,
    /// Maximum of the slice, microseconds.
    pub max_us: u64,
}

/// An open-loop visit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyVisit {
    /// The cell's name in the scenario.
    pub cell: String,
    /// The transport under load.
    pub transport: Transport,
    /// Repetition, from 0.
    pub repetition: u32,
    /// 0 on the way there, 1 on the way back of the order A B C C B A.
    pub half: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// What was received against what was published.
    pub integrity: Integrity,
    /// Latency from the intended publish time to receipt, microseconds; absent where void.
    pub latency: Option<StoredHistogram>,
    /// The same from the time at which the publish request left, which hides what a late publisher costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_sent: Option<StoredHistogram>,
    /// The same over time.
    pub slices: Vec<Slice>,
    /// Events delivered in the measured window.
    pub deliveries: u64,
    /// Length of the measured window, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server in the window, user and system.
    pub server_cpu_s: f64,
    /// Share of the window in which the load did useful work, 0 to 1.
    pub load_busy: f64,
    /// The publisher's largest delay, microseconds.
    pub late_us_max: u64,
    /// Poll answers with events in the window; 0 for a stream.
    pub answers: u64,
    /// Bytes in the window.
    pub bytes: Bytes,
    /// CPU seconds of the load in the window, its idle polling left out; absent where it was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cpu_s: Option<f64>,
    /// Proportional set size of the load when the window closed, with all that it keeps of earlier visits, KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_pss_kib: Option<u64>,
    /// What the kernel counted on the subscribers' connections; absent where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Tcp>,
    /// Breaks and how they were overcome; absent where nothing broke connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// The longest time in which a subscriber got nothing although something was due, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_us_max: Option<u64>,
}

/// A closed-loop visit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaturationVisit {
    /// Events published together.
    pub in_flight: u32,
    /// Open subscribers.
    pub subscribers: u32,
    /// The transport under load.
    pub transport: Transport,
    /// Repetition, from 0.
    pub repetition: u32,
    /// 0 on the way there, 1 on the way back.
    pub half: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// What was received against what was published.
    pub integrity: Integrity,
    /// Events delivered in the measured window.
    pub deliveries: u64,
    /// Length of the measured window, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server in the window, user and system.
    pub server_cpu_s: f64,
    /// Share of the window in which the load did useful work, 0 to 1.
    pub load_busy: f64,
}

/// A visit of the raw send loop: the bytes of one transport, no server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVisit {
    /// Whose bytes were sent.
    pub transport: Transport,
    /// Events in one `send()`.
    pub joined: u32,
    /// Sockets that were sent to.
    pub subscribers: u32,
    /// Repetition, from 0.
    pub repetition: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// Bytes of one `send()`.
    pub send_bytes: u64,
    /// Events that arrived: sends times events joined.
    pub deliveries: u64,
    /// CPU seconds of the sending thread, in the send loop alone.
    pub cpu_s: f64,
    /// Share of the visit in which the load did useful work, 0 to 1.
    pub load_busy: f64,
}

/// Memory of a fresh server while idle subscribers of one transport are added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryVisit {
    /// The transport of the subscribers.
    pub transport: Transport,
    /// Repetition, from 0.
    pub repetition: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// Readings, by rising number of subscribers.
    pub points: Vec<MemoryPoint>,
}

/// One reading of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryPoint {
    /// Idle subscribers.
    pub subscribers: u32,
    /// Proportional set size of the server, KiB.
    pub pss_kib: u64,
    /// Memory of all TCP sockets of the machine, at both ends, KiB, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_kib: Option<u64>,
}
