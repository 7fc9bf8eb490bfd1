//! The async shell round the feed: who is subscribed, and how what was published reaches them.
//!
//! A process has one [`Shared`]: the [`Engine`] that orders events, the logs, the sessions. Each worker thread has one
//! [`Hub`] with the subscribers of its connections. Publishing appends to the log under one short lock and wakes each
//! worker at most once; the worker then makes a *pass*: it takes all that is new, joins it once for each audience and
//! way out, and hands the same bytes to everyone who stands at the previous head.
//!
//! What it is not: there is no HTTP here and no socket. A [`Stream`] gives bytes and a [`Waiting`](poll::Waiting) poll
//! gives an answer to whoever carries them; or a [`Carrier`] owns the connections, and a pass writes to them without a
//! step between. One subscriber record, and the way out behind it (`out.rs`).
//!
//! Start reading at `worker/mod.rs`.
//!
//! Invariants:
//!
//! 1. A subscriber is a cursor into the log and at most one joined buffer; what it lags is not kept for it.
//! 2. A live subscriber has everything up to its worker's head; one that is behind has everything up to its cursor.
//! 3. Nothing is delivered twice or out of order; what cannot be delivered any more is told as a gap.
//! 4. A connection that takes a part of an event gets the rest of that event first; only this rest is kept for it.
//! 5. A subscriber's slot, its room in the audiences and its session are given back when its stream is dropped.

mod ask;
mod carrier;
mod clock;
mod engine;
mod feeds;
mod idempotency;
mod join;
mod key;
mod limits;
mod lock;
mod mailbox;
mod options;
mod out;
mod pace;
mod presence;
mod random;
mod roster;
mod session;
mod shared;
mod stream;
mod sync;
mod tally;
mod way;
mod why;
mod worker;

pub mod poll;

pub use carrier::{Advance, Carrier, Seat};
pub use clock::{Clock, system_now, system_now_micros};
pub use engine::{
    Appended, Batch, Durability, Engine, EngineError, Health, IdempotencyKey, Life, MemoryEngine,
};
pub use feeds::{Feed, FeedState, Feeds, Placed, Ready};
pub use idempotency::{Known, Memory, fingerprint};
pub use key::Key;
pub use limits::Limits;
pub use options::{Check, Options, Presence, Slow, SlowPolicy};
pub use presence::{Attendance, Present};
pub use roster::{Choice, Connection, LinkFacts, Listing, RoomCount, Stance};
pub use session::SessionError;
pub use shared::Shared;
pub use stream::{Handle, Stream};
pub use tally::{Balance, Tally};
pub use way::Way;
pub use why::Why;
pub use worker::{Hub, Opened, Wish};
