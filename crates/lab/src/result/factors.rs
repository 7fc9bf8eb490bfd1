//! What TLS and HTTP/2 change, and what a real browser allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StoredHistogram, Transport};

/// Secure and multiplexed connections against plain ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
    /// What was asked for.
    #[serde(default)]
    pub extent: FactorExtent,
    /// Open-loop visits, in the order in which they were made.
    #[serde(default)]
    pub visits: Vec<FactorVisit>,
    /// Memory of a fresh server against the number of streams.
    #[serde(default)]
    pub memory: Vec<FactorMemory>,
    /// How fast streams are opened.
    #[serde(default)]
    pub opening: Vec<FactorOpening>,
}

/// How much of the factors is measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorExtent {
    /// How often every pair of transport and carriage is visited.
    pub rounds: u32,
    /// Subscribers of a visit.
    pub subscribers: u32,
    /// Streams that share a connection over HTTP/2.
    pub streams_a_connection: u32,
    /// Events a second.
    pub rate: u32,
    /// Bytes of an event's `data`.
    pub payload_bytes: u32,
    /// Length of a visit's window, seconds.
    pub seconds: f64,
    /// Numbers of streams at which memory is read.
    pub memory_at: Vec<u32>,
    /// How long streams are opened one after the other, seconds.
    pub opening_s: f64,
}

/// What carries a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carriage {
    /// HTTP/1.1 on bare TCP; a WebSocket is `ws:`.
    H1Plain,
    /// HTTP/1.1 in TLS 1.3; a WebSocket is `wss:`.
    H1Tls,
    /// HTTP/2 in TLS 1.3, chosen by ALPN, with many streams on few connections.
    H2Tls,
}

impl Carriage {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::H1Plain, Self::H1Tls, Self::H2Tls];

    /// The name used in results and text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::H1Plain => "h1_plain",
            Self::H1Tls => "h1_tls",
            Self::H2Tls => "h2_tls",
        }
    }

    /// Whether it is encrypted.
    pub fn is_secure(self) -> bool {
        self != Self::H1Plain
    }

    /// What a transport is measured over: the server speaks WebSocket over HTTP/1.1 alone.
    pub fn of(transport: Transport) -> &'static [Self] {
        match transport {
            Transport::Websocket => &[Self::H1Plain, Self::H1Tls],
            Transport::Poll | Transport::Sse => &Self::ALL,
        }
    }
}

/// An open-loop visit of one transport over one carriage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorVisit {
    /// The transport.
    pub transport: Transport,
    /// What carried it.
    pub carriage: Carriage,
    /// From 0.
    pub round: u32,
    /// Why no figure may be drawn from it; empty where every event came to everybody, once and in order.
    pub void: Vec<String>,
    /// TCP connections that the subscribers used.
    pub connections: u32,
    /// Latency from the intended publish time, microseconds; absent where void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<StoredHistogram>,
    /// Events delivered in the window.
    pub deliveries: u64,
    /// Length of the window, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server in the window.
    pub server_cpu_s: f64,
    /// CPU seconds of the load in the window; its client encrypts too.
    pub load_cpu_s: f64,
    /// Bytes of the subscribers' sockets in the window.
    pub wire: WireBytes,
}

/// Bytes of TCP connections, with TLS records and HTTP/2 frames, and without the headers of TCP and IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireBytes {
    /// From the server.
    pub down: u64,
    /// To the server.
    pub up: u64,
    /// Of `down`, the JSON of the events, once for each delivery.
    pub events: u64,
}

/// Memory of a fresh server while idle streams are added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorMemory {
    /// The transport.
    pub transport: Transport,
    /// What carried it.
    pub carriage: Carriage,
    /// From 0.
    pub round: u32,
    /// Why no figure may be drawn from it.
    pub void: Vec<String>,
    /// Readings, by rising number of streams.
    pub points: Vec<super::MemoryPoint>,
}

/// Streams opened one after the other for a time, each from its connection to its `sync`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorOpening {
    /// The transport.
    pub transport: Transport,
    /// What carried it.
    pub carriage: Carriage,
    /// From 0.
    pub round: u32,
    /// Why no figure may be drawn from it.
    pub void: Vec<String>,
    /// Streams that stood.
    pub opened: u32,
    /// TCP connections that they used.
    pub connections: u32,
    /// How long it took, seconds.
    pub wall_s: f64,
    /// CPU seconds of the server meanwhile.
    pub server_cpu_s: f64,
}

/// How many streams a real browser opens to one host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
    /// What the browser says of its version.
    #[serde(default)]
    pub browser: String,
    /// One a transport and carriage that was tried.
    #[serde(default)]
    pub tries: Vec<BrowserTry>,
}

/// Streams that one page opened to one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserTry {
    /// The transport.
    pub transport: Transport,
    /// What carried it, as the browser itself said where it can be asked.
    pub carriage: Carriage,
    /// Streams that the page asked for at once.
    pub asked: u32,
    /// Streams that stood when no more came.
    pub stood: u32,
    /// How long was waited for more, milliseconds.
    pub waited_ms: u32,
    /// Whether an ordinary request of the same page was answered while they stood.
    pub request_answered: bool,
    /// Streams that stood when one of those that did had been closed; the same number where nothing waited.
    pub stood_after_one_closed: u32,
}
