//! The load: one thread that publishes on a schedule and reads every subscriber's socket, without ever sleeping.
//!
//! It polls its sockets with a time-out of zero, because a reader that sleeps has to be woken, and the kernel charges
//! the waking to whoever sends, which is the server under test. So the load's core is always at 100 %; what counts as
//! busy is the time between finding sockets ready and having read them, and the time spent publishing.
//!
//! Readers understand just as much of their transport as it takes to find each event and the bytes round it, and they
//! do so wherever the stream is split.

mod body;
mod engine;
mod event;
mod head;
mod ledger;
mod lines;
mod poll;
mod publisher;
mod sse;
mod subscriber;
mod window;
mod ws;

pub(crate) use self::engine::{Load, Plan, QUIET};
pub(crate) use self::event::{Sighting, data as event_data};
pub(crate) use self::ledger::Ledger;
pub(crate) use self::lines::{CONNECTIONS, Lines, Turns, write_all, write_request};
pub(crate) use self::poll::{AnswerReader, PollReader};
pub(crate) use self::sse::SseReader;
#[cfg(test)]
pub(crate) use self::sse::tests::{at_every_split, told};
pub(crate) use self::subscriber::Kind;
pub(crate) use self::ws::{Dialect, WsReader, pong, reply, text};

/// What a reader found in the bytes of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A response head of so many bytes.
    Head(usize),
    /// The stream stands: `sync` came, or the first poll was answered.
    Ready,
    /// What a `sync` says, as JSON.
    Sync(&'a [u8]),
    /// What a `gap` says, as JSON.
    Gap(&'a [u8]),
    /// One event's JSON.
    Event(&'a [u8]),
    /// A whole poll answer with so many events: the next request is due.
    Answer(usize),
    /// A short text that the server waits for.
    Reply(&'static str),
    /// A protocol ping, to be answered with the same bytes.
    Ping(&'a [u8]),
    /// The server ended the stream.
    Ended,
}

/// Bytes of a stream that a reader keeps at most, while an element of it is incomplete.
const UNREAD_BYTES_MAX: usize = 64 << 20;
