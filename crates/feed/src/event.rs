//! An event on its way in, its entry in the log, and who it is for.

use bytes::Bytes;

use crate::{ConflationKey, EventType, Member, Offset, Room, RoomSet};

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
    /// Everybody of the rooms but this one.
    pub except: Option<Member>,
    /// This one alone.
    pub to: Option<Member>,
}

impl Addressing {
    /// Whether it is for everybody of the namespace, save perhaps one session.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.rooms.is_empty() && self.to.is_none()
    }
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
    pub from: Option<Member>,
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
    /// Who the subscriber is, for `to` and `except`.
    pub member: Option<Member>,
    /// The rooms; `None` means every room.
    pub rooms: Option<RoomSet>,
    /// Rooms that were joined while the log was already here: an event of such a room counts from the next offset on,
    /// also for a subscriber that still has older events to read.
    pub joined: Vec<(Room, Offset)>,
}

impl Interest {
    /// A session in its rooms.
    #[must_use]
    pub fn of(member: Member, rooms: RoomSet) -> Self {
        Self { member: Some(member), rooms: Some(rooms), joined: Vec::new() }
    }

    /// Every room, for nobody in particular.
    #[must_use]
    pub fn everything() -> Self {
        Self { member: None, rooms: None, joined: Vec::new() }
    }

    /// The same session after a join and a leave at `now`, the newest offset that there is.
    #[must_use]
    pub fn changed(&self, join: &[Room], leave: &[Room], now: Offset) -> Self {
        let before = self.rooms.clone().unwrap_or_default();
        let rooms = before.changed(join, leave);
        let fresh = join.iter().filter(|room| !before.contains(room)).map(|room| (room.clone(), now));
        let kept = self.joined.iter().cloned().chain(fresh).filter(|(room, _)| rooms.contains(room));
        let joined = kept.collect();
        Self { member: self.member, rooms: Some(rooms), joined }
    }

    /// Whether an event at `offset` and so addressed is for this subscriber.
    #[must_use]
    pub fn covers(&self, addressing: &Addressing, offset: Offset) -> bool {
        if addressing.to.is_some() {
            return addressing.to == self.member;
        }
        if addressing.except.is_some() && addressing.except == self.member {
            return false;
        }
        let Some(rooms) = &self.rooms else { return true };
        addressing.rooms.is_empty()
            || addressing.rooms.iter().any(|room| rooms.contains(room) && self.had_joined(room, offset))
    }

    fn had_joined(&self, room: &Room, offset: Offset) -> bool {
        self.joined.iter().all(|(late, since)| late != room || offset > *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Room {
        Room::new(name).unwrap()
    }

    fn to(name: &str) -> Addressing {
        Addressing { rooms: RoomSet::new(vec![room(name)]), ..Addressing::default() }
    }

    #[test]
    fn a_late_join_counts_from_the_next_offset() {
        let interest = Interest::of(Member(1), RoomSet::new(vec![room("a")]));
        let later = interest.changed(&[room("b"), room("a")], &[], Offset(10));
        assert!(later.covers(&to("a"), Offset(3)), "a was there from the start");
        assert!(!later.covers(&to("b"), Offset(10)) && later.covers(&to("b"), Offset(11)));
        let left = later.changed(&[], &[room("b")], Offset(20));
        assert!(!left.covers(&to("b"), Offset(15)) && left.joined.is_empty());
        let back = left.changed(&[room("b")], &[], Offset(30));
        assert!(!back.covers(&to("b"), Offset(15)) && back.covers(&to("b"), Offset(31)));
    }

    #[test]
    fn except_and_to_hold() {
        let interest = Interest::of(Member(1), RoomSet::default());
        let except = |session| Addressing { except: Some(Member(session)), ..Addressing::default() };
        let only = |session| Addressing { to: Some(Member(session)), ..Addressing::default() };
        assert!(!interest.covers(&except(1), Offset(1)) && interest.covers(&except(2), Offset(1)));
        assert!(interest.covers(&only(1), Offset(1)) && !interest.covers(&only(2), Offset(1)));
        assert!(!Interest::everything().covers(&only(2), Offset(1)));
        assert!(Interest::everything().covers(&to("any"), Offset(1)));
    }
}
