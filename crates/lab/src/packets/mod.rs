//! Packets that are really lost: two network namespaces of our own, joined by our own forwarder, so that the kernel's TCP
//! reacts as it does in life.
//!
//! A [`Namespace`](self::namespace) is a network of its own for some threads and the processes that they start. A
//! [`Link`](self::link) joins two of them: it holds the far end of a TUN device in each, reads the IP packets that come out
//! of one, and writes them into the other late, in another order, or never. What happens to a packet is decided in
//! [`path`](self::path), which is pure. [`measure`] puts a server behind such a link and subscribers before it.
//!
//! Invariants:
//! 1. Nothing of the machine's own network is touched. The namespaces have no names and end with their last user, so there
//!    is nothing to clear away, also after a crash.
//! 2. Events are published over a second link that loses nothing, so that what is measured is delivery.
//! 3. The same seed makes the same chances.
//! 4. A path holds at most [`path::HELD_PACKETS_MAX`] packets.

mod link;
mod namespace;
mod path;
#[cfg(test)]
mod tests;
mod visit;

use std::net::Ipv4Addr;
use std::path::Path;

use self::namespace::Namespace;
use self::visit::Visit;
use crate::error::Result;
use crate::machine::Placement;
use crate::result::{LossExtent, LossResults, Transport};

/// The address of a device that is opened only to see whether one can be.
const PROBE: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);

/// Where loss is measured.
pub(crate) struct Ground<'a> {
    pub(crate) program: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) place: Placement,
    pub(crate) seed: u64,
    /// Whether the run is to stop.
    pub(crate) stop: &'a (dyn Fn() -> bool + Sync),
}

/// How many steps an extent takes, for the progress bar.
pub(crate) fn steps(extent: &LossExtent, transports: &[Transport]) -> u64 {
    u64::from(extent.rounds) * cells(extent, transports).len() as u64
}

/// Every transport over every link.
fn cells(extent: &LossExtent, transports: &[Transport]) -> Vec<(Transport, u32, f64)> {
    let links = || extent.rtt_ms.iter().flat_map(|rtt| extent.loss_percent.iter().map(|loss| (*rtt, *loss)));
    transports.iter().flat_map(|transport| links().map(|(rtt, loss)| (*transport, rtt, loss))).collect()
}

/// Visits every transport over every link in every round, in an order by chance. Where the machine does not allow it,
/// the result says why.
pub(crate) fn measure(
    ground: &Ground<'_>,
    extent: &LossExtent,
    transports: &[Transport],
    begin: &mut dyn FnMut(&str),
) -> Result<LossResults> {
    let mut results = LossResults { extent: extent.clone(), ..LossResults::default() };
    if let Err(why) = possible() {
        results.not_measured = Some(why);
        return Ok(results);
    }
    let mut cells = cells(extent, transports);
    fastrand::Rng::with_seed(ground.seed).shuffle(&mut cells);
    for round in 0..extent.rounds {
        for (transport, rtt_ms, loss_percent) in &cells {
            if (ground.stop)() {
                return Ok(results);
            }
            begin(&format!("{} at {rtt_ms} ms and {loss_percent} % loss, {}", transport.key(), round + 1));
            let (transport, rtt_ms, loss_percent) = (*transport, *rtt_ms, *loss_percent);
            results.visits.push(Visit { ground, extent, transport, rtt_ms, loss_percent, round }.make());
        }
    }
    Ok(results)
}

/// Whether namespaces and TUN devices can be had here; if not, why.
fn possible() -> Result<(), String> {
    let opened = Namespace::new().and_then(|namespace| namespace.run(|| link::device(PROBE))?);
    opened.map(drop).map_err(|error| error.to_string())
}
