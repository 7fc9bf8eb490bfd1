//! What a client reads: events, messages, notices, poll answers, problems, a stream of events.

use tricast_wire::decode::{Message, Notice, PollAnswer, Problem, SseDecoder, SseItem};
use tricast_wire::text;

use crate::split::{first_line, pieces, text as as_text};

/// The longest line or event that the SSE reader takes here.
const EVENT_BYTES_MAX: usize = 512;

pub(crate) fn event(input: &[u8]) {
    let Some(json) = as_text(input) else { return };
    let head = r#"{"id":"#;
    // What begins as the server writes an event is an event or nothing.
    match Message::from_ws(json) {
        Ok(Message::Event(event)) => {
            let id = text::cursor(event.id);
            assert!(text::parse_cursor(&id).is_ok_and(|cursor| cursor == event.id));
            assert!(!event.data.get().is_empty(), "a payload is a JSON value");
        }
        Ok(other) => assert!(!json.starts_with(head), "{other:?}"),
        Err(_) => {}
    }
}

pub(crate) fn message(input: &[u8]) {
    let Some(json) = as_text(input) else { return };
    if let Ok(Message::Reply(reply)) = Message::from_ws(json) {
        let _ = (reply.known(), reply.events.len());
    }
}

pub(crate) fn notice(input: &[u8]) {
    let Some(all) = as_text(input) else { return };
    let (name, fields) = first_line(all);
    if let Ok(notice) = Notice::named(name, fields) {
        let known = ["sync", "beat", "gap", "close"].contains(&name);
        assert_eq!(known, notice != Notice::Unknown);
        if let Notice::Close(close) = notice {
            let _ = (close.known(), close.retry());
        }
    }
}

pub(crate) fn poll_answer(input: &[u8]) {
    let Ok(answer) = PollAnswer::read(input) else { return };
    let whole = usize::from(answer.sync.is_some()) + answer.events.len() + answer.notices.len();
    let order: Vec<_> = answer.events.iter().map(|event| event.id).collect();
    let messages = answer.into_messages();
    assert_eq!(messages.len(), whole, "nothing is lost on the way to messages");
    let events = messages.iter().filter_map(|message| match message {
        Message::Event(event) => Some(event.id),
        Message::Notice(_) | Message::Reply(_) => None,
    });
    assert!(events.eq(order), "and the events stay in order");
}

pub(crate) fn problem(input: &[u8]) {
    if let Some(problem) = Problem::read(input) {
        let _ = problem.known();
    }
}

pub(crate) fn sse(input: &[u8]) {
    let (whole, pieces) = pieces(input);
    let at_once = read_sse(&[whole]);
    assert_eq!(read_sse(&pieces), at_once, "it reads the same however it is split");
    for item in &at_once.0 {
        if let SseItem::Event(event) = item {
            assert!(event.data.len() <= EVENT_BYTES_MAX * 3, "a byte becomes three at most");
            assert!(!event.name.contains(['\r', '\n']) && !event.id.contains(['\r', '\n', '\0']));
            let _ = Message::from_sse(event);
        }
    }
}

fn read_sse(pieces: &[&[u8]]) -> (Vec<SseItem>, bool) {
    let (mut decoder, mut items) = (SseDecoder::new(EVENT_BYTES_MAX), Vec::new());
    for piece in pieces {
        if decoder.push(piece, &mut |item| items.push(item)).is_err() {
            return (items, false);
        }
    }
    (items, true)
}
