//! Real proxies in front of each transport: what they let through, hold back and cut, and what they cost.
//!
//! A cell is one proxy, one of its two configurations and one transport. It holds what was seen at raw sockets; what
//! that comes to is asked of its methods, so that every reader draws the same line. Where a probe was not made its
//! field says so, and no method calls it a success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bytes, StoredHistogram, Transport};

/// An event that came more than this later than without the proxy was held back by it, microseconds.
pub const HELD_US_MAX: u64 = 250_000;
/// The same for the median event, on which a busy machine weighs less, microseconds.
pub const HELD_MEDIAN_US_MAX: u64 = 20_000;

/// The matrix of proxies, configurations and transports.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
    /// How much was measured.
    #[serde(default)]
    pub extent: ProxyExtent,
    /// The proxies that were asked for, with those that are not installed.
    #[serde(default)]
    pub proxies: Vec<ProxyRecord>,
    /// One a proxy that is installed, configuration and transport.
    #[serde(default)]
    pub cells: Vec<ProxyCell>,
}

/// How much of the matrix is measured, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyExtent {
    /// Small events that each cell's flow probe publishes, one every `spacing_ms`.
    pub events: u32,
    /// Milliseconds from one of them to the next.
    pub spacing_ms: u32,
    /// How long silent connections are watched, seconds; 0 where they are not.
    pub idle_s: f64,
    /// How long a connection is watched from before a reload or a restart of its proxy, seconds; 0 where it is not.
    pub disturbance_s: f64,
    /// Streams that are opened at once to see how many stand; 0 where that is not looked at.
    pub streams: u32,
    /// Pairs of cost visits, direct and through the proxy.
    pub rounds: u32,
    /// Subscribers of a cost visit.
    pub subscribers: u32,
    /// Events a second of a cost visit.
    pub rate: u32,
    /// Bytes of an event's `data`.
    pub payload_bytes: u32,
    /// Length of a cost visit, seconds.
    pub cost_s: f64,
}

/// A reverse proxy that the laboratory knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyKind {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Caddy.
    Caddy,
}

impl ProxyKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Haproxy, Self::Caddy];

    /// The name used in results, file names and text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    /// The name as its makers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
        }
    }
}

/// Which of a proxy's two configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Configuration {
    /// What the package gives, with nothing but the upstream added.
    Default,
    /// With the lines that `docs/proxies.md` recommends.
    Ours,
}

impl Configuration {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Default, Self::Ours];

    /// The name used in results, file names and text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Ours => "ours",
        }
    }
}

/// One proxy of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyRecord {
    /// Which one.
    pub proxy: ProxyKind,
    /// What it says of its version; empty where it is not installed.
    pub version: String,
    /// Why it was not measured; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<ProxyAbsence>,
    /// What it was told, in full, before addresses and folders were filled in.
    pub configurations: Vec<ConfigurationText>,
}

/// Why a proxy has no cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyAbsence {
    /// It was not asked for.
    NotAsked,
    /// No program of that name was found.
    NotInstalled,
    /// It was started and did not accept connections; its cells' place in the run's folder has its log.
    DoesNotStart,
    /// The run was stopped before its turn.
    Stopped,
}

/// The text of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationText {
    /// Which of the two.
    pub configuration: Configuration,
    /// The file.
    pub text: String,
}

/// One proxy, configuration and transport.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyCell {
    /// The proxy.
    pub proxy: ProxyKind,
    /// Its configuration.
    pub configuration: Configuration,
    /// The transport behind it.
    pub transport: Transport,
    /// What came of opening a stream, or a first poll.
    pub opening: Opening,
    /// How small events came through; absent where nothing opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// A silent namespace with the server's usual beats, or polls of the usual wait.
    pub idle_with_beats: Hold,
    /// A silent namespace with the rarest beats, or polls of the longest wait that the protocol allows.
    pub idle_without_beats: Hold,
    /// What a reload of the proxy's configuration did to an open connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Disturbance>,
    /// What a stop and start of the proxy did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Disturbance>,
    /// Of `extent.streams` opened at once, how many stood; absent where that was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood: Option<u32>,
    /// Visits in pairs, direct and through the proxy.
    pub cost: Vec<CostRound>,
    /// What stopped a probe, in the laboratory's or the system's own words; empty where nothing did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// What came of opening a stream through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "outcome", deny_unknown_fields)]
pub enum Opening {
    /// `sync` came, or the first poll's answer.
    Opened {
        /// Milliseconds from connecting.
        ms: f64,
    },
    /// Another status than the transport's.
    Refused {
        /// The status.
        status: u16,
    },
    /// Nothing that makes a stream stand.
    Silent {
        /// Seconds waited.
        waited_s: f64,
    },
    /// The connection ended before anything stood.
    Ended,
}

/// Small events, one after the other, to one subscriber through the proxy and to one beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Events that the server accepted.
    pub published: u32,
    /// Events that came through the proxy, each once.
    pub received: u32,
    /// Events that came through it again, or after a later one.
    pub disordered: u32,
    /// How much later than beside the proxy the median event came, microseconds; negative where it was earlier.
    pub added_us_median: i64,
    /// The same of the event that was held back longest.
    pub added_us_max: i64,
    /// How the answer was compressed for a client that offers gzip; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed: Option<String>,
}

/// What became of a connection on which nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "outcome", deny_unknown_fields)]
pub enum Hold {
    /// It stood for as long as it was watched, and an event came through at the end.
    Held {
        /// Seconds watched.
        watched_s: f64,
    },
    /// It ended.
    Cut {
        /// Seconds from its opening.
        after_s: f64,
        /// The status that was answered instead, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// It stood, but the event at the end did not come.
    Deaf {
        /// Seconds watched.
        watched_s: f64,
    },
    /// Not measured: nothing opened, or the form of the run leaves it out.
    NotMeasured,
}

/// What a reload or a restart did to a client that comes back with its cursor.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disturbance {
    /// Events that the server accepted meanwhile.
    pub published: u32,
    /// Events that the client had in the end, each once.
    pub received: u32,
    /// Events that came to it twice.
    pub duplicated: u32,
    /// How often its connection ended.
    pub endings: u32,
    /// How often it could not connect, or was answered with an error.
    pub refusals: u32,
    /// Seconds from the disturbance to the first ending; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_after_s: Option<f64>,
    /// The longest time between two events, milliseconds.
    pub silence_ms: f64,
}

/// A cost visit beside the proxy and one through it, one right after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostRound {
    /// From 0.
    pub round: u32,
    /// Without the proxy.
    pub direct: CostVisit,
    /// Through it.
    pub through: CostVisit,
}

/// One side of a pair.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostVisit {
    /// Why no figure may be drawn from it; empty where every event came, once and in order.
    pub void: Vec<String>,
    /// Latency from the intended publish time, microseconds; absent where void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<StoredHistogram>,
    /// Events delivered in the window.
    pub deliveries: u64,
    /// CPU seconds of tricast in the window.
    pub server_cpu_s: f64,
    /// CPU seconds of all the proxy's processes in the window; 0 beside the proxy.
    pub proxy_cpu_s: f64,
    /// Share of the window in which the load did useful work, 0 to 1.
    pub load_busy: f64,
    /// Bytes at the subscribers' sockets.
    pub bytes: Bytes,
}

impl Opening {
    /// Whether a stream stood.
    pub fn opened(self) -> bool {
        matches!(self, Self::Opened { .. })
    }
}

impl Disturbance {
    /// Events that the client never had.
    pub fn lost(&self) -> u32 {
        self.published.saturating_sub(self.received)
    }
}

impl ProxyResults {
    /// The cell of a proxy, configuration and transport.
    pub fn cell(
        &self,
        proxy: ProxyKind,
        configuration: Configuration,
        transport: Transport,
    ) -> Option<&ProxyCell> {
        let is = |cell: &&ProxyCell| {
            (cell.proxy, cell.configuration, cell.transport) == (proxy, configuration, transport)
        };
        self.cells.iter().find(is)
    }
}

impl ProxyCell {
    /// Whether the transport works: every event of the flow came through, once and in order.
    pub fn works(&self) -> bool {
        let whole =
            |flow: &Flow| flow.published > 0 && flow.received == flow.published && flow.disordered == 0;
        self.opening.opened() && self.flow.as_ref().is_some_and(whole)
    }

    /// Whether events were held back; `None` where none came through.
    pub fn holds_back(&self) -> Option<bool> {
        let flow = self.flow.as_ref().filter(|flow| flow.received > 0)?;
        let late = flow.added_us_max > HELD_US_MAX as i64 || flow.added_us_median > HELD_MEDIAN_US_MAX as i64;
        Some(late || flow.received < flow.published)
    }

    /// Whether anything was lost by a reload or a restart although the client came back with its cursor; `None` where
    /// neither was tried.
    pub fn loses(&self) -> Option<bool> {
        let tried: Vec<&Disturbance> = self.reload.iter().chain(&self.restart).collect();
        (!tried.is_empty()).then(|| tried.iter().any(|d| d.lost() > 0 || d.published == 0))
    }
}
