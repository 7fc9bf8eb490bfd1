//! The pure core of tricast: what a feed *is*, with no bytes on any wire.
//!
//! It holds names and their grammar, events and cursors, the log with its retention, the rooms index that finds a
//! room's events without reading the others, and the one table of reasons.
//!
//! What it is not: there is no async, no clock, no random source, no I/O and no serialisation here. Time and
//! randomness come in as arguments, so that a property test can step a whole feed through a million interleavings
//! in a second. JSON and framing live in `tricast-wire`; tasks, wake-ups and sessions in `tricast-hub`.
//!
//! Start reading at [`Log`]: it is the only queue in the product.
//!
//! Invariants, each held by a test:
//!
//! 1. Offsets of one [`Epoch`] start at 1 and are never used twice. They are dense but for each [`Hole`], which only an
//!    engine can leave that has lost what it had ordered.
//! 2. The retained part of a log is one range, from [`Log::first`] to [`Log::last`], unbroken but for the holes.
//! 3. A read after a cursor gives every retained event that the [`Interest`] covers, once and in order, and tells
//!    of every offset that it cannot give any more.
//! 4. A log never holds more events or bytes than its [`Retention`], save the newest batch itself.
//! 5. Log time never runs backwards.

mod audience;
mod cursor;
mod event;
mod gap;
mod log;
mod name;
mod reason;
mod retention;

pub use audience::{AudienceKey, Audiences};
pub use cursor::{Cursor, Epoch, EpochError, Offset};
pub use event::{Addressing, Draft, Entry, Interest, Millis};
pub use gap::{Gap, GapReason};
pub use log::{After, Conflation, Hole, Lag, Log, Piece, Read, ReadLimit, Restored, Start, StartState};
pub use name::{ConflationKey, EventType, Label, Member, NameError, Namespace, Room, RoomSet, SessionId};
pub use reason::{Reason, Retry};
pub use retention::Retention;
