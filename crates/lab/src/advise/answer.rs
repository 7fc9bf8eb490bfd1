//! What the advisor answers, in a form that a page and a terminal can put into words.

use serde::{Deserialize, Serialize};

use super::Question;
use crate::result::Transport;
use crate::scenario::Metric;
use crate::summary::Figure;

/// The advice on one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What was asked.
    pub question: Question,
    /// The run that the rows are from.
    pub basis: Basis,
    /// How sure it is of a single one.
    pub standing: Standing,
    /// The transports that lead, the one to take first at the front; empty where the run cannot tell.
    pub recommended: Vec<Transport>,
    /// All transports of the run, best first.
    pub choices: Vec<Choice>,
    /// The measured rows that the answer rests on.
    pub rows: Vec<MeasuredRow>,
    /// What was assumed between the rows and the answer.
    pub assumptions: Vec<Assumption>,
}

/// Where the rows are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The run's id.
    pub run: String,
    /// When it began, UTC.
    pub started: String,
    /// The processor; empty where the system did not tell.
    pub cpu: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its repetitions.
    pub repetitions: u32,
    /// Whether it was stopped early.
    #[serde(default)]
    pub partial: bool,
    /// Whether its figures were made up for a test.
    pub synthetic: bool,
}

/// How the leading transports stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// One is ahead.
    Best,
    /// Some are ahead of the others, and nothing that matters tells them apart.
    Tied,
    /// No difference that matters was measured between all of them.
    NoDifference,
    /// The run has no valid figures to tell from.
    Unknown,
}

/// One transport: what it would cost, and what speaks against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The transport.
    pub transport: Transport,
    /// What the server would need.
    pub estimate: Estimate,
    /// By what it falls behind, and by how much.
    pub behind: Vec<Behind>,
    /// Why it cannot be used for this case; absent where it can.
    pub unfit: Option<Unfit>,
}

/// What a server would need for the question, and what its clients would see. `None` where nothing valid was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// Cores, fully used.
    pub cores: Option<f64>,
    /// Memory of the server's process, GiB.
    pub gib: Option<f64>,
    /// Both directions on the sockets, Mbit a second.
    pub mbit_s: Option<f64>,
    /// 99th percentile of latency in the nearest cell below its limit, milliseconds.
    pub p99_ms: Option<f64>,
    /// Milliseconds until half of the clients are back after a break.
    pub back_ms: Option<f64>,
}

impl Estimate {
    /// Whether nothing is known of CPU, memory and bytes.
    pub fn is_unknown(&self) -> bool {
        self.cores.is_none() && self.gib.is_none() && self.mbit_s.is_none()
    }
}

/// By what transports are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// CPU of the server.
    Cpu,
    /// Memory of the server.
    Memory,
    /// Bytes on the wire.
    Bytes,
    /// Latency at the 99th percentile.
    Latency,
    /// Time until clients are back after a break.
    Back,
    /// What a message from a client costs.
    TwoWay,
    /// Events that did not arrive, or came twice, over undisturbed connections.
    Integrity,
}

impl Criterion {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Cpu, Self::Memory, Self::Bytes, Self::Latency, Self::Back, Self::TwoWay, Self::Integrity];

    /// The name used in text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Bytes => "bytes",
            Self::Latency => "latency",
            Self::Back => "back",
            Self::TwoWay => "two_way",
            Self::Integrity => "integrity",
        }
    }
}

/// A criterion by which a transport falls behind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Behind {
    /// Which one.
    pub criterion: Criterion,
    /// What it comes to, in the estimate's unit; bytes a message for [`Criterion::TwoWay`].
    pub value: f64,
    /// What the best comes to.
    pub best: f64,
}

/// Why a transport cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// A proxy that was measured holds its events back, or does not let it through.
    ProxyMeasured,
    /// A buffering proxy holds back an answer that does not end. That is what such a proxy does; it was not measured.
    BuffersByNature,
}

impl Unfit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ProxyMeasured, Self::BuffersByNature];

    /// The name used in text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::ProxyMeasured => "proxy_measured",
            Self::BuffersByNature => "buffers_by_nature",
        }
    }
}

/// A measured figure that the answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredRow {
    /// The transport.
    pub transport: Transport,
    /// What it was weighed for.
    pub criterion: Criterion,
    /// The figure's kind; absent for counts of proxies.
    pub metric: Option<Metric>,
    /// The open-loop cell; absent for closed loops, memory and proxies.
    pub cell: Option<String>,
    /// Events in flight, of a closed loop.
    pub in_flight: Option<u32>,
    /// Subscribers that it was measured with, where that is one number.
    pub subscribers: Option<u32>,
    /// Events a second of each subscriber, where there were any.
    pub rate: Option<f64>,
    /// The figure, in the metric's unit.
    pub figure: Figure,
}

/// A step from the measured rows to the answer that was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Assumption {
    /// Which one.
    pub kind: AssumptionKind,
    /// A number that belongs to it, in the kind's unit.
    pub value: f64,
}

/// The kinds of assumption, each with the unit of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssumptionKind {
    /// Cost a delivery is extrapolated to a rate that was not reached; value: the nearest measured, events a second.
    RateBeyond,
    /// Bytes are extrapolated to a payload that was not measured; value: the nearest measured, bytes.
    PayloadBeyond,
    /// Memory is extrapolated to more clients than were measured; value: the most that were.
    ClientsBeyond,
    /// A delivery costs as much with these clients as with those measured; value: subscribers measured.
    ClientsOther,
    /// More than one core is needed, and cores are taken to add up; value: the most cores that any transport needs.
    CoresAdd,
    /// Latency is that of the nearest cell, and the server is kept below its limit; value: deliveries a second there.
    BelowKnee,
    /// Latency was measured with fewer clients than are asked for; value: the subscribers of the cell.
    FanOutBeyond,
    /// Latency was measured with another payload; value: that payload, bytes.
    LatencyPayload,
    /// Between events polls end empty every so often, which costs a delivery's CPU and heads; value: seconds.
    EmptyAnswers,
    /// Proxies were not measured in this run; value: 0.
    ProxiesNotMeasured,
    /// Unknown proxies are like the measured ones in their default configuration; value: proxies measured.
    ProxiesAlike,
    /// What clients send is not in the estimates; value: bytes of a request and its answer's head by itself.
    UpNotCounted,
    /// Whether clients send was not said, so it decides nothing; value: 0.
    TwoWayUnknown,
    /// Every other machine has other absolute figures; value: cores of this one.
    ThisMachine,
    /// Differences that nobody minds decide nothing, by [`super::MATTERS`]; value: the share of the best, percent.
    Matters,
    /// Where figures do not decide, convenience does; value: 0.
    TieBreak,
}

impl AssumptionKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::RateBeyond,
        Self::PayloadBeyond,
        Self::ClientsBeyond,
        Self::ClientsOther,
        Self::CoresAdd,
        Self::BelowKnee,
        Self::FanOutBeyond,
        Self::LatencyPayload,
        Self::EmptyAnswers,
        Self::ProxiesNotMeasured,
        Self::ProxiesAlike,
        Self::UpNotCounted,
        Self::TwoWayUnknown,
        Self::ThisMachine,
        Self::Matters,
        Self::TieBreak,
    ];

    /// The name used in text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::RateBeyond => "rate_beyond",
            Self::PayloadBeyond => "payload_beyond",
            Self::ClientsBeyond => "clients_beyond",
            Self::ClientsOther => "clients_other",
            Self::CoresAdd => "cores_add",
            Self::BelowKnee => "below_knee",
            Self::FanOutBeyond => "fan_out_beyond",
            Self::LatencyPayload => "latency_payload",
            Self::EmptyAnswers => "empty_answers",
            Self::ProxiesNotMeasured => "proxies_not_measured",
            Self::ProxiesAlike => "proxies_alike",
            Self::UpNotCounted => "up_not_counted",
            Self::TwoWayUnknown => "two_way_unknown",
            Self::ThisMachine => "this_machine",
            Self::Matters => "matters",
            Self::TieBreak => "tie_break",
        }
    }
}
