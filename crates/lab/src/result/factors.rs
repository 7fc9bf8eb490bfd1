//! What TLS and HTTP/2 change, and what a real browser allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Secure and multiplexed connections against plain ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
}

/// How many streams a real browser opens to one host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserResults {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
}
