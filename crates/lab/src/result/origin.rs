//! Where figures come from other than by a visit of this run: another server, an earlier run, criterion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A server under test that is described by a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    /// Its name, as the file gives it.
    pub name: String,
    /// Its version, as far as it told.
    pub version: String,
    /// The file's text.
    pub text: String,
    /// Where its cursor is in what it sends; absent where it has none, so that nothing can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Visits that an earlier run with the same inputs had made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// How many.
    pub visits: u32,
    /// When the oldest of them was made, UTC, RFC 3339 to the second.
    pub oldest: String,
}

/// One code path, as criterion measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MicroFigure {
    /// Group and name, as criterion has them.
    pub name: String,
    /// The median, nanoseconds.
    pub median_ns: f64,
    /// Lower end of its 95 % interval, nanoseconds.
    pub low_ns: f64,
    /// Upper end of its 95 % interval, nanoseconds.
    pub high_ns: f64,
}

/// Something that was asked for and not measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Omission {
    /// What it was: a part of the scenario by its name.
    pub part: String,
    /// Why.
    pub reason: String,
}
