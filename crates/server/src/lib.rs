//! The actix-web shell: everything that has to do with HTTP.
//!
//! Settings are read ([`Settings`]), addresses bound ([`Server`]), requests checked and handed to this worker's hub,
//! and the hub's bytes carried away by one of three transports. A handler extracts, makes one call into the hub, and
//! maps the result.
//!
//! What it is not: there is no rule of the feed here. Order, cursors, rooms and retention are in `tricast-feed`, bytes
//! in `tricast-wire`, subscribers in `tricast-hub`. No other crate knows actix.
//!
//! Start reading at `app.rs`, the routes.
//!
//! Invariants:
//!
//! 1. A refused request names its field and its reason, and changes nothing.
//! 2. A client that is gone, slow or hostile costs what its own connection costs.
//! 3. Without authentication nothing but loopback is served, unless it was asked for in so many words.

mod admin;
mod admission;
mod app;
mod balance;
mod cors;
mod ctx;
pub mod demo;
mod docs;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod health;
mod history;
mod host;
mod metrics;
mod net;
mod origin;
mod pages;
mod presence;
mod problem;
mod publish;
mod query;
mod report;
mod server;
mod sessions;
mod settings;
mod transport;

pub use demo::DemoParts;
pub use server::{Server, Stopper};
pub use settings::{
    FanoutWay, Key, Mistake, Settings, SettingsSource, StoreSettings, TlsFiles, Written, keys,
};

/// Runs a future on the runtime that a server needs.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}
