//! One subscriber at a raw socket, through a proxy or beside it, that waits with patience and comes back with its cursor.
//! It is not the load: it reads one connection, sleeps while it waits, and tells how a connection ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use httparse::{EMPTY_HEADER, Response, Status};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{LabError, Result};
use crate::load::{AnswerReader, Found, Sighting, SseReader, WsReader, pong};
use crate::machine::now_ns;
use crate::result::Transport;

const CONNECT_MAX: Duration = Duration::from_secs(2);
const WRITE_MAX: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 64 << 10;
const HEADERS_MAX: usize = 48;
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most events that a poll asks for.
const POLL_EVENTS_MAX: u32 = 10_000;
const SWITCHING: u16 = 101;
const OK: u16 = 200;

/// Where a subscriber goes and what it asks for.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) address: SocketAddr,
    pub(super) namespace: String,
    pub(super) transport: Transport,
    /// The wait of a poll, seconds.
    pub(super) wait_s: u32,
    /// Whether it says that it takes compressed answers.
    pub(super) gzip: bool,
}

/// What a subscriber saw.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// The stream stands.
    Ready,
    /// An event, at this time, microseconds of the monotonic clock.
    Event(Sighting, u64),
}

/// How one wait for bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something came.
    Read,
    /// Nothing came in time.
    Quiet,
    /// The connection, or its stream, ended.
    Ended,
    /// Another status than the transport's came.
    Refused(u16),
}

#[derive(Debug)]
enum Reader {
    Poll(AnswerReader),
    Sse(SseReader),
    Websocket(WsReader),
}

/// What outlives a connection: where to go on.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    cursor: Option<String>,
    session: Option<String>,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Client {
    route: Route,
    pub(super) place: Place,
    pub(super) stream: TcpStream,
    reader: Reader,
    /// The first bytes, while they do not make a head yet.
    head: Option<Vec<u8>>,
    /// How the first answer was compressed.
    pub(super) encoding: Option<String>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    sync: Option<Sync<'a>>,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    cursor: &'a str,
}

#[derive(Deserialize)]
struct Sync<'a> {
    session: &'a str,
}

impl Client {
    /// Connects and asks for everything after a place, or for the whole history where there is none.
    pub(super) fn open(route: &Route, place: Place) -> Result<Self> {
        let mut client = Self {
            stream: connect(route.address)?,
            reader: match route.transport {
                Transport::Poll => Reader::Poll(AnswerReader::default()),
                Transport::Sse => Reader::Sse(SseReader::default()),
                Transport::Websocket => Reader::Websocket(WsReader::default()),
            },
            route: route.clone(),
            place,
            head: Some(Vec::new()),
            encoding: None,
        };
        client.ask()?;
        Ok(client)
    }

    /// Sends the request that opens the stream, or the next poll.
    fn ask(&mut self) -> Result<()> {
        let Route { namespace, transport, gzip, wait_s, .. } = &self.route;
        let after = self.place.cursor.as_deref().unwrap_or("earliest");
        let (path, extra) = match transport {
            Transport::Sse => (format!("sse?after={after}"), "Accept: text/event-stream\r\n"),
            Transport::Websocket => (
                format!("ws?after={after}"),
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJpY2FzdC1sYWItLS0tLQ==\r\n",
            ),
            Transport::Poll => match &self.place.session {
                None => (format!("poll?wait=0&after={after}"), ""),
                Some(session) => {
                    (format!("poll?wait={wait_s}&max={POLL_EVENTS_MAX}&session={session}&after={after}"), "")
                }
            },
        };
        let gzip = if *gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = format!(
            "GET /v1/feeds/{namespace}/{path} HTTP/1.1\r\nHost: {}\r\n{extra}{gzip}\r\n",
            self.route.address
        );
        self.stream.write_all(request.as_bytes()).map_err(LabError::io("write a request"))
    }

    /// Waits for bytes until a time at most, and tells what they hold.
    pub(super) fn turn(&mut self, until: Instant, seen: &mut impl FnMut(Seen)) -> Turn {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut buffer = [0; READ_BYTES];
        let set = self.stream.set_read_timeout(Some(left));
        match set.and_then(|()| self.stream.read(&mut buffer)) {
            Ok(0) => Turn::Ended,
            Ok(bytes) => self.take(&buffer[..bytes], seen).unwrap_or(Turn::Ended),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Turn::Quiet,
            Err(error) if error.kind() == ErrorKind::Interrupted => Turn::Read,
            Err(_) => Turn::Ended,
        }
    }

    fn take(&mut self, bytes: &[u8], seen: &mut impl FnMut(Seen)) -> Result<Turn> {
        let Some(head) = &mut self.head else { return self.feed(bytes, seen) };
        head.extend_from_slice(bytes);
        let Some((status, encoding)) = status(head)? else { return Ok(Turn::Read) };
        self.encoding = encoding;
        let first = self.head.take().unwrap_or_default();
        let wanted = if self.route.transport == Transport::Websocket { SWITCHING } else { OK };
        if status != wanted {
            return Ok(Turn::Refused(status));
        }
        if self.encoding.is_some() {
            return Ok(Turn::Read);
        }
        self.feed(&first, seen)
    }

    fn feed(&mut self, bytes: &[u8], seen: &mut impl FnMut(Seen)) -> Result<Turn> {
        let at_us = now_ns() / 1000;
        let (mut ended, mut pings) = (false, Vec::new());
        let cursor = &mut self.place.cursor;
        let mut found = |found: Found<'_>| match found {
            Found::Ready => seen(Seen::Ready),
            Found::Event(json) => {
                if let Some(sighting) = Sighting::read(json) {
                    *cursor = Some(cursor_of(&sighting));
                    seen(Seen::Event(sighting, at_us));
                }
            }
            Found::Ping(payload) => pings.extend_from_slice(&pong(payload)),
            Found::Ended => ended = true,
            Found::Head(_) | Found::Answer(_) | Found::Reply(_) | Found::Sync(_) | Found::Gap(_) => {}
        };
        match &mut self.reader {
            Reader::Sse(reader) => reader.feed(bytes, &mut found)?,
            Reader::Websocket(reader) => reader.feed(bytes, &mut found)?,
            Reader::Poll(_) => return self.feed_poll(bytes, at_us, seen),
        }
        self.stream.write_all(&pings).map_err(LabError::io("write a pong"))?;
        Ok(if ended { Turn::Ended } else { Turn::Read })
    }

    fn feed_poll(&mut self, bytes: &[u8], at_us: u64, seen: &mut impl FnMut(Seen)) -> Result<Turn> {
        let Reader::Poll(reader) = &mut self.reader else { return Ok(Turn::Read) };
        let place = &mut self.place;
        let (mut whole, mut refused) = (false, None);
        let answered = |status: u16, body: &[u8]| {
            if status != OK {
                refused = Some(status);
                return Ok(());
            }
            whole = true;
            enter(body, place, at_us, seen)
        };
        reader.feed(bytes, |_| (), answered)?;
        if let Some(status) = refused {
            return Ok(Turn::Refused(status));
        }
        if whole && reader.closes {
            // An answer that ends its connection is a whole one: HTTP allows it, and the next poll opens another.
            self.stream = connect(self.route.address)?;
            self.reader = Reader::Poll(AnswerReader::default());
        }
        if whole {
            self.ask()?;
        }
        Ok(Turn::Read)
    }

    /// Reads until the stream stands; how it ended where it does not.
    pub(super) fn stand(&mut self, until: Instant) -> std::result::Result<(), Turn> {
        let mut ready = false;
        loop {
            let turn = self.turn(until, &mut |seen| ready |= matches!(seen, Seen::Ready));
            match turn {
                _ if ready => return Ok(()),
                Turn::Read if Instant::now() < until => {}
                Turn::Read => return Err(Turn::Quiet),
                other => return Err(other),
            }
        }
    }
}

/// Enters a poll's answer.
fn enter(body: &[u8], place: &mut Place, at_us: u64, seen: &mut impl FnMut(Seen)) -> Result<()> {
    let answer: Answer<'_> =
        serde_json::from_slice(body).map_err(|e| LabError::Protocol(format!("poll answer: {e}")))?;
    if let Some(sync) = answer.sync {
        place.session = Some(sync.session.to_owned());
        seen(Seen::Ready);
    }
    place.cursor = Some(answer.cursor.to_owned());
    let sightings = answer.events.iter().filter_map(|event| Sighting::read(event.get().as_bytes()));
    sightings.for_each(|sighting| seen(Seen::Event(sighting, at_us)));
    Ok(())
}

fn cursor_of(sighting: &Sighting) -> String {
    format!("{}-{}", String::from_utf8_lossy(&sighting.epoch), sighting.offset)
}

pub(super) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_MAX).map_err(LabError::io("connect"))?;
    let ready = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(WRITE_MAX)));
    ready.map_err(LabError::io("prepare a connection"))?;
    Ok(stream)
}

/// Status and content coding of a head; nothing while it is incomplete.
fn status(head: &[u8]) -> Result<Option<(u16, Option<String>)>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    match response.parse(head).map_err(|e| LabError::Protocol(format!("response head: {e}")))? {
        Status::Partial if head.len() > HEAD_BYTES_MAX => {
            Err(LabError::Protocol("response head is too large".to_owned()))
        }
        Status::Partial => Ok(None),
        Status::Complete(_) => {
            let mut headers = response.headers.iter();
            let coding = headers.find(|header| header.name.eq_ignore_ascii_case("content-encoding"));
            let coding = coding.map(|header| String::from_utf8_lossy(header.value).into_owned());
            Ok(Some((response.code.unwrap_or_default(), coding)))
        }
    }
}
