//! The seam to connections that the hub writes to itself: no task, no buffer and no waker between a pass and a socket.
//!
//! The hub knows no socket. A [`Carrier`] owns the connections of one worker and names each by a [`Seat`]; the hub
//! tells it what to write, and is told by calling [`Hub::advance`](crate::Hub::advance) when a connection that stood
//! can be written to again.

use std::fmt::Debug;

use bytes::Bytes;

use crate::roster::LinkFacts;

/// Names one connection of a carrier. It is not given to another connection before its subscriber was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seat(pub u32);

/// Owns a worker's connections and writes to them.
///
/// The hub calls these while it is at work, so none of them may call the hub: what they find out about a connection
/// they keep and tell afterwards.
pub trait Carrier: Debug {
    /// Writes as much as the connection takes now, and gives how many bytes that were. Less than all means that the
    /// connection stands; the carrier then calls [`Hub::advance`](crate::Hub::advance) once it goes on. Zero bytes are
    /// taken while something from before waits.
    fn send(&self, seat: Seat, bytes: &Bytes) -> usize;

    /// Keeps what must go out before anything else: the rest of an event whose beginning was written.
    fn keep(&self, seat: Seat, rest: Bytes);

    /// Answers the poll of this connection.
    fn answer(&self, seat: Seat, body: &Bytes);

    /// Ends the connection after these bytes.
    fn end(&self, seat: Seat, last: Bytes);

    /// What is known of this connection, for an operator who asks.
    fn facts(&self, seat: Seat) -> Option<LinkFacts> {
        let _ = seat;
        None
    }

    /// Asks for a call of [`Hub::advance`](crate::Hub::advance): something is there for this subscriber alone.
    fn pull(&self, seat: Seat);
}

/// How far a subscriber has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// It has all that there is for it now; passes serve it, or it waits for the next one.
    Idle,
    /// Its connection stands.
    Held,
    /// There is more to be read from the log: call again, after others had their turn.
    More,
}
