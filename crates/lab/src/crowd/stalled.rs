//! Readers that never read, beside others that do. A round is three servers: without the stalled ones, with them, and
//! without again. The middle against its neighbours is what the stalled ones cost the others; the neighbours against
//! each other are what the same server shows against itself.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::engine::{Crowd, Schedule, nanos};
use super::member::{Narrow, connect, request};
use super::publisher::Post;
use super::seat::{NAMESPACE, Seat};
use super::{Edge, Ground};
use crate::error::{LabError, Result};
use crate::machine::{ServerChild, now_ns, pss_kib, tcp_kib};
use crate::result::{Integrity, MemoryReading, StalledVisit, Transport};
use crate::scenario::StalledCell;

/// Servers in a round; the stalled ones are there in the middle.
pub(crate) const PLACES: u32 = 3;
/// Buffers of a stalled reader: as small as the kernel allows, and segments as on Ethernet.
const NARROW: Narrow = Narrow { receive_bytes: 4096, segment_bytes: 1460 };
/// Stalled readers that connect at once.
const CONNECTING_MAX: usize = 256;
/// Wait for a stalled reader to stand.
const STAND_MAX: Duration = Duration::from_secs(20);
/// Events in one post while the stalled ones are filled.
const FILLING: usize = 16;
/// Bytes of an event beside its payload, at least: what is filled in is more than asked for, never less.
const ENVELOPE_BYTES_MIN: u32 = 100;
/// Time for the server to come to rest before memory is read.
const SETTLE: Duration = Duration::from_millis(500);
/// A stalled stream is not to be ended for it in the course of a visit; the server's own bound is a minute.
const STALL_SECS: u64 = 3600;

/// One of the three servers of a round. Whatever goes wrong makes it void; stopping leaves no visit.
pub(crate) fn visit(
    ground: &Ground<'_>,
    cell: &StalledCell,
    transports: &[Transport],
    warm_up: Duration,
    (round, place): (u32, u32),
) -> Result<StalledVisit> {
    let mut visit = StalledVisit::empty(cell, round, place);
    match measure(ground, cell, transports, warm_up, &mut visit) {
        Err(LabError::Stopped) => return Err(LabError::Stopped),
        Err(error) => visit.void.push(error.to_string()),
        Ok(()) => {}
    }
    if !visit.void.is_empty() {
        visit.latency = None;
    }
    Ok(visit)
}

fn measure(
    ground: &Ground<'_>,
    cell: &StalledCell,
    transports: &[Transport],
    warm_up: Duration,
    visit: &mut StalledVisit,
) -> Result<()> {
    let server = ground.server(&[("TRICAST_LIMITS__STALL_SECS", STALL_SECS)])?;
    let mut crowd = Crowd::new(server.address, cell.payload, ground.stop)?;
    crowd.invite((0..cell.healthy).map(|index| Seat::plain(index, transports)).collect())?;
    let sleepers = sleepers(server.address, visit.stalled, &mut crowd)?;
    crowd.idle(SETTLE)?;
    visit.idle = reading(&server)?;
    let audience = u64::from(cell.healthy);
    let batch =
        Post { namespace: NAMESPACE, rooms: vec![None; FILLING], deliveries: audience * FILLING as u64 };
    let posts = filling(cell);
    crowd.closed_loop(|_| batch.clone(), |made| made < posts)?;
    let post = Post::broadcast(NAMESPACE, audience);
    crowd.open_loop(Schedule { rate: cell.rate, time: warm_up, recorded: false }, &post, |_, _| Ok(()))?;
    crowd.idle(SETTLE)?;
    visit.filled = reading(&server)?;
    visit.unread_bytes = unread(&sleepers);
    let from = Edge::now(&server, crowd.busy_ns())?;
    let recorded = Schedule { rate: cell.rate, time: cell.duration, recorded: true };
    crowd.open_loop(recorded, &post, |_, _| Ok(()))?;
    crowd.go_on()?;
    let span = from.to(Edge::now(&server, crowd.busy_ns())?);
    (visit.wall_s, visit.server_cpu_s, visit.load_busy) = (span.wall_s, span.cpu_s, span.busy);
    visit.integrity = crowd.account();
    visit.void = crowd.faults(&visit.integrity);
    visit.gone = gone(&sleepers)?;
    // What still came in the window shows that they were not full yet.
    let after = unread(&sleepers);
    if after > visit.unread_bytes && visit.gone == 0 {
        visit
            .void
            .push(format!("the stalled readers were not full: {} bytes, then {after}", visit.unread_bytes));
    }
    visit.latency = crowd.window().map(|window| window.all().store()).transpose()?;
    Ok(())
}

/// Posts that bring each reader at least the bytes that the cell asks for.
fn filling(cell: &StalledCell) -> u64 {
    let post = u64::from(cell.payload + ENVELOPE_BYTES_MIN) * FILLING as u64;
    (u64::from(cell.fill_kib) * 1024).div_ceil(post)
}

fn reading(server: &ServerChild) -> Result<MemoryReading> {
    Ok(MemoryReading { pss_kib: pss_kib(server.pid())?, kernel_kib: tcp_kib() })
}

/// Opens streams that are never read, and waits until each has got its first bytes. The healthy ones go on reading.
fn sleepers(server: SocketAddr, count: u32, crowd: &mut Crowd<'_>) -> Result<Vec<TcpStream>> {
    let mut sleepers: Vec<TcpStream> = Vec::new();
    let mut standing = 0;
    for index in 0..count {
        // A parked poll has nothing to stall with: it is one answer.
        let seat = Seat::plain(index, &[Transport::Sse, Transport::Websocket]);
        let mut stream = connect(server, &seat, Some(NARROW))?;
        stream.write_all(&request(&seat)).map_err(LabError::io("ask for a stream that is not read"))?;
        sleepers.push(stream);
        if sleepers.len() - standing >= CONNECTING_MAX || index + 1 == count {
            stand(&sleepers[standing..], crowd)?;
            standing = sleepers.len();
        }
    }
    Ok(sleepers)
}

fn stand(sleepers: &[TcpStream], crowd: &mut Crowd<'_>) -> Result<()> {
    let deadline = now_ns() + nanos(STAND_MAX);
    for sleeper in sleepers {
        while rustix::io::ioctl_fionread(sleeper)? == 0 {
            crowd.turn()?;
            crowd.go_on()?;
            if now_ns() > deadline {
                return Err(LabError::Protocol("a stalled reader's stream did not begin".to_owned()));
            }
        }
    }
    Ok(())
}

/// Bytes that lie unread at a socket, on average.
fn unread(sleepers: &[TcpStream]) -> u64 {
    let bytes: u64 = sleepers.iter().filter_map(|sleeper| rustix::io::ioctl_fionread(sleeper).ok()).sum();
    bytes / (sleepers.len() as u64).max(1)
}

/// Streams that the server has ended.
fn gone(sleepers: &[TcpStream]) -> Result<u32> {
    let mut gone = 0;
    for some in sleepers.chunks(CONNECTING_MAX) {
        let mut fds: Vec<_> = some.iter().map(|s| PollFd::new(s, PollFlags::RDHUP)).collect();
        poll(&mut fds, Some(&Timespec::default()))?;
        let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        gone += fds.iter().filter(|fd| fd.revents().intersects(ended)).count() as u32;
    }
    Ok(gone)
}

impl StalledVisit {
    fn empty(cell: &StalledCell, round: u32, place: u32) -> Self {
        Self {
            round,
            place,
            healthy: cell.healthy,
            stalled: if place == PLACES / 2 { cell.stalled } else { 0 },
            rate: cell.rate,
            payload: cell.payload,
            p99_ratio_at_most: cell.p99_ratio_at_most,
            void: Vec::new(),
            integrity: Integrity::default(),
            latency: None,
            gone: 0,
            unread_bytes: 0,
            idle: MemoryReading::default(),
            filled: MemoryReading::default(),
            wall_s: 0.0,
            server_cpu_s: 0.0,
            load_busy: 0.0,
        }
    }
}
