//! Real proxies in front of each transport: what they let through, hold back and cut, and what they cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The matrix of proxies, configurations and transports.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
}
