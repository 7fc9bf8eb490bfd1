//! Sessions: a client's presence over reconnects and changes of transport.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tricast_feed::{Gap, Interest, Member, Millis, Namespace, Offset, Room, RoomSet, SessionId};
use tricast_wire::text::member_of;

use crate::key::Key;
use crate::mailbox::Mailbox;
use crate::presence::{Attendance, Present, Rolls};
use crate::why::{Span, Stretch, Trail, by_trail};
use crate::{Presence, Way, Why};

/// Why a session could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// There is no such session in this namespace, or no longer.
    Unknown,
    /// It would have more rooms than the limit.
    TooManyRooms,
}

/// The live subscriber of a session: on which worker, and which.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) key: Key,
    pub(crate) way: Way,
}

/// What somebody asks of the table of sessions who subscribes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) presence: Presence,
    /// Rooms, if any were named.
    pub(crate) rooms: Option<&'a RoomSet>,
    /// The number of the connection among those of its client.
    pub(crate) turn: Option<u64>,
    pub(crate) now: Millis,
    /// The newest offset.
    pub(crate) newest: Offset,
}

#[derive(Debug)]
struct Session {
    namespace: Namespace,
    interest: Interest,
    presence: Presence,
    live: Option<Live>,
    /// The newest connection's number, as its client counts them.
    turn: u64,
    since: Millis,
    /// Up to here it may have been in rooms that it has left since.
    left_at: Offset,
    /// From where to where its connections went that have ended.
    span: Option<Span>,
    /// What it was given over them, once there was something.
    trail: Option<Box<Trail>>,
    gone_at: Millis,
    /// Whether its name stands in the queue of those that may expire.
    queued: bool,
    /// An operator has ended it: it is kept to say so to whoever comes with it.
    is_kicked: bool,
}

impl Session {
    /// A connection has ended that was given this.
    fn end(&mut self, given: Stretch) {
        self.span = Some(Span::with(self.span, given));
        if given.after < given.upto {
            self.trail.get_or_insert_default().end(given);
        }
    }
}

/// All sessions of the process. Held under one lock.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: HashMap<SessionId, Box<Session>>,
    /// Sessions that have been left, oldest first; each at most once.
    left: VecDeque<SessionId>,
    /// Who is where, in the namespaces that ask for it.
    pub(crate) rolls: Rolls,
}

/// A session that was looked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: SessionId,
    pub(crate) interest: Interest,
    pub(crate) live: Option<Live>,
    /// Up to here it may have been in rooms that it has left since.
    pub(crate) left_at: Offset,
}

/// Why a session that is there is not for the one that wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// It has had a newer connection.
    Late,
    /// An operator has ended it.
    Kicked,
}

impl Sessions {
    /// Goes on with a session of this namespace. Rooms that are given replace its own. Nothing if there is no such
    /// session.
    ///
    /// # Errors
    /// [`Barred`] if the session has had a newer connection than this one, or was ended by an operator.
    pub(crate) fn resume(&mut self, id: SessionId, entry: &Entry<'_>) -> Result<Option<Interest>, Barred> {
        let found = self.by_id.get_mut(&id).filter(|session| session.namespace == *entry.namespace);
        let Some(session) = found else { return Ok(None) };
        if session.is_kicked {
            return Err(Barred::Kicked);
        }
        if entry.turn.is_some_and(|turn| turn < session.turn) {
            return Err(Barred::Late);
        }
        session.turn = entry.turn.unwrap_or(session.turn);
        if let Some(rooms) = entry.rooms.filter(|rooms| session.interest.rooms.as_ref() != Some(*rooms)) {
            let interest = Interest::of(member_of(id), rooms.clone());
            let roll = (&session.namespace, session.presence);
            self.rolls.change(roll, id, Some(&session.interest), Some(&interest));
            session.left_at = entry.newest;
            session.interest = interest;
        }
        Ok(Some(session.interest.clone()))
    }

    /// Starts a session, and makes room for it if there are `sessions_max`.
    pub(crate) fn start(&mut self, id: SessionId, entry: &Entry<'_>, sessions_max: usize) -> Interest {
        while self.by_id.len() >= sessions_max && self.drop_oldest() {}
        let interest = Interest::of(member_of(id), entry.rooms.cloned().unwrap_or_default());
        self.rolls.change((entry.namespace, entry.presence), id, None, Some(&interest));
        let session = Session {
            namespace: entry.namespace.clone(),
            interest: interest.clone(),
            presence: entry.presence,
            live: None,
            turn: entry.turn.unwrap_or(0),
            since: entry.now,
            left_at: Offset::ZERO,
            span: None,
            trail: None,
            gone_at: Millis(0),
            queued: false,
            is_kicked: false,
        };
        self.by_id.insert(id, Box::new(session));
        interest
    }

    /// A connection goes on from another place than where it stood; it was given this.
    pub(crate) fn given(&mut self, id: SessionId, given: Stretch) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.end(given);
        }
    }

    /// A session was told a gap.
    pub(crate) fn told(&mut self, id: SessionId, gap: Gap, now: Millis) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.trail.get_or_insert_default().told(gap, now);
        }
    }

    /// What a session wants, and its live subscriber; it is found by its public name, one by one.
    pub(crate) fn find(&self, namespace: &Namespace, member: Member) -> Option<Found> {
        let is_it =
            |session: &Session| session.interest.member == Some(member) && session.namespace == *namespace;
        let (id, session) = self.by_id.iter().find(|(_, session)| is_it(session))?;
        let (interest, live) = (session.interest.clone(), session.live.clone());
        Some(Found { id: *id, interest, live, left_at: session.left_at })
    }

    /// What became of an event that is a session's own, where its live subscriber was given this.
    pub(crate) fn why(&self, id: SessionId, live: Option<Stretch>, offset: Offset) -> Why {
        let Some(session) = self.by_id.get(&id) else { return Why::NoSession };
        by_trail(session.span, session.trail.as_deref(), live, offset)
    }

    /// Ends a session by an operator's word. Gives its live subscriber.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] if there is no such session, or it was ended so before.
    pub(crate) fn kick(
        &mut self,
        namespace: &Namespace,
        member: Member,
        now: Millis,
    ) -> Result<Option<Live>, SessionError> {
        let id = self.find(namespace, member).ok_or(SessionError::Unknown)?.id;
        let session = self.by_id.get_mut(&id).filter(|session| !session.is_kicked);
        let session = session.ok_or(SessionError::Unknown)?;
        session.is_kicked = true;
        // Its grace begins now, or when its subscriber has gone.
        session.gone_at = now;
        let presence = std::mem::replace(&mut session.presence, Presence::Off);
        let live = session.live.clone();
        self.rolls.change((&session.namespace, presence), id, Some(&session.interest), None);
        Ok(live)
    }

    fn forget(&mut self, id: SessionId) {
        if let Some(gone) = self.by_id.remove(&id) {
            self.rolls.change((&gone.namespace, gone.presence), id, Some(&gone.interest), None);
        }
    }

    /// The sessions of a room, or of the namespace.
    pub(crate) fn attendance(&self, namespace: &Namespace, room: Option<&Room>, limit: usize) -> Attendance {
        let (count, found) = self.rolls.list(namespace, room, limit);
        let present = |(member, id): (Member, SessionId)| {
            let session = self.by_id.get(&id)?;
            Some(Present { member, way: session.live.as_ref().map(|live| live.way), since: session.since })
        };
        Attendance { count, members: found.into_iter().filter_map(present).collect() }
    }

    /// A subscriber of the session is there. Gives the one that was there before.
    pub(crate) fn attach(&mut self, id: SessionId, live: Live) -> Option<Live> {
        self.by_id.get_mut(&id)?.live.replace(live)
    }

    /// A subscriber has gone that was given this. The session is left, unless another one has taken its place.
    pub(crate) fn detach(&mut self, id: SessionId, key: Key, given: Stretch, now: Millis) {
        let Some(session) = self.by_id.get_mut(&id) else { return };
        session.end(given);
        if session.live.as_ref().is_some_and(|live| live.key != key) {
            return;
        }
        session.live = None;
        session.gone_at = now;
        if !session.queued {
            session.queued = true;
            self.left.push_back(id);
        }
    }

    /// Changes a session's rooms. Gives what it wants now and its live subscriber.
    pub(crate) fn change(
        &mut self,
        id: SessionId,
        namespace: &Namespace,
        rooms_max: usize,
        newest: Offset,
        change: impl FnOnce(&Interest) -> Interest,
    ) -> Result<(Interest, Option<Live>), SessionError> {
        let is_open = |session: &&mut Box<Session>| session.namespace == *namespace && !session.is_kicked;
        let session = self.by_id.get_mut(&id).filter(is_open).ok_or(SessionError::Unknown)?;
        let interest = change(&session.interest);
        if interest.rooms.as_ref().is_some_and(|rooms| rooms.len() > rooms_max) {
            return Err(SessionError::TooManyRooms);
        }
        let roll = (&session.namespace, session.presence);
        self.rolls.change(roll, id, Some(&session.interest), Some(&interest));
        let stays = |room: &Room| interest.rooms.as_ref().is_some_and(|rooms| rooms.contains(room));
        if !session.interest.rooms.iter().flat_map(RoomSet::iter).all(stays) {
            session.left_at = newest;
        }
        session.interest = interest.clone();
        Ok((interest, session.live.clone()))
    }

    /// Forgets sessions that were left longer than `grace` ago.
    pub(crate) fn expire(&mut self, now: Millis, grace: Millis) {
        for _ in 0..self.left.len() {
            let Some(id) = self.left.front().copied() else { return };
            let Some(session) = self.by_id.get_mut(&id) else {
                self.left.pop_front();
                continue;
            };
            if session.live.is_some() {
                session.queued = false;
                self.left.pop_front();
            } else if now.since(session.gone_at) > grace {
                self.left.pop_front();
                self.forget(id);
            } else if self.is_freshly_left(id, now, grace) {
                // It came back and was left again since it was queued: it waits at the end.
                self.left.rotate_left(1);
            } else {
                return;
            }
        }
    }

    /// Whether sessions behind this one may be older than it.
    fn is_freshly_left(&self, id: SessionId, now: Millis, grace: Millis) -> bool {
        let age = self.by_id.get(&id).map_or(Millis(0), |session| now.since(session.gone_at));
        age.0 * 2 < grace.0
    }

    fn drop_oldest(&mut self) -> bool {
        while let Some(id) = self.left.pop_front() {
            match self.by_id.get_mut(&id) {
                Some(session) if session.live.is_some() => session.queued = false,
                Some(_) => {
                    self.forget(id);
                    return true;
                }
                None => {}
            }
        }
        false
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// A session's rooms by name, for an answer.
pub(crate) fn rooms_of(interest: &Interest) -> Vec<Room> {
    interest.rooms.iter().flat_map(RoomSet::iter).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(index: usize) -> Live {
        Live { mailbox: Arc::default(), key: Key::for_test(index), way: Way::Ws }
    }

    fn given() -> Stretch {
        let nothing = Offset::ZERO;
        Stretch { way: Way::Ws, after: nothing, upto: nothing, from: Millis(0), to: Millis(0) }
    }

    fn namespace() -> Namespace {
        Namespace::new("n").unwrap()
    }

    fn entry(namespace: &Namespace) -> Entry<'_> {
        Entry {
            namespace,
            presence: Presence::Off,
            rooms: None,
            turn: None,
            now: Millis(0),
            newest: Offset::ZERO,
        }
    }

    fn start(sessions: &mut Sessions, id: u128, max: usize) {
        sessions.start(SessionId(id), &entry(&namespace()), max);
    }

    fn goes_on(sessions: &mut Sessions, id: u128) -> bool {
        sessions.resume(SessionId(id), &entry(&namespace())).unwrap().is_some()
    }

    #[test]
    fn a_session_lives_on_for_its_grace() {
        let mut sessions = Sessions::default();
        start(&mut sessions, 1, 10);
        sessions.attach(SessionId(1), live(1));
        sessions.expire(Millis(1_000_000), Millis(100));
        assert_eq!(sessions.len(), 1, "it has a subscriber");
        sessions.detach(SessionId(1), Key::for_test(1), given(), Millis(1_000_000));
        sessions.expire(Millis(1_000_100), Millis(100));
        assert!(goes_on(&mut sessions, 1));
        assert!(sessions.resume(SessionId(1), &entry(&Namespace::new("other").unwrap())).unwrap().is_none());
        sessions.expire(Millis(1_000_101), Millis(100));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_session_that_comes_and_goes_is_queued_once() {
        let mut sessions = Sessions::default();
        start(&mut sessions, 1, 10);
        for now in 0..1000 {
            sessions.attach(SessionId(1), live(1));
            sessions.detach(SessionId(1), Key::for_test(1), given(), Millis(now));
            sessions.expire(Millis(now), Millis(100));
        }
        assert!(sessions.left.len() <= 1);
        sessions.expire(Millis(1100), Millis(100));
        assert_eq!((sessions.len(), sessions.left.len()), (0, 0));
    }

    #[test]
    fn the_newest_subscriber_holds_the_session() {
        let mut sessions = Sessions::default();
        start(&mut sessions, 1, 10);
        assert!(sessions.attach(SessionId(1), live(1)).is_none());
        assert_eq!(sessions.attach(SessionId(1), live(2)).map(|old| old.key), Some(Key::for_test(1)));
        sessions.detach(SessionId(1), Key::for_test(1), given(), Millis(5));
        assert!(sessions.left.is_empty(), "the old one goes without taking the session along");
    }

    #[test]
    fn a_full_house_drops_who_left_first() {
        let mut sessions = Sessions::default();
        for id in 0..3 {
            start(&mut sessions, id, 3);
            sessions.detach(SessionId(id), Key::for_test(0), given(), Millis(id as u64));
        }
        start(&mut sessions, 9, 3);
        assert_eq!(sessions.len(), 3);
        assert!(!goes_on(&mut sessions, 0));
        assert!(goes_on(&mut sessions, 1));
    }

    #[test]
    fn an_older_connection_does_not_take_the_session() {
        let mut sessions = Sessions::default();
        let namespace = namespace();
        let turn = |turn| Entry { turn, ..entry(&namespace) };
        sessions.start(SessionId(1), &turn(Some(1)), 10);
        let mut tried = |number| sessions.resume(SessionId(1), &turn(number)).map(|found| found.is_some());
        assert_eq!(tried(Some(3)), Ok(true));
        assert_eq!(tried(Some(2)), Err(Barred::Late));
        assert_eq!(tried(Some(3)), Ok(true), "the same request again");
        assert_eq!(tried(None), Ok(true), "a client that does not count");
    }

    #[test]
    fn a_kicked_session_is_closed_for_its_grace() {
        let mut sessions = Sessions::default();
        start(&mut sessions, 1, 10);
        let member = member_of(SessionId(1));
        assert!(sessions.kick(&namespace(), Member(7), Millis(0)).is_err());
        assert!(sessions.kick(&Namespace::new("other").unwrap(), member, Millis(0)).is_err());
        sessions.attach(SessionId(1), live(1));
        let told = sessions.kick(&namespace(), member, Millis(500)).unwrap();
        assert_eq!(told.map(|live| live.key), Some(Key::for_test(1)));
        assert!(sessions.kick(&namespace(), member, Millis(500)).is_err(), "it is over already");
        let barred = sessions.resume(SessionId(1), &entry(&namespace()));
        assert_eq!(barred.unwrap_err(), Barred::Kicked);
        let changed = sessions.change(SessionId(1), &namespace(), 9, Offset::ZERO, Interest::clone);
        assert_eq!(changed.unwrap_err(), SessionError::Unknown);
        sessions.detach(SessionId(1), Key::for_test(1), given(), Millis(600));
        sessions.expire(Millis(700), Millis(100));
        assert_eq!(sessions.len(), 1);
        sessions.expire(Millis(701), Millis(100));
        assert!(!goes_on(&mut sessions, 1));
    }
}
