//! One subscriber of one transport, over HTTP/1.1 or as a stream of an HTTP/2 connection. The parsers are the load's;
//! an HTTP/2 answer is shown to them with the head that HTTP/1.1 would have had.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::NAMESPACE;
use super::wire::Line;
use crate::error::{LabError, Result};
use crate::load::{Found, Ledger, PollReader, Sighting, SseReader, WsReader, pong};
use crate::machine::now_ns;
use crate::result::{Latency, Transport};

const READ_BYTES: usize = 32 << 10;
/// Of an HTTP/2 answer's body at most.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What all subscribers of a visit write into.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Streams that stand.
    pub(crate) ready: u32,
    /// Events that came, each once a subscriber.
    pub(crate) received: u64,
    /// Events that were intended for this time and later are recorded, microseconds; none are while it is absent.
    pub(crate) from_us: Option<u64>,
    pub(crate) latency: Latency,
    pub(crate) deliveries: u64,
    /// Bytes of the recorded events' JSON.
    pub(crate) event_bytes: u64,
    pub(crate) ledgers: Vec<Ledger>,
    /// What ended a subscriber.
    pub(crate) faults: Vec<String>,
}

pub(crate) type Shared = Rc<RefCell<Notes>>;

/// A subscriber's place among the notes.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    notes: Shared,
    index: usize,
}

impl Desk {
    pub(crate) fn new(notes: &Shared) -> Self {
        let mut all = notes.borrow_mut();
        all.ledgers.push(Ledger::default());
        Self { notes: Rc::clone(notes), index: all.ledgers.len() - 1 }
    }

    fn event(&self, json: &[u8]) {
        let now_us = now_ns() / 1000;
        let sighting = Sighting::read(json);
        let mut notes = self.notes.borrow_mut();
        let fresh = notes.ledgers[self.index].enter(sighting.as_ref(), now_us);
        notes.received += u64::from(fresh);
        let Some(sighting) = sighting.filter(|_| fresh) else { return };
        if notes.from_us.is_some_and(|from| sighting.intended_us >= from) {
            notes.latency.record(now_us.saturating_sub(sighting.intended_us));
            notes.deliveries += 1;
            notes.event_bytes += json.len() as u64;
        }
    }

    fn ready(&self) {
        self.notes.borrow_mut().ready += 1;
    }

    /// Notes how a subscriber ended, which none should.
    pub(crate) fn end(&self, how: &Result<()>) {
        let mut notes = self.notes.borrow_mut();
        notes.ledgers[self.index].end();
        let why = how.as_ref().err().map_or_else(|| "a stream ended".to_owned(), ToString::to_string);
        notes.faults.push(why);
    }
}

#[derive(Debug)]
enum Reader {
    Poll(PollReader),
    Sse(SseReader),
    Websocket(WsReader),
}

impl Reader {
    fn of(transport: Transport) -> Self {
        match transport {
            Transport::Poll => Self::Poll(PollReader::default()),
            Transport::Sse => Self::Sse(SseReader::default()),
            Transport::Websocket => Self::Websocket(WsReader::default()),
        }
    }

    /// Takes bytes of HTTP/1.1; what is due is appended to `out`. Whether the stream ended.
    fn feed(&mut self, bytes: &[u8], desk: &Desk, out: &mut Vec<u8>) -> Result<bool> {
        let (mut ended, mut due) = (false, false);
        let mut found = |found: Found<'_>| match found {
            Found::Ready => desk.ready(),
            Found::Event(json) => desk.event(json),
            Found::Answer(_) => due = true,
            Found::Ping(payload) => out.extend_from_slice(&pong(payload)),
            Found::Ended => ended = true,
            Found::Head(_) | Found::Reply(_) | Found::Sync(_) | Found::Gap(_) => {}
        };
        match self {
            Self::Poll(reader) => reader.feed(bytes, &mut found)?,
            Self::Sse(reader) => reader.feed(bytes, &mut found)?,
            Self::Websocket(reader) => reader.feed(bytes, &mut found)?,
        }
        if let (true, Self::Poll(reader)) = (due, &*self) {
            reader.request(out, NAMESPACE);
        }
        Ok(ended)
    }
}

/// The request that opens a stream, or the first poll.
fn request(transport: Transport) -> Vec<u8> {
    let get = |path: &str, more: &str| {
        format!("GET /v1/feeds/{NAMESPACE}/{path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into_bytes()
    };
    match transport {
        Transport::Poll => get("poll?wait=0", ""),
        Transport::Sse => get("sse", "Accept: text/event-stream\r\n"),
        Transport::Websocket => get(
            "ws",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJpY2FzdC1sYWItLS0tLQ==\r\n",
        ),
    }
}

/// Follows a feed over HTTP/1.1 until the connection ends.
pub(crate) async fn over_h1(mut line: Line, transport: Transport, desk: &Desk) -> Result<()> {
    let mut reader = Reader::of(transport);
    let mut out = request(transport);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        if !out.is_empty() {
            line.write_all(&out).await.map_err(LabError::io("write a request"))?;
            line.flush().await.map_err(LabError::io("write a request"))?;
            out.clear();
        }
        let bytes = line.read(&mut buffer).await.map_err(LabError::io("read a stream"))?;
        if bytes == 0 || reader.feed(&buffer[..bytes], desk, &mut out)? {
            return Ok(());
        }
    }
}

/// Follows a feed as a stream of an HTTP/2 connection until it ends; each poll is a stream of its own.
pub(super) async fn over_h2(connection: SendRequest<Bytes>, transport: Transport, desk: &Desk) -> Result<()> {
    let mut reader = Reader::of(transport);
    let mut next = request(transport);
    loop {
        let mut body = send(&connection, &next).await?;
        next.clear();
        if transport == Transport::Sse {
            reader.feed(b"HTTP/1.1 200 OK\r\n\r\n", desk, &mut next)?;
            while let Some(piece) = read(&mut body).await? {
                if reader.feed(&piece, desk, &mut next)? {
                    return Ok(());
                }
            }
            return Ok(());
        }
        let mut whole = Vec::new();
        while let Some(piece) = read(&mut body).await? {
            whole.extend_from_slice(&piece);
            if whole.len() > ANSWER_BYTES_MAX {
                return Err(LabError::Protocol("an answer without end".to_owned()));
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
        reader.feed(head.as_bytes(), desk, &mut next)?;
        reader.feed(&whole, desk, &mut next)?;
    }
}

fn wrong(what: &str) -> impl Fn(h2::Error) -> LabError {
    move |error| LabError::Protocol(format!("HTTP/2, {what}: {error}"))
}

/// Sends what an HTTP/1.1 request asks for, and gives the answer's body once its head is there.
async fn send(connection: &SendRequest<Bytes>, asked: &[u8]) -> Result<h2::RecvStream> {
    let text = String::from_utf8_lossy(asked);
    let path = text.split(' ').nth(1).unwrap_or("/");
    let uri = format!("https://localhost{path}");
    let request = http::Request::get(uri).body(()).map_err(|e| LabError::Protocol(e.to_string()))?;
    let mut ready = connection.clone().ready().await.map_err(wrong("connection"))?;
    let (answer, _) = ready.send_request(request, true).map_err(wrong("request"))?;
    let answer = answer.await.map_err(wrong("answer"))?;
    match answer.status() {
        http::StatusCode::OK => Ok(answer.into_body()),
        other => Err(LabError::Protocol(format!("HTTP/2 answered with status {other}"))),
    }
}

async fn read(body: &mut h2::RecvStream) -> Result<Option<Bytes>> {
    let Some(piece) = body.data().await else { return Ok(None) };
    let piece = piece.map_err(wrong("body"))?;
    body.flow_control().release_capacity(piece.len()).map_err(wrong("window"))?;
    Ok(Some(piece))
}
