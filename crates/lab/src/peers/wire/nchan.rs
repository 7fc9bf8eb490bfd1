//! Nchan's long poll: each answer is one message, or everything pending with a line end after each, and carries in
//! `Last-Modified` and `Etag` the place from which the next request goes on.

use httparse::{EMPTY_HEADER, Response, Status};

use crate::error::{LabError, Result};
use crate::load::Found;

const HEADERS_MAX: usize = 32;
const UNREAD_BYTES_MAX: usize = 4 << 20;

/// Reads one subscriber's answers.
#[derive(Debug, Default)]
pub(crate) struct NchanReader {
    unread: Vec<u8>,
    modified: Vec<u8>,
    etag: Vec<u8>,
}

impl NchanReader {
    pub(crate) fn feed(&mut self, input: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<()> {
        self.unread.extend_from_slice(input);
        if self.unread.len() > UNREAD_BYTES_MAX {
            return Err(wrong("without end"));
        }
        let unread = std::mem::take(&mut self.unread);
        let mut at = 0;
        while let Some(used) = self.answer(&unread[at..], found)? {
            at += used;
        }
        self.unread = unread;
        self.unread.drain(..at);
        Ok(())
    }

    /// Reads one whole answer and gives its length; `None` while it is incomplete.
    fn answer(&mut self, input: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<Option<usize>> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = Response::new(&mut headers);
        let Status::Complete(head) = response.parse(input).map_err(|_| wrong("with a head that is none"))?
        else {
            return Ok(None);
        };
        if response.code != Some(200) {
            return Err(wrong(&format!("with status {}", response.code.unwrap_or_default())));
        }
        let value = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.map(|header| header.value)
        };
        let length = value("content-length").and_then(|v| std::str::from_utf8(v).ok()?.parse::<usize>().ok());
        let length = length.ok_or_else(|| wrong("without its length"))?;
        let Some(body) = input.get(head..head.saturating_add(length)) else { return Ok(None) };
        let (Some(modified), Some(etag)) = (value("last-modified"), value("etag")) else {
            return Err(wrong("that does not say where to go on"));
        };
        modified.clone_into(&mut self.modified);
        etag.clone_into(&mut self.etag);
        found(Found::Head(head));
        let events = body.split(|byte| *byte == b'\n').filter(|event| !event.is_empty());
        let events = events.map(|event| found(Found::Event(event))).count();
        found(Found::Answer(events));
        Ok(Some(head + length))
    }

    /// The next request, or the first.
    pub(crate) fn request(&self, out: &mut Vec<u8>, path: &str) {
        out.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n").as_bytes());
        if !self.modified.is_empty() {
            for (name, value) in [("If-Modified-Since: ", &self.modified), ("If-None-Match: ", &self.etag)] {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn wrong(what: &str) -> LabError {
    LabError::Protocol(format!("Nchan answered {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    /// As Nchan 1.3.6 sent it.
    fn recorded(etag: u32, body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 19:30:32 GMT\r\nContent-Length: {}\r\nLast-Modified: Sun, 22 Nov 2026 19:30:32 GMT\r\nConnection: keep-alive\r\nEtag: {etag}\r\nVary: If-None-Match, If-Modified-Since\r\n\r\n{body}",
            body.len()
        )
    }

    fn event(number: u32) -> String {
        format!("{{\"a\":{number},\"b\":12345,\"pad\":\"xx\"}}")
    }

    #[test]
    fn one_message_and_everything_pending_are_read_wherever_they_are_split() {
        let pending = format!("{}\n{}\n", event(2), event(3));
        let stream = recorded(0, &event(1)) + &recorded(2, &pending);
        let (one, two) =
            (recorded(0, &event(1)).len() - event(1).len(), recorded(2, &pending).len() - pending.len());
        let words = [
            format!("Head({one})"),
            format!("event {}", event(1)),
            "Answer(1)".to_owned(),
            format!("Head({two})"),
            format!("event {}", event(2)),
            format!("event {}", event(3)),
            "Answer(2)".to_owned(),
        ];
        check(stream.as_bytes(), &words, NchanReader::default, |reader, piece, found| {
            reader.feed(piece, &mut |one| found(one))
        });
    }

    #[test]
    fn the_next_request_goes_on_where_the_answer_ended() {
        let mut reader = NchanReader::default();
        let mut first = Vec::new();
        reader.request(&mut first, "/subscribe");
        assert_eq!(first, b"GET /subscribe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        reader.feed(recorded(7, "x").as_bytes(), &mut |_| {}).unwrap();
        let mut next = Vec::new();
        reader.request(&mut next, "/subscribe");
        let next = String::from_utf8(next).unwrap();
        assert!(
            next.ends_with("If-Modified-Since: Sun, 22 Nov 2026 19:30:32 GMT\r\nIf-None-Match: 7\r\n\r\n")
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for answer in [
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nEtag: 1\r\nLast-Modified: x\r\n\r\n",
            "HTTP/9\r\n\r\n",
        ] {
            assert!(NchanReader::default().feed(answer.as_bytes(), &mut |_| {}).is_err(), "{answer}");
        }
    }
}
