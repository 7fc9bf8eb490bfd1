//! Who is there: the sessions of a namespace by room, and the comings and goings that are to be told.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use tricast_feed::{
    Addressing, Draft, EventType, Interest, Member, Millis, Namespace, Room, RoomSet, SessionId,
};
use tricast_wire::text;

use crate::{Presence, Way};

/// One session that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// Its public name.
    pub member: Member,
    /// Its transport; none between two connections.
    pub way: Option<Way>,
    /// Since when the session is there.
    pub since: Millis,
}

/// The sessions of a room or of a whole namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendance {
    /// How many there are.
    pub count: usize,
    /// The first of them by name, as many as were asked for.
    pub members: Vec<Present>,
}

/// A session that came into a room or left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) namespace: Namespace,
    room: Room,
    member: Member,
    came: bool,
    count: usize,
}

impl Change {
    /// The event that tells it, to the room.
    pub(crate) fn draft(&self) -> Draft {
        let member = text::member(self.member);
        let data = format!(
            "{{\"member\":\"{member}\",\"room\":\"{}\",\"count\":{}}}",
            self.room.as_str(),
            self.count
        );
        Draft {
            kind: if self.came { EventType::join() } else { EventType::leave() },
            addressing: Addressing { rooms: RoomSet::new(vec![self.room.clone()]), ..Addressing::default() },
            key: None,
            from: None,
            data: Bytes::from(data),
        }
    }
}

/// The sessions of one namespace.
#[derive(Debug, Default)]
struct Roll {
    all: BTreeMap<Member, SessionId>,
    by_room: HashMap<Room, BTreeMap<Member, SessionId>>,
}

/// Changes that wait to be told; beyond, the oldest are left out, and the rolls can still be asked.
const CHANGES_MAX: usize = 65_536;

/// The sessions of all namespaces that keep a roll.
#[derive(Debug, Default)]
pub(crate) struct Rolls {
    by_namespace: HashMap<Namespace, Roll>,
    changes: VecDeque<Change>,
    left_out: u64,
}

impl Rolls {
    /// A session's rooms were `before` and are `after`; none before it came and after it went.
    pub(crate) fn change(
        &mut self,
        (namespace, presence): (&Namespace, Presence),
        id: SessionId,
        before: Option<&Interest>,
        after: Option<&Interest>,
    ) {
        if presence == Presence::Off {
            return;
        }
        let Some(member) = after.or(before).and_then(|interest| interest.member) else { return };
        let roll = self.by_namespace.entry(namespace.clone()).or_default();
        if after.is_some() {
            roll.all.insert(member, id);
        } else {
            roll.all.remove(&member);
        }
        let rooms = |interest: Option<&Interest>| {
            interest.and_then(|interest| interest.rooms.clone()).unwrap_or_default()
        };
        let (before, after) = (rooms(before), rooms(after));
        let mut told: Vec<(Room, bool, usize)> = Vec::new();
        for room in before.iter().filter(|room| !after.contains(room)) {
            told.push((room.clone(), false, roll.leave(room, member)));
        }
        for room in after.iter().filter(|room| !before.contains(room)) {
            let here = roll.by_room.entry(room.clone()).or_default();
            here.insert(member, id);
            told.push((room.clone(), true, here.len()));
        }
        if presence == Presence::Told {
            let change =
                |(room, came, count)| Change { namespace: namespace.clone(), room, member, came, count };
            self.changes.extend(told.into_iter().map(change));
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        while self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
            self.left_out += 1;
        }
    }

    /// The next changes of one namespace that are to be told, oldest first, at most `max`; and how many were left out
    /// before them.
    pub(crate) fn take_changes(&mut self, max: usize) -> (Vec<Change>, u64) {
        let Some(namespace) = self.changes.front().map(|change| change.namespace.clone()) else {
            return (Vec::new(), 0);
        };
        let same = self.changes.iter().take(max).take_while(|change| change.namespace == namespace).count();
        (self.changes.drain(..same).collect(), std::mem::take(&mut self.left_out))
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The sessions of a room, or of the namespace: how many, and the first `limit` after `after` by name.
    pub(crate) fn list(
        &self,
        namespace: &Namespace,
        room: Option<&Room>,
        limit: usize,
    ) -> (usize, Vec<(Member, SessionId)>) {
        let Some(roll) = self.by_namespace.get(namespace) else { return (0, Vec::new()) };
        let here = match room {
            Some(room) => roll.by_room.get(room),
            None => Some(&roll.all),
        };
        let Some(here) = here else { return (0, Vec::new()) };
        (here.len(), here.iter().take(limit).map(|(member, id)| (*member, *id)).collect())
    }
}

impl Roll {
    /// Takes a member out of a room. Gives how many are left there.
    fn leave(&mut self, room: &Room, member: Member) -> usize {
        let Some(here) = self.by_room.get_mut(room) else { return 0 };
        here.remove(&member);
        let left = here.len();
        if left == 0 {
            self.by_room.remove(room);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(id: u128, rooms: &[&str]) -> Interest {
        Interest::of(Member(id), RoomSet::new(rooms.iter().map(|name| Room::new(name).unwrap()).collect()))
    }

    fn told(rolls: &mut Rolls) -> Vec<String> {
        let (changes, _) = rolls.take_changes(100);
        let told = |change: &Change| {
            format!("{}{} {}", if change.came { "+" } else { "-" }, change.room.as_str(), change.count)
        };
        changes.iter().map(told).collect()
    }

    #[test]
    fn comings_and_goings_are_told_by_room() {
        let namespace = Namespace::new("n").unwrap();
        let mut rolls = Rolls::default();
        let mut change = |id: u128, before: Option<&Interest>, after: Option<&Interest>| {
            rolls.change((&namespace, Presence::Told), SessionId(id), before, after);
            let count = rolls.list(&namespace, Some(&Room::new("a").unwrap()), 10).0;
            (told(&mut rolls), count)
        };
        let first = interest(1, &["a"]);
        let moved = interest(1, &["b"]);
        let second = interest(2, &["a", "b"]);
        assert_eq!(change(1, None, Some(&first)), (vec!["+a 1".to_owned()], 1));
        assert_eq!(change(2, None, Some(&second)), (vec!["+a 2".to_owned(), "+b 1".to_owned()], 2));
        assert_eq!(change(1, Some(&first), Some(&moved)), (vec!["-a 1".to_owned(), "+b 2".to_owned()], 1));
        assert_eq!(change(2, Some(&second), None), (vec!["-a 0".to_owned(), "-b 1".to_owned()], 0));
        assert_eq!(rolls.list(&namespace, None, 10).0, 1);
    }

    #[test]
    fn a_namespace_without_presence_keeps_nothing() {
        let namespace = Namespace::new("n").unwrap();
        let mut rolls = Rolls::default();
        rolls.change((&namespace, Presence::Off), SessionId(1), None, Some(&interest(1, &["a"])));
        assert!(rolls.by_namespace.is_empty() && !rolls.has_changes());
        rolls.change((&namespace, Presence::Listed), SessionId(1), None, Some(&interest(1, &["a"])));
        assert!(!rolls.has_changes());
        assert_eq!(rolls.list(&namespace, None, 1), (1, vec![(Member(1), SessionId(1))]));
    }
}
