//! The textbook's long poll: `{"last":9,"events":[…]}`, and the next request says `after=9`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{LabError, Result};
use crate::load::{AnswerReader, Found};

/// Reads one subscriber's answers.
#[derive(Debug, Default)]
pub(crate) struct TextbookReader {
    answers: AnswerReader,
    after: Option<u64>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    last: u64,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl TextbookReader {
    pub(crate) fn feed(&mut self, input: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<()> {
        let Self { answers, after } = self;
        let whole = |status: u16, body: &[u8]| {
            let answer: Answer<'_> = match (status, serde_json::from_slice(body)) {
                (200, Ok(answer)) => answer,
                _ => return Err(LabError::Protocol(format!("the textbook answered with status {status}"))),
            };
            *after = Some(answer.last);
            answer.events.iter().for_each(|event| found(Found::Event(event.get().as_bytes())));
            found(Found::Answer(answer.events.len()));
            Ok(())
        };
        answers.feed(input, |_| (), whole)
    }

    /// The next request, or the first.
    pub(crate) fn request(&self, out: &mut Vec<u8>, path: &str) {
        let after = self.after.map(|after| format!("?after={after}")).unwrap_or_default();
        out.extend_from_slice(format!("GET {path}{after} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn answers_are_read_wherever_they_are_split() {
        let body = r#"{"last":3,"events":[{"a":2},{"a":3}]}"#;
        let stream = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let words = [r#"event {"a":2}"#, r#"event {"a":3}"#, "Answer(2)"].map(str::to_owned);
        check(stream.as_bytes(), &words, TextbookReader::default, |reader, piece, found| {
            reader.feed(piece, &mut |one| found(one))
        });
        let mut reader = TextbookReader::default();
        reader.feed(stream.as_bytes(), &mut |_| {}).unwrap();
        let mut next = Vec::new();
        reader.request(&mut next, "/poll");
        assert!(next.starts_with(b"GET /poll?after=3 HTTP/1.1\r\n"));
    }
}
