//! The Rust client: one type, three transports, resume, fallback and backoff.
//!
//! ```no_run
//! use futures::StreamExt;
//! use tricast_client::{Client, Publish, Transport, Update};
//!
//! # async fn example() -> Result<(), tricast_client::Error> {
//! let client = Client::builder("http://127.0.0.1:8080").transport(Transport::Auto).rooms(["room-123"]).build()?;
//! client.publish(&Publish::json(r#"{"order":42}"#)?.kind("order.shipped").room("room-123")).await?;
//!
//! let mut subscription = client.subscribe();
//! while let Some(update) = subscription.next().await {
//!     if let Update::Event(event) = update? {
//!         println!("{:?} {}", event.id, event.data);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: it speaks no TLS (an `https` URL is refused with an error that says so), it keeps no cursor
//! between processes (hand [`After::Cursor`] back yourself), and it holds no queue of its own beyond one bounded
//! channel: a reader that is slow slows its connection down, and the server's policy decides.
//!
//! Start reading at [`Subscription`], then `core`: what to do next, given what just happened and the time, is decided
//! there and nowhere else. `core` is pure; `driver` is the thin shell that carries its decisions out, and `line` holds
//! one file for each transport, none of which knows the others.
//!
//! Invariants, each held by a test:
//!
//! 1. A subscription gives each event once and in order, across reconnects and changes of transport; what cannot be
//!    given is told as [`Update::Gap`] or by a [`Update::Sync`] whose state is `reset`.
//! 2. It comes back after every failure that the table of reasons says to come back from, and ends with an error
//!    after every other one.
//! 3. A delay before a reconnect is drawn from the whole range up to a ceiling that doubles and is capped, and is
//!    never shorter than the server asked for.
//! 4. A stream that is silent for [`Timing::beats_missed`] beats is given up. [`Transport::Auto`] goes on by the next
//!    transport if that stream told its beginning and nothing more, as one does behind a proxy that buffers, and
//!    remembers for [`Timing::way_memory`] which transports failed here.
//! 5. A request that was held up on its way cannot end a newer connection of the same subscription.

mod backoff;
mod client;
mod core;
mod driver;
mod error;
mod line;
mod publish;
mod subscription;
mod timing;

pub use client::{Builder, Client};
pub use error::{Error, Refusal};
pub use publish::Publish;
pub use subscription::{Counts, State, Subscription, Update};
pub use timing::Timing;

/// Where a subscription starts.
pub use tricast_wire::decode::After;
/// The words of the wire that a user of this crate meets.
pub use tricast_wire::decode::{Beat, Cursor, EventMsg, Gap, Offset, Reason, Retry, Sync, SyncState};
/// A cursor as text, `<epoch>-<offset>`, and back.
pub use tricast_wire::text::{cursor as cursor_text, parse_cursor};

/// Which transport a subscription shall use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// The first of WebSocket, SSE and long polling that works here.
    #[default]
    Auto,
    /// WebSocket and nothing else.
    Ws,
    /// Server-Sent Events and nothing else.
    Sse,
    /// Long polling and nothing else.
    Poll,
}

/// A transport that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// WebSocket.
    Ws,
    /// Server-Sent Events.
    Sse,
    /// Long polling.
    Poll,
}

impl Way {
    /// The order in which [`Transport::Auto`] tries them: the one with the least overhead first, the one that passes
    /// every proxy last.
    pub(crate) const ALL: [Self; 3] = [Self::Ws, Self::Sse, Self::Poll];

    /// The last part of the endpoint's path: `ws`, `sse` or `poll`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
            Self::Poll => "poll",
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
