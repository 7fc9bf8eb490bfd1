//! What the peers share: a listener that the laboratory finds, and one number.

use std::io::{self, Write};
use std::net::TcpListener;

/// Events that a slow subscriber's channel holds, the same for every peer that has one.
pub const CHANNEL_EVENTS: usize = 1024;

/// Listens on a free port of loopback and says so on standard output.
///
/// # Errors
/// No free port, or nobody who reads.
pub fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    writeln!(io::stdout(), "listening {}", listener.local_addr()?)?;
    Ok(listener)
}
