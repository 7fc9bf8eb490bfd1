//! Durable history: an [`Engine`](tricast_hub::Engine) that keeps events on disk.
//!
//! Everybody reads the log in memory, as without a store; what is on disk is read once, when the store is opened. So
//! the store is a journal: groups of records in files that are only appended to, and removed from the old end when the
//! log no longer retains what is in them. `group.rs` is the format's outside, `record.rs` its inside.
//!
//! Publishers hand their publishes to one writer (`desk.rs`, `writer.rs`), which brings many to disk with one flush.
//! Under `async` the feed has them at once; under `sync` it has them when they are on disk.
//!
//! What it is not: nothing is searched here, and nothing is read while the server runs, but for old segments whose
//! living part is copied forward.
//!
//! Invariants:
//!
//! 1. Under `sync`, what was answered or seen is on disk.
//! 2. No offset ever names two events: what may have been given out is on disk before it is (`reserve.rs`).
//! 3. What is missing behind the oldest retained event is a hole in the log, and told to whoever should have had it.
//! 4. A group is on disk whole or not at all; an error leaves nothing of it behind.
//! 5. What waits to be written is bounded by [`StoreOptions::queue_bytes_max`].

mod desk;
mod engine;
mod error;
mod folder;
mod group;
mod journal;
mod lane;
mod load;
mod record;
mod reserve;
mod segment;
mod tools;
mod writer;

pub use engine::{DurableEngine, QUEUE_BYTES_MAX, StoreOptions};
pub use error::StoreError;
pub use tools::{Checked, CheckedNamespace, check, export, import};
