//! An event's one JSON text, encoded once for each way out.
//!
//! Publishing has two halves. [`Prepared`] does all that needs no place in the log, outside of any lock.
//! [`Prepared::encode`] then runs under the log's lock with the offset and the time, and only copies.

use std::ops::Range;

use bytes::Bytes;
use tricast_feed::{Cursor, Draft, Epoch, Millis, Offset};

use crate::{json, sse, text, ws};

/// The part of an event's JSON that does not depend on its place.
#[derive(Debug)]
pub struct Prepared {
    /// `","type":"…","time":"`, between the id and the time.
    middle: Vec<u8>,
    /// `","rooms":[…],…,"data":…}`, after the time.
    tail: Vec<u8>,
}

impl Prepared {
    /// Writes everything but id and time.
    #[must_use]
    pub fn new(draft: &Draft) -> Self {
        let mut middle = Vec::with_capacity(32 + draft.kind.as_str().len());
        middle.extend_from_slice(b"\",\"type\":\"");
        middle.extend_from_slice(draft.kind.as_str().as_bytes());
        middle.extend_from_slice(b"\",\"time\":\"");
        Self { middle, tail: tail(draft) }
    }

    /// The whole event, in all its ways out.
    #[must_use]
    pub fn encode(&self, epoch: Epoch, offset: Offset, time: Millis) -> Encoded {
        let cursor = Cursor { epoch, offset };
        let mut id = Vec::with_capacity(text::CURSOR_LEN_MAX);
        text::push_cursor(&mut id, cursor);
        let json_len = b"{\"id\":\"".len() + id.len() + self.middle.len() + TIME_LEN + self.tail.len();
        let mut out = Vec::with_capacity(2 * json_len + id.len() + 48);

        sse::push_chunk_size(&mut out, sse::event_len(id.len(), json_len));
        let sse_start = out.len();
        sse::push_event_head(&mut out, &id);
        let json_start = out.len();
        self.push_json(&mut out, &id, time);
        let json = json_start..out.len();
        out.extend_from_slice(sse::EVENT_TAIL);
        let sse = sse_start..out.len();
        out.extend_from_slice(b"\r\n");

        let frame_start = out.len();
        ws::push_header(&mut out, ws::Opcode::Text, json_len);
        out.extend_from_within(json.clone());
        let frame = frame_start..out.len();
        Encoded { bytes: Bytes::from(out), json, sse, frame }
    }

    fn push_json(&self, out: &mut Vec<u8>, id: &[u8], time: Millis) {
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(id);
        out.extend_from_slice(&self.middle);
        text::push_time(out, time);
        out.extend_from_slice(&self.tail);
    }
}

/// `2026-11-22T13:20:11.042Z`.
const TIME_LEN: usize = 24;

fn tail(draft: &Draft) -> Vec<u8> {
    let mut out = Vec::with_capacity(draft.data.len() + 64);
    out.push(b'"');
    if !draft.addressing.rooms.is_empty() {
        out.extend_from_slice(b",\"rooms\":[");
        for (place, room) in draft.addressing.rooms.iter().enumerate() {
            out.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(room.as_str().as_bytes());
            out.push(b'"');
        }
        out.push(b']');
    }
    if let Some(key) = &draft.key {
        out.extend_from_slice(b",\"key\":");
        json::push_string(&mut out, key.as_str());
    }
    if let Some(from) = draft.from {
        out.extend_from_slice(b",\"from\":\"");
        out.extend_from_slice(text::member(from).as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(&draft.data);
    out.push(b'}');
    out
}

/// One event in all its ways out, in one piece of shared memory.
#[derive(Debug, Clone)]
pub struct Encoded {
    bytes: Bytes,
    json: Range<usize>,
    sse: Range<usize>,
    frame: Range<usize>,
}

impl Encoded {
    /// The event's JSON: what a poll answer and a history page are joined from.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.bytes.slice(self.json.clone())
    }

    /// The SSE event, bare: for a body that the HTTP layer frames.
    #[must_use]
    pub fn sse(&self) -> Bytes {
        self.bytes.slice(self.sse.clone())
    }

    /// The SSE event wrapped as one HTTP chunk (RFC 9112, section 7.1): for a socket that is written directly.
    #[must_use]
    pub fn sse_chunk(&self) -> Bytes {
        self.bytes.slice(..self.frame.start)
    }

    /// The WebSocket text frame (RFC 6455, section 5.2), unmasked as a server's must be.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        self.bytes.slice(self.frame.clone())
    }

    /// The memory that the event holds, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tricast_feed::{Addressing, ConflationKey, EventType, Member, Room, RoomSet};

    use super::*;

    fn draft(data: &str) -> Draft {
        Draft {
            kind: EventType::new("order.shipped").unwrap(),
            addressing: Addressing {
                rooms: RoomSet::new(vec![Room::new("room-123").unwrap(), Room::new("b").unwrap()]),
                ..Addressing::default()
            },
            key: Some(ConflationKey::new("a\"b\\é").unwrap()),
            from: Some(Member(0)),
            data: Bytes::copy_from_slice(data.as_bytes()),
        }
    }

    fn encode(draft: &Draft) -> Encoded {
        Prepared::new(draft).encode(Epoch::from_random(0), Offset(1042), Millis(1_793_280_011_042))
    }

    #[test]
    fn golden_bytes_of_every_way_out() {
        let encoded = encode(&draft("{\"order\":42}"));
        let json = concat!(
            r#"{"id":"aaaaaaaa-1042","type":"order.shipped","time":"2026-10-29T13:20:11.042Z","rooms":["b","room-123"],"#,
            r#""key":"a\"b\\é","from":"p_AAAAAAAAAAAAAAAAAAAAAA","data":{"order":42}}"#
        );
        let sse = format!("id: aaaaaaaa-1042\ndata: {json}\n\n");
        assert_eq!(encoded.json(), json);
        assert_eq!(encoded.sse(), sse);
        assert_eq!(encoded.sse_chunk(), format!("{:x}\r\n{sse}\r\n", sse.len()));
        let mut frame = vec![0x81, 126, 0, json.len() as u8];
        frame.extend_from_slice(json.as_bytes());
        assert_eq!(encoded.frame(), frame);
    }

    #[test]
    fn a_bare_event_leaves_the_empty_fields_out() {
        let bare = Draft {
            kind: EventType::message(),
            addressing: Addressing::default(),
            key: None,
            from: None,
            data: Bytes::from_static(b"1"),
        };
        let json = r#"{"id":"aaaaaaaa-1042","type":"message","time":"2026-10-29T13:20:11.042Z","data":1}"#;
        assert_eq!(encode(&bare).json(), json);
    }

    proptest! {
        /// Whatever the fields hold, there is one line, one frame, and the JSON says what went in.
        #[test]
        fn no_field_can_forge_a_frame(text in any::<String>(), key in "\\PC{1,64}", look_alike in prop::bool::ANY) {
            let text = if look_alike { format!("{text}\n\ndata: x\r\nid: zzzzzzzz-1\r\n0\r\n\r\n\0\u{81}") } else { text };
            let mut draft = draft(&serde_json::to_string(&text).unwrap());
            draft.key = ConflationKey::new(&key).ok();
            let encoded = encode(&draft);
            let json = encoded.json();
            prop_assert!(!json.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(value["data"].as_str(), Some(text.as_str()));
            prop_assert_eq!(value["key"].as_str(), draft.key.as_ref().map(ConflationKey::as_str));
            let sse = encoded.sse();
            prop_assert_eq!(memchr::memchr_iter(b'\n', &sse).count(), 3);
            prop_assert!(sse.ends_with(b"\n\n"));
            prop_assert_eq!(encoded.frame().slice(encoded.frame().len() - json.len()..), json);
        }
    }
}
