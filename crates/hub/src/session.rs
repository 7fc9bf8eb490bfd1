//! Sessions: a client's presence over reconnects and changes of transport.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tricast_feed::{Interest, Millis, Namespace, Room, RoomSet, SessionId};

use crate::key::Key;
use crate::mailbox::Mailbox;

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
}

#[derive(Debug)]
struct Session {
    namespace: Namespace,
    interest: Interest,
    live: Option<Live>,
    gone_at: Millis,
    /// Whether its name stands in the queue of those that may expire.
    queued: bool,
}

/// All sessions of the process. Held under one lock.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: HashMap<SessionId, Box<Session>>,
    /// Sessions that have been left, oldest first; each at most once.
    left: VecDeque<SessionId>,
}

impl Sessions {
    /// Goes on with a session of this namespace. Rooms that are given replace its own.
    pub(crate) fn resume(
        &mut self,
        id: SessionId,
        namespace: &Namespace,
        rooms: Option<&RoomSet>,
    ) -> Option<Interest> {
        let session = self.by_id.get_mut(&id).filter(|session| session.namespace == *namespace)?;
        if let Some(rooms) = rooms.filter(|rooms| session.interest.rooms.as_ref() != Some(*rooms)) {
            session.interest = Interest::of(id, rooms.clone());
        }
        Some(session.interest.clone())
    }

    /// Starts a session, and makes room for it if there are `sessions_max`.
    pub(crate) fn start(
        &mut self,
        id: SessionId,
        namespace: Namespace,
        interest: Interest,
        sessions_max: usize,
    ) {
        while self.by_id.len() >= sessions_max && self.drop_oldest() {}
        let session = Session { namespace, interest, live: None, gone_at: Millis(0), queued: false };
        self.by_id.insert(id, Box::new(session));
    }

    /// A subscriber of the session is there. Gives the one that was there before.
    pub(crate) fn attach(&mut self, id: SessionId, live: Live) -> Option<Live> {
        self.by_id.get_mut(&id)?.live.replace(live)
    }

    /// A subscriber has gone. Does nothing if another one has taken its place.
    pub(crate) fn detach(&mut self, id: SessionId, key: Key, now: Millis) {
        let Some(session) = self.by_id.get_mut(&id) else { return };
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
        change: impl FnOnce(&Interest) -> Interest,
    ) -> Result<(Interest, Option<Live>), SessionError> {
        let found = self.by_id.get_mut(&id).filter(|session| session.namespace == *namespace);
        let session = found.ok_or(SessionError::Unknown)?;
        let interest = change(&session.interest);
        if interest.rooms.as_ref().is_some_and(|rooms| rooms.len() > rooms_max) {
            return Err(SessionError::TooManyRooms);
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
                self.by_id.remove(&id);
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
                    self.by_id.remove(&id);
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
        Live { mailbox: Arc::default(), key: Key::for_test(index) }
    }

    fn namespace() -> Namespace {
        Namespace::new("n").unwrap()
    }

    fn start(sessions: &mut Sessions, id: u128, max: usize) {
        let id = SessionId(id);
        sessions.start(id, namespace(), Interest::of(id, RoomSet::default()), max);
    }

    #[test]
    fn a_session_lives_on_for_its_grace() {
        let mut sessions = Sessions::default();
        start(&mut sessions, 1, 10);
        sessions.attach(SessionId(1), live(1));
        sessions.expire(Millis(1_000_000), Millis(100));
        assert_eq!(sessions.len(), 1, "it has a subscriber");
        sessions.detach(SessionId(1), Key::for_test(1), Millis(1_000_000));
        sessions.expire(Millis(1_000_100), Millis(100));
        assert!(sessions.resume(SessionId(1), &namespace(), None).is_some());
        assert!(sessions.resume(SessionId(1), &Namespace::new("other").unwrap(), None).is_none());
        sessions.expire(Millis(1_000_101), Millis(100));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_session_that_comes_and_goes_is_queued_once() {
        let mut sessions = Sessions::default();
        start(&mut sessions, 1, 10);
        for now in 0..1000 {
            sessions.attach(SessionId(1), live(1));
            sessions.detach(SessionId(1), Key::for_test(1), Millis(now));
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
        sessions.detach(SessionId(1), Key::for_test(1), Millis(5));
        assert!(sessions.left.is_empty(), "the old one goes without taking the session along");
    }

    #[test]
    fn a_full_house_drops_who_left_first() {
        let mut sessions = Sessions::default();
        for id in 0..3 {
            start(&mut sessions, id, 3);
            sessions.detach(SessionId(id), Key::for_test(0), Millis(id as u64));
        }
        start(&mut sessions, 9, 3);
        assert_eq!(sessions.len(), 3);
        assert!(sessions.resume(SessionId(0), &namespace(), None).is_none());
        assert!(sessions.resume(SessionId(1), &namespace(), None).is_some());
    }
}
