//! Doubts: what a run has to say against its own figures. Each has a kind, so that a report can put it into words of
//! its own language, and the number that raised it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The load counts as a possible bottleneck above this share of its core.
pub(crate) const LOAD_BUSY_MAX: f64 = 0.70;

/// A reservation about a figure or about the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// What kind of doubt.
    pub kind: DoubtKind,
    /// The visit that raised it worst; empty for the whole run.
    pub place: String,
    /// The worst number that raised it, in the kind's unit.
    pub value: f64,
    /// How many visits raised it.
    pub visits: u32,
}

/// Adds a doubt to a list that holds one of each kind: the worst, and how many raised it.
pub(crate) fn raise(doubts: &mut Vec<Doubt>, kind: DoubtKind, place: &str, value: f64) {
    let Some(known) = doubts.iter_mut().find(|doubt| doubt.kind == kind) else {
        return doubts.push(Doubt { kind, place: place.to_owned(), value, visits: 1 });
    };
    known.visits += 1;
    let less_is_worse = matches!(kind, DoubtKind::FewSamples | DoubtKind::MemoryFit);
    if (value > known.value) != less_is_worse {
        known.value = value;
        place.clone_into(&mut known.place);
    }
}

/// The kinds of doubt, each with the unit of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoubtKind {
    /// Server and load shared a core; value: the number of cores.
    OneCore,
    /// The load was busy for more than 70 % of a visit; value: percent.
    LoadBusy,
    /// The hypervisor took time away; value: percent of the machine.
    Steal,
    /// Other processes used the CPU meanwhile; value: percent of the machine.
    MachineBusy,
    /// Too few samples for the 99.9th percentile; value: samples.
    FewSamples,
    /// The limit of open files is close; value: the limit.
    FileLimit,
    /// The publisher left later than planned, though within its tick; value: the largest delay in microseconds.
    LatePublisher,
    /// A visit was void; value: how many of its kind.
    Void,
    /// Few repetitions, so intervals are wide; value: repetitions.
    FewRepetitions,
    /// The working copy had changes that no commit names; value: 1.
    DirtyTree,
    /// The run was stopped early; value: finished visits.
    Partial,
    /// Memory does not follow a line in the number of connections; value: R squared.
    MemoryFit,
    /// The server program was built without optimisation; value: 1.
    DebugBuild,
    /// The time of day and the monotonic clock went apart within a visit; value: microseconds.
    Clock,
}

impl DoubtKind {
    /// All kinds, for the text table's completeness.
    pub const ALL: [Self; 14] = [
        Self::OneCore,
        Self::LoadBusy,
        Self::Steal,
        Self::MachineBusy,
        Self::FewSamples,
        Self::FileLimit,
        Self::LatePublisher,
        Self::Void,
        Self::FewRepetitions,
        Self::DirtyTree,
        Self::Partial,
        Self::MemoryFit,
        Self::DebugBuild,
        Self::Clock,
    ];

    /// The name used in text keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::OneCore => "one_core",
            Self::LoadBusy => "load_busy",
            Self::Steal => "steal",
            Self::MachineBusy => "machine_busy",
            Self::FewSamples => "few_samples",
            Self::FileLimit => "file_limit",
            Self::LatePublisher => "late_publisher",
            Self::Void => "void",
            Self::FewRepetitions => "few_repetitions",
            Self::DirtyTree => "dirty_tree",
            Self::Partial => "partial",
            Self::MemoryFit => "memory_fit",
            Self::DebugBuild => "debug_build",
            Self::Clock => "clock",
        }
    }
}
