//! The demo's machinery: the built-in event source, its controls, and what the page asks about its own network.
//!
//! Nothing of it exists in a server that is not the demo: it comes with [`DemoParts`], and without them no route of
//! it is there and nothing is generated. The source publishes to the `default` namespace like any other publisher;
//! the transports do not know of it.
//!
//! Start reading at `routes`, then `stage`, then `task`, then `source`.
//!
//! Invariants:
//! 1. Every lane reads the same log: an event is made once, whatever the number of transports.
//! 2. The source keeps to its deadlines or counts what it missed; it never floods to catch up.
//! 3. The network is reached through [`Network`] alone, and the server's own life through [`Power`]; what stands behind them
//!    is the caller's affair.
//! 4. What a scenario sets is set back when it ends, also where its page does not see to it.

mod adviser;
mod bots;
mod desk;
mod network;
mod pace;
mod power;
mod process;
mod routes;
mod scene;
mod source;
mod stage;
mod task;
mod textbook;
mod view;
mod wishes;

use std::sync::Arc;

pub use adviser::Adviser;
pub use bots::{Bots, BotsState};
pub(crate) use desk::Desk;
pub use network::{Network, WireDirection, WirePiece, WireTotals, WireView};
pub use power::Power;
pub(crate) use routes::configure;
pub use stage::Kept;
pub(crate) use task::start;

/// What turns a server into the demo.
pub struct DemoParts {
    /// What the page may do to its own connections, and see of their bytes.
    pub network: Arc<dyn Network>,
    /// What ends the server and starts another one.
    pub power: Arc<dyn Power>,
    /// The crowd.
    pub bots: Arc<dyn Bots>,
    /// Which transport for a case.
    pub adviser: Arc<dyn Adviser>,
    /// How many events a second the source publishes at the start: 0 to 5000.
    pub rate: f64,
    /// The size of an event's `data` at the start, in bytes: 64 to 65536.
    pub payload: usize,
    /// What was set by hand, over restarts at the page's word.
    pub kept: Arc<Kept>,
    /// Decides what the source tells. The same seed tells the same.
    pub seed: u64,
}

#[cfg(test)]
mod tests;
