//! What a server reads: publish bodies, commands, frames, the text of cursors and sessions, queries, heads.

use tricast_feed::{Draft, Epoch, Member, Millis, Offset};
use tricast_wire::command::{self, Op};
use tricast_wire::decode::{EventMsg, Message, SseDecoder, SseItem};
use tricast_wire::event::Prepared;
use tricast_wire::publish::{self, BodyForm, PublishLimits};
use tricast_wire::text as names;
use tricast_wire::ws::{FrameReader, Incoming};

use crate::split::{pieces, text as as_text};

const LIMITS: PublishLimits = PublishLimits { batch_max: 16, rooms_max: 8, depth_max: 16 };

/// The longest message that the frame reader takes here.
const MESSAGE_MAX: usize = 256;

pub(crate) fn publish(input: &[u8]) {
    for form in [BodyForm::Json, BodyForm::Lines] {
        let Ok(drafts) = publish::parse(input, form, LIMITS) else { continue };
        assert!((1..=LIMITS.batch_max).contains(&drafts.len()));
        drafts.iter().for_each(whole_on_every_way);
    }
}

/// What was accepted is one line, cannot forge anything round it, and is read by the client as it was meant.
fn whole_on_every_way(draft: &Draft) {
    let epoch = Epoch::from_random(7);
    let encoded = Prepared::new(draft).encode(epoch, Offset(u64::MAX), Millis(1_800_000_000_000));
    let json = encoded.json();
    assert!(!json.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "one line");
    let json = std::str::from_utf8(&json).expect("an event is text");
    let Ok(Message::Event(event)) = Message::from_ws(json) else { panic!("not an event: {json}") };
    assert_eq!(event.data.get().as_bytes(), &draft.data[..], "the payload is what was compacted");
    assert_eq!((event.kind.as_str(), event.id.offset.0), (draft.kind.as_str(), u64::MAX));
    assert_eq!(event.rooms.len(), draft.addressing.rooms.len());

    let mut items = Vec::new();
    let read = SseDecoder::new(encoded.sse().len() + 8).push(&encoded.sse(), &mut |item| items.push(item));
    assert!(read.is_ok());
    let [SseItem::Event(sse)] = &items[..] else { panic!("not one SSE event: {items:?}") };
    assert_eq!((sse.data.as_str(), sse.name.as_str()), (json, ""));
    let again: EventMsg = serde_of(&Message::from_sse(sse));
    assert_eq!(again, event);
}

fn serde_of<E: std::fmt::Debug>(message: &Result<Message, E>) -> EventMsg {
    match message {
        Ok(Message::Event(event)) => event.clone(),
        other => panic!("not an event: {other:?}"),
    }
}

pub(crate) fn command(input: &[u8]) {
    let Some(text) = as_text(input) else { return };
    let command = command::parse(text, LIMITS, Member(9));
    let reference = command.reference.as_deref();
    let reply = match &command.op {
        Ok(Op::Publish(publish)) => {
            assert_eq!(publish.draft.from, Some(Member(9)), "in band, an event names its session");
            whole_on_every_way(&publish.draft);
            command::reply_ok(reference, "")
        }
        Ok(Op::Join(rooms) | Op::Leave(rooms)) => {
            assert!(rooms.len() <= LIMITS.rooms_max);
            command::reply_ok(reference, "")
        }
        Ok(_) => command::reply_ok(reference, ""),
        Err(fault) => command::reply_refused(reference, fault),
    };
    // The answer comes as a frame, and a client must be able to read it whatever was echoed.
    let payload = frame_payload(&reply);
    let read = Message::from_ws(payload);
    let Ok(Message::Reply(reply)) = read else { panic!("{payload}: {read:?}") };
    assert_eq!(reply.ok, command.op.is_ok());
}

/// The text of one whole frame of a server.
fn frame_payload(frame: &[u8]) -> &str {
    let head = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    std::str::from_utf8(&frame[head..]).expect("an answer is text")
}

pub(crate) fn frames(input: &[u8]) {
    let (whole, pieces) = pieces(input);
    let at_once = read_frames(&[whole]);
    assert_eq!(read_frames(&pieces), at_once, "it reads the same however it is split");
}

/// Everything that was read, and the code it ended with.
fn read_frames(pieces: &[&[u8]]) -> (Vec<Incoming>, Option<u16>) {
    let (mut reader, mut came) = (FrameReader::new(MESSAGE_MAX), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match reader.next(&mut rest) {
                Ok(Some(incoming)) => {
                    assert!(!matches!(&incoming, Incoming::Text(text) if text.len() > MESSAGE_MAX));
                    came.push(incoming);
                }
                Ok(None) => break,
                Err(fault) => return (came, Some(fault.code)),
            }
        }
        assert!(rest.is_empty(), "what is not refused is taken");
    }
    (came, None)
}

pub(crate) fn text(input: &[u8]) {
    let Some(text) = as_text(input) else { return };
    if let Ok(cursor) = names::parse_cursor(text) {
        assert_eq!(names::cursor(cursor), text, "one text for each cursor");
        assert!(text.len() <= names::CURSOR_LEN_MAX);
    }
    if let Ok(session) = names::parse_session(text) {
        assert_eq!(names::session(session), text, "one text for each session");
    }
}

pub(crate) fn query(input: &[u8]) {
    if let Some(text) = as_text(input) {
        tricast_server::fuzz::query(text);
    }
}

pub(crate) fn heads(input: &[u8]) {
    tricast_server::fuzz::heads(input);
}
