//! Peers that mean harm, and peers that are merely slow: each costs itself, and nobody else.
//!
//! What the protocol says about single wrong frames and requests is in the conformance suite. This asks what happens
//! when they come in crowds, in floods or in single bytes, what they cost the server in memory and processor time,
//! and whether everybody else goes on meanwhile. The server runs in this process, and its peers are bare sockets, so
//! that what the process holds is the server's; hence one test at a time.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

/// One test for each function of a [`Way`](way::Way): it runs on every way out that the server has.
macro_rules! on_each_way {
    ($($name:ident),* $(,)?) => {
        mod on_each_way { $(
            #[test]
            fn $name() {
                crate::way::on_each(super::$name);
            }
        )* }
    };
}

mod doors;
mod floods;
mod halves;
mod heads;
mod pipelining;
mod stalls;
mod trickles;
mod way;
mod witness;

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tricast_testkit::Lane;

/// A server that takes nothing for so long will not take more: a peer that is held back is not waited for longer.
const HELD_BACK: Duration = Duration::from_secs(2);

/// A mebibyte.
const MIB: u64 = 1 << 20;

/// A `GET` of a target with more header lines, each with its end.
fn get(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n{more}\r\n")
}

/// The request that opens a lane.
fn opening(lane: Lane) -> String {
    let target = format!("/v1/feeds/default/{lane}");
    match lane {
        Lane::Ws => tricast_testkit::WsPeer::request(&target, ""),
        Lane::Poll | Lane::Sse => get(&target, ""),
    }
}

/// Writes a piece again and again, until so much is written, the other side takes no more, or the connection ends.
/// Gives how many bytes were written.
fn flood(sender: &mut TcpStream, piece: &[u8], bytes_max: u64) -> u64 {
    // Nothing of what is held back shall hide in a large buffer of this side.
    socket2::SockRef::from(&*sender).set_send_buffer_size(64 << 10).unwrap();
    sender.set_write_timeout(Some(HELD_BACK)).unwrap();
    let mut written = 0;
    while written < bytes_max {
        let from = (written % piece.len() as u64) as usize;
        match sender.write(&piece[from..]) {
            Ok(count) => written += count as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}
