//! A lean reader of Server-Sent Events over HTTP/1.1 (WHATWG HTML, section 9.2): lines may end in LF, CR or both.

use memchr::memchr2;

use super::body::Body;
use super::{Found, UNREAD_BYTES_MAX, head};
use crate::error::{LabError, Result};

/// Reads one SSE response.
#[derive(Debug, Default)]
pub(crate) struct SseReader {
    /// Bytes of the connection that are not dealt with yet.
    unread: Vec<u8>,
    /// The body, once the head is there.
    body: Option<Body>,
    /// Body bytes that do not make a line yet.
    lines: Vec<u8>,
    /// The last line ended in CR, so that a LF that follows belongs to it.
    after_cr: bool,
    /// The value of the `event:` field, empty for an event of the feed.
    name: Vec<u8>,
    data: Vec<u8>,
    last_id: Vec<u8>,
}

impl SseReader {
    /// Reads the next bytes of the connection.
    pub(crate) fn feed(&mut self, input: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<()> {
        // What follows the end of a response is no part of it, and the end is told once.
        if self.body.is_some_and(Body::is_done) {
            return Ok(());
        }
        self.unread.extend_from_slice(input);
        if self.unread.len() + self.lines.len() + self.data.len() > UNREAD_BYTES_MAX {
            return Err(LabError::Protocol("SSE: an endless line".to_owned()));
        }
        if self.body.is_none() && !self.head(found)? {
            return Ok(());
        }
        let Some(body) = &mut self.body else { return Ok(()) };
        let used = body.read(&self.unread, &mut self.lines)?;
        self.unread.drain(..used);
        let done = body.is_done();
        self.split(found);
        if done {
            found(Found::Ended);
        }
        Ok(())
    }

    fn head(&mut self, found: &mut impl FnMut(Found<'_>)) -> Result<bool> {
        let Some(head) = head::parse(&self.unread)? else { return Ok(false) };
        if head.status != 200 {
            return Err(LabError::Protocol(format!("SSE answered with status {}", head.status)));
        }
        found(Found::Head(head.bytes));
        self.unread.drain(..head.bytes);
        self.body = Some(head.body);
        Ok(true)
    }

    fn split(&mut self, found: &mut impl FnMut(Found<'_>)) {
        let lines = std::mem::take(&mut self.lines);
        let mut at = 0;
        while at < lines.len() {
            if std::mem::take(&mut self.after_cr) && lines[at] == b'\n' {
                at += 1;
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', &lines[at..]) else { break };
            self.after_cr = lines[at + length] == b'\r';
            self.line(&lines[at..at + length], found);
            at += length + 1;
        }
        self.lines = lines;
        self.lines.drain(..at);
    }

    fn line(&mut self, line: &[u8], found: &mut impl FnMut(Found<'_>)) {
        if line.is_empty() {
            return self.dispatch(found);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"id" => {
                self.last_id.clear();
                self.last_id.extend_from_slice(value);
            }
            _ => {}
        }
    }

    /// The last id that came, which is the place to go on from.
    pub(crate) fn last_id(&self) -> &[u8] {
        &self.last_id
    }

    fn dispatch(&mut self, found: &mut impl FnMut(Found<'_>)) {
        if let Some(data) = self.data.strip_suffix(b"\n") {
            match self.name.as_slice() {
                b"" | b"message" => found(Found::Event(data)),
                b"sync" => {
                    found(Found::Sync(data));
                    found(Found::Ready);
                }
                b"gap" => found(Found::Gap(data)),
                b"close" => found(Found::Ended),
                _ => {}
            }
        }
        self.name.clear();
        self.data.clear();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every split of a stream in two, and the stream byte by byte, must read the same as the whole.
    pub(crate) fn at_every_split(
        stream: &[u8],
        expected: &[String],
        mut read: impl FnMut(&[&[u8]]) -> Vec<String>,
    ) {
        for split in 0..=stream.len() {
            assert_eq!(read(&[&stream[..split], &stream[split..]]), expected, "split at {split}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), expected, "byte by byte");
    }

    /// What was found, in words.
    pub(crate) fn told(found: Found<'_>) -> String {
        match found {
            Found::Event(json) => format!("event {}", String::from_utf8_lossy(json)),
            Found::Ping(bytes) => format!("ping {}", String::from_utf8_lossy(bytes)),
            Found::Sync(json) => format!("sync {}", String::from_utf8_lossy(json)),
            Found::Gap(json) => format!("gap {}", String::from_utf8_lossy(json)),
            other => format!("{other:?}"),
        }
    }

    fn chunked(parts: &[&str]) -> Vec<u8> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut stream = head.as_bytes().to_vec();
        for part in parts {
            stream.extend_from_slice(format!("{:X}\r\n{part}\r\n", part.len()).as_bytes());
        }
        stream
    }

    fn check(parts: &[&str], expected: &[&str]) {
        let stream = chunked(parts);
        let mut words = vec!["Head(80)".to_owned()];
        words.extend(expected.iter().map(|&word| word.to_owned()));
        at_every_split(&stream, &words, |pieces| {
            let (mut reader, mut words) = (SseReader::default(), Vec::new());
            for piece in pieces {
                reader.feed(piece, &mut |found| words.push(told(found))).unwrap();
            }
            words
        });
    }

    #[test]
    fn streams_may_be_split_anywhere() {
        check(
            &[
                "retry: 500\n\nevent: sync\nid: a-1\ndata: {}\n\n",
                "id: a-2\nda",
                "ta: {\"x\":\"é\"}\n\n: c\n\n",
            ],
            &["sync {}", "Ready", "event {\"x\":\"é\"}"],
        );
        check(&["data: 1\r\n\r\ndata: 2\r\rdata:3\n\n"], &["event 1", "event 2", "event 3"]);
    }

    #[test]
    fn lines_of_data_are_joined_and_notices_are_not_events() {
        check(
            &["data: a\ndata: b\n\nevent: beat\ndata: {}\n\nevent\ndata: c\n\n"],
            &["event a\nb", "event c"],
        );
    }

    #[test]
    fn a_refusal_is_an_error() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert!(SseReader::default().feed(answer, &mut |_| {}).is_err());
    }
}
