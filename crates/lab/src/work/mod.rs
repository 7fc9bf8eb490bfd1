//! Workloads: what the plain comparison of transports does not have. Rooms, bursts, subscribers that publish, readers that
//! read slowly, a network in between, a server that goes away and comes back, and servers that are not tricast.
//!
//! Every event carries a number of ours, so what was lost, doubled or reordered is known without the server's offsets. A
//! subscriber whose connection breaks comes back by itself, with the cursor where the server has one.
//!
//! Start reading at `Engine::run`, then `subscriber`.
//!
//! Invariants:
//! 1. One thread, which never sleeps while it measures and never blocks on a socket.
//! 2. An event that was accepted and did not come, and of which nobody was told that it would not, is a fault.

mod engine;
mod ledger;
mod plan;
mod publisher;
mod subscriber;
pub mod target;
pub(crate) mod tcp;
#[cfg(test)]
mod tests;

pub(crate) use self::engine::{Engine, Moment, Outcome, Spec};
pub(crate) use self::plan::Plan;
