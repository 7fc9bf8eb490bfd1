//! What a subscriber is told, read from its JSON without the project's own decoders.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id, which is also a cursor.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// When it was published, as text.
    pub time: String,
    /// The rooms that it names.
    pub rooms: Vec<String>,
    /// Its conflation key.
    pub key: Option<String>,
    /// The session that published it over a WebSocket.
    pub from: Option<String>,
    /// The bytes of its `data`.
    pub data: String,
    /// All of its bytes.
    pub json: String,
}

/// The first thing that a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// The session.
    pub session: String,
    /// Its public name.
    pub member: String,
    /// What follows is after this.
    pub cursor: String,
    /// `new`, `resumed` or `reset`.
    pub state: String,
    /// How many events are gone, where that can be known.
    pub missed: Option<u64>,
    /// Seconds between beats.
    pub beat: u64,
}

/// Events that will not come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The first offset that is missing.
    pub from: u64,
    /// The last offset that is missing.
    pub to: u64,
    /// Why.
    pub reason: String,
    /// What follows is after this.
    pub cursor: String,
}

/// The last thing that a stream is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Why.
    pub reason: String,
    /// `no`, `yes` or `after_new_token`.
    pub retry: String,
    /// How long to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// A sentence for people.
    pub detail: String,
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The start.
    Sync(Sync),
    /// An event.
    Event(Event),
    /// A proof of life with the cursor; on long polling an empty answer.
    Beat(String),
    /// Events that will not come.
    Gap(Gap),
    /// The end.
    Close(Close),
    /// The answer to a command on a WebSocket, as its JSON.
    Reply(String),
}

/// Fields by name, each with the bytes it was written with: `1e400` has no other reading that keeps it.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFields<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    #[serde(default)]
    rooms: Vec<String>,
    key: Option<String>,
    from: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Event {
    /// Reads an event.
    ///
    /// # Panics
    /// If the text is not an event.
    #[must_use]
    pub fn read(json: &str) -> Self {
        let fields: EventFields<'_> = read(json);
        assert!(!json.contains(['\n', '\r', '\0']), "an event is one line: {json:?}");
        Self {
            id: fields.id,
            kind: fields.kind,
            time: fields.time,
            rooms: fields.rooms,
            key: fields.key,
            from: fields.from,
            data: fields.data.get().to_owned(),
            json: json.to_owned(),
        }
    }

    /// Its place in the namespace.
    ///
    /// # Panics
    /// If the id is not `<epoch>-<offset>`.
    #[must_use]
    pub fn offset(&self) -> u64 {
        cursor_offset(&self.id)
    }
}

/// The offset of a cursor.
pub(crate) fn cursor_offset(cursor: &str) -> u64 {
    let offset = cursor.split_once('-').and_then(|(_, offset)| offset.parse().ok());
    offset.unwrap_or_else(|| panic!("not a cursor: {cursor:?}"))
}

impl Message {
    /// Reads what stands in a text frame, or in the `data` of an SSE event: a notice, an answer or an event.
    ///
    /// # Panics
    /// If it is none of them.
    #[must_use]
    pub fn read(json: &str) -> Self {
        let mut fields: Fields<'_> = read(json);
        if fields.contains_key("reply") {
            return Self::Reply(json.to_owned());
        }
        let Some(name) = fields.remove("notice") else { return Self::Event(Event::read(json)) };
        let name: String = read(name.get());
        let rest = serde_json::to_string(&fields).unwrap_or_else(|error| panic!("{json}: {error}"));
        match name.as_str() {
            "sync" => Self::Sync(read(&rest)),
            "beat" => Self::Beat(read::<Beat>(&rest).cursor),
            "gap" => Self::Gap(read(&rest)),
            "close" => Self::Close(read(&rest)),
            _ => panic!("an unknown notice: {json}"),
        }
    }

    /// The name that a notice has on SSE.
    #[must_use]
    pub fn notice_name(&self) -> Option<&'static str> {
        match self {
            Self::Sync(_) => Some("sync"),
            Self::Beat(_) => Some("beat"),
            Self::Gap(_) => Some("gap"),
            Self::Close(_) => Some("close"),
            Self::Event(_) | Self::Reply(_) => None,
        }
    }

    /// Where a client stands that has this.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        match self {
            Self::Sync(sync) => Some(&sync.cursor),
            Self::Event(event) => Some(&event.id),
            Self::Beat(cursor) => Some(cursor),
            Self::Gap(gap) => Some(&gap.cursor),
            Self::Close(_) | Self::Reply(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Beat {
    cursor: String,
}

/// The answer to a poll.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'a> {
    sync: Option<Sync>,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    #[serde(borrow)]
    notices: Vec<&'a RawValue>,
    cursor: String,
}

/// Reads the answer to a poll as messages in their order, and the cursor to go on from.
pub(crate) fn read_answer(body: &str) -> (Vec<Message>, String) {
    let answer: Answer<'_> = read(body);
    let mut messages: Vec<Message> = answer.sync.into_iter().map(Message::Sync).collect();
    messages.extend(answer.notices.iter().map(|notice| Message::read(notice.get())));
    messages.extend(answer.events.iter().map(|event| Message::Event(Event::read(event.get()))));
    if messages.is_empty() {
        messages.push(Message::Beat(answer.cursor.clone()));
    }
    // A gap lies before the events that follow it, the end after them.
    messages.sort_by_key(|message| matches!(message, Message::Close(_)));
    (messages, answer.cursor)
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json:?}"))
}
