//! What an event costs the server while one thing grows and all else stays: a fresh server for each step, a closed
//! loop, and the server's own CPU time.

use std::time::Duration;

use super::engine::{Crowd, nanos};
use super::publisher::Post;
use super::seat::{NAMESPACE, ROOM, seats};
use super::{Edge, Ground};
use crate::error::{LabError, Result};
use crate::machine::{ServerChild, now_ns};
use crate::result::{Axis, Integrity, ScaleVisit, Transport};
use crate::scenario::ScaleCell;

/// Unrecorded posts before the window, for the first touch of every socket.
const WARM_UP_POSTS: u64 = 4;
/// Events in one post where they go from room to room.
const IN_TURN: u32 = 64;
/// Events of a post that fills a history; the server takes 1000 at most.
const FILLING: u64 = 500;
/// Namespaces that are always there, or kept in reserve.
const NAMESPACES_SPARE: u64 = 8;
/// Bytes of the log that a retained event takes beside its payload, at most.
const ENVELOPE_BYTES_MAX: u64 = 1024;
/// The history that a server has unless told otherwise.
const HISTORY_DEFAULT: u64 = 10_000;
/// Time for the server to come to rest after everybody stands.
const SETTLE: Duration = Duration::from_millis(200);

/// One step of an axis. Whatever goes wrong makes it void; stopping leaves no visit.
pub(crate) fn visit(
    ground: &Ground<'_>,
    cell: &ScaleCell,
    at: u32,
    transports: &[Transport],
    repetition: u32,
) -> Result<ScaleVisit> {
    let mut visit = ScaleVisit::empty(cell, at, repetition);
    match measure(ground, cell, transports, &mut visit) {
        Err(LabError::Stopped) => return Err(LabError::Stopped),
        Err(error) => visit.void.push(error.to_string()),
        Ok(()) => {}
    }
    Ok(visit)
}

fn measure(
    ground: &Ground<'_>,
    cell: &ScaleCell,
    transports: &[Transport],
    visit: &mut ScaleVisit,
) -> Result<()> {
    let server = start(ground, cell, visit.at)?;
    let mut crowd = Crowd::new(server.address, cell.payload, ground.stop)?;
    let before = if cell.axis == Axis::History { u64::from(visit.at) } else { 0 };
    fill(&mut crowd, before)?;
    crowd.invite(seats(cell, visit.at, before, transports))?;
    crowd.idle(SETTLE)?;
    crowd.closed_loop(|n| post(cell, visit.at, n), |posts| posts < WARM_UP_POSTS)?;
    let from = Edge::now(&server, crowd.busy_ns())?;
    let end = now_ns() + nanos(cell.duration);
    let done =
        crowd.closed_loop(|n| post(cell, visit.at, n + WARM_UP_POSTS), |posts| posts == 0 || now_ns() < end);
    let span = from.to(Edge::now(&server, crowd.busy_ns())?);
    visit.integrity = crowd.account();
    visit.void = crowd.faults(&visit.integrity);
    let done = done?;
    (visit.events, visit.deliveries) = (done.events, done.deliveries);
    (visit.wall_s, visit.server_cpu_s, visit.load_busy) = (span.wall_s, span.cpu_s, span.busy);
    Ok(())
}

/// A server with as much history and as many namespaces as the step wants.
fn start(ground: &Ground<'_>, cell: &ScaleCell, at: u32) -> Result<ServerChild> {
    let at = u64::from(at);
    let events = if cell.axis == Axis::History && at > 0 { at } else { HISTORY_DEFAULT };
    let bytes = events * (u64::from(cell.payload) + ENVELOPE_BYTES_MAX);
    let namespaces = if cell.axis == Axis::Namespaces { at } else { 0 };
    ground.server(&[
        ("TRICAST_HISTORY__EVENTS", events),
        ("TRICAST_HISTORY__BYTES", bytes.max(16 << 20)),
        ("TRICAST_NAMESPACES__MAX", namespaces + NAMESPACES_SPARE),
    ])
}

/// Fills the history before anybody is there.
fn fill(crowd: &mut Crowd<'_>, events: u64) -> Result<()> {
    let batch = |n: u64| {
        let count = FILLING.min(events - n * FILLING);
        Post { namespace: NAMESPACE, rooms: vec![None; count as usize], deliveries: 0 }
    };
    crowd.closed_loop(batch, |posts| posts * FILLING < events).map(|_| ())
}

/// The `n`-th post of a step.
fn post(cell: &ScaleCell, at: u32, n: u64) -> Post<'static> {
    match cell.axis {
        Axis::Subscribers => Post::broadcast(NAMESPACE, u64::from(at)),
        Axis::RoomsInTurn => in_turn(cell.subscribers, at, n),
        Axis::Rooms | Axis::Namespaces | Axis::History => {
            Post::room(NAMESPACE, ROOM, u64::from(cell.audience))
        }
    }
}

/// One event for each of the next rooms.
fn in_turn(subscribers: u32, rooms: u32, n: u64) -> Post<'static> {
    let count = IN_TURN.min(rooms);
    let room = |k: u32| ((n * u64::from(count) + u64::from(k)) % u64::from(rooms)) as u32;
    let audience = |room: u32| u64::from((subscribers + rooms - 1 - room) / rooms);
    Post {
        namespace: NAMESPACE,
        rooms: (0..count).map(|k| Some(format!("room-{}", room(k)))).collect(),
        deliveries: (0..count).map(|k| audience(room(k))).sum(),
    }
}

impl ScaleVisit {
    fn empty(cell: &ScaleCell, at: u32, repetition: u32) -> Self {
        Self {
            axis: cell.axis,
            at,
            subscribers: if cell.axis == Axis::Subscribers { at } else { cell.subscribers },
            payload: cell.payload,
            repetition,
            void: Vec::new(),
            integrity: Integrity::default(),
            events: 0,
            deliveries: 0,
            wall_s: 0.0,
            server_cpu_s: 0.0,
            load_busy: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_reach_every_room_and_every_subscriber_once() {
        let posts: Vec<_> = (0..5).map(|n| in_turn(250, 100, n)).collect();
        let rooms: Vec<_> = posts.iter().flat_map(|p| p.rooms.iter().flatten().cloned()).collect();
        assert_eq!((rooms.len(), rooms[64].as_str(), rooms[100].as_str()), (320, "room-64", "room-0"));
        let whole: u64 = (0..25).map(|n| in_turn(250, 100, n).deliveries).sum();
        assert_eq!(whole, 16 * 250, "1600 events are 16 turns of all rooms");
    }
}
