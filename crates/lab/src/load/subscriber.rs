//! One subscriber: a socket, the reader of its transport, and its ledger.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use super::Found;
use super::event::Sighting;
use super::ledger::Ledger;
use super::lines::write_all;
use super::poll::PollReader;
use super::sse::SseReader;
use super::window::Window;
use super::ws::{WsReader, pong, reply};
use crate::error::{LabError, Result};
use crate::machine::now_ns;
use crate::result::Transport;

/// What a subscriber reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A feed by one of the transports.
    Feed(Transport),
    /// Bytes of the raw loop, which only count.
    Raw,
}

#[derive(Debug)]
enum Reader {
    Poll(PollReader),
    Sse(SseReader),
    Websocket(WsReader),
    Raw,
}

/// One open stream or parked poll.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) stream: TcpStream,
    pub(super) ready: bool,
    pub(super) ledger: Ledger,
    reader: Reader,
    out: Vec<u8>,
    sightings: Vec<(Option<Sighting>, usize)>,
}

/// What all subscribers of a visit write into.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) namespace: String,
    /// Bytes of `data` in every event.
    pub(super) payload: usize,
    /// Open while a window is measured.
    pub(super) window: Option<Window>,
    /// Deliveries over all subscribers, or bytes of a raw visit.
    pub(super) received: u64,
    /// Bytes that the first subscriber read in this pass.
    pub(super) pass: Vec<u8>,
}

impl Subscriber {
    /// Connects and sends the request that opens the stream.
    pub(super) fn open(address: SocketAddr, kind: Kind, namespace: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).map_err(LabError::io("connect a subscriber"))?;
        stream.set_nodelay(true).map_err(LabError::io("prepare a subscriber"))?;
        let (reader, request) = opening(kind, namespace);
        write_all(&mut stream, &request)?;
        stream.set_nonblocking(true).map_err(LabError::io("prepare a subscriber"))?;
        let ready = kind == Kind::Raw;
        Ok(Self { stream, ready, ledger: Ledger::default(), reader, out: Vec::new(), sightings: Vec::new() })
    }

    /// Reads once from the socket and enters what came. `first` tells whether the bytes are kept for the raw loop.
    pub(super) fn read(&mut self, first: bool, buffer: &mut [u8], shared: &mut Shared) -> Result<()> {
        let bytes = match self.stream.read(buffer) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => 0,
        };
        let now_us = now_ns() / 1000;
        if bytes == 0 {
            self.ledger.end();
            return Ok(());
        }
        if first {
            shared.pass.extend_from_slice(&buffer[..bytes]);
        }
        if let Some(window) = &mut shared.window {
            window.read += bytes as u64;
        }
        self.take(&buffer[..bytes], now_us, shared)
    }

    fn take(&mut self, bytes: &[u8], now_us: u64, shared: &mut Shared) -> Result<()> {
        let Self { reader, ready, ledger, out, sightings, .. } = self;
        let window = &mut shared.window;
        let (mut ended, mut poll_due) = (false, false);
        let mut found = |found: Found<'_>| match found {
            Found::Head(bytes) => {
                if let Some(window) = window {
                    window.bytes.head_down += bytes as u64;
                }
            }
            Found::Ready => *ready = true,
            Found::Sync(_) | Found::Gap(_) => {}
            Found::Event(json) => sightings.push((Sighting::read(json), json.len())),
            Found::Answer(events) => {
                poll_due = true;
                if let Some(window) = window.as_mut().filter(|_| events > 0) {
                    window.answers += 1;
                }
            }
            Found::Reply(text) => out.extend_from_slice(&reply(text)),
            Found::Ping(payload) => out.extend_from_slice(&pong(payload)),
            Found::Ended => ended = true,
        };
        match reader {
            Reader::Poll(reader) => reader.feed(bytes, &mut found)?,
            Reader::Sse(reader) => reader.feed(bytes, &mut found)?,
            Reader::Websocket(reader) => reader.feed(bytes, &mut found)?,
            Reader::Raw => shared.received += bytes.len() as u64,
        }
        if ended {
            ledger.end();
        }
        self.enter(now_us, shared);
        self.answer(poll_due, shared)
    }

    fn enter(&mut self, now_us: u64, shared: &mut Shared) {
        for (sighting, event_bytes) in self.sightings.drain(..) {
            let fresh = self.ledger.enter(sighting.as_ref(), now_us);
            shared.received += u64::from(fresh);
            if let (Some(window), Some(sighting), true) = (&mut shared.window, sighting, fresh) {
                window.delivery(&sighting, now_us, event_bytes, shared.payload);
            }
        }
    }

    /// Sends what is due: pongs, the next poll.
    fn answer(&mut self, poll_due: bool, shared: &mut Shared) -> Result<()> {
        if let (true, Reader::Poll(reader)) = (poll_due, &self.reader) {
            reader.request(&mut self.out, &shared.namespace);
        }
        if self.out.is_empty() {
            return Ok(());
        }
        if let Some(window) = &mut shared.window {
            window.bytes.up += self.out.len() as u64;
        }
        let written = write_all(&mut self.stream, &self.out);
        self.out.clear();
        written
    }
}

/// The reader of a kind, and the request that opens its stream. They are as short as HTTP allows; what a browser adds
/// to them is named among the limits of the method.
fn opening(kind: Kind, namespace: &str) -> (Reader, Vec<u8>) {
    let get = |path: &str, headers: &str| {
        format!("GET /v1/feeds/{namespace}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n").into_bytes()
    };
    match kind {
        Kind::Raw => (Reader::Raw, Vec::new()),
        Kind::Feed(Transport::Poll) => {
            let (reader, mut request) = (PollReader::default(), Vec::new());
            reader.request(&mut request, namespace);
            (Reader::Poll(reader), request)
        }
        Kind::Feed(Transport::Sse) => {
            (Reader::Sse(SseReader::default()), get("sse", "Accept: text/event-stream\r\n"))
        }
        Kind::Feed(Transport::Websocket) => {
            let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJpY2FzdC1sYWItLS0tLQ==\r\n";
            (Reader::Websocket(WsReader::default()), get("ws", upgrade))
        }
    }
}
