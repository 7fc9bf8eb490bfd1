//! One member of a crowd: a socket that never blocks, the reader of its transport, and its ledger.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

use super::seat::{Numbering, Seat};
use super::window::Window;
use crate::error::{LabError, Result};
use crate::load::{Found, Ledger, PollReader, Sighting, SseReader, WsReader, pong, reply};
use crate::machine::now_ns;
use crate::result::{Integrity, Transport};

#[derive(Debug)]
enum Reader {
    Poll(PollReader),
    Sse(SseReader),
    Websocket(WsReader),
}

/// One open stream or parked poll.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) stream: TcpStream,
    /// The stream stands.
    pub(super) ready: bool,
    /// Bytes wait to be written.
    pub(super) pending: bool,
    /// Why the stream ended, where that was no plain end.
    pub(super) fault: Option<String>,
    seat: Seat,
    ledger: Ledger,
    reader: Reader,
    out: Vec<u8>,
    sightings: Vec<Option<Sighting>>,
}

/// What all members write into.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Open while a window is measured.
    pub(super) window: Option<Window>,
    /// Deliveries to members that were there from the start.
    pub(super) received: u64,
}

/// Sizes of a socket that make it small, so that a reader who does not read is soon full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrow {
    pub(super) receive_bytes: usize,
    /// Segment size as on a wire: on loopback it is 64 KiB, and the sender's buffer grows with it.
    pub(super) segment_bytes: u32,
}

/// Opens a socket from a seat's own address and begins to connect. On loopback that is done at once.
pub(super) fn connect(server: SocketAddr, seat: &Seat, narrow: Option<Narrow>) -> Result<TcpStream> {
    let prepared = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(narrow) = narrow {
            socket.set_recv_buffer_size(narrow.receive_bytes)?;
            socket.set_tcp_mss(narrow.segment_bytes)?;
        }
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&seat.source.into())?;
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                Err(error)
            }
            _ => Ok(socket.into()),
        }
    };
    prepared().map_err(LabError::io(format!("connect a subscriber from {}", seat.source.ip())))
}

/// The request that opens a seat's stream.
pub(super) fn request(seat: &Seat) -> Vec<u8> {
    let rooms = seat.room.as_ref().map(|room| format!("rooms={room}"));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJpY2FzdC1sYWItLS0tLQ==\r\n";
    let (path, headers, wait) = match seat.transport {
        // The first answer is wanted at once: it tells session and cursor, and the session keeps the rooms.
        Transport::Poll => ("poll", "", Some("wait=0".to_owned())),
        Transport::Sse => ("sse", "Accept: text/event-stream\r\n", None),
        Transport::Websocket => ("ws", upgrade, None),
    };
    let query: Vec<String> = wait.into_iter().chain(rooms).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!(
        "GET /v1/feeds/{}/{path}{mark}{} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n",
        seat.namespace,
        query.join("&")
    )
    .into_bytes()
}

impl Member {
    /// Connects and sends the request that opens the stream, as far as the socket takes it.
    pub(super) fn open(server: SocketAddr, seat: Seat) -> Result<Self> {
        let reader = match seat.transport {
            Transport::Poll => Reader::Poll(PollReader::default()),
            Transport::Sse => Reader::Sse(SseReader::default()),
            Transport::Websocket => Reader::Websocket(WsReader::default()),
        };
        let mut member = Self {
            stream: connect(server, &seat, None)?,
            ready: false,
            pending: false,
            fault: None,
            out: request(&seat),
            seat,
            ledger: Ledger::default(),
            reader,
            sightings: Vec::new(),
        };
        member.flush();
        Ok(member)
    }

    /// Whether the stream ended.
    pub(super) fn ended(&self) -> bool {
        self.ledger.ended()
    }

    /// Whether it was there from the start, so that all that is published for it counts.
    pub(super) fn stays(&self) -> bool {
        !matches!(self.seat.numbering, Numbering::FromFirstSeen(_))
    }

    /// Reads once from the socket and enters what came.
    pub(super) fn read(&mut self, buffer: &mut [u8], shared: &mut Shared) {
        let bytes = match self.stream.read(buffer) {
            Ok(0) => return self.end("the server closed the connection"),
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return,
            Err(error) => return self.end(&error.to_string()),
        };
        let now_us = now_ns() / 1000;
        match self.take(&buffer[..bytes]) {
            Ok(poll_due) => {
                self.enter(now_us, shared);
                self.answer(poll_due);
            }
            Err(error) => self.end(&error.to_string()),
        }
    }

    fn end(&mut self, why: &str) {
        self.ledger.end();
        self.fault.get_or_insert_with(|| format!("{}: {why}", self.seat.transport.key()));
    }

    /// Finds events in the bytes; whether the next poll is due.
    fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        let Self { reader, ready, out, sightings, .. } = self;
        let (mut ended, mut poll_due) = (false, false);
        let mut found = |found: Found<'_>| match found {
            Found::Head(_) => {}
            Found::Ready => *ready = true,
            Found::Sync(_) | Found::Gap(_) => {}
            Found::Event(json) => sightings.push(Sighting::read(json)),
            Found::Answer(_) => poll_due = true,
            Found::Reply(text) => out.extend_from_slice(&reply(text)),
            Found::Ping(payload) => out.extend_from_slice(&pong(payload)),
            Found::Ended => ended = true,
        };
        match reader {
            Reader::Poll(reader) => reader.feed(bytes, &mut found)?,
            Reader::Sse(reader) => reader.feed(bytes, &mut found)?,
            Reader::Websocket(reader) => reader.feed(bytes, &mut found)?,
        }
        if ended {
            self.end("the server ended the stream");
        }
        Ok(poll_due)
    }

    fn enter(&mut self, now_us: u64, shared: &mut Shared) {
        let stays = self.stays();
        for sighting in self.sightings.drain(..) {
            let placed = sighting.and_then(|sighting| {
                let offset = self.seat.numbering.place(sighting.offset)?;
                Some(Sighting { offset, ..sighting })
            });
            let fresh = self.ledger.enter(placed.as_ref(), now_us);
            let (Some(sighting), true, true) = (sighting, fresh, stays) else { continue };
            shared.received += 1;
            if let Some(window) = &mut shared.window {
                window.delivery(self.seat.transport, sighting.offset, sighting.intended_us, now_us);
            }
        }
    }

    fn answer(&mut self, poll_due: bool) {
        if let (true, Reader::Poll(reader)) = (poll_due, &self.reader) {
            reader.request(&mut self.out, &self.seat.namespace);
        }
        self.flush();
    }

    /// Writes what is due, as far as the socket takes it.
    pub(super) fn flush(&mut self) {
        let mut written = 0;
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => {
                    self.end(&error.to_string());
                    written = self.out.len();
                }
            }
        }
        self.out.drain(..written);
        self.pending = !self.out.is_empty();
    }

    /// What came against what was to come, when the last offset of its namespace is `last`.
    pub(super) fn account(&self, last: u64) -> Integrity {
        let due = self.seat.numbering.due(last);
        let mut account =
            Integrity { published: due.unwrap_or_else(|| self.ledger.last()), ..Integrity::default() };
        self.ledger.add_to(&mut account);
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_rooms_and_nothing_else() {
        let line = |transport, room: Option<&str>| {
            let plain = Seat::plain(0, &[transport]);
            let text = String::from_utf8(request(&Seat { room: room.map(str::to_owned), ..plain })).unwrap();
            assert!(text.ends_with("\r\n\r\n"));
            text.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(line(Transport::Poll, None), "GET /v1/feeds/lab-crowd/poll?wait=0 HTTP/1.1");
        assert_eq!(line(Transport::Poll, Some("a")), "GET /v1/feeds/lab-crowd/poll?wait=0&rooms=a HTTP/1.1");
        assert_eq!(line(Transport::Sse, None), "GET /v1/feeds/lab-crowd/sse HTTP/1.1");
        assert_eq!(line(Transport::Websocket, Some("a")), "GET /v1/feeds/lab-crowd/ws?rooms=a HTTP/1.1");
    }
}
