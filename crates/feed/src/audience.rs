//! Rooms as audiences: each distinct *set* of rooms that subscribers hold is kept once, so that an event finds whole
//! groups of subscribers and nothing is filtered one by one.

use std::collections::HashMap;

use crate::{Addressing, Room, RoomSet};

/// Names an audience while it has members. Keys are used again after the last member has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AudienceKey(pub u32);

#[derive(Debug)]
struct Audience {
    rooms: RoomSet,
    members: usize,
}

/// The audiences of one namespace, counted by members.
#[derive(Debug, Default)]
pub struct Audiences {
    slots: Vec<Option<Audience>>,
    free: Vec<u32>,
    by_set: HashMap<RoomSet, AudienceKey>,
    by_room: HashMap<Room, Vec<AudienceKey>>,
}

impl Audiences {
    /// Adds a member to the audience of this set of rooms, and makes the audience if it is the first.
    pub fn enter(&mut self, rooms: &RoomSet) -> AudienceKey {
        if let Some(key) = self.by_set.get(rooms) {
            if let Some(audience) = &mut self.slots[key.0 as usize] {
                audience.members += 1;
            }
            return *key;
        }
        let key = self.vacant_key();
        self.slots[key.0 as usize] = Some(Audience { rooms: rooms.clone(), members: 1 });
        self.by_set.insert(rooms.clone(), key);
        for room in rooms {
            self.by_room.entry(room.clone()).or_default().push(key);
        }
        key
    }

    fn vacant_key(&mut self) -> AudienceKey {
        if let Some(free) = self.free.pop() {
            return AudienceKey(free);
        }
        self.slots.push(None);
        AudienceKey(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
    }

    /// Takes a member out; the audience goes with its last one.
    pub fn leave(&mut self, key: AudienceKey) {
        let Some(slot) = self.slots.get_mut(key.0 as usize) else { return };
        let Some(audience) = slot else { return };
        audience.members -= 1;
        if audience.members > 0 {
            return;
        }
        let Some(gone) = slot.take() else { return };
        self.by_set.remove(&gone.rooms);
        for room in &gone.rooms {
            self.unlist(room, key);
        }
        self.free.push(key.0);
    }

    fn unlist(&mut self, room: &Room, key: AudienceKey) {
        let Some(listed) = self.by_room.get_mut(room) else { return };
        listed.retain(|other| *other != key);
        if listed.is_empty() {
            self.by_room.remove(room);
        }
    }

    /// Adds to `found` the audiences that an event so addressed reaches, each once, in order of key.
    /// An event to one session reaches none: its owner is found by name.
    pub fn reached(&self, addressing: &Addressing, found: &mut Vec<AudienceKey>) {
        if addressing.to.is_some() {
            return;
        }
        let start = found.len();
        if addressing.rooms.is_empty() {
            found.extend(self.by_set.values().copied());
        } else {
            for room in &addressing.rooms {
                found.extend(self.by_room.get(room).into_iter().flatten().copied());
            }
        }
        found[start..].sort_unstable();
        let mut kept = start;
        for place in start..found.len() {
            if place == start || found[place] != found[kept - 1] {
                found[kept] = found[place];
                kept += 1;
            }
        }
        found.truncate(kept);
    }

    /// Every room that somebody is in, with the audiences that it belongs to.
    pub fn rooms(&self) -> impl Iterator<Item = (&Room, &[AudienceKey])> {
        self.by_room.iter().map(|(room, audiences)| (room, audiences.as_slice()))
    }

    /// Every audience that has members.
    pub fn keys(&self) -> impl Iterator<Item = AudienceKey> {
        self.by_set.values().copied()
    }

    /// How many audiences have members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_set.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_set.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Member;

    fn set(names: &[&str]) -> RoomSet {
        RoomSet::new(names.iter().map(|name| Room::new(name).unwrap()).collect())
    }

    fn reached(audiences: &Audiences, names: &[&str]) -> Vec<AudienceKey> {
        let mut found = Vec::new();
        audiences.reached(&Addressing { rooms: set(names), ..Addressing::default() }, &mut found);
        found
    }

    #[test]
    fn the_same_set_is_the_same_audience() {
        let mut audiences = Audiences::default();
        let ab = audiences.enter(&set(&["a", "b"]));
        assert_eq!(audiences.enter(&set(&["b", "a"])), ab);
        let a = audiences.enter(&set(&["a"]));
        assert_ne!(a, ab);
        assert_eq!(reached(&audiences, &["a", "b"]), vec![ab, a], "each once");
        assert_eq!(reached(&audiences, &["b"]), vec![ab]);
        assert_eq!(reached(&audiences, &["c"]), vec![]);
        assert_eq!(reached(&audiences, &[]).len(), 2, "a broadcast reaches all");
    }

    #[test]
    fn an_audience_goes_with_its_last_member() {
        let mut audiences = Audiences::default();
        let first = audiences.enter(&set(&["a"]));
        audiences.enter(&set(&["a"]));
        audiences.leave(first);
        assert_eq!(audiences.len(), 1);
        audiences.leave(first);
        assert!(audiences.is_empty() && audiences.by_room.is_empty());
        assert_eq!(audiences.enter(&set(&["z"])), first, "the key is used again");
    }

    #[test]
    fn an_event_to_one_session_reaches_no_audience() {
        let mut audiences = Audiences::default();
        audiences.enter(&set(&[]));
        let mut found = Vec::new();
        audiences.reached(&Addressing { to: Some(Member(7)), ..Addressing::default() }, &mut found);
        assert_eq!(found, vec![]);
    }
}
