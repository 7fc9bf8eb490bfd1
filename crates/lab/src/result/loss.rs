//! What lost packets do to each transport, over the kernel's own TCP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Visits over a link that loses packets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
}
