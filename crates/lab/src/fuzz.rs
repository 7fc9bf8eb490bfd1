//! For tests only: the lean readers as functions of bytes in pieces. Each gives what it found, in words, and whether
//! it could read on to the end.

use crate::load::{Dialect, Found, PollReader, Sighting, SseReader, WsReader};

/// Reads a stream of Server-Sent Events.
#[must_use]
pub fn sse(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut reader = SseReader::default();
    read(pieces, |piece, found| reader.feed(piece, &mut |one| found(one)).is_ok())
}

/// Reads a WebSocket of tricast.
#[must_use]
pub fn ws(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    websocket(Dialect::Tricast, pieces)
}

/// Reads the same bytes as a WebSocket of each of the other servers that are compared with.
#[must_use]
pub fn ws_peers(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let (mut words, plain) = websocket(Dialect::Plain, pieces);
    let (more, socket_io) = websocket(Dialect::SocketIo, pieces);
    words.extend(more);
    (words, plain && socket_io)
}

fn websocket(dialect: Dialect, pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut reader = WsReader::of(dialect);
    read(pieces, |piece, found| reader.feed(piece, &mut |one| found(one)).is_ok())
}

/// Reads answers to polls.
#[must_use]
pub fn poll(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut reader = PollReader::default();
    read(pieces, |piece, found| reader.feed(piece, &mut |one| found(one)).is_ok())
}

/// Looks for what the laboratory needs of an event.
pub fn sighting(event: &[u8]) {
    let _ = Sighting::read(event);
}

/// Scans a client's side of a connection: the heads with their lanes, and how many bytes were told in all.
#[must_use]
pub fn tap(pieces: &[&[u8]]) -> (Vec<String>, usize) {
    crate::tap::scan_all(pieces)
}

fn read(
    pieces: &[&[u8]],
    mut feed: impl FnMut(&[u8], &mut dyn FnMut(Found<'_>)) -> bool,
) -> (Vec<String>, bool) {
    let mut words = Vec::new();
    let good = pieces.iter().all(|piece| feed(piece, &mut |found| words.push(format!("{found:?}"))));
    (words, good)
}
