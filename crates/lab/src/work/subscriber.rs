//! One subscriber: a connection that comes back when it breaks, the reader of its wire, and its ledger.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use memchr::memmem;
use serde::Deserialize;

use super::ledger::Ledger;
use super::target::{Resume, Target, room_name};
use crate::error::{LabError, Result};
use crate::load::{Found, pong, reply, text};
use crate::peers::wire::{Reader, Sighting, UPGRADE, Wire};
use crate::result::{Bytes, Latency, Transport};

/// The first pause before coming back, nanoseconds; it doubles, and chance takes up to half of it away.
const BACK_OFF_NS: u64 = 100_000_000;
const BACK_OFF_NS_MAX: u64 = 5_000_000_000;
/// Bytes of an unexpected answer that an error shows.
const SHOWN_BYTES: usize = 200;
/// Buffer and segments of a slow reader: as small as the kernel allows, and as on Ethernet.
const SLOW_BUFFER_BYTES: usize = 4096;
const SLOW_SEGMENT_BYTES: u32 = 1460;
/// The namespace of tricast's subscribers.
const NAMESPACE: &str = "default";

/// Who a subscriber is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) transport: Transport,
    /// The room that it is in, of so many; all of the events are its own where there are none.
    pub(super) room: u64,
    pub(super) rooms: u64,
    /// It reads no more than this, bytes a second.
    pub(super) slow: Option<u32>,
}

/// What all subscribers of a visit write into.
pub(super) struct Shared<'a> {
    pub(super) target: &'a Target,
    pub(super) payload: usize,
    /// When each event's request left, by number, microseconds.
    pub(super) sent_us: Vec<u64>,
    /// Open while the window is measured: the intended time of its first event.
    pub(super) from_us: Option<u64>,
    pub(super) latency: Latency,
    pub(super) since_sent: Latency,
    pub(super) reconnect: Latency,
    pub(super) catch_up: Latency,
    /// Deliveries to subscribers that are not slow, by slice of time.
    pub(super) samples: Vec<(u64, u64)>,
    pub(super) deliveries: u64,
    pub(super) answers: u64,
    pub(super) bytes: Bytes,
    pub(super) read_bytes: u64,
    pub(super) silence_us: u64,
    pub(super) breaks: u64,
    pub(super) attempts: u64,
    pub(super) made_up: u64,
    pub(super) chance: fastrand::Rng,
    /// Why the first connection broke that was not meant to.
    pub(super) fault: Option<String>,
}

/// A break that is not overcome yet.
#[derive(Debug, Clone, Copy)]
struct Break {
    at_us: u64,
    /// What it has to have to be caught up; known once the stream stands again.
    owed: Option<u64>,
}

/// One subscriber.
pub(super) struct Subscriber {
    pub(super) who: Identity,
    pub(super) line: Option<TcpStream>,
    pub(super) ready: bool,
    pub(super) ledger: Ledger,
    /// When it tries again, where it has no connection.
    pub(super) retry_at_ns: u64,
    wire: Wire,
    reader: Reader,
    attempts: u32,
    session: String,
    cursor: Vec<u8>,
    broke: Option<Break>,
    /// Up to here it had been away, microseconds: what is older has been made up for.
    stood_at_us: u64,
    received_at_us: u64,
    out: Vec<u8>,
    seen: Vec<(Option<Sighting>, usize)>,
}

#[derive(Deserialize)]
struct Sync<'a> {
    session: &'a str,
    cursor: Option<&'a str>,
}

#[derive(Deserialize)]
struct Gap {
    from: u64,
    to: u64,
}

impl Subscriber {
    pub(super) fn new(target: &Target, who: Identity) -> Result<Self> {
        let missing = || LabError::Server(format!("{} has no {}", target.name, who.transport.key()));
        let wire = target.wire(who.transport).ok_or_else(missing)?;
        Ok(Self {
            who,
            line: None,
            ready: false,
            ledger: Ledger::default(),
            retry_at_ns: 0,
            reader: wire.reader(),
            wire,
            attempts: 0,
            session: String::new(),
            cursor: Vec::new(),
            broke: None,
            stood_at_us: 0,
            received_at_us: 0,
            out: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// How many of so many published events are its own.
    pub(super) fn due(&self, published: u64) -> u64 {
        match self.who.rooms {
            0 => published,
            rooms => {
                (published + rooms).saturating_sub(if self.who.room == 0 { rooms } else { self.who.room })
                    / rooms
            }
        }
    }

    /// The place of an event among its own, from 1; none where it is not for this subscriber.
    fn place(&self, number: u64) -> Option<u64> {
        match self.who.rooms {
            0 => Some(number),
            rooms => (number % rooms == self.who.room).then(|| {
                let first = if self.who.room == 0 { rooms } else { self.who.room };
                (number - first) / rooms + 1
            }),
        }
    }

    /// Whether its stream tells that it stands.
    pub(super) fn tells_standing(&self) -> bool {
        self.wire.tells_standing()
    }

    /// What came before, and what did not, counts for nothing: it may have been published before the stream stood.
    pub(super) fn begin_here(&mut self) {
        self.ready = true;
        self.ledger.begin_here();
    }

    /// Connects, and sends what opens the stream. A refusal is a break like any other.
    pub(super) fn open(&mut self, address: SocketAddr, now_ns: u64, shared: &mut Shared<'_>) {
        if self.broke.is_some() {
            shared.attempts += 1;
        }
        let connected = if self.who.slow.is_some() { narrow(address) } else { TcpStream::connect(address) };
        let opened = connected.and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        let Ok(stream) = opened else { return self.back_off(now_ns, shared) };
        self.line = Some(stream);
        self.out = self.opening(shared.target);
        self.flush(now_ns, shared);
    }

    fn opening(&mut self, target: &Target) -> Vec<u8> {
        let mut out = Vec::new();
        let rooms = (self.who.rooms > 0).then(|| format!("&rooms={}", room_name(self.who.room)));
        match &mut self.reader {
            Reader::Tricast(reader) => {
                reader.restart();
                reader.request_now(&mut out, NAMESPACE, &rooms.unwrap_or_default());
                return out;
            }
            Reader::Sse(..) | Reader::Websocket(_) => self.reader = self.wire.reader(),
            _ => {}
        }
        let parts = match self.who.transport {
            Transport::Sse => target.sse.as_ref().map(|sse| (&sse.path, sse.resume, &sse.headers)),
            Transport::Websocket => {
                target.websocket.as_ref().map(|socket| (&socket.path, socket.resume, &socket.headers))
            }
            Transport::Poll => None,
        };
        let Some((path, resume, lines)) = parts else {
            self.wire.request(&self.reader, &mut out);
            return out;
        };
        let mut query: Vec<String> = rooms.into_iter().map(|rooms| rooms[1..].to_owned()).collect();
        let cursor = String::from_utf8_lossy(&self.cursor).into_owned();
        let mut headers: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        match resume {
            Resume::Query if !cursor.is_empty() => {
                query.extend([format!("after={cursor}"), format!("session={}", self.session)]);
            }
            Resume::LastEventId if !cursor.is_empty() => {
                headers.push_str(&format!("Last-Event-ID: {cursor}\r\n"));
            }
            _ => {}
        }
        let mark = if query.is_empty() {
            ""
        } else if path.contains('?') {
            "&"
        } else {
            "?"
        };
        let upgrade = if self.who.transport == Transport::Websocket {
            UPGRADE
        } else {
            "Accept: text/event-stream\r\n"
        };
        let request = format!(
            "GET {path}{mark}{} HTTP/1.1\r\nHost: 127.0.0.1\r\n{upgrade}{headers}\r\n",
            query.join("&")
        );
        out.extend_from_slice(request.as_bytes());
        if let (Transport::Websocket, Some(websocket)) = (self.who.transport, &target.websocket) {
            websocket.first.iter().for_each(|message| text(&mut out, message.as_bytes()));
        }
        out
    }

    /// Its connection is gone: it comes back later.
    fn back_off(&mut self, now_ns: u64, shared: &mut Shared<'_>) {
        self.line = None;
        self.ready = false;
        let longest = BACK_OFF_NS.saturating_mul(1 << self.attempts.min(20)).min(BACK_OFF_NS_MAX);
        self.retry_at_ns = now_ns + longest / 2 + shared.chance.u64(0..=longest / 2);
        self.attempts += 1;
    }

    fn broken(&mut self, now_ns: u64, why: &str, shared: &mut Shared<'_>) {
        if self.ready {
            shared.breaks += 1;
            self.broke = Some(Break { at_us: now_ns / 1000, owed: None });
        }
        shared.fault.get_or_insert_with(|| format!("{}: {why}", self.who.transport.key()));
        self.back_off(now_ns, shared);
    }

    /// Reads once from the socket and enters what came; `published` events have been sent so far.
    pub(super) fn read(&mut self, now_ns: u64, published: u64, buffer: &mut [u8], shared: &mut Shared<'_>) {
        let Some(line) = &mut self.line else { return };
        let bytes = match line.read(buffer) {
            Ok(0) => return self.broken(now_ns, "the server closed the connection", shared),
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(error) => return self.broken(now_ns, &error.to_string(), shared),
        };
        if shared.from_us.is_some() && self.who.slow.is_none() {
            shared.read_bytes += bytes as u64;
        }
        let bytes = &buffer[..bytes];
        match self.take(bytes, now_ns / 1000, published, shared) {
            Ok(None) => self.flush(now_ns, shared),
            Ok(Some(why)) => self.broken(now_ns, why, shared),
            Err(error) => {
                let shown = bytes[..bytes.len().min(SHOWN_BYTES)].escape_ascii();
                self.broken(now_ns, &format!("{error}; it sent \"{shown}\""), shared);
            }
        }
    }

    /// Finds what is in the bytes; why the stream ended, if it did.
    fn take(
        &mut self,
        bytes: &[u8],
        now_us: u64,
        published: u64,
        shared: &mut Shared<'_>,
    ) -> Result<Option<&'static str>> {
        let Self { wire, reader, out, seen, session, cursor, ledger, .. } = self;
        let (mut ended, mut poll_due, mut stands) = (false, false, false);
        let counts = shared.from_us.is_some() && self.who.slow.is_none();
        wire.feed(reader, bytes, &mut |found| match found {
            Found::Head(bytes) => shared.bytes.head_down += if counts { bytes as u64 } else { 0 },
            Found::Ready => stands = true,
            Found::Sync(json) => {
                if let Ok(sync) = serde_json::from_slice::<Sync<'_>>(json) {
                    sync.session.clone_into(session);
                    sync.cursor.unwrap_or_default().as_bytes().clone_into(cursor);
                }
            }
            Found::Gap(json) => {
                if let Ok(gap) = serde_json::from_slice::<Gap>(json) {
                    ledger.told_lost += (gap.to + 1).saturating_sub(gap.from);
                }
            }
            Found::Event(event) => {
                if let Some(id) = id(event) {
                    id.clone_into(cursor);
                }
                let sighting = Sighting::read(event);
                if sighting.is_none() && !shared.target.strangers {
                    let shown = event[..event.len().min(SHOWN_BYTES)].escape_ascii();
                    let told = || format!("an event that is none of the laboratory's: \"{shown}\"");
                    shared.fault.get_or_insert_with(told);
                }
                seen.push((sighting, event.len()));
            }
            Found::Answer(events) => {
                poll_due = true;
                stands = true;
                shared.answers += u64::from(counts && events > 0);
            }
            Found::Reply(words) => out.extend_from_slice(&reply(words)),
            Found::Ping(payload) => out.extend_from_slice(&pong(payload)),
            Found::Ended => ended = true,
        })?;
        if let Reader::Sse(reader, _) = reader
            && !reader.last_id().is_empty()
        {
            reader.last_id().clone_into(cursor);
        }
        if stands && !self.ready {
            self.stand(now_us, published, shared);
        }
        self.enter(now_us, shared);
        if poll_due && !ended {
            self.wire.request(&self.reader, &mut self.out);
        }
        Ok(ended.then_some("the server ended the stream"))
    }

    fn stand(&mut self, now_us: u64, published: u64, shared: &mut Shared<'_>) {
        self.ready = true;
        self.attempts = 0;
        self.received_at_us = now_us;
        let owed = self.due(published);
        if let Some(broke) = &mut self.broke {
            shared.reconnect.record(now_us - broke.at_us);
            broke.owed = Some(owed);
            self.stood_at_us = now_us;
        }
        self.caught_up(now_us, shared);
    }

    /// Notes when everything that was missed is here.
    fn caught_up(&mut self, now_us: u64, shared: &mut Shared<'_>) {
        if let Some(Break { at_us, owed: Some(owed) }) = self.broke
            && self.ledger.last() >= owed
        {
            shared.catch_up.record(now_us - at_us);
            self.broke = None;
        }
    }

    fn enter(&mut self, now_us: u64, shared: &mut Shared<'_>) {
        let seen = std::mem::take(&mut self.seen);
        for (sighting, bytes) in &seen {
            let placed = sighting.and_then(|seen| Some((self.place(seen.number)?, seen)));
            let Some((place, seen)) = placed else {
                if !shared.target.strangers {
                    self.ledger.stranger();
                }
                continue;
            };
            let is_fresh = self.ledger.enter(place, seen.intended_us, now_us);
            if is_fresh {
                shared.made_up += u64::from(seen.intended_us < self.stood_at_us);
                if self.who.slow.is_none() {
                    shared.delivery(seen, now_us, *bytes, self.received_at_us);
                }
                self.received_at_us = now_us;
            }
        }
        self.seen = seen;
        self.seen.clear();
        self.caught_up(now_us, shared);
    }

    /// Sends what waits.
    pub(super) fn send(&mut self, bytes: &[u8], now_ns: u64, shared: &mut Shared<'_>) {
        self.out.extend_from_slice(bytes);
        self.flush(now_ns, shared);
    }

    pub(super) fn has_to_write(&self) -> bool {
        !self.out.is_empty() && self.line.is_some()
    }

    /// Whether it has to be looked after: it has no connection, or something to write.
    pub(super) fn waits(&self) -> bool {
        self.line.is_none() || !self.out.is_empty()
    }

    pub(super) fn flush(&mut self, now_ns: u64, shared: &mut Shared<'_>) {
        let Some(line) = &mut self.line else { return };
        if self.out.is_empty() {
            return;
        }
        match line.write(&self.out) {
            Ok(written) => {
                if shared.from_us.is_some() && self.who.slow.is_none() {
                    shared.bytes.up += written as u64;
                }
                self.out.drain(..written);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => self.broken(now_ns, &error.to_string(), shared),
        }
    }
}

/// Connects with as little as possible between a slow reader and the server: otherwise the kernels on both sides, which keep
/// megabytes on loopback, would read ahead for it.
fn narrow(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
    socket.set_tcp_mss(SLOW_SEGMENT_BYTES)?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// The id at the start of tricast's events.
fn id(event: &[u8]) -> Option<&[u8]> {
    let rest = event.strip_prefix(b"{\"id\":\"")?;
    rest.get(..memmem::find(rest, b"\"")?)
}

impl Shared<'_> {
    /// Enters a delivery of the window.
    fn delivery(&mut self, seen: Sighting, now_us: u64, bytes: usize, received_at_us: u64) {
        let Some(from_us) = self.from_us.filter(|from_us| seen.intended_us >= *from_us) else { return };
        let us = now_us.saturating_sub(seen.intended_us);
        self.latency.record(us);
        let sent = self.sent_us.get(seen.number as usize).copied().unwrap_or(seen.intended_us);
        self.since_sent.record(now_us.saturating_sub(sent));
        self.silence_us = self.silence_us.max(us.min(now_us.saturating_sub(received_at_us)));
        self.deliveries += 1;
        self.bytes.payload += self.payload as u64;
        self.bytes.envelope += bytes.saturating_sub(self.payload) as u64;
        self.samples.push((seen.intended_us - from_us, us));
    }
}
