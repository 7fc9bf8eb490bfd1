//! The peers' wires: how a subscriber asks for its stream, how an event is recognised, and how one is published.

mod event;
mod nchan;
mod textbook;

pub(super) use self::event::{PAYLOAD_BYTES, data};
pub(crate) use self::event::{Sighting, numbered};

use self::nchan::NchanReader;
use self::textbook::TextbookReader;
use crate::error::Result;
use crate::load::{Dialect, Found, PollReader, SseReader, WsReader};

/// The namespace that tricast's own subscribers use.
const NAMESPACE: &str = "default";

/// How the subscribers of one server and transport speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wire {
    /// tricast's long poll.
    TricastPoll,
    /// Nchan's long poll at this path, which goes on by `Last-Modified` and `Etag`.
    NchanPoll(&'static str),
    /// The textbook's long poll at this path, which goes on by `after`.
    TextbookPoll(&'static str),
    /// SSE at this path; the stream stands with a first `sync` event or, where there is none, with its head.
    Sse(&'static str, Standing),
    /// WebSocket at this path.
    Websocket(&'static str, Dialect),
    /// The raw answering loop: this request, and answers of so many bytes, one an event.
    RawPoll(Vec<u8>, usize),
}

/// When an SSE stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    AtHead,
    AtSync,
}

/// How an event is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publishing {
    /// A POST of the event itself to this path.
    Plain(&'static str),
    /// A POST of `{"data":event}` to this path.
    Wrapped(&'static str),
    /// One byte on a connection of its own.
    Control,
}

/// What reads one subscriber's stream.
#[derive(Debug)]
pub(crate) enum Reader {
    Tricast(PollReader),
    Nchan(NchanReader),
    Textbook(TextbookReader),
    Sse(SseReader, Standing),
    Websocket(WsReader),
    /// Bytes of the answer that is arriving.
    RawPoll(usize),
}

impl Wire {
    pub(crate) fn reader(&self) -> Reader {
        match self {
            Self::TricastPoll => Reader::Tricast(PollReader::default()),
            Self::NchanPoll(_) => Reader::Nchan(NchanReader::default()),
            Self::TextbookPoll(_) => Reader::Textbook(TextbookReader::default()),
            Self::Sse(_, standing) => Reader::Sse(SseReader::default(), *standing),
            Self::Websocket(_, dialect) => Reader::Websocket(WsReader::of(*dialect)),
            Self::RawPoll(..) => Reader::RawPoll(0),
        }
    }

    /// Whether a subscriber gets a first answer that tells that its stream stands. A poll that is parked at once gets
    /// none.
    pub(crate) fn tells_standing(&self) -> bool {
        !matches!(self, Self::NchanPoll(_) | Self::TextbookPoll(_) | Self::RawPoll(..))
    }

    /// Appends the request that opens a stream, or the next poll.
    pub(crate) fn request(&self, reader: &Reader, out: &mut Vec<u8>) {
        match (self, reader) {
            (_, Reader::Tricast(reader)) => reader.request(out, NAMESPACE),
            (Self::NchanPoll(path), Reader::Nchan(reader)) => reader.request(out, path),
            (Self::TextbookPoll(path), Reader::Textbook(reader)) => reader.request(out, path),
            (Self::Sse(path, _), _) => get(out, path, "Accept: text/event-stream\r\n"),
            (Self::Websocket(path, _), _) => get(out, path, UPGRADE),
            (Self::RawPoll(request, _), _) => out.extend_from_slice(request),
            _ => {}
        }
    }

    /// Reads the next bytes of a stream.
    pub(crate) fn feed(
        &self,
        reader: &mut Reader,
        input: &[u8],
        found: &mut impl FnMut(Found<'_>),
    ) -> Result<()> {
        match (self, reader) {
            (_, Reader::Tricast(reader)) => reader.feed(input, found),
            (_, Reader::Nchan(reader)) => reader.feed(input, found),
            (_, Reader::Textbook(reader)) => reader.feed(input, found),
            (_, Reader::Sse(reader, standing)) => {
                let at_head = *standing == Standing::AtHead;
                reader.feed(input, &mut |one| {
                    if at_head && matches!(one, Found::Head(_)) {
                        found(Found::Ready);
                    }
                    found(one);
                })
            }
            (_, Reader::Websocket(reader)) => reader.feed(input, found),
            (Self::RawPoll(_, size), Reader::RawPoll(have)) => {
                *have += input.len();
                while *have >= *size {
                    *have -= size;
                    found(Found::Answer(1));
                }
                Ok(())
            }
            (_, Reader::RawPoll(_)) => Ok(()),
        }
    }
}

pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJpY2FzdC1sYWItLS0tLQ==\r\n";

fn get(out: &mut Vec<u8>, path: &str, headers: &str) {
    out.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n").as_bytes());
}

impl Publishing {
    /// Appends what publishes one event.
    pub(crate) fn request(self, out: &mut Vec<u8>, number: u64, intended_us: u64) {
        let (path, before, after) = match self {
            Self::Plain(path) => (path, "", ""),
            Self::Wrapped(path) => (path, "{\"data\":", "}"),
            Self::Control => return out.push(b'p'),
        };
        let length = PAYLOAD_BYTES + before.len() + after.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{before}"
        );
        out.extend_from_slice(head.as_bytes());
        data(out, number, intended_us);
        out.extend_from_slice(after.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::at_every_split;

    /// A reader must find the same wherever its stream is split.
    pub(crate) fn check<R>(
        stream: &[u8],
        expected: &[String],
        new: impl Fn() -> R,
        feed: impl Fn(&mut R, &[u8], &mut dyn FnMut(Found<'_>)) -> Result<()>,
    ) {
        at_every_split(stream, expected, |pieces| {
            let (mut reader, mut words) = (new(), Vec::new());
            for piece in pieces {
                feed(&mut reader, piece, &mut |found| words.push(crate::load::told(found))).unwrap();
            }
            words
        });
    }

    /// The start of an SSE stream as Nchan 1.3.6 sent it, and an event.
    #[test]
    fn an_sse_stream_stands_where_its_server_says() {
        let nchan = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: keep-alive\r\n\r\n: hi\n\nid: 1795375832:0\ndata: {\"a\":1}\n\n";
        let head = nchan.find(": hi").unwrap();
        for (standing, ready) in [(Standing::AtHead, true), (Standing::AtSync, false)] {
            let wire = Wire::Sse("/subscribe", standing);
            let words = [Some("Ready".to_owned()).filter(|_| ready), Some(format!("Head({head})"))];
            let words: Vec<String> =
                words.into_iter().flatten().chain(["event {\"a\":1}".to_owned()]).collect();
            check(
                nchan.as_bytes(),
                &words,
                || wire.reader(),
                |reader, piece, found| wire.feed(reader, piece, &mut |one| found(one)),
            );
        }
    }

    #[test]
    fn raw_answers_are_counted_by_their_size() {
        let wire = Wire::RawPoll(b"GET".to_vec(), 10);
        let words = ["Answer(1)", "Answer(1)"].map(str::to_owned);
        check(
            &[b'x'; 25],
            &words,
            || wire.reader(),
            |reader, piece, found| wire.feed(reader, piece, &mut |one| found(one)),
        );
    }

    #[test]
    fn what_is_published_has_the_length_that_it_tells() {
        for publishing in [Publishing::Plain("/publish"), Publishing::Wrapped("/v1/feeds/default/events")] {
            let mut request = Vec::new();
            publishing.request(&mut request, 3, 5);
            let text = String::from_utf8(request).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
            serde_json::from_str::<serde_json::Value>(body).unwrap();
        }
    }
}
