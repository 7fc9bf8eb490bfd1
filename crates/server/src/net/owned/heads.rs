//! Heads of polls and of their answers: each kind is kept once, and an answer to many polls is put together once.

use std::collections::HashMap;
use std::io::Write as _;
use std::rc::{Rc, Weak};
use std::time::SystemTime;

use actix_web::http::header::HttpDate;
use bytes::Bytes;

/// Kinds of heads that are remembered to be shared. Beyond, those that nobody uses are forgotten.
const KINDS_MAX: usize = 1024;

/// Bytes that many connections have in common.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind(Box<[u8]>);

impl Kind {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The heads of a worker.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    kinds: HashMap<Box<[u8]>, Weak<Kind>>,
    newest: Option<Newest>,
    /// The second, and its name as a date (RFC 9110, section 5.6.7).
    date: (u64, String),
}

/// The newest answer.
#[derive(Debug)]
struct Newest {
    body: Bytes,
    template: Rc<Kind>,
    second: u64,
    whole: Bytes,
}

impl Heads {
    /// The head of an answer that actix has written, without its date, its length and the empty line at its end.
    pub(crate) fn template(&mut self, head: &[u8]) -> Rc<Kind> {
        self.kind(&without_date(head))
    }

    /// These bytes, shared with whoever has the same.
    pub(crate) fn kind(&mut self, bytes: &[u8]) -> Rc<Kind> {
        if let Some(known) = self.kinds.get(bytes).and_then(Weak::upgrade) {
            return known;
        }
        if self.kinds.len() >= KINDS_MAX {
            self.kinds.retain(|_, kind| kind.strong_count() > 0);
        }
        let kind = Rc::new(Kind(bytes.into()));
        if self.kinds.len() < KINDS_MAX {
            self.kinds.insert(bytes.into(), Rc::downgrade(&kind));
        }
        kind
    }

    /// The whole answer, at a time in milliseconds of any clock. The same body with the same head is put together once
    /// a second.
    pub(crate) fn answer(&mut self, template: &Rc<Kind>, body: &Bytes, now: u64) -> Bytes {
        let second = now / 1000 + 1;
        if let Some(newest) = &self.newest
            && newest.second == second
            && newest.body.as_ptr() == body.as_ptr()
            && newest.body.len() == body.len()
            && Rc::ptr_eq(&newest.template, template)
        {
            return newest.whole.clone();
        }
        let whole = self.put_together(template, body, second);
        self.newest =
            Some(Newest { body: body.clone(), template: Rc::clone(template), second, whole: whole.clone() });
        whole
    }

    fn put_together(&mut self, template: &Kind, body: &Bytes, second: u64) -> Bytes {
        if self.date.0 != second {
            self.date = (second, HttpDate::from(SystemTime::now()).to_string());
        }
        let mut whole = Vec::with_capacity(template.0.len() + body.len() + 80);
        whole.extend_from_slice(&template.0);
        // Writing into a Vec cannot fail.
        let _ = write!(whole, "date: {}\r\ncontent-length: {}\r\n\r\n", self.date.1, body.len());
        whole.extend_from_slice(body);
        Bytes::from(whole)
    }
}

/// The lines of a head but its date, without the empty line.
fn without_date(head: &[u8]) -> Vec<u8> {
    let lines = head.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| *line != b"\r\n" && !line.to_ascii_lowercase().starts_with(b"date:"));
    kept.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: now\r\n\r\n";

    #[test]
    fn an_answer_has_a_date_and_its_length() {
        let mut heads = Heads::default();
        let template = heads.template(HEAD);
        let whole = heads.answer(&template, &Bytes::from_static(b"{}"), 0);
        let text = String::from_utf8(whole.to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: "), "{text}");
        assert!(text.ends_with(" GMT\r\ncontent-length: 2\r\n\r\n{}"), "{text}");
    }

    #[test]
    fn kinds_and_answers_are_shared() {
        let mut heads = Heads::default();
        let (one, two) = (heads.template(HEAD), heads.template(HEAD));
        assert!(Rc::ptr_eq(&one, &two));
        let other = heads.template(b"HTTP/1.1 200 OK\r\nvary: origin\r\n\r\n");
        assert!(!Rc::ptr_eq(&one, &other));
        let body = Bytes::from(vec![b'x'; 100]);
        let first = heads.answer(&one, &body, 5);
        assert!(heads.answer(&other, &body, 5).starts_with(b"HTTP/1.1 200 OK\r\nvary: origin\r\n"));
        assert!(first.ends_with(&body));
    }
}
