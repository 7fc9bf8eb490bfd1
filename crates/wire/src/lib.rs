//! Bytes and domain: everything that tricast writes to a wire or reads from one, as pure functions.
//!
//! The server's side: the event's one JSON text, encoded once for each way out ([`event`]), SSE and WebSocket framing
//! ([`sse`], [`ws`]), the poll answer ([`poll`]), notices ([`notice`]), publish bodies ([`publish`]), commands
//! ([`command`]) and problems ([`problem`]). The client's side is [`decode`]. The text of cursors, sessions and times
//! is in [`text`], and what makes a JSON value fit to be sent on is in [`json`].
//!
//! What it is not: nothing here waits, reads a clock or owns a socket, and no domain type is serialisable by itself.
//! Start reading at [`event::Encoded`].
//!
//! Invariants:
//!
//! 1. An event's JSON is one line of UTF-8 without CR, LF or NUL, so no field of it can forge an SSE line or a frame.
//! 2. The same JSON bytes stand in the SSE event, in the WebSocket frame and in the poll answer.
//! 3. Every decoder is bounded by a size that its caller names, and gives the same result however the bytes are split.

pub mod command;
pub mod decode;
pub mod event;
pub mod fault;
pub mod json;
pub mod notice;
pub mod poll;
pub mod problem;
pub mod publish;
pub mod sse;
pub mod text;
pub mod ws;

pub use fault::Fault;
