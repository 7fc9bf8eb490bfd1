//! A lean reader of HTTP/1.1 answers on one keep-alive connection: poll answers, and answers to publishing.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::Body;
use super::{Found, UNREAD_BYTES_MAX, head};
use crate::error::{LabError, Result};

/// Reads whole answers from one connection.
#[derive(Debug, Default)]
pub(crate) struct AnswerReader {
    unread: Vec<u8>,
    /// Status and body reader of the answer that is arriving.
    open: Option<(u16, Body)>,
    body: Vec<u8>,
    /// The server said that it will close the connection.
    pub(crate) closes: bool,
}

impl AnswerReader {
    /// Reads the next bytes; `whole` gets the status and body of each complete answer.
    pub(crate) fn feed(
        &mut self,
        input: &[u8],
        mut head_bytes: impl FnMut(usize),
        mut whole: impl FnMut(u16, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.unread.extend_from_slice(input);
        if self.unread.len() + self.body.len() > UNREAD_BYTES_MAX {
            return Err(LabError::Protocol("an answer without end".to_owned()));
        }
        while !self.unread.is_empty() || self.open.is_some() {
            if self.open.is_none() {
                let Some(head) = head::parse(&self.unread)? else { break };
                head_bytes(head.bytes);
                self.unread.drain(..head.bytes);
                self.closes |= head.closes;
                self.open = Some((head.status, head.body));
            }
            if !self.advance(&mut whole)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads on in the open answer; whether it is complete.
    fn advance(&mut self, whole: &mut impl FnMut(u16, &[u8]) -> Result<()>) -> Result<bool> {
        let Some((status, body)) = &mut self.open else { return Ok(false) };
        let used = body.read(&self.unread, &mut self.body)?;
        self.unread.drain(..used);
        if !body.is_done() {
            return Ok(false);
        }
        whole(*status, &self.body)?;
        self.body.clear();
        self.open = None;
        Ok(true)
    }
}

/// Reads one long-polling subscriber: its answers, and where the next request goes on.
#[derive(Debug, Default)]
pub(crate) struct PollReader {
    answers: AnswerReader,
    session: String,
    cursor: String,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    sync: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    notices: Vec<&'a RawValue>,
    cursor: &'a str,
}

#[derive(Deserialize)]
struct Sync<'a> {
    session: &'a str,
}

impl PollReader {
    /// Reads the next bytes of the connection.
    pub(crate) fn feed(&mut self, input: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<()> {
        let Self { answers, session, cursor } = self;
        let found = std::cell::RefCell::new(found);
        answers.feed(
            input,
            |bytes| found.borrow_mut()(Found::Head(bytes)),
            |status, body| {
                if status != 200 {
                    return Err(LabError::Protocol(format!("poll answered with status {status}")));
                }
                let answer: Answer<'_> = serde_json::from_slice(body)
                    .map_err(|e| LabError::Protocol(format!("poll answer: {e}")))?;
                let found = &mut *found.borrow_mut();
                if let Some(told) = answer.sync {
                    let sync: Sync<'_> = serde_json::from_str(told.get())
                        .map_err(|e| LabError::Protocol(format!("poll answer: {e}")))?;
                    sync.session.clone_into(session);
                    found(Found::Sync(told.get().as_bytes()));
                    found(Found::Ready);
                }
                let notices = answer.notices.iter().map(|notice| notice.get().as_bytes());
                let is_gap = |notice: &&[u8]| memchr::memmem::find(notice, b"\"gap\"").is_some();
                notices.filter(is_gap).for_each(|gap| found(Found::Gap(gap)));
                answer.cursor.clone_into(cursor);
                answer.events.iter().for_each(|event| found(Found::Event(event.get().as_bytes())));
                found(Found::Answer(answer.events.len()));
                Ok(())
            },
        )
    }

    /// Goes on over another connection: what was read of the last answer counts for nothing.
    pub(crate) fn restart(&mut self) {
        self.answers = AnswerReader::default();
    }

    /// Asks without waiting, for what came meanwhile: with the session and the cursor where they are known.
    pub(crate) fn request_now(&self, out: &mut Vec<u8>, namespace: &str, rooms: &str) {
        let place = if self.session.is_empty() {
            format!("wait=0{rooms}")
        } else {
            format!("wait=0&max=10000&session={}&after={}{rooms}", self.session, self.cursor)
        };
        let line = format!("GET /v1/feeds/{namespace}/poll?{place} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        out.extend_from_slice(line.as_bytes());
    }

    /// The next request of this subscriber, into `out`.
    pub(crate) fn request(&self, out: &mut Vec<u8>, namespace: &str) {
        let place = if self.session.is_empty() {
            // The first answer is wanted at once: it tells session and cursor.
            "wait=0".to_owned()
        } else {
            format!("wait=25&max=10000&session={}&after={}", self.session, self.cursor)
        };
        let line = format!("GET /v1/feeds/{namespace}/poll?{place} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        out.extend_from_slice(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::sse::tests::{at_every_split, told};
    use super::*;

    fn answer(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn answers_may_be_split_anywhere() {
        let first = answer(r#"{"sync":{"session":"s_1"},"events":[],"notices":[],"cursor":"e-1"}"#);
        let second =
            answer(r#"{"events":[{"id":"e-2"},{"id":"e-3","data":"]"}],"notices":[],"cursor":"e-3"}"#);
        let stream = format!("{first}{second}");
        let words = [
            "Head(39)",
            "sync {\"session\":\"s_1\"}",
            "Ready",
            "Answer(0)",
            "Head(39)",
            "event {\"id\":\"e-2\"}",
            "event {\"id\":\"e-3\",\"data\":\"]\"}",
            "Answer(2)",
        ];
        at_every_split(stream.as_bytes(), &words.map(str::to_owned), |pieces| {
            let (mut reader, mut words) = (PollReader::default(), Vec::new());
            for piece in pieces {
                reader.feed(piece, &mut |found| words.push(told(found))).unwrap();
            }
            let mut request = Vec::new();
            reader.request(&mut request, "n");
            assert!(String::from_utf8(request).unwrap().contains("session=s_1&after=e-3"));
            words
        });
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for body in ["{}", "[]", "{\"events\":{}}"] {
            assert!(PollReader::default().feed(answer(body).as_bytes(), &mut |_| {}).is_err());
        }
    }
}
