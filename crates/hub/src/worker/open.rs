//! Subscribing.

use bytes::Bytes;
use tricast_feed::{After, SessionId, StartState};
use tricast_wire::Fault;
use tricast_wire::notice::{Notice, Sync};
use tricast_wire::sse;

use crate::feeds::Feed;
use crate::join::notice_bytes;
use crate::key::Key;
use crate::out::{Out, Parked, Pipe};
use crate::poll::Waiting;
use crate::session::Live;
use crate::stream::Stream;
use crate::way::Shape;
use crate::worker::state::{Place, State, Subscriber};
use crate::worker::{Hub, Wish};

impl Hub {
    /// Opens a stream. Its first bytes are ready.
    ///
    /// # Errors
    /// A [`Fault`] for a namespace that is not there, a full house, or a server that stops.
    pub fn open(&self, wish: &Wish) -> Result<Stream, Fault> {
        let (key, session) = self.state.borrow_mut().open(wish, |shape, sync, state| {
            let sync = notice_bytes(shape, &Notice::Sync(sync));
            let retry = sse::retry(state.shared.limits.retry_ms);
            let opening = match shape {
                Shape::Events => Bytes::from([&retry[..], &sync].concat()),
                Shape::ChunkedEvents => Bytes::from([&sse::chunk(&retry)[..], &sync].concat()),
                Shape::Frames | Shape::Answer => sync,
            };
            Out::Pipe(Pipe::new(opening, state.second))
        })?;
        Ok(Stream::new(self.clone(), key, session))
    }

    /// Starts a poll: it is answered at once if there is something to tell, else when something comes.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub fn poll(&self, wish: &Wish, events_max: usize) -> Result<Waiting, Fault> {
        let asked_for = wish.session;
        let continues = matches!(wish.after, After::Cursor(_));
        let mut state = self.state.borrow_mut();
        // A poll that waits for nothing must still see what was published before it came.
        let index = state.local(&wish.namespace)?;
        while state.pass(index) {}
        let (key, _) = state.open(wish, |_, sync, _| {
            // Nothing to tell to a client whose session and cursor were both honoured.
            let silent = continues && asked_for == sync.session && sync.state == StartState::Resumed;
            Out::Parked(Parked::new((!silent).then_some(sync), events_max))
        })?;
        state.nudge(key);
        drop(state);
        Ok(Waiting::new(self.clone(), key))
    }
}

impl State {
    fn open(
        &mut self,
        wish: &Wish,
        out: impl FnOnce(Shape, Sync, &Self) -> Out,
    ) -> Result<(Key, SessionId), Fault> {
        let index = self.local(&wish.namespace)?;
        self.shared.admit()?;
        let key = Key { index: self.subscribers.vacant_key(), serial: self.shared.next_serial() };
        let live = Live { mailbox: std::sync::Arc::clone(&self.mailbox), key };
        let (interest, session) =
            self.shared.take_session(wish.session, &wish.namespace, wish.rooms.as_ref(), live);
        let local = &mut self.locals[index];
        let start = local.feed.start(wish.after);
        let beat_secs = self.shared.limits.beat_secs;
        let sync = Sync {
            session: Some(session),
            cursor: local.cursor(start.offset),
            state: start.state,
            beat_secs,
        };
        let audience = local.audiences.enter(&interest.rooms.clone().unwrap_or_default());
        let shape = Shape::of(wish.way, wish.is_chunked);
        let out = out(shape, sync, self);
        let seat = self.locals[index].sit(audience, key.index);
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
            was_live: false,
            is_waiting: false,
            out,
        });
        self.enlist(index, key, wish);
        Ok((key, session))
    }

    /// Tells everybody who has to know that the subscriber is there.
    fn enlist(&mut self, index: usize, key: Key, wish: &Wish) {
        let session = self.subscribers[key.index].session;
        self.locals[index].by_session.insert(session, key);
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
