//! The publisher of a crowd: like the one that compares transports, but into any room of any namespace.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::error::{LabError, Result};
use crate::load::{AnswerReader, event_data};

/// Connections, and with that publish requests in flight.
pub(super) const CONNECTIONS: usize = 32;
/// Attempts to hand one request to the kernel.
const WRITE_ATTEMPTS_MAX: u32 = 1_000_000;

/// Events that leave in one request, all intended for the same time: one for each of the rooms, where `None` is a
/// broadcast.
#[derive(Debug, Clone)]
pub(super) struct Post<'a> {
    pub(super) namespace: &'a str,
    pub(super) rooms: Vec<Option<String>>,
    /// Deliveries that it causes among those that count.
    pub(super) deliveries: u64,
}

impl<'a> Post<'a> {
    /// One event for everybody in a namespace.
    pub(super) fn broadcast(namespace: &'a str, audience: u64) -> Self {
        Self { namespace, rooms: vec![None], deliveries: audience }
    }

    /// One event for a room.
    pub(super) fn room(namespace: &'a str, room: &str, audience: u64) -> Self {
        Self { namespace, rooms: vec![Some(room.to_owned())], deliveries: audience }
    }
}

/// Publishes over a handful of keep-alive connections with one request each in flight.
#[derive(Debug)]
pub(super) struct Publisher {
    lines: Vec<Line>,
    /// Indices of connections without a request in flight. They take turns, so that none stands idle for so long that
    /// the server closes it.
    free: VecDeque<usize>,
    server: SocketAddr,
    payload: usize,
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
    /// Opens the connections; every event carries `payload` bytes of `data`.
    pub(super) fn open(address: SocketAddr, payload: usize) -> Result<Self> {
        let lines = (0..CONNECTIONS).map(|_| Line::open(address)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            free: (0..lines.len()).collect(),
            server: address,
            lines,
            payload,
            request: Vec::new(),
            accepted: 0,
            refused: 0,
            refusal: None,
        })
    }

    /// The sockets, to be watched under their index.
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

    /// Publishes a post whose events are intended for `intended_us`.
    pub(super) fn publish(&mut self, intended_us: u64, post: &Post<'_>) -> Result<()> {
        let Some(index) = self.free.pop_front() else {
            return Err(LabError::Protocol("every publish connection is waiting for an answer".to_owned()));
        };
        self.compose(intended_us, post);
        let line = &mut self.lines[index];
        line.events = post.rooms.len() as u64;
        write_all(&mut line.stream, &self.request)
    }

    fn compose(&mut self, intended_us: u64, post: &Post<'_>) {
        let mut body = vec![b'['];
        for (index, room) in post.rooms.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            match room {
                Some(room) => {
                    body.extend_from_slice(format!("{{\"rooms\":[\"{room}\"],\"data\":").as_bytes());
                }
                None => body.extend_from_slice(b"{\"data\":"),
            }
            event_data(&mut body, intended_us, self.payload);
            body.push(b'}');
        }
        body.push(b']');
        let head = format!(
            "POST /v1/feeds/{}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            post.namespace,
            body.len()
        );
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(&body);
    }

    /// Reads what a connection has to say. A connection that the server closed while it stood idle, as it may, is
    /// opened again; the new one's socket is given, to be watched in its stead.
    pub(super) fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<Option<&TcpStream>> {
        let Self { lines, free, server, accepted, refused, refusal, .. } = self;
        let Some(line) = lines.get_mut(index) else { return Ok(None) };
        let bytes = match line.stream.read(buffer) {
            Ok(0) if line.events > 0 => {
                return Err(LabError::Protocol(
                    "the server closed a connection before it answered".to_owned(),
                ));
            }
            Ok(0) => {
                *line = Line::open(*server)?;
                return Ok(Some(&line.stream));
            }
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
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
                free.push_back(index);
                Ok(())
            },
        )?;
        Ok(None)
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

fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> Result<()> {
    for _ in 0..WRITE_ATTEMPTS_MAX {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(LabError::io("publish")(error)),
        }
        if bytes.is_empty() {
            return Ok(());
        }
    }
    Err(LabError::Protocol("the server does not read what is published".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server may close a keep-alive connection that stands idle; in a soak of minutes it did, and voided the soak.
    #[test]
    fn an_idle_connection_that_is_closed_is_opened_again_and_one_in_use_is_a_fault() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut publisher = Publisher::open(listener.local_addr().unwrap(), 64).unwrap();
        drop(listener.accept().unwrap());
        let mut buffer = [0; 64];
        let read = |publisher: &mut Publisher, buffer: &mut [u8]| {
            publisher.lines[0].stream.set_nonblocking(false).unwrap();
            publisher.read(0, buffer).map(|stream| stream.is_some())
        };
        assert!(read(&mut publisher, &mut buffer).unwrap(), "it was not opened again");
        assert!(publisher.is_idle());
        publisher.publish(1, &Post::broadcast("n", 1)).unwrap();
        drop(listener);
        assert!(read(&mut publisher, &mut buffer).is_err());
    }

    #[test]
    fn connections_take_turns() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut publisher = Publisher::open(listener.local_addr().unwrap(), 64).unwrap();
        for busy in 0..CONNECTIONS {
            assert!(publisher.is_free());
            publisher.publish(1, &Post::broadcast("n", 1)).unwrap();
            assert_eq!(publisher.lines[busy].events, 1);
        }
        assert!(!publisher.is_free() && publisher.publish(1, &Post::broadcast("n", 1)).is_err());
        assert_eq!(publisher.unanswered(), CONNECTIONS as u64);
    }
}
