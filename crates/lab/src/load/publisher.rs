//! The publisher: a handful of keep-alive connections with one request each in flight, so that a slow answer does not
//! hold back the next event.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::event;
use super::poll::AnswerReader;
use crate::error::{LabError, Result};
use crate::machine::now_ns;

/// Connections, and with that publish requests in flight.
pub(super) const CONNECTIONS: usize = 32;
/// Attempts to hand one request to the kernel, whose buffers are far larger than any request here.
const WRITE_ATTEMPTS_MAX: u32 = 1_000_000;

/// Publishes into one namespace.
#[derive(Debug)]
pub(super) struct Publisher {
    lines: Vec<Line>,
    /// Indices of connections without a request in flight.
    free: Vec<usize>,
    namespace: String,
    payload: usize,
    body: Vec<u8>,
    request: Vec<u8>,
    /// Events that were accepted.
    pub(super) accepted: u64,
    /// Events that were not.
    pub(super) refused: u64,
    /// Why the first refused ones were.
    pub(super) refusal: Option<String>,
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    answers: AnswerReader,
    /// Events in the request in flight.
    events: u64,
}

impl Publisher {
    pub(super) fn open(address: SocketAddr, namespace: &str, payload: usize) -> Result<Self> {
        let lines = (0..CONNECTIONS).map(|_| Line::open(address)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            free: (0..lines.len()).rev().collect(),
            lines,
            namespace: namespace.to_owned(),
            payload,
            body: Vec::new(),
            request: Vec::new(),
            accepted: 0,
            refused: 0,
            refusal: None,
        })
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &TcpStream> {
        self.lines.iter().map(|line| &line.stream)
    }

    /// Whether an event could leave now.
    pub(super) fn is_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether every request is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == self.lines.len()
    }

    /// Events in requests that are not answered.
    pub(super) fn unanswered(&self) -> u64 {
        self.lines.iter().map(|line| line.events).sum()
    }

    /// Publishes `count` events in one request, all intended for `intended_us`.
    pub(super) fn publish(&mut self, intended_us: u64, count: u32) -> Result<()> {
        let Some(index) = self.free.pop() else {
            return Err(LabError::Protocol("every publish connection is waiting for an answer".to_owned()));
        };
        self.compose(intended_us, count);
        self.lines[index].events = u64::from(count);
        write_all(&mut self.lines[index].stream, &self.request)
    }

    fn compose(&mut self, intended_us: u64, count: u32) {
        self.body.clear();
        let sent_us = now_ns() / 1000;
        for index in 0..count {
            let open: &[u8] = if index > 0 {
                b",{\"data\":"
            } else if count > 1 {
                b"[{\"data\":"
            } else {
                b"{\"data\":"
            };
            self.body.extend_from_slice(open);
            event::stamped(&mut self.body, intended_us, sent_us, self.payload);
            self.body.push(b'}');
        }
        if count > 1 {
            self.body.push(b']');
        }
        let head = format!(
            "POST /v1/feeds/{}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.namespace,
            self.body.len()
        );
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(&self.body);
    }

    /// Reads what a connection has to say.
    pub(super) fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<()> {
        let Self { lines, free, accepted, refused, refusal, .. } = self;
        let Some(line) = lines.get_mut(index) else { return Ok(()) };
        let bytes = match line.stream.read(buffer) {
            Ok(0) => return Err(LabError::Protocol("the server closed a publish connection".to_owned())),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(LabError::io("read a publish answer")(error)),
        };
        let events = &mut line.events;
        line.answers.feed(
            &buffer[..bytes],
            |_| (),
            |status, body| {
                let count = std::mem::take(events);
                if status == 201 {
                    *accepted += count;
                } else {
                    *refused += count;
                    refusal.get_or_insert_with(|| format!("{status} {}", String::from_utf8_lossy(body)));
                }
                free.push(index);
                Ok(())
            },
        )
    }
}

impl Line {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).map_err(LabError::io("connect the publisher"))?;
        let ready = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
        ready.map_err(LabError::io("prepare the publisher"))?;
        Ok(Self { stream, answers: AnswerReader::default(), events: 0 })
    }
}

/// Writes all bytes to a socket that does not block, trying again while its buffer is full.
pub(crate) fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> Result<()> {
    for _ in 0..WRITE_ATTEMPTS_MAX {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(LabError::io("write a request")(error)),
        }
        if bytes.is_empty() {
            return Ok(());
        }
    }
    Err(LabError::Protocol("the server does not read".to_owned()))
}
