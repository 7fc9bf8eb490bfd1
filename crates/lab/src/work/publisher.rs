//! The publisher: one connection on which requests follow each other, so that events keep their order. Where it breaks, what
//! was not answered is sent again over the next one, under the same idempotency key.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::target::Publish;
use crate::error::{LabError, Result};
use crate::load::AnswerReader;
use crate::peers::wire::numbered;

/// Pause before another attempt to connect, nanoseconds.
const RETRY_NS: u64 = 20_000_000;
/// Requests without an answer at most; the schedule waits beyond it, and counts that it was late.
pub(super) const UNANSWERED_MAX: usize = 20_000;
/// Bytes of an answer that an error shows.
const SHOWN_BYTES: usize = 200;

/// Publishes numbered events.
#[derive(Debug)]
pub(super) struct Publisher<'a> {
    address: SocketAddr,
    publish: &'a Publish,
    payload: usize,
    rooms: u32,
    line: Option<Line>,
    retry_at_ns: u64,
    /// Numbers without an answer, in the order of their sending, each with its time.
    unanswered: VecDeque<(u64, u64)>,
    out: Vec<u8>,
    /// Bytes of answers.
    pub(super) heard_bytes: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) refusal: Option<String>,
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    answers: AnswerReader,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(address: SocketAddr, publish: &'a Publish, payload: usize, rooms: u32) -> Self {
        Self {
            address,
            publish,
            payload,
            rooms,
            line: None,
            retry_at_ns: 0,
            unanswered: VecDeque::new(),
            out: Vec::new(),
            heard_bytes: 0,
            accepted: 0,
            refused: 0,
            refusal: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.is_empty()
    }

    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered.len() as u64
    }

    pub(super) fn has_room(&self) -> bool {
        self.unanswered.len() < UNANSWERED_MAX
    }

    /// Sends an event, now or as soon as there is a connection. Returns the bytes of its request.
    pub(super) fn publish(&mut self, number: u64, intended_us: u64) -> u64 {
        self.unanswered.push_back((number, intended_us));
        let before = self.out.len();
        self.write_request(number, intended_us);
        (self.out.len() - before) as u64
    }

    fn write_request(&mut self, number: u64, intended_us: u64) {
        let room = (self.rooms > 0).then(|| number % u64::from(self.rooms));
        let mut data = Vec::with_capacity(self.payload + 64);
        numbered(&mut data, number, intended_us, self.payload);
        request(&mut self.out, self.publish, &data, room, Some(number));
    }

    /// Connects where it has to, writes what waits, and reads answers. Whether anything moved.
    pub(super) fn turn(&mut self, now_ns: u64, buffer: &mut [u8]) -> Result<bool> {
        if self.line.is_none() && now_ns >= self.retry_at_ns {
            self.connect(now_ns);
        }
        let moved = self.flush(now_ns);
        let Some(line) = &mut self.line else { return Ok(moved) };
        let read = match line.stream.read(buffer) {
            Ok(0) => return self.broken(now_ns),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(moved),
            Err(_) => return self.broken(now_ns),
        };
        self.heard_bytes += read as u64;
        self.answers(&buffer[..read])?;
        Ok(true)
    }

    fn connect(&mut self, now_ns: u64) {
        let opened = TcpStream::connect(self.address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(Line { stream, answers: AnswerReader::default() })
        });
        self.line = opened.ok();
        if self.line.is_none() {
            self.retry_at_ns = now_ns + RETRY_NS;
            return;
        }
        self.out.clear();
        let again: Vec<(u64, u64)> = self.unanswered.iter().copied().collect();
        again.into_iter().for_each(|(number, intended_us)| self.write_request(number, intended_us));
    }

    fn broken(&mut self, now_ns: u64) -> Result<bool> {
        if !self.publish.repeats && !self.unanswered.is_empty() {
            return Err(LabError::Protocol("the server closed the publisher's connection".to_owned()));
        }
        self.line = None;
        self.retry_at_ns = now_ns + RETRY_NS;
        Ok(true)
    }

    fn flush(&mut self, now_ns: u64) -> bool {
        let Some(line) = &mut self.line else { return false };
        if self.out.is_empty() {
            return false;
        }
        match line.stream.write(&self.out) {
            Ok(written) => {
                self.out.drain(..written);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            Err(_) => {
                self.line = None;
                self.retry_at_ns = now_ns + RETRY_NS;
                true
            }
        }
    }

    fn answers(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { line, unanswered, accepted, refused, refusal, publish, .. } = self;
        let Some(line) = line else { return Ok(()) };
        let mut closes = false;
        line.answers.feed(
            bytes,
            |_| (),
            |status, body| {
                // A server that drains says so, and is asked again by the next connection.
                if publish.repeats && status == 503 {
                    closes = true;
                    return Ok(());
                }
                unanswered.pop_front();
                if (200..300).contains(&status) {
                    *accepted += 1;
                } else {
                    *refused += 1;
                    let shown = &body[..body.len().min(SHOWN_BYTES)];
                    refusal.get_or_insert_with(|| {
                        format!("publish answered {status}: {}", shown.escape_ascii())
                    });
                }
                Ok(())
            },
        )?;
        if closes || line.answers.closes {
            self.line = None;
            self.retry_at_ns = 0;
        }
        Ok(())
    }
}

/// Appends a publish request of an event.
pub(super) fn request(
    out: &mut Vec<u8>,
    publish: &Publish,
    data: &[u8],
    room: Option<u64>,
    key: Option<u64>,
) {
    let (before, after) = publish.around(room);
    let key = key.filter(|_| publish.repeats).map(|key| format!("Idempotency-Key: lab-{key}\r\n"));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\n{}{}Content-Length: {}\r\n\r\n",
        publish.path,
        publish.content_type,
        publish.header_lines(),
        key.unwrap_or_default(),
        before.len() + data.len() + after.len()
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(after.as_bytes());
}
