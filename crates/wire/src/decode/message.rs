//! One message, however it travelled.

use serde::Deserialize;
use serde_json::value::RawValue;
use tricast_feed::{Cursor, Reason};

use super::{EventMsg, Notice, SseEvent, Sync};

/// One thing that the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An event of the feed.
    Event(EventMsg),
    /// Something about the stream itself.
    Notice(Notice),
    /// The answer to a command on a WebSocket.
    Reply(Reply),
}

/// The server sent something that this client cannot read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the server's {what}")]
pub struct DecodeError {
    what: &'static str,
    #[source]
    source: serde_json::Error,
}

impl DecodeError {
    fn of(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self { what, source }
    }
}

/// An accepted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// Its place in the feed.
    #[serde(deserialize_with = "super::cursor")]
    pub id: Cursor,
}

/// The answer to a command on a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reply {
    /// The command's `ref`, whatever JSON value it was; null where there was none.
    #[serde(default)]
    pub reply: serde_json::Value,
    /// Whether it was done.
    pub ok: bool,
    /// The session's rooms, after `join` and `leave`.
    #[serde(default)]
    pub rooms: Option<Vec<String>>,
    /// The accepted events, after `publish`.
    #[serde(default)]
    pub events: Vec<Published>,
    /// Why it was refused, by name.
    #[serde(default)]
    pub reason: Option<String>,
    /// What exactly was wrong.
    #[serde(default)]
    pub detail: Option<String>,
}

impl Reply {
    /// Why it was refused, where this version knows the reason.
    #[must_use]
    pub fn known(&self) -> Option<Reason> {
        self.reason.as_deref().and_then(Reason::from_name)
    }
}

/// The answer to a poll.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PollAnswer {
    /// There where something happened that the client must know.
    #[serde(default)]
    pub sync: Option<Sync>,
    /// What was pending, in order.
    #[serde(default)]
    pub events: Vec<EventMsg>,
    /// Gaps and the close, in order.
    #[serde(default)]
    pub notices: Vec<Notice>,
    /// To be handed back as `after`.
    #[serde(deserialize_with = "super::cursor")]
    pub cursor: Cursor,
}

impl PollAnswer {
    /// Reads the body of an answer with status 200.
    ///
    /// # Errors
    /// [`DecodeError`] where it is not one.
    pub fn read(body: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(body).map_err(DecodeError::of("poll answer"))
    }

    /// The same as a stream would have sent it: `sync` first, each gap before the first event behind it, other
    /// notices last.
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        let mut messages = Vec::with_capacity(1 + self.events.len() + self.notices.len());
        messages.extend(self.sync.map(|sync| Message::Notice(Notice::Sync(sync))));
        let (gaps, others): (Vec<_>, Vec<_>) =
            self.notices.into_iter().partition(|notice| matches!(notice, Notice::Gap(_)));
        let mut gaps = gaps.into_iter().peekable();
        for event in self.events {
            let passed = |notice: &Notice| matches!(notice, Notice::Gap(gap) if gap.from < event.id.offset.0);
            while let Some(gap) = gaps.next_if(passed) {
                messages.push(Message::Notice(gap));
            }
            messages.push(Message::Event(event));
        }
        messages.extend(gaps.chain(others).map(Message::Notice));
        messages
    }
}

impl Message {
    /// Reads a WebSocket text.
    ///
    /// # Errors
    /// [`DecodeError`] where it is not JSON, or lacks what its kind must have.
    pub fn from_ws(text: &str) -> Result<Self, DecodeError> {
        // The server writes an event's id first. Looking there saves reading every event twice; a text that is
        // written in another order is still read right below.
        if text.starts_with(r#"{"id":"#) {
            return Self::event(text);
        }
        let kind: Kind<'_> = serde_json::from_str(text).map_err(DecodeError::of("WebSocket text"))?;
        if kind.notice.is_some() {
            serde_json::from_str(text).map(Self::Notice).map_err(DecodeError::of("notice"))
        } else if kind.ok.is_some() {
            serde_json::from_str(text).map(Self::Reply).map_err(DecodeError::of("reply"))
        } else {
            Self::event(text)
        }
    }

    /// Reads an SSE event.
    ///
    /// # Errors
    /// [`DecodeError`] where its data is not JSON, or lacks what its kind must have.
    pub fn from_sse(event: &SseEvent) -> Result<Self, DecodeError> {
        if event.name.is_empty() || event.name == "message" {
            return Self::event(&event.data);
        }
        Notice::named(&event.name, &event.data).map(Self::Notice).map_err(DecodeError::of("notice"))
    }

    fn event(text: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(text).map(Self::Event).map_err(DecodeError::of("event"))
    }
}

/// What tells the kinds of WebSocket texts apart.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    notice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ok: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"k3f4a2bq-9","type":"a","time":"t","data":{"notice":"sync","reply":1}}"#;

    fn kinds(messages: &[Message]) -> Vec<String> {
        let kind = |message: &Message| match message {
            Message::Event(event) => event.id.offset.to_string(),
            Message::Notice(Notice::Gap(gap)) => format!("gap {}-{}", gap.from, gap.to),
            Message::Notice(Notice::Sync(_)) => "sync".to_owned(),
            Message::Notice(Notice::Close(_)) => "close".to_owned(),
            other => format!("{other:?}"),
        };
        messages.iter().map(kind).collect()
    }

    #[test]
    fn the_kinds_of_websocket_texts_are_told_apart() {
        assert!(matches!(Message::from_ws(EVENT), Ok(Message::Event(_))));
        let turned = r#"{"data":{"notice":1},"time":"t","type":"a","id":"k3f4a2bq-9"}"#;
        assert!(matches!(Message::from_ws(turned), Ok(Message::Event(_))));
        let beat = r#"{"cursor":"k3f4a2bq-9","notice":"beat"}"#;
        assert!(matches!(Message::from_ws(beat), Ok(Message::Notice(Notice::Beat(_)))));
        let refused =
            Message::from_ws(r#"{"reply":1,"ok":false,"reason":"bad_request","detail":"d"}"#).unwrap();
        let Message::Reply(reply) = refused else { panic!("not a reply") };
        assert_eq!((&reply.reply, reply.known()), (&1.into(), Some(Reason::BadRequest)));
        assert!(matches!(Message::from_ws(r#"{"reply":null,"ok":true}"#), Ok(Message::Reply(_))));
        for bad in ["", "{", "[]", "1", "{}", r#"{"notice":"beat"}"#, r#"{"reply":1,"ok":2}"#] {
            assert!(Message::from_ws(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_sse_event_without_a_name_is_an_event() {
        let sse = |name: &str, data: &str| SseEvent {
            name: name.to_owned(),
            data: data.to_owned(),
            id: String::new(),
        };
        assert!(matches!(Message::from_sse(&sse("", EVENT)), Ok(Message::Event(_))));
        assert!(matches!(Message::from_sse(&sse("message", EVENT)), Ok(Message::Event(_))));
        assert!(matches!(Message::from_sse(&sse("later", "not json")), Ok(Message::Notice(Notice::Unknown))));
        assert!(Message::from_sse(&sse("gap", EVENT)).is_err());
    }

    #[test]
    fn a_poll_answer_reads_like_a_stream() {
        let event = |n: u64| format!(r#"{{"id":"k3f4a2bq-{n}","type":"a","time":"t","data":{n}}}"#);
        let gap = |from: u64, to: u64| {
            format!(r#"{{"notice":"gap","from":{from},"to":{to},"reason":"slow","cursor":"k3f4a2bq-{to}"}}"#)
        };
        let body = format!(
            r#"{{"sync":{{"session":"s","cursor":"k3f4a2bq-0","state":"new","missed":0,"beat":25}},"events":[{},{},{}],
                "notices":[{},{{"notice":"close","reason":"draining"}},{}],"cursor":"k3f4a2bq-9"}}"#,
            event(1),
            event(2),
            event(6),
            gap(3, 5),
            gap(7, 9)
        );
        let answer = PollAnswer::read(body.as_bytes()).unwrap();
        assert_eq!(kinds(&answer.into_messages()), ["sync", "1", "2", "gap 3-5", "6", "gap 7-9", "close"]);
    }

    #[test]
    fn an_error_names_what_could_not_be_read() {
        let error = PollAnswer::read(b"<html>").unwrap_err();
        assert_eq!(error.to_string(), "cannot read the server's poll answer");
        assert!(std::error::Error::source(&error).is_some());
    }
}
