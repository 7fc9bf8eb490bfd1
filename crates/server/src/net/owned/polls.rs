//! Poll after poll on one connection.
//!
//! The first poll went through the application. The next one is granted without it, if it differs from the one before
//! in nothing but the value of `after`: the same path, the same other parameters, the same header lines, byte by byte.
//! Anything else goes back to the door.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tricast_feed::After;
use tricast_hub::Wish;

use crate::net::front::head_len;
use crate::net::owned::heads::{Heads, Template};
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
    /// The same poll, from another place.
    Again(After),
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
    /// An answer that came before the connection did.
    pub(crate) early: Option<Bytes>,
    template: Option<Rc<Template>>,
    /// What a request must be like to be granted as the last one was.
    likeness: u64,
}

impl Polls {
    pub(crate) fn new(polling: Polling) -> Self {
        Self {
            polling,
            phase: Phase::Waiting,
            closes: false,
            ahead: Vec::new(),
            early: None,
            template: None,
            likeness: 0,
        }
    }

    /// Learns what was granted, and how it is answered.
    pub(crate) fn learn(&mut self, start: &Start, heads: &mut Heads) {
        self.template = Some(heads.template(&start.answer_head));
        self.likeness = likeness(&heads.secret, &start.request_head);
        self.closes = start.closes;
    }

    /// The whole answer; nothing while the connection is not here.
    pub(crate) fn answer(&mut self, body: &Bytes, heads: &mut Heads) -> Option<Bytes> {
        self.phase = Phase::Resting;
        match &self.template {
            Some(template) => Some(heads.answer(template, body)),
            None => {
                self.early = Some(body.clone());
                None
            }
        }
    }

    /// Looks at what the client has sent next, and takes it if it is the same poll.
    pub(crate) fn next(&mut self, secret: &RandomState) -> Next {
        let Some(len) = head_len(&self.ahead) else {
            return if self.ahead.len() > AHEAD_BYTES_MAX { Next::Other } else { Next::Nothing };
        };
        let head = &self.ahead[..len];
        if likeness(secret, head) != self.likeness {
            return Next::Other;
        }
        let after = after_value(head).map(|value| std::str::from_utf8(&head[value]));
        let after = match after {
            None => Some(After::Tip),
            Some(value) => value.ok().and_then(|value| parse_after("after", value).ok()),
        };
        let Some(after) = after else { return Next::Other };
        if self.ahead.len() == len {
            self.ahead = Vec::new();
        } else {
            self.ahead.drain(..len);
        }
        self.phase = Phase::Waiting;
        Next::Again(after)
    }
}

/// What a request is like, whatever its `after` is. Keyed, so that nobody can make two requests alike.
fn likeness(secret: &RandomState, head: &[u8]) -> u64 {
    let value = after_value(head).unwrap_or(0..0);
    secret.hash_one((&head[..value.start], &head[value.end..]))
}

/// Where the value of `after` stands in a head, if it is there and written plainly.
fn after_value(head: &[u8]) -> Option<Range<usize>> {
    const NAME: &[u8] = b"after=";
    let line = head.split(|byte| *byte == b'\r').next()?;
    let query = line.iter().position(|byte| *byte == b'?')? + 1;
    let mut start = query;
    for pair in line[query..].split(|byte| matches!(byte, b'&' | b' ')) {
        if pair.starts_with(NAME) {
            return Some(start + NAME.len()..start + pair.len());
        }
        start += pair.len() + 1;
    }
    None
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
        let secret = RandomState::new();
        let like = |target: &str, rest: &str| likeness(&secret, &head(target, rest));
        let granted = like("/p?rooms=a&after=x-1&wait=2", "cookie: a\r\n");
        assert_eq!(granted, like("/p?rooms=a&after=x-22&wait=2", "cookie: a\r\n"));
        for (target, rest) in [
            ("/p?rooms=b&after=x-1&wait=2", "cookie: a\r\n"),
            ("/q?rooms=a&after=x-1&wait=2", "cookie: a\r\n"),
            ("/p?rooms=a&after=x-1&wait=2", "cookie: b\r\n"),
            ("/p?rooms=a&after=x-1&wait=2", ""),
            ("/p?rooms=a&wait=2&after=x-1", "cookie: a\r\n"),
            ("/p?rooms=a&wait=2", "cookie: a\r\n"),
        ] {
            assert_ne!(granted, like(target, rest), "{target} {rest}");
        }
    }
}
