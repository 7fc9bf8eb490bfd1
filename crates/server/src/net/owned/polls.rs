//! Poll after poll on one connection.
//!
//! The first poll went through the application. The next one is granted without it, if it differs from the one before
//! in nothing but the value of `after`: the same path, the same other parameters, the same header lines, byte by byte.
//! Anything else goes back to the door.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tricast_feed::After;
use tricast_hub::Wish;

use crate::net::front::head_len;
use crate::net::owned::heads::{Heads, Kind};
use crate::net::owned::{AHEAD_BYTES_MAX, Start};
use crate::query::parse_after;

/// What the client of a poll wants.
#[derive(Debug)]
pub(crate) struct Polling {
    pub(crate) wish: Wish,
    /// Events in the answer at most.
    pub(crate) events_max: usize,
    /// How long the answer may take.
    pub(crate) wait: Duration,
}

/// How far a connection's polls are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A poll waits for its answer.
    Waiting,
    /// The client has its answer.
    Resting,
}

/// What the client has sent next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing whole yet.
    Nothing,
    /// The same poll, from another place; and how many bytes that were.
    Again(After, usize),
    /// Something else.
    Other,
}

/// The polls of one connection.
#[derive(Debug)]
pub(crate) struct Polls {
    pub(crate) polling: Polling,
    pub(crate) phase: Phase,
    /// Whether the connection ends with the answer.
    pub(crate) closes: bool,
    /// Read from the client and not yet looked at.
    pub(crate) ahead: Vec<u8>,
    /// Whether the rest of the head that has begun is due.
    pub(crate) is_timed: bool,
    /// An answer that came before the connection did.
    pub(crate) early: Option<Bytes>,
    template: Option<Rc<Kind>>,
    /// What a request must be like to be granted as the last one was.
    likeness: Option<Likeness>,
}

impl Polls {
    pub(crate) fn new(polling: Polling) -> Self {
        Self {
            polling,
            phase: Phase::Waiting,
            closes: false,
            ahead: Vec::new(),
            is_timed: false,
            early: None,
            template: None,
            likeness: None,
        }
    }

    /// Learns what was granted, and how it is answered.
    pub(crate) fn learn(&mut self, start: &Start, heads: &mut Heads) {
        self.template = Some(heads.template(&start.answer_head));
        self.likeness = Likeness::of(&start.request_head, heads);
        self.closes = start.closes;
    }

    /// The whole answer; nothing while the connection is not here.
    pub(crate) fn answer(&mut self, body: &Bytes, heads: &mut Heads, now: u64) -> Option<Bytes> {
        self.phase = Phase::Resting;
        match &self.template {
            Some(template) => Some(heads.answer(template, body, now)),
            None => {
                self.early = Some(body.clone());
                None
            }
        }
    }

    /// Looks at what the client has sent next.
    pub(crate) fn next(&self, input: &[u8]) -> Next {
        if let Some((after, len)) = self.likeness.as_ref().and_then(|likeness| likeness.match_head(input)) {
            return Next::Again(after, len);
        }
        match head_len(input) {
            None if input.len() <= AHEAD_BYTES_MAX => Next::Nothing,
            Some(_) | None => Next::Other,
        }
    }
}

/// What a request must be like: everything of it but the value of `after`.
#[derive(Debug)]
struct Likeness {
    /// The request line, without that value.
    line: Box<[u8]>,
    /// Where the value stands in the line, if there is one.
    value_at: Option<u32>,
    /// The rest of the head, which clients of one kind have in common.
    lines: Rc<Kind>,
}

impl Likeness {
    /// Nothing where a parameter's name is escaped: it could be an `after` that is not found here.
    fn of(head: &[u8], heads: &mut Heads) -> Option<Self> {
        let end = memchr::memchr(b'\n', head)? + 1;
        let (line, lines) = head.split_at(end);
        if pairs(line).any(|(_, pair)| name_of(pair).contains(&b'%')) {
            return None;
        }
        let value = after_value(line);
        let line = match &value {
            Some(value) => [&line[..value.start], &line[value.end..]].concat(),
            None => line.to_vec(),
        };
        let value_at = value.map(|value| u32::try_from(value.start)).transpose().ok()?;
        Some(Self { line: line.into_boxed_slice(), value_at, lines: heads.kind(lines) })
    }

    /// The value of `after` in a head that is alike, and the head's length.
    fn match_head(&self, input: &[u8]) -> Option<(After, usize)> {
        let at = self.value_at.map_or(self.line.len(), |at| at as usize);
        let (before, behind) = self.line.split_at(at);
        let rest = input.strip_prefix(before)?;
        let (after, rest) = match self.value_at {
            None => (After::Tip, rest),
            Some(_) => {
                let len = rest.iter().take(VALUE_BYTES_MAX).position(|byte| matches!(byte, b'&' | b' '))?;
                let (value, rest) = rest.split_at(len);
                (parse_after("after", std::str::from_utf8(value).ok()?).ok()?, rest)
            }
        };
        let rest = rest.strip_prefix(behind)?.strip_prefix(self.lines.bytes())?;
        Some((after, input.len() - rest.len()))
    }
}

/// The longest value of `after` that is looked at: more than any cursor has.
const VALUE_BYTES_MAX: usize = 64;

/// Where the value of `after` stands in a head, if it is there and written plainly.
fn after_value(head: &[u8]) -> Option<Range<usize>> {
    const NAME: &[u8] = b"after=";
    let (start, pair) = pairs(head).find(|(_, pair)| pair.starts_with(NAME))?;
    Some(start + NAME.len()..start + pair.len())
}

/// The pairs of the query in a request line, each with its place.
fn pairs(head: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target_end = line.iter().rposition(|byte| *byte == b' ').unwrap_or(line.len());
    let query = line[..target_end].iter().position(|byte| *byte == b'?').map_or(target_end, |at| at + 1);
    let mut start = query;
    line[query..target_end].split(|byte| *byte == b'&').map(move |pair| {
        let place = start;
        start += pair.len() + 1;
        (place, pair)
    })
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// For tests only: a head that is learnt must be alike to itself, whatever it is and whatever follows it.
#[cfg(feature = "fuzz")]
pub(crate) fn check_likeness(head: &[u8], rest: &[u8]) {
    let mut heads = Heads::default();
    let Some(likeness) = Likeness::of(head, &mut heads) else { return };
    let again = [head, rest].concat();
    if let Some((after, len)) = likeness.match_head(&again) {
        assert_eq!(len, head.len(), "its own length");
        assert!(likeness.value_at.is_some() || after == After::Tip);
    }
    assert!(likeness.match_head(&head[..head.len() - 1]).is_none(), "a head is alike when it is whole");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, rest: &str) -> Vec<u8> {
        format!("GET {target} HTTP/1.1\r\nhost: h\r\n{rest}\r\n").into_bytes()
    }

    #[test]
    fn the_place_of_after() {
        let found = |target: &str| {
            let head = head(target, "");
            after_value(&head).map(|value| String::from_utf8(head[value].to_vec()).unwrap())
        };
        assert_eq!(found("/p?after=x-1").as_deref(), Some("x-1"));
        assert_eq!(found("/p?rooms=a&after=x-1&wait=2").as_deref(), Some("x-1"));
        assert_eq!(found("/p?after=").as_deref(), Some(""));
        assert_eq!(found("/p?rooms=after"), None);
        assert_eq!(found("/p"), None);
        assert_eq!(found("/p?hereafter=1"), None);
    }

    #[test]
    fn only_after_may_differ() {
        let mut heads = Heads::default();
        let granted = head("/p?rooms=a&after=aaaaaaaa-1&wait=2", "cookie: a\r\n");
        let likeness = Likeness::of(&granted, &mut heads).unwrap();
        let again = head("/p?rooms=a&after=aaaaaaaa-22&wait=2", "cookie: a\r\n");
        let behind = [&again[..], b"GET"].concat();
        let found = likeness.match_head(&behind);
        assert!(
            matches!(found, Some((After::Cursor(cursor), len)) if cursor.offset.0 == 22 && len == again.len())
        );
        for cut in 0..again.len() {
            assert_eq!(likeness.match_head(&again[..cut]), None, "{cut}");
        }
        for (target, rest) in [
            ("/p?rooms=b&after=aaaaaaaa-1&wait=2", "cookie: a\r\n"),
            ("/q?rooms=a&after=aaaaaaaa-1&wait=2", "cookie: a\r\n"),
            ("/p?rooms=a&after=aaaaaaaa-1&wait=2", "cookie: b\r\n"),
            ("/p?rooms=a&after=aaaaaaaa-1&wait=2", ""),
            ("/p?rooms=a&wait=2&after=aaaaaaaa-1", "cookie: a\r\n"),
            ("/p?rooms=a&after=no%20cursor&wait=2", "cookie: a\r\n"),
            ("/p?rooms=a&wait=2", "cookie: a\r\n"),
        ] {
            assert_eq!(likeness.match_head(&head(target, rest)), None, "{target} {rest}");
        }
    }

    /// Such a name is read as `after` where the request is parsed. Taken for a poll without one, the same bytes once
    /// more would go on from the tip and not from the cursor that they name.
    #[test]
    fn an_escaped_name_is_left_to_the_parser() {
        let mut heads = Heads::default();
        for target in ["/p?%61fter=aaaaaaaa-1", "/p?wait=2&aft%65r=aaaaaaaa-1"] {
            assert!(Likeness::of(&head(target, ""), &mut heads).is_none(), "{target}");
        }
        let kept = Likeness::of(&head("/p?rooms=a%2Cb&after=aaaaaaaa-1", ""), &mut heads).unwrap();
        assert!(kept.value_at.is_some());
    }

    #[test]
    fn a_poll_from_the_tip_has_no_after() {
        let mut heads = Heads::default();
        let granted = head("/p?wait=2", "");
        let likeness = Likeness::of(&granted, &mut heads).unwrap();
        assert_eq!(likeness.match_head(&granted), Some((After::Tip, granted.len())));
        assert_eq!(likeness.match_head(&head("/p?wait=2&after=tip", "")), None);
    }
}
