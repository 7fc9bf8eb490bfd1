//! What a client reads: the server's bytes turned back into events, notices, replies and problems.
//!
//! The three transports meet again here. Each gives its own pieces — an SSE item, a WebSocket text, a poll answer —
//! and each piece becomes a [`Message`], so that nothing behind this module knows how a message travelled.
//!
//! Decoders are tolerant where the protocol may grow (an unknown field, an unknown notice) and strict where a
//! mistake would lose an event (a cursor that does not parse, a notice without its fields). They are pure: bytes in,
//! values out, every buffer bounded by the caller.

mod event;
mod message;
mod notice;
mod problem;
#[cfg(test)]
mod round_trip;
mod sse;

pub use event::EventMsg;
pub use message::{DecodeError, Message, PollAnswer, Published, Reply};
pub use notice::{Beat, Close, Gap, Notice, Sync, SyncState};
pub use problem::Problem;
pub use sse::{SseDecoder, SseEvent, SseItem, TooLong};

/// The core's words that a client's user meets, so that a client needs no other crate for them.
pub use tricast_feed::{After, Cursor, Epoch, Offset, Reason, Retry};

use serde::{Deserialize, Deserializer};

/// Reads a cursor's text inside JSON. A cursor that does not parse is an error: it would break the resume.
fn cursor<'de, D: Deserializer<'de>>(source: D) -> Result<Cursor, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(source)?;
    crate::text::parse_cursor(&text).map_err(serde::de::Error::custom)
}
