//! The measurement laboratory of tricast, and its report.
//!
//! It starts a server as a child process on one core, loads it from another, and compares what long polling, SSE and
//! WebSocket do with the same events: latency, throughput, CPU, memory and bytes. What it observed goes into one
//! versioned `run.json`; the report is rendered from that file alone.
//!
//! What it is not: a client for use (that is `tricast-client`), a benchmark of code paths (those are in `benches/`),
//! or a test of correctness. It finds lost and doubled events only in order to void the figures they would spoil.
//!
//! Start reading at [`run()`], then [`result::Run`], then [`summary`].
//!
//! Invariants:
//! 1. No figure without integrity: a visit in which an event was lost, doubled or came too early is void.
//! 2. Histograms are merged, percentiles never averaged. The unit of an interval is the repetition.
//! 3. The report knows nothing that is not in `run.json`.
//! 4. The server is reached over a socket only, and every wait for it is bounded.

pub mod advise;
pub mod compare;
pub mod conditions;
pub mod error;
pub mod factors;
pub mod peers;
pub mod proxies;
pub mod result;
pub mod scenario;
pub mod selftest;
pub mod summary;
pub mod tap;

mod crowd;
#[cfg(test)]
mod fixture;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod load;
mod machine;
mod packets;
mod report;
mod run;
pub mod work;

pub use self::error::{LabError, Result};
pub use self::report::{
    Language, PeersReports, Reports, changes_markdown, changes_page, merge, peers_report, peers_scorecard,
    quote, report, scorecard, table,
};
pub use self::run::{INSTALLED, LATEST, OUT_ROOT, Progress, RunDir, RunOptions, SCRIPTS, newest, run};

use std::ffi::OsString;
use std::io::Write;

/// Runs a hidden child role of the laboratory: `raw`, `raw-poll` or `faulty`. What it has to say to its parent goes to `out`.
///
/// # Errors
/// A role or an argument that it does not know, and whatever stops the role.
pub fn role(name: &str, arguments: &[OsString], out: &mut dyn Write) -> Result<()> {
    match name {
        "raw" => run::raw_role(arguments, out),
        "raw-poll" => run::raw_poll_role(arguments, out),
        "faulty" => selftest::faulty_role(arguments, out),
        other => Err(LabError::Role(format!("`{other}` is not known"))),
    }
}
