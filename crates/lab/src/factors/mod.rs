//! What TLS and HTTP/2 change: the same feed over plain HTTP/1.1, over HTTP/1.1 in TLS and over HTTP/2 in TLS, and a
//! WebSocket bare and in TLS.
//!
//! The client is one for all carriages, asynchronous and on one thread; it sleeps when there is nothing to read, so that
//! the server is charged for waking it, for all carriages alike. Its figures compare carriages with each other and not
//! with those of the load, which never sleeps. Bytes are counted at the socket, below TLS. Over HTTP/2 streams share
//! connections as a browser's tabs do.
//!
//! Start reading at `measure`.
//!
//! Invariants:
//! 1. No figure without integrity, as everywhere in the laboratory.
//! 2. The order of the carriages turns from round to round, and every visit has a fresh server.

mod browser;
mod subject;
mod subscriber;
mod summary;
mod table;
mod visit;
mod wire;

use std::path::Path;

pub(crate) use self::browser::browser;
use self::subject::Trust;
pub(crate) use self::subscriber::{Desk, Notes, Shared, over_h1};
pub use self::summary::{FactorRow, rows};
pub use self::table::{browser_streams, carriages};
pub(crate) use self::wire::{Counted, Counter};
use crate::error::{LabError, Result};
use crate::machine::Placement;
use crate::result::{Carriage, FactorExtent, FactorResults, Transport};

/// The namespace of every visit.
pub(crate) const NAMESPACE: &str = "default";

/// Where the factors are measured.
pub(crate) struct Ground<'a> {
    pub(crate) program: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) place: Placement,
    pub(crate) seed: u64,
    /// Whether the run is to stop.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

/// How many steps an extent takes, for the progress bar.
pub(crate) fn steps(extent: &FactorExtent, transports: &[Transport]) -> u64 {
    u64::from(extent.rounds) * pairs(transports).len() as u64
}

fn pairs(transports: &[Transport]) -> Vec<(Transport, Carriage)> {
    let of = |transport: &Transport| {
        let transport = *transport;
        Carriage::of(transport).iter().map(move |carriage| (transport, *carriage))
    };
    transports.iter().flat_map(of).collect()
}

/// Measures every pair of transport and carriage in every round. A visit that fails is void.
pub(crate) fn measure(
    ground: &Ground<'_>,
    extent: &FactorExtent,
    transports: &[Transport],
    begin: &mut dyn FnMut(&str),
) -> Result<FactorResults> {
    let trust = Trust::make(ground.folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(LabError::io("start the factors' client"))?;
    let mut results = FactorResults { extent: extent.clone(), ..FactorResults::default() };
    let mut order = pairs(transports);
    fastrand::Rng::with_seed(ground.seed).shuffle(&mut order);
    for round in 0..extent.rounds {
        for (transport, carriage) in &order {
            if (ground.stop)() {
                return Ok(results);
            }
            begin(&format!("{} over {} {}", transport.key(), carriage.key(), round + 1));
            let visit = visit::Visit {
                ground,
                trust: &trust,
                extent,
                runtime: &runtime,
                transport: *transport,
                carriage: *carriage,
                round,
            };
            visit.make(&mut results);
        }
        order.reverse();
    }
    Ok(results)
}
