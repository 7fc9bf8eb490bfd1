//! Crowds: very many subscribers of one server, on all transports at once.
//!
//! It asks what the comparison of the transports does not: whether fifteen thousand subscribers lose nothing, whether
//! an event's cost follows its audience and nothing else, whether readers that never read cost only themselves, and
//! whether memory stays where it is while subscribers come and go.
//!
//! The load is one thread of its own kind ([`engine::Crowd`]): unlike the one that compares transports it holds
//! members of different kinds, in rooms and namespaces, from many loopback addresses, and lets them come and go. The
//! readers of the transports and the ledgers are the same.
//!
//! What an event's *pass* is here: the time from its first receipt by any subscriber to its last, as the load sees
//! them after reading from the sockets. It holds the server's fan-out and the load's own reading, which run side by
//! side on two cores. The 99th percentile of latency, which counts from the intended publish time, is compared with
//! the median pass.

mod engine;
mod member;
mod open;
mod publisher;
mod scale;
mod seat;
mod soak;
mod stalled;
mod window;

use std::path::Path;

use crate::error::Result;
use crate::machine::{Placement, ServerChild, cpu_seconds, now_ns};

pub(crate) use self::open::visit as crowd;
pub(crate) use self::scale::visit as scale;
pub(crate) use self::soak::visit as soak;
pub(crate) use self::stalled::{PLACES, visit as stalled};

/// Where a crowd meets: the program of the server, the cores, the server's log, and whether to go on.
pub(crate) struct Ground<'a> {
    pub(crate) program: &'a Path,
    pub(crate) place: Placement,
    pub(crate) log: &'a Path,
    /// Whether somebody asked the run to end.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

impl Ground<'_> {
    /// Starts a server of this crowd's own.
    fn server(&self, settings: &[(&str, u64)]) -> Result<ServerChild> {
        ServerChild::start_with(self.program, self.place, self.log, settings)
    }
}

/// Clock, server CPU and useful load time, at one edge of a window.
#[derive(Debug, Clone, Copy)]
struct Edge {
    ns: u64,
    cpu_s: f64,
    busy_ns: u64,
}

/// What lies between two edges.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    wall_s: f64,
    cpu_s: f64,
    /// Share of the span in which the load did useful work.
    busy: f64,
}

impl Edge {
    fn now(server: &ServerChild, busy_ns: u64) -> Result<Self> {
        Ok(Self { ns: now_ns(), cpu_s: cpu_seconds(server.pid())?, busy_ns })
    }

    fn to(self, later: Self) -> Span {
        let ns = (later.ns - self.ns).max(1) as f64;
        Span {
            wall_s: ns / 1e9,
            cpu_s: later.cpu_s - self.cpu_s,
            busy: (later.busy_ns - self.busy_ns) as f64 / ns,
        }
    }
}
