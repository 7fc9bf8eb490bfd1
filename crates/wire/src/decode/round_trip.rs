//! What the encoders write, the decoders read, on all three transports and whatever the fields hold.

use bytes::Bytes;
use proptest::prelude::*;
use tricast_feed::{
    Addressing, ConflationKey, Cursor, Draft, Epoch, EventType, Member, Millis, Offset, Reason, Room,
    RoomSet, SessionId, StartState,
};

use super::*;
use crate::event::{Encoded, Prepared};
use crate::notice as told;
use crate::{poll, text};

const CURSOR: fn(u64) -> Cursor =
    |offset| Cursor { epoch: Epoch::from_random(0x1f_3b), offset: Offset(offset) };

/// Texts that try to end a line, a field, a string or a frame.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n\r\n".to_owned()),
        Just("\n\ndata: forged\n\n".to_owned()),
        Just("\"},{\"notice\":\"close\"".to_owned()),
        Just("\0\u{2028}\u{feff}id: 9-9".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn draft() -> impl Strategy<Value = Draft> {
    let rooms = prop::collection::vec("[A-Za-z0-9][A-Za-z0-9._:@-]{0,20}", 0..4);
    let key =
        prop::option::of("[^\\pC]{1,20}".prop_filter_map("a key", |text| ConflationKey::new(&text).ok()));
    (rooms, key, prop::option::of(any::<u128>()), hostile(), "[a-z0-9][a-z0-9._-]{0,20}").prop_map(
        |(rooms, key, from, data, kind)| Draft {
            kind: EventType::new(&kind).unwrap(),
            addressing: Addressing {
                rooms: RoomSet::new(rooms.iter().map(|room| Room::new(room).unwrap()).collect()),
                ..Addressing::default()
            },
            key,
            from: from.map(Member),
            data: Bytes::from(serde_json::to_vec(&[data]).unwrap()),
        },
    )
}

/// A text frame without its header (RFC 6455, section 5.2).
fn unframed(frame: &[u8]) -> &str {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    std::str::from_utf8(&frame[header..]).unwrap()
}

fn by_sse(bytes: &[u8]) -> Vec<(Message, String)> {
    let mut messages = Vec::new();
    let mut decoder = SseDecoder::new(1 << 20);
    decoder
        .push(bytes, &mut |item| match item {
            SseItem::Event(event) => messages.push((Message::from_sse(&event).unwrap(), event.id)),
            SseItem::Retry(_) => panic!("a field was forged"),
        })
        .unwrap();
    messages
}

fn by_poll(event: &Encoded, cursor: Cursor) -> Vec<Message> {
    let json = event.json();
    let body = poll::answer(None, std::iter::once(json.as_ref()), &[], cursor);
    let answer = PollAnswer::read(&body).unwrap();
    assert_eq!(answer.cursor, cursor);
    answer.into_messages()
}

fn check_event(draft: &Draft, offset: u64) {
    let cursor = CURSOR(offset);
    let encoded = Prepared::new(draft).encode(cursor.epoch, cursor.offset, Millis(1_795_353_611_042));
    let message = Message::from_ws(unframed(&encoded.frame())).unwrap();
    assert_eq!(by_sse(&encoded.sse()), [(message.clone(), text::cursor(cursor))]);
    assert_eq!(by_poll(&encoded, cursor), std::slice::from_ref(&message));

    let Message::Event(event) = message else { panic!("not an event") };
    let rooms: Vec<&str> = draft.addressing.rooms.iter().map(Room::as_str).collect();
    assert_eq!((event.id, event.kind.as_str()), (cursor, draft.kind.as_str()));
    assert_eq!(event.rooms, rooms);
    assert_eq!(event.key.as_deref(), draft.key.as_ref().map(ConflationKey::as_str));
    assert_eq!(event.from, draft.from.map(text::member));
    assert_eq!(event.data.get().as_bytes(), draft.data);
}

/// A notice by all ways; the last one is how a poll answer holds it.
fn check_notice(notice: &told::Notice) -> Notice {
    let Message::Notice(read) = Message::from_ws(unframed(&notice.frame())).unwrap() else {
        panic!("not a notice")
    };
    let by_sse = by_sse(&notice.sse());
    assert_eq!(by_sse.len(), 1);
    assert_eq!(by_sse[0].0, Message::Notice(read.clone()));
    let body = poll::answer(None, std::iter::empty(), std::slice::from_ref(notice), CURSOR(1));
    assert_eq!(PollAnswer::read(&body).unwrap().notices, std::slice::from_ref(&read));
    read
}

proptest! {
    #[test]
    fn every_event_comes_back_the_same_by_every_transport(draft in draft(), offset in 1..u64::MAX) {
        check_event(&draft, offset);
    }

    #[test]
    fn a_close_comes_back_with_its_detail(detail in hostile(), row in 0..Reason::ALL.len(), after in prop::option::of(any::<u64>())) {
        let reason = Reason::ALL[row];
        let close = told::Close { reason, retry_after_ms: after, detail: detail.clone() };
        let Notice::Close(read) = check_notice(&told::Notice::Close(close)) else { panic!("not a close") };
        prop_assert_eq!(read.known(), Some(reason));
        prop_assert_eq!((read.told, read.retry_after_ms, read.detail), (Some(reason.retry()), after, Some(detail)));
    }
}

#[test]
fn a_long_event_passes_every_frame_length() {
    for length in [1, 125, 126, 65_535, 65_536, 200_000] {
        let data = Bytes::from(serde_json::to_vec(&"x".repeat(length)).unwrap());
        let (kind, addressing) = (EventType::message(), Addressing::default());
        check_event(&Draft { kind, addressing, key: None, from: None, data }, 1);
    }
}

#[test]
fn sync_beat_and_gap_come_back() {
    for (state, expected, missed) in [
        (StartState::New, SyncState::New, Some(0)),
        (StartState::Resumed, SyncState::Resumed, Some(0)),
        (StartState::Reset { missed: Some(3) }, SyncState::Reset, Some(3)),
        (StartState::Reset { missed: None }, SyncState::Reset, None),
    ] {
        let sync = told::Sync { session: Some(SessionId(7)), cursor: CURSOR(5), state, beat_secs: 15 };
        let Notice::Sync(read) = check_notice(&told::Notice::Sync(sync)) else { panic!("not a sync") };
        assert_eq!(
            (read.state, read.missed, read.cursor, read.beat.as_secs()),
            (expected, missed, CURSOR(5), 15)
        );
        assert_eq!(read.session, text::session(SessionId(7)));
    }
    assert_eq!(check_notice(&told::Notice::Beat(CURSOR(9))), Notice::Beat(Beat { cursor: CURSOR(9) }));
    let gap = told::Notice::Gap { from: Offset(2), to: CURSOR(7), reason: told::GapReason::Slow };
    let expected = Gap { from: 2, to: 7, reason: "slow".to_owned(), cursor: CURSOR(7) };
    assert_eq!(check_notice(&gap), Notice::Gap(expected));
}

#[test]
fn a_problem_comes_back() {
    for reason in Reason::ALL {
        let problem = crate::problem::Problem::new(reason, "after: \"no\"\n");
        let read = Problem::read(&problem.json()).unwrap();
        assert_eq!((read.known(), read.status), (Some(reason), problem.status));
        assert_eq!(read.detail.as_deref(), Some("after: \"no\"\n"));
    }
}
