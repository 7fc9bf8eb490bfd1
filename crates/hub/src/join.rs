//! Joins events into one buffer, once for each way out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tricast_feed::{Cursor, Entry};
use tricast_wire::event::Encoded;
use tricast_wire::notice::Notice;
use tricast_wire::poll;

use crate::Way;

/// An event in the log.
pub(crate) type Event = Arc<Entry<Encoded>>;

/// The bytes of an event on a way out.
fn bytes_of(way: Way, event: &Event) -> Bytes {
    match way {
        Way::Sse => event.payload.sse(),
        Way::Ws => event.payload.frame(),
        Way::Poll => event.payload.json(),
    }
}

/// A notice on a stream.
pub(crate) fn notice_bytes(way: Way, notice: &Notice) -> Bytes {
    match way {
        Way::Ws => Bytes::from(notice.frame()),
        Way::Sse | Way::Poll => Bytes::from(notice.sse()),
    }
}

/// Events one after the other on a stream, behind what must be said first. One event alone is not copied.
pub(crate) fn stream_bytes<'a>(
    way: Way,
    first: Option<Bytes>,
    mut events: impl Iterator<Item = &'a Event>,
) -> Bytes {
    let (front, next) = match first {
        Some(first) => (first, events.next()),
        None => (events.next().map(|event| bytes_of(way, event)).unwrap_or_default(), events.next()),
    };
    let Some(next) = next else { return front };
    let mut joined = BytesMut::with_capacity(4 * front.len());
    joined.extend_from_slice(&front);
    for event in std::iter::once(next).chain(events) {
        joined.extend_from_slice(&bytes_of(way, event));
    }
    joined.freeze()
}

/// What one pass gives to one audience, joined when the first subscriber of a way out asks for it.
pub(crate) struct Joined<'a> {
    events: &'a [Event],
    picked: &'a [u32],
    cursor: Cursor,
    by_way: [Option<Bytes>; 3],
}

impl<'a> Joined<'a> {
    pub(crate) fn new(events: &'a [Event], picked: &'a [u32], cursor: Cursor) -> Self {
        Self { events, picked, cursor, by_way: [None, None, None] }
    }

    /// How many events there are.
    pub(crate) fn count(&self) -> usize {
        self.picked.len()
    }

    pub(crate) fn get(&mut self, way: Way) -> Bytes {
        if self.by_way[way.index()].is_none() {
            let events = self.picked.iter().map(|place| &self.events[*place as usize]);
            let joined = match way {
                Way::Poll => {
                    let pieces: Vec<Bytes> = events.map(|event| event.payload.json()).collect();
                    poll::answer(None, pieces.iter().map(Bytes::as_ref), &[], self.cursor)
                }
                Way::Sse | Way::Ws => stream_bytes(way, None, events),
            };
            self.by_way[way.index()] = Some(joined);
        }
        self.by_way[way.index()].clone().unwrap_or_default()
    }
}
