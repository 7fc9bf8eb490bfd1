//! An event on its way in, its entry in the log, and who it is for.

use bytes::Bytes;

use crate::{ConflationKey, EventType, Offset, RoomSet, SessionId};

/// Milliseconds: since the Unix epoch for a time, plain for a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// Who an event is for. Kept with the event, so that it holds live and on resume alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addressing {
    /// The rooms; none is a broadcast.
    pub rooms: RoomSet,
    /// Everybody of the rooms but this session.
    pub except: Option<SessionId>,
    /// This session alone.
    pub to: Option<SessionId>,
}

/// An event before it has a place: what the publisher gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What kind of thing happened.
    pub kind: EventType,
    /// Who it is for.
    pub addressing: Addressing,
    /// The conflation key.
    pub key: Option<ConflationKey>,
    /// The session that published it, where it came in band.
    pub from: Option<SessionId>,
    /// The payload: one JSON value, compact, checked.
    pub data: Bytes,
}

/// An event in the log. `P` is what the owner keeps with it: its encodings.
#[derive(Debug)]
pub struct Entry<P> {
    /// Its place.
    pub offset: Offset,
    /// When it was appended.
    pub time: Millis,
    /// Who it is for.
    pub addressing: Addressing,
    /// The conflation key.
    pub key: Option<ConflationKey>,
    /// What it counts against the retention, in bytes.
    pub size: usize,
    /// The owner's part.
    pub payload: P,
}

/// What a subscriber wants: a session with its rooms, or every room (history pages).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// The subscriber's own session, for `to` and `except`.
    pub session: Option<SessionId>,
    /// The rooms; `None` means every room.
    pub rooms: Option<RoomSet>,
}

impl Interest {
    /// A session in its rooms.
    #[must_use]
    pub fn of(session: SessionId, rooms: RoomSet) -> Self {
        Self { session: Some(session), rooms: Some(rooms) }
    }

    /// Whether an event so addressed is for this subscriber.
    #[must_use]
    pub fn covers(&self, addressing: &Addressing) -> bool {
        if addressing.to.is_some() {
            return addressing.to == self.session;
        }
        if addressing.except.is_some() && addressing.except == self.session {
            return false;
        }
        let Some(rooms) = &self.rooms else { return true };
        addressing.rooms.is_empty() || addressing.rooms.iter().any(|room| rooms.contains(room))
    }
}
