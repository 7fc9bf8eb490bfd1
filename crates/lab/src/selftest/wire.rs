//! What the faulty server writes, to the byte: the judge reckons with the same bytes.

use std::sync::Arc;

use super::hub::{Event, Place};

/// Eight letters, as an epoch has.
const EPOCH: &str = "selftest";
/// What an unsigned 16-bit length can tell in a frame's head.
const FRAME_BYTES_MAX: usize = 65_535;
const WS_HEAD: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
/// A final text frame, and a final pong: nobody answers a pong.
const TEXT: u8 = 0x81;
const PONG: u8 = 0x8A;

/// An event's id. All are equally long, so that all events are.
pub(super) fn id(number: u64) -> String {
    format!("{EPOCH}-{number:06}")
}

/// The number in an id.
pub(super) fn number(id: &str) -> Option<u64> {
    id.strip_prefix(EPOCH)?.strip_prefix('-')?.parse().ok()
}

/// An event's JSON.
pub(super) fn event(id: &str, data: &str) -> String {
    format!("{{\"id\":\"{id}\",\"type\":\"message\",\"time\":\"2026-01-01T00:00:00.000Z\",\"data\":{data}}}")
}

/// An answer, with a header line of `padding` bytes. Its length is told in six digits, so that all heads are equally long.
pub(super) fn answer(status: &str, padding: usize, body: &str) -> String {
    let pad =
        padding.checked_sub("X-Pad: \r\n".len()).map(|bytes| format!("X-Pad: {}\r\n", "x".repeat(bytes)));
    format!("HTTP/1.1 {status}\r\nContent-Length: {:06}\r\n{}\r\n{body}", body.len(), pad.unwrap_or_default())
}

/// A poll's answer, padded by so many bytes for each event.
pub(super) fn poll(events: &[Arc<Event>], cursor: &str, padding: usize) -> String {
    let all: Vec<&str> = events.iter().map(|event| event.json.as_str()).collect();
    let body = format!("{{\"events\":[{}],\"notices\":[],\"cursor\":\"{cursor}\"}}", all.join(","));
    answer("200 OK", padding * events.len(), &body)
}

/// An event on an SSE stream, with a comment of `padding` bytes before it.
pub(super) fn sse(id: &str, json: &str, padding: usize) -> String {
    let pad = padding.checked_sub(":\n".len()).map(|bytes| format!(":{}\n", "x".repeat(bytes)));
    format!("{}id: {id}\ndata: {json}\n\n", pad.unwrap_or_default())
}

/// An event on a WebSocket, with a pong of `padding` bytes before it.
pub(super) fn websocket(json: &str, padding: usize) -> Vec<u8> {
    let pad = padding.checked_sub(2).map(|bytes| frame(PONG, &"x".repeat(bytes)));
    [pad.unwrap_or_default(), frame(TEXT, json)].concat()
}

/// The answer to a first poll.
pub(super) fn poll_opening(place: &Place) -> String {
    let Place { subscriber, cursor, .. } = place;
    let gap = gap(place, "\"notice\":\"gap\",").unwrap_or_default();
    let body = format!(
        "{{\"sync\":{{\"session\":\"s_{subscriber}\"}},\"events\":[],\"notices\":[{gap}],\"cursor\":\"{cursor}\"}}"
    );
    answer("200 OK", 0, &body)
}

/// The start of an SSE stream.
pub(super) fn sse_opening(place: &Place) -> String {
    let Place { subscriber, cursor, .. } = place;
    let gap = gap(place, "").map(|gap| format!("event: gap\ndata: {gap}\n\n"));
    format!(
        "{SSE_HEAD}event: sync\nid: {cursor}\ndata: {{\"session\":\"s_{subscriber}\",\"cursor\":\"{cursor}\"}}\n\n{}",
        gap.unwrap_or_default()
    )
}

/// The start of a WebSocket.
pub(super) fn websocket_opening(place: &Place) -> Vec<u8> {
    let Place { subscriber, cursor, .. } = place;
    let sync = format!("{{\"notice\":\"sync\",\"session\":\"s_{subscriber}\",\"cursor\":\"{cursor}\"}}");
    let gap = gap(place, "\"notice\":\"gap\",").map(|gap| frame(TEXT, &gap));
    [WS_HEAD.as_bytes().to_vec(), frame(TEXT, &sync), gap.unwrap_or_default()].concat()
}

/// What is told of events that will not come.
fn gap(place: &Place, kind: &str) -> Option<String> {
    let (from, to) = place.gap?;
    let cursor = id(to);
    Some(format!("{{{kind}\"from\":{from},\"to\":{to},\"reason\":\"expired\",\"cursor\":\"{cursor}\"}}"))
}

/// A frame of the server.
fn frame(first: u8, text: &str) -> Vec<u8> {
    let mut frame = vec![first];
    match text.len() {
        short @ 0..126 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend_from_slice(&(long.min(FRAME_BYTES_MAX) as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&text.as_bytes()[..text.len().min(FRAME_BYTES_MAX)]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paddings_are_as_long_as_they_are_said_to_be() {
        for padding in [9, 32, 127] {
            assert_eq!(answer("200 OK", padding, "{}").len(), answer("200 OK", 0, "{}").len() + padding);
            assert_eq!(sse("a-1", "{}", padding).len(), sse("a-1", "{}", 0).len() + padding);
            assert_eq!(websocket("{}", padding).len(), websocket("{}", 0).len() + padding);
        }
    }

    #[test]
    fn numbers_are_found_in_ids() {
        assert_eq!(number(&id(42)), Some(42));
        assert_eq!(id(1).len(), id(99_999).len());
        assert_eq!(number("elsewhere-42"), None);
    }
}
