//! What breaks did to subscribers, and what the kernel counted on their connections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoredHistogram;

/// Breaks of connections, and how they were overcome.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Connections that broke.
    pub breaks: u64,
    /// Attempts to come back, those that failed included.
    pub attempts: u64,
    /// From the break to a stream that stands again, microseconds.
    pub reconnect: Option<StoredHistogram>,
    /// From the break to the receipt of the last event that was missed meanwhile, microseconds.
    pub catch_up: Option<StoredHistogram>,
    /// Events of which the server said that they will not come.
    pub told_lost: u64,
    /// Events missed meanwhile that came later.
    pub made_up: u64,
}

/// Sums of `TCP_INFO` over the subscribers' connections, over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// Segments that came, with or without data.
    pub segments_in: u64,
    /// Segments that left, with or without data.
    pub segments_out: u64,
    /// Segments that were sent again.
    pub retransmitted: u64,
    /// Bytes of headers round the segments: 40 each over IPv4, and 12 more for timestamps where they are on.
    pub header_bytes: u64,
}
