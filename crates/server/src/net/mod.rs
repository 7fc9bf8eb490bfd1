//! Connections: who reads and writes them, and when they change hands.
//!
//! A connection begins at the door ([`front`]). Its first request is looked at there. One for a stream or a poll is
//! parsed by actix's codec, answered by the same application as every other, with its routes, guards and limits, and
//! when the answer is a stream or a poll that waits, the connection moves to [`owned`]: this worker's hub writes to it
//! without a task, a buffer or a waker between. Everything else is served by actix's own dispatcher, behind a gate
//! ([`gate`]) through which the connection comes back when it asks for a stream.
//!
//! With `fanout.way = "body"` every connection goes to the dispatcher, and streams are response bodies. That way is the
//! reference that the tests compare with, and the only one for HTTP/1.0 and HTTP/2.
//!
//! Invariants:
//!
//! 1. Bytes that were read are never lost when a connection changes hands, and none is read twice.
//! 2. A connection counts against `limits.connections_max` from its accept to its close, whoever holds it.
//! 3. What a client can make an owned connection keep is bounded: [`owned`] names each bound.

pub(crate) mod front;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
pub(crate) mod gate;
pub(crate) mod guests;
pub(crate) mod native;
pub(crate) mod owned;
pub(crate) mod refusal;
pub(crate) mod service;
pub(crate) mod tls;
pub(crate) mod wire;
