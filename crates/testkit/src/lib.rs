//! For tests only: a real server on port 0, scripted peers, and the means to ask one question on three transports.
//!
//! [`TestServer`] runs the server on a thread of its own. A [`Subscriber`] is one client on any [`Lane`]: it opens,
//! reads, joins rooms, is cut and goes on in the same words on all three, so that a test of the protocol is written
//! once. Below it are the scripted peers: [`Connection`] speaks raw HTTP, [`SseReader`] reads a stream of events,
//! [`WsPeer`] sends and reads frames.
//!
//! With `TESTKIT_TLS` in the environment every server speaks TLS and every peer too, by `rustls`.
//!
//! What it is not: there is nothing here of `tricast-wire`, `tricast-client` or any HTTP library. Bytes are made and
//! read by hand and from the standards, so that a mistake which encoder and decoder share cannot hide.
//!
//! Start reading at `subscriber.rs`.
//!
//! Invariants:
//!
//! 1. Every wait ends after [`PATIENCE`] at the latest. It is far longer than anything should take, and bounds a
//!    failure only: no test passes or fails by how fast the machine is.
//! 2. What a peer reads is checked as strictly as the standards allow; a breach is a panic that shows the bytes.
//! 3. A server and its peers are gone when the values are dropped.

mod certificate;
mod deadline;
mod lane;
mod line;
mod message;
mod opening;
mod peer;
mod process;
mod reach;
mod server;
mod subscriber;

pub use certificate::Certificate;
pub use deadline::{PATIENCE, eventually, patience};
pub use lane::Lane;
pub use message::{Close, Event, Gap, Message, Sync};
pub use opening::Opening;
pub use peer::http::{Connection, Response};
pub use peer::sse::{Block, SseReader};
pub use peer::ws::{Frame, WsPeer, client_frame};
pub use process::{cpu_time, memory, open_files};
pub use server::TestServer;
pub use subscriber::{Kept, Subscriber};
