//! Joins events into one buffer, once for each way out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tricast_feed::{Cursor, Entry, Offset};
use tricast_wire::event::Encoded;
use tricast_wire::notice::Notice;
use tricast_wire::{poll, sse};

use crate::way::Shape;

/// An event in the log.
pub(crate) type Event = Arc<Entry<Encoded>>;

/// The bytes of an event in a shape.
pub(crate) fn bytes_of(shape: Shape, event: &Event) -> Bytes {
    match shape {
        Shape::Events => event.payload.sse(),
        Shape::ChunkedEvents => event.payload.sse_chunk(),
        Shape::Frames => event.payload.frame(),
        Shape::Answer => event.payload.json(),
    }
}

/// A notice on a stream.
pub(crate) fn notice_bytes(shape: Shape, notice: &Notice) -> Bytes {
    match shape {
        Shape::Frames => Bytes::from(notice.frame()),
        Shape::ChunkedEvents => sse::chunk(&notice.sse()),
        Shape::Events | Shape::Answer => Bytes::from(notice.sse()),
    }
}

/// Events one after the other on a stream. One event alone is not copied.
fn stream_bytes<'a>(shape: Shape, mut events: impl Iterator<Item = &'a Event>) -> Bytes {
    let front = events.next().map(|event| bytes_of(shape, event)).unwrap_or_default();
    let Some(next) = events.next() else { return front };
    let mut joined = BytesMut::with_capacity(4 * front.len());
    joined.extend_from_slice(&front);
    for event in std::iter::once(next).chain(events) {
        joined.extend_from_slice(&bytes_of(shape, event));
    }
    joined.freeze()
}

/// Where a carrier stopped in joined events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// How many events went out, the one with a rest included.
    pub(crate) events: usize,
    /// What is missing of the last one of these; nothing where the carrier stopped between two.
    pub(crate) rest: Bytes,
}

/// Where a carrier stopped that took `written` bytes of these events, joined without anything before them.
fn stop_in<'a>(shape: Shape, mut written: usize, events: impl Iterator<Item = &'a Event>) -> Stop {
    let mut count = 0;
    for event in events {
        if written == 0 {
            break;
        }
        count += 1;
        let bytes = bytes_of(shape, event);
        if written < bytes.len() {
            return Stop { events: count, rest: bytes.slice(written..) };
        }
        written -= bytes.len();
    }
    Stop { events: count, rest: Bytes::new() }
}

/// What one pass gives to one audience, joined when the first subscriber of a shape asks for it.
#[derive(Debug)]
pub(crate) struct Joined {
    events: Vec<Event>,
    cursor: Cursor,
    by_shape: [Option<Bytes>; Shape::COUNT],
}

impl Joined {
    pub(crate) fn new(events: Vec<Event>, cursor: Cursor) -> Self {
        Self { events, cursor, by_shape: [const { None }; Shape::COUNT] }
    }

    /// How many events there are.
    pub(crate) fn count(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn get(&mut self, shape: Shape) -> &Bytes {
        let Self { events, cursor, by_shape } = self;
        by_shape[shape as usize].get_or_insert_with(|| match shape {
            Shape::Answer => {
                let pieces: Vec<Bytes> = events.iter().map(|event| event.payload.json()).collect();
                poll::answer(None, pieces.iter().map(Bytes::as_ref), &[], *cursor)
            }
            Shape::Events | Shape::ChunkedEvents | Shape::Frames => stream_bytes(shape, events.iter()),
        })
    }

    /// Where a carrier stopped that took `written` bytes, and the offset up to which all is done then.
    pub(crate) fn stop(&self, shape: Shape, written: usize, before: Offset) -> (Stop, Offset) {
        let stop = stop_in(shape, written, self.events.iter());
        let upto = stop.events.checked_sub(1).map_or(before, |last| self.events[last].offset);
        (stop, upto)
    }
}
