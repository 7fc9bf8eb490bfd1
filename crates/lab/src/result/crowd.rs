//! What a crowd came to: many subscribers on one server, over all transports at once. A visit here mixes the
//! transports of the scenario in equal parts, unlike the visits that compare them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Integrity, StoredHistogram, Transport};

/// Everything that a run's crowd cells observed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrowdResults {
    /// Large crowds under an open loop.
    pub crowd: Vec<CrowdVisit>,
    /// Server CPU against a size that grows.
    pub scale: Vec<ScaleVisit>,
    /// Healthy readers, with and without others that never read.
    pub stalled: Vec<StalledVisit>,
    /// A crowd with churn over a long time.
    pub soak: Vec<SoakVisit>,
}

/// The latency of one transport's share of a crowd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareLatency {
    /// The transport.
    pub transport: Transport,
    /// Its subscribers.
    pub subscribers: u32,
    /// From the intended publish time to receipt, microseconds.
    pub latency: StoredHistogram,
}

/// A crowd under an open loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrowdVisit {
    /// The cell's name in the scenario.
    pub cell: String,
    /// Open subscribers, all transports together.
    pub subscribers: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of `data`.
    pub payload: u32,
    /// Repetition, from 0.
    pub repetition: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// What was received against what was published.
    pub integrity: Integrity,
    /// One entry a transport; empty where void.
    pub latency: Vec<ShareLatency>,
    /// The length of each event's pass: from its first receipt by any subscriber to its last, microseconds, as the
    /// load saw them after reading. Absent where void.
    pub pass: Option<StoredHistogram>,
    /// The claim: p99 over all subscribers is at most so many median passes.
    pub p99_passes_at_most: Option<f64>,
    /// Events delivered in the measured window.
    pub deliveries: u64,
    /// Length of the measured window, seconds.
    pub wall_s: f64,
    /// Seconds until every subscriber stood, from the first connect.
    pub connect_s: f64,
    /// CPU seconds of the server until every subscriber stood.
    pub connect_cpu_s: f64,
    /// CPU seconds of the server in the window, user and system.
    pub server_cpu_s: f64,
    /// Share of the window in which the load did useful work, 0 to 1.
    pub load_busy: f64,
    /// The publisher's largest delay, microseconds.
    pub late_us_max: u64,
    /// Proportional set size of the server at the end of the window, KiB.
    pub pss_kib: u64,
}

/// What grows in a scale cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Subscribers, who all get every event.
    Subscribers,
    /// Rooms; events go into one of them, whose audience stays the same, and the other subscribers are spread over
    /// the others.
    Rooms,
    /// Rooms; the subscribers are spread over all of them evenly, and events go into one after the other.
    RoomsInTurn,
    /// Namespaces; events go into one of them, whose audience stays the same, and the other subscribers are spread
    /// over the others.
    Namespaces,
    /// Events that the namespace retains; 0 is an empty history, any other a full one of that size.
    History,
}

impl Axis {
    /// All axes, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::Subscribers, Self::Rooms, Self::RoomsInTurn, Self::Namespaces, Self::History];

    /// The name used in results, scenarios and progress.
    pub fn key(self) -> &'static str {
        match self {
            Self::Subscribers => "subscribers",
            Self::Rooms => "rooms",
            Self::RoomsInTurn => "rooms_in_turn",
            Self::Namespaces => "namespaces",
            Self::History => "history",
        }
    }
}

/// Server CPU at one place of one axis, under a closed loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleVisit {
    /// What grows.
    pub axis: Axis,
    /// How far it has grown.
    pub at: u32,
    /// Open subscribers, all transports together.
    pub subscribers: u32,
    /// Bytes of `data`.
    pub payload: u32,
    /// Repetition, from 0.
    pub repetition: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// What was received against what was published.
    pub integrity: Integrity,
    /// Events published in the measured window.
    pub events: u64,
    /// Events delivered in the measured window.
    pub deliveries: u64,
    /// Length of the measured window, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server in the window, user and system.
    pub server_cpu_s: f64,
    /// Share of the window in which the load did useful work, 0 to 1.
    pub load_busy: f64,
}

/// Memory of the server and of the kernel's sockets at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryReading {
    /// Proportional set size of the server, KiB.
    pub pss_kib: u64,
    /// Memory of all TCP sockets of the machine, both ends, KiB; 0 where the system does not tell.
    pub kernel_kib: u64,
}

/// Healthy readers, beside others that never read or without them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StalledVisit {
    /// Round, from 0: without, with, without.
    pub round: u32,
    /// Place in the round, 0 to 2; the stalled ones are there in the middle.
    pub place: u32,
    /// Readers that read.
    pub healthy: u32,
    /// Readers that never read; 0 at the round's ends.
    pub stalled: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of `data`.
    pub payload: u32,
    /// The claim: p99 with the stalled ones is at most so many times p99 without.
    pub p99_ratio_at_most: Option<f64>,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// What the healthy ones received against what was published.
    pub integrity: Integrity,
    /// Latency of the healthy ones, microseconds; absent where void.
    pub latency: Option<StoredHistogram>,
    /// Stalled streams that the server had ended when the window closed.
    pub gone: u32,
    /// Bytes that lay unread at a stalled reader's socket when the window opened, on average.
    pub unread_bytes: u64,
    /// Memory with everybody connected and nothing published.
    pub idle: MemoryReading,
    /// Memory when the stalled ones took no more, before the window.
    pub filled: MemoryReading,
    /// Length of the measured window, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server in the window, user and system.
    pub server_cpu_s: f64,
    /// Share of the window in which the load did useful work, 0 to 1.
    pub load_busy: f64,
}

/// A reading of memory in the course of a soak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemorySample {
    /// Seconds from the start of the soak.
    pub at_s: f64,
    /// Proportional set size of the server, KiB.
    pub pss_kib: u64,
}

/// A crowd with churn over a long time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoakVisit {
    /// Repetition, from 0.
    pub repetition: u32,
    /// Open subscribers, those that pass included.
    pub subscribers: u32,
    /// Subscribers that are replaced in turn.
    pub passing: u32,
    /// Connects, and as many disconnects, a second.
    pub churn: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of `data`.
    pub payload: u32,
    /// Why no figure may be drawn from this visit; empty where all is well.
    pub void: Vec<String>,
    /// What those that stayed received against what was published.
    pub staying: Integrity,
    /// What those that passed received against what was published between their first event and their last.
    pub passed: Integrity,
    /// Connects made; as many disconnects were.
    pub connects: u64,
    /// Of those, subscribers who left before their stream stood.
    pub unready: u64,
    /// Latency of those that stayed, microseconds; absent where void, and where the publisher missed a tick.
    pub latency: Option<StoredHistogram>,
    /// Seconds from the start that are left out of the slope of memory.
    pub settle_s: f64,
    /// Memory over time.
    pub samples: Vec<MemorySample>,
    /// Length of the soak, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server, user and system.
    pub server_cpu_s: f64,
    /// Share of the time in which the load did useful work, 0 to 1.
    pub load_busy: f64,
    /// The publisher's largest delay, microseconds.
    pub late_us_max: u64,
}
