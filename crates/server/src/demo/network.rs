//! The port to whatever carries the page's connections, so that the page can break them and look at their bytes.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

/// The network between the page and this server, as far as the demo may touch it. A *lane* is all connections whose
/// latest subscription carries the same `label`.
pub trait Network: Send + Sync {
    /// Breaks the lane's connections now, and refuses new ones for `length`.
    fn cut(&self, label: &str, length: Duration);

    /// Breaks the lane's connections once.
    fn kill(&self, label: &str);

    /// Puts the lane under network conditions from now on, also its connections that are there; it is a JSON object of
    /// the fault proxy's words, and an empty one lifts them.
    ///
    /// # Errors
    /// What is wrong with the conditions, by the field; then nothing changes.
    fn set_conditions(&self, label: &str, json: &[u8]) -> Result<(), String>;

    /// The lane's conditions in the same words; `{}` for none.
    fn conditions(&self, label: &str) -> serde_json::Value;

    /// What passed on the lane after piece `since`; `None` while the lane is unknown.
    fn wire(&self, label: &str, since: u64) -> Option<WireView>;
}

/// Which way bytes travelled, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireDirection {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// Bytes that passed in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WirePiece {
    /// Its place among the lane's pieces: from 1, without holes, both directions together.
    pub seq: u64,
    /// Which way it travelled.
    pub direction: WireDirection,
    /// When.
    pub at: SystemTime,
    /// The bytes of the TCP stream.
    pub bytes: Bytes,
}

/// What a lane has carried in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct WireTotals {
    /// Bytes from clients, HTTP heads included.
    pub in_bytes: u64,
    /// Bytes to clients, HTTP heads included.
    pub out_bytes: u64,
    /// Requests.
    pub requests: u64,
    /// TCP connections that carried at least one of them.
    pub connections: u64,
}

/// What passed on a lane after a given piece.
#[derive(Debug, Clone)]
pub struct WireView {
    /// The number of the lane's latest piece.
    pub next: u64,
    /// What the lane has carried in all.
    pub totals: WireTotals,
    /// The pieces that are still there, in order. What is missing between them has been forgotten.
    pub pieces: Vec<WirePiece>,
}
