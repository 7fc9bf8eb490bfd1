//! Inputs that the benchmarks share. What is measured stands in `benches/`; this holds the same events for all, and
//! the steps whose instructions are counted.

pub mod steps;

use std::sync::Arc;

use bytes::Bytes;
use tricast_feed::{
    Addressing, After, Draft, Epoch, EventType, Interest, Log, Member, Millis, Namespace, Retention, Room,
    RoomSet, SessionId,
};
use tricast_hub::{Batch, Feeds, Limits, MemoryEngine, Shared, Way, Wish, system_now};
use tricast_wire::event::{Encoded, Prepared};

/// The size of an event's `data`, in bytes: what the lab's quick scenario uses, too.
pub const PAYLOAD_BYTES: usize = 256;

/// An event of [`PAYLOAD_BYTES`] to one room, or to all where there is none.
#[must_use]
pub fn draft(room: Option<&str>) -> Draft {
    let text = "x".repeat(PAYLOAD_BYTES - 2);
    let rooms = room.into_iter().map(|name| Room::new(name).expect("a benchmark's room is a room"));
    Draft {
        kind: EventType::message(),
        addressing: Addressing { rooms: RoomSet::new(rooms.collect()), ..Addressing::default() },
        key: None,
        from: None,
        data: Bytes::from(format!("\"{text}\"")),
    }
}

/// A log with this many events of which every `sparse`th is in the room `quiet`, the others in `busy`.
#[must_use]
pub fn log(events: usize, sparse: usize) -> Log<Encoded> {
    let retention = Retention { events_max: events, bytes_max: usize::MAX, age_max: None };
    let epoch = Epoch::from_random(1);
    let mut log = Log::new(epoch, retention);
    for place in 0..events {
        let draft = draft(Some(if place % sparse == 0 { "quiet" } else { "busy" }));
        let prepared = Prepared::new(&draft);
        log.append(Millis(0), draft.addressing, None, |offset, time| {
            let encoded = prepared.encode(epoch, offset, time);
            let size = encoded.size();
            (encoded, size)
        });
    }
    log
}

/// A session in one room.
#[must_use]
pub fn interest(room: &str) -> Interest {
    Interest::of(Member(1), RoomSet::new(vec![Room::new(room).expect("a benchmark's room is a room")]))
}

/// What asks for a subscription of [`namespace`] without rooms.
#[must_use]
pub fn wish(way: Way, after: After, session: Option<SessionId>) -> Wish {
    Wish {
        namespace: namespace(),
        way,
        is_chunked: false,
        after,
        rooms: None,
        session,
        rate: None,
        turn: None,
        label: None,
    }
}

/// The namespace of all benchmarks.
#[must_use]
pub fn namespace() -> Namespace {
    Namespace::new("default").expect("the name is in the grammar")
}

/// A process's shared parts with a small history.
#[must_use]
pub fn shared() -> Arc<Shared> {
    let retention = Retention { events_max: 1000, ..Retention::default() };
    let feeds = Feeds::new(&[(namespace(), retention.into())], retention.into(), false, 1);
    Shared::new(feeds, Arc::new(MemoryEngine::new(Millis(1000), 1)), Limits::default(), system_now)
}

/// A batch of equal broadcasts.
#[must_use]
pub fn batch(count: usize) -> Batch {
    Batch { drafts: vec![draft(None); count], idempotency: None }
}
