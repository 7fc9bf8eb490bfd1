//! Keep-alive connections with one publish request each in flight, so that a slow answer does not hold back the next event.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::poll::AnswerReader;
use crate::error::{LabError, Result};

/// Connections, and with that publish requests in flight.
pub(crate) const CONNECTIONS: usize = 32;
/// Attempts to hand one request to the kernel, whose buffers are far larger than any request here.
const WRITE_ATTEMPTS_MAX: u32 = 1_000_000;

/// Which of the free connections takes the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turns {
    /// The one that was in use last: few connections stay busy.
    Latest,
    /// The one that has rested longest, so that none stands idle for so long that the server closes it.
    Oldest,
}

/// The connections and what became of their requests.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// Indices of connections without a request in flight, the one that rests longest first.
    free: VecDeque<usize>,
    turns: Turns,
    server: SocketAddr,
    /// Events that were accepted.
    pub(crate) accepted: u64,
    /// Events that were not.
    pub(crate) refused: u64,
    /// Why the first refused ones were.
    pub(crate) refusal: Option<String>,
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    answers: AnswerReader,
    /// Events in the request in flight.
    events: u64,
}

impl Lines {
    /// Opens the connections.
    pub(crate) fn open(server: SocketAddr, turns: Turns) -> Result<Self> {
        let lines = (0..CONNECTIONS).map(|_| Line::open(server)).collect::<Result<Vec<_>>>()?;
        let free = (0..lines.len()).collect();
        Ok(Self { lines, free, turns, server, accepted: 0, refused: 0, refusal: None })
    }

    /// The sockets, to be watched under their index.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &TcpStream> {
        self.lines.iter().map(|line| &line.stream)
    }

    /// Whether an event could leave now.
    pub(crate) fn is_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether every request is answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.free.len() == self.lines.len()
    }

    /// Events in requests that are not answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.lines.iter().map(|line| line.events).sum()
    }

    /// Sends a request that publishes so many events.
    pub(crate) fn send(&mut self, events: u64, request: &[u8]) -> Result<()> {
        let next = match self.turns {
            Turns::Latest => self.free.pop_back(),
            Turns::Oldest => self.free.pop_front(),
        };
        let Some(index) = next else {
            return Err(LabError::Protocol("every publish connection is waiting for an answer".to_owned()));
        };
        let line = &mut self.lines[index];
        line.events = events;
        write_all(&mut line.stream, request)
    }

    /// Reads what a connection has to say. A connection that the server closed while it stood idle, as it may, is
    /// opened again; the new one's socket is given, to be watched in its stead.
    pub(crate) fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<Option<&TcpStream>> {
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

/// Writes the request that publishes a body into a namespace over what was written before.
pub(crate) fn write_request(request: &mut Vec<u8>, namespace: &str, body: &[u8]) {
    let head = format!(
        "POST /v1/feeds/{namespace}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    request.clear();
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body);
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn lines(turns: Turns) -> (TcpListener, Lines) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let lines = Lines::open(listener.local_addr().unwrap(), turns).unwrap();
        (listener, lines)
    }

    /// A server may close a keep-alive connection that stands idle; in a soak of minutes it did, and voided the soak.
    #[test]
    fn an_idle_connection_that_is_closed_is_opened_again_and_one_in_use_is_a_fault() {
        let (listener, mut lines) = lines(Turns::Oldest);
        drop(listener.accept().unwrap());
        let mut buffer = [0; 64];
        let read = |lines: &mut Lines, buffer: &mut [u8]| {
            lines.lines[0].stream.set_nonblocking(false).unwrap();
            lines.read(0, buffer).map(|stream| stream.is_some())
        };
        assert!(read(&mut lines, &mut buffer).unwrap(), "it was not opened again");
        assert!(lines.is_idle());
        lines.send(1, b"x").unwrap();
        drop(listener);
        assert!(read(&mut lines, &mut buffer).is_err());
    }

    #[test]
    fn connections_take_turns_or_the_last_one_goes_on() {
        for (turns, first) in [(Turns::Oldest, 0), (Turns::Latest, CONNECTIONS - 1)] {
            let (_listener, mut lines) = lines(turns);
            lines.send(3, b"x").unwrap();
            assert_eq!(lines.lines[first].events, 3);
            for _ in 1..CONNECTIONS {
                assert!(lines.is_free());
                lines.send(1, b"x").unwrap();
            }
            assert!(!lines.is_free() && lines.send(1, b"x").is_err());
            assert_eq!(lines.unanswered(), CONNECTIONS as u64 + 2);
        }
    }
}
