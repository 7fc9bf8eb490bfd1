//! Server-Sent Events as bytes (WHATWG HTML, section 9.2), and HTTP's chunked coding round them.

use std::io::Write as _;

use bytes::Bytes;

/// Ends an event: the end of its last line, and the empty line.
pub const EVENT_TAIL: &[u8] = b"\n\n";

/// The length of an event of these parts, without its chunk.
#[must_use]
pub fn event_len(id_len: usize, data_len: usize) -> usize {
    b"id: ".len() + id_len + b"\ndata: ".len() + data_len + EVENT_TAIL.len()
}

/// Appends everything of an event that stands before its data.
pub fn push_event_head(out: &mut Vec<u8>, id: &[u8]) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(id);
    out.extend_from_slice(b"\ndata: ");
}

/// Appends the size line of a chunk (RFC 9112, section 7.1).
pub fn push_chunk_size(out: &mut Vec<u8>, len: usize) {
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{len:x}\r\n");
}

/// One event as one HTTP chunk.
#[must_use]
pub fn chunk(event: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(event.len() + 16);
    push_chunk_size(&mut out, event.len());
    out.extend_from_slice(event);
    out.extend_from_slice(b"\r\n");
    Bytes::from(out)
}

/// The last chunk of a response.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A named event, as notices are. `data` must be one line.
#[must_use]
pub fn named_event(name: &str, id: Option<&[u8]>, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + data.len() + 64);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id);
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(EVENT_TAIL);
    out
}

/// The `retry:` line that opens a stream: how long a client waits before it comes back, in milliseconds.
#[must_use]
pub fn retry(millis: u64) -> Vec<u8> {
    format!("retry: {millis}\n\n").into_bytes()
}
