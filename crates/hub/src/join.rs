//! Joins events into one buffer, once for each way out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tricast_feed::{Cursor, Entry};
use tricast_wire::event::Encoded;
use tricast_wire::notice::Notice;
use tricast_wire::{poll, sse};

use crate::way::Shape;

/// An event in the log.
pub(crate) type Event = Arc<Entry<Encoded>>;

/// The bytes of an event in a shape.
fn bytes_of(shape: Shape, event: &Event) -> Bytes {
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

/// Events one after the other on a stream, behind what must be said first. One event alone is not copied.
pub(crate) fn stream_bytes<'a>(
    shape: Shape,
    first: Option<Bytes>,
    mut events: impl Iterator<Item = &'a Event>,
) -> Bytes {
    let (front, next) = match first {
        Some(first) => (first, events.next()),
        None => (events.next().map(|event| bytes_of(shape, event)).unwrap_or_default(), events.next()),
    };
    let Some(next) = next else { return front };
    let mut joined = BytesMut::with_capacity(4 * front.len());
    joined.extend_from_slice(&front);
    for event in std::iter::once(next).chain(events) {
        joined.extend_from_slice(&bytes_of(shape, event));
    }
    joined.freeze()
}

/// What one pass gives to one audience, joined when the first subscriber of a shape asks for it.
pub(crate) struct Joined<'a> {
    events: &'a [Event],
    picked: &'a [u32],
    cursor: Cursor,
    by_shape: [Option<Bytes>; Shape::COUNT],
}

impl<'a> Joined<'a> {
    pub(crate) fn new(events: &'a [Event], picked: &'a [u32], cursor: Cursor) -> Self {
        Self { events, picked, cursor, by_shape: [const { None }; Shape::COUNT] }
    }

    /// How many events there are.
    pub(crate) fn count(&self) -> usize {
        self.picked.len()
    }

    pub(crate) fn get(&mut self, shape: Shape) -> Bytes {
        let slot = shape as usize;
        if self.by_shape[slot].is_none() {
            let events = self.picked.iter().map(|place| &self.events[*place as usize]);
            let joined = match shape {
                Shape::Answer => {
                    let pieces: Vec<Bytes> = events.map(|event| event.payload.json()).collect();
                    poll::answer(None, pieces.iter().map(Bytes::as_ref), &[], self.cursor)
                }
                Shape::Events | Shape::ChunkedEvents | Shape::Frames => stream_bytes(shape, None, events),
            };
            self.by_shape[slot] = Some(joined);
        }
        self.by_shape[slot].clone().unwrap_or_default()
    }
}
