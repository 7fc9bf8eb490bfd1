//! The scripted peers: bytes by hand, on plain sockets.

pub(crate) mod http;
pub(crate) mod socket;
pub(crate) mod sse;
pub(crate) mod ws;
