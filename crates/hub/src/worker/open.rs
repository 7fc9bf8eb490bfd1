//! Subscribing.

use bytes::Bytes;
use tokio::time::Instant;
use tricast_feed::{After, Cursor, Offset, RoomSet, SessionId, StartState};
use tricast_wire::Fault;
use tricast_wire::notice::{Notice, Sync};
use tricast_wire::sse;

use crate::carrier::Seat;
use crate::feeds::Feed;
use crate::join::notice_bytes;
use crate::key::Key;
use crate::out::{Call, Line, Out, Parked, Pipe};
use crate::pace::Pace;
use crate::poll::Waiting;
use crate::session::{Entry, Live};
use crate::stream::Stream;
use crate::tally::Debt;
use crate::way::{Shape, Way};
use crate::why::lost_at_start;
use crate::worker::state::{Course, Place, State, Subscriber, given};
use crate::worker::{Hub, Wish};

/// A subscriber whose connection a carrier owns.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Names it, for [`Hub::advance`] and [`Hub::release`].
    pub key: Key,
    /// Its session.
    pub session: SessionId,
    /// The first bytes of a stream, which its carrier writes before it calls [`Hub::advance`] for the first time.
    pub opening: Bytes,
}

impl Hub {
    /// Opens a stream. Its first bytes are ready.
    ///
    /// # Errors
    /// A [`Fault`] for a namespace that is not there, a full house, or a server that stops.
    pub fn open(&self, wish: &Wish) -> Result<Stream, Fault> {
        let mut state = self.state.borrow_mut();
        let (key, session) = state.open(wish, |shape, sync, state| {
            Out::Pipe(Box::new(Pipe::new(opening(shape, sync, state), state.second)))
        })?;
        drop(state);
        Ok(Stream::new(self.clone(), key, session))
    }

    /// Opens a stream on a connection of this worker's [`Carrier`](crate::Carrier).
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub fn open_on(&self, wish: &Wish, seat: Seat) -> Result<Opened, Fault> {
        let mut first = Bytes::new();
        let (key, session) = self.state.borrow_mut().open(wish, |shape, sync, state| {
            first = opening(shape, sync, state);
            Out::Line(Line::new(seat))
        })?;
        Ok(Opened { key, session, opening: first })
    }

    /// Starts a poll: it is answered at once if there is something to tell, else when something comes.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub fn poll(&self, wish: &Wish, events_max: usize) -> Result<Waiting, Fault> {
        let out = |_, sync| Out::Parked(Box::new(Parked::new(sync, events_max)));
        let (key, _) = self.state.borrow_mut().start_poll(wish, out)?;
        Ok(Waiting::new(self.clone(), key))
    }

    /// Starts a poll on a connection of this worker's [`Carrier`](crate::Carrier), which may be given the answer before
    /// this returns. The subscriber is gone once it was answered.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub fn poll_on(&self, wish: &Wish, events_max: usize, seat: Seat) -> Result<Key, Fault> {
        let events_max = u32::try_from(events_max).unwrap_or(u32::MAX);
        let out = |_, sync| Out::Call(Call::new(seat, events_max, sync));
        Ok(self.state.borrow_mut().start_poll(wish, out)?.0)
    }

    /// Polls again with the subscriber of the last poll on the same connection, from another place, with the same wish
    /// as before: `session` and `rooms` are those that it names. False if that subscriber is gone, or something is to be
    /// told that only [`Hub::poll_on`] tells: then it must be used, after [`Hub::release`].
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub fn poll_again(
        &self,
        key: Key,
        after: Cursor,
        session: Option<SessionId>,
        rooms: Option<&RoomSet>,
    ) -> Result<bool, Fault> {
        self.state.borrow_mut().poll_again(key, after, session, rooms)
    }
}

/// The first bytes of a stream.
fn opening(shape: Shape, sync: Sync, state: &State) -> Bytes {
    let sync = notice_bytes(shape, &Notice::Sync(sync));
    let retry = sse::retry(state.shared.limits.retry_ms);
    match shape {
        Shape::Events => Bytes::from([&retry[..], &sync].concat()),
        Shape::ChunkedEvents => Bytes::from([&sse::chunk(&retry)[..], &sync].concat()),
        Shape::Frames | Shape::Answer => sync,
    }
}

impl State {
    fn start_poll(
        &mut self,
        wish: &Wish,
        out: impl FnOnce(Shape, Option<Sync>) -> Out,
    ) -> Result<(Key, SessionId), Fault> {
        let asked_for = wish.session;
        let continues = matches!(wish.after, After::Cursor(_));
        // A poll that waits for nothing must still see what was published before it came, also if no pass has been
        // there. What the session joins is read later than this offset, so a room that was joined before an event up to
        // here was published is among its rooms.
        let index = self.local(&wish.namespace)?;
        let seen = self.locals[index].feed.last();
        let opened = self.open(wish, |shape, sync, _| {
            // Nothing to tell to a client whose session and cursor were both honoured.
            let silent = continues && asked_for == sync.session && sync.state == StartState::Resumed;
            out(shape, (!silent).then_some(sync))
        })?;
        self.nudge_up_to(opened.0, seen);
        Ok(opened)
    }

    fn poll_again(
        &mut self,
        key: Key,
        after: Cursor,
        session: Option<SessionId>,
        rooms: Option<&RoomSet>,
    ) -> Result<bool, Fault> {
        // A join that was answered holds for what is read now.
        self.obey_all();
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return Ok(false);
        };
        let Out::Call(call) = &mut subscriber.out else { return Ok(false) };
        let is_same = session == Some(subscriber.session);
        let has_rooms = rooms.is_none_or(|rooms| subscriber.interest.rooms.as_ref() == Some(rooms));
        let local = &self.locals[subscriber.feed];
        let (start, seen) = local.feed.start_and_last(After::Cursor(after));
        if !call.rests() || !is_same || !has_rooms || start.state != StartState::Resumed {
            return Ok(false);
        }
        self.shared.admit()?;
        (call.rested_at, call.sync) = (None, None);
        local.feed.enter(subscriber.way);
        if local.standing(subscriber.place) != start.offset {
            let now = self.shared.now();
            self.shared.given(subscriber.session, given(local, subscriber, now));
            subscriber.began = (start.offset, now);
        }
        (subscriber.place, subscriber.course) = (Place::Behind(start.offset), Course::Resumed);
        self.nudge_up_to(key, seen);
        Ok(true)
    }

    fn open(
        &mut self,
        wish: &Wish,
        out: impl FnOnce(Shape, Sync, &Self) -> Out,
    ) -> Result<(Key, SessionId), Fault> {
        let index = self.local(&wish.namespace)?;
        self.shared.admit()?;
        let key = Key { index: self.subscribers.vacant_key(), serial: self.shared.next_serial() };
        // Before the session is there: what its coming sets off, its own `tricast.join` above all, comes after this.
        let start = self.locals[index].feed.start(wish.after);
        let live = Live { mailbox: std::sync::Arc::clone(&self.mailbox), key, way: wish.way };
        let entry = Entry {
            namespace: &wish.namespace,
            presence: self.locals[index].feed.options().presence,
            rooms: wish.rooms.as_ref(),
            turn: wish.turn,
            now: self.shared.now(),
            // It is asked for where a session goes on in other rooms.
            newest: if wish.session.is_some() && wish.rooms.is_some() {
                self.locals[index].feed.last()
            } else {
                Offset::ZERO
            },
        };
        let taken = self.shared.take_session(wish.session, &entry, live);
        let (interest, session) = taken.inspect_err(|_| self.shared.dismiss())?;
        let local = &mut self.locals[index];
        let beat_secs = self.shared.limits.beat_secs;
        let sync = Sync {
            session: Some(session),
            cursor: local.cursor(start.offset),
            state: start.state,
            beat_secs,
        };
        let audience = local.audiences.enter(&interest.rooms.clone().unwrap_or_default());
        if let (After::Cursor(cursor), StartState::Reset { missed: Some(_) }) = (wish.after, start.state) {
            lost_at_start(cursor.offset, start.offset)
                .into_iter()
                .for_each(|gap| self.shared.told(session, gap));
        }
        let shape = Shape::of(wish.way, wish.is_chunked);
        let out = out(shape, sync, self);
        let seat = self.locals[index].sit(audience, key.index);
        let is_going_on = wish.session == Some(session) && start.state == StartState::Resumed;
        let course = if is_going_on { Course::Resumed } else { Course::Replay };
        let pace = wish
            .rate
            .map(|rate| Box::new(self.pace(index, rate, start.offset, is_going_on && wish.way == Way::Poll)));
        self.subscribers.insert(Subscriber {
            serial: key.serial,
            feed: index,
            way: wish.way,
            shape,
            audience,
            seat,
            session,
            interest,
            place: Place::Behind(start.offset),
            course,
            began: (start.offset, entry.now),
            live_after: start.offset,
            debt: Debt::UNCOUNTED,
            pace,
            is_waiting: false,
            out,
        });
        self.enlist(index, key, wish);
        Ok((key, session))
    }

    /// What a subscriber replays goes at once; a poll that goes on waits for its time.
    fn pace(&self, index: usize, rate: u32, start: Offset, goes_on: bool) -> Pace {
        let until = if goes_on { start } else { self.locals[index].head };
        Pace::new(rate, until, goes_on, Instant::now())
    }

    /// Tells everybody who has to know that the subscriber is there.
    fn enlist(&mut self, index: usize, key: Key, wish: &Wish) {
        let Subscriber { session, interest, .. } = &self.subscribers[key.index];
        self.locals[index].by_member.extend(interest.member.map(|member| (member, key)));
        let feed: &Feed = &self.locals[index].feed;
        feed.enter(wish.way);
        tracing::debug!(
            namespace = %wish.namespace,
            way = wish.way.name(),
            ?session,
            label = wish.label.as_ref().map(tricast_feed::Label::as_str),
            "subscribed"
        );
    }
}
