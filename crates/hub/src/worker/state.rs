//! The subscriber records of a worker, and the feeds that they follow.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;
use tricast_feed::{
    AudienceKey, Audiences, Cursor, Interest, Member, Millis, Namespace, Offset, Reason, SessionId,
};
use tricast_wire::notice::{Close, Notice};
use tricast_wire::{Fault, sse, ws};

use crate::carrier::{Carrier, Seat};
use crate::feeds::Feed;
use crate::join::notice_bytes;
use crate::key::Key;
use crate::mailbox::{Link, Mailbox, Order};
use crate::out::{Line, Out, Pipe, short};
use crate::pace::{Pace, Queue};
use crate::tally::{Debt, Tally};
use crate::way::Shape;
use crate::why::Stretch;
use crate::{Shared, Way};

/// Where a subscriber stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has everything up to the head of its feed, and the next pass serves it.
    Live,
    /// The pass that is under way will serve it: it has everything up to where that pass began.
    Due,
    /// It has everything up to this offset, and reads the log by itself.
    Behind(Offset),
}

/// How a subscriber came to where it stands: whether what it lags is its own slowness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Course {
    /// It asked for the past, and reads it for as long as it takes.
    Replay,
    /// Its session goes on after a while without a subscriber.
    Resumed,
    /// It has been live.
    Live,
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) serial: u64,
    pub(crate) feed: usize,
    pub(crate) way: Way,
    pub(crate) shape: Shape,
    pub(crate) audience: AudienceKey,
    /// Its place in the audience's list of members.
    pub(crate) seat: usize,
    pub(crate) session: SessionId,
    pub(crate) interest: Interest,
    pub(crate) place: Place,
    pub(crate) course: Course,
    /// Where and when it began.
    pub(crate) began: (Offset, Millis),
    /// Where it was when it became live the last time.
    pub(crate) live_after: Offset,
    /// What it is owed and does not have yet.
    pub(crate) debt: Debt,
    /// How often it wants to be served, if less than always.
    pub(crate) pace: Option<Box<Pace>>,
    /// Whether it stands in the list of those that wait for the next pass.
    pub(crate) is_waiting: bool,
    pub(crate) out: Out,
}

/// A feed that this worker has subscribers of.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) feed: Arc<Feed>,
    pub(crate) link: Arc<Link>,
    /// Everything up to here has been through a pass.
    pub(crate) head: Offset,
    pub(crate) audiences: Audiences,
    /// The members of each audience, by its key.
    pub(crate) members: Vec<Vec<usize>>,
    pub(crate) by_member: HashMap<Member, Key>,
    /// Where the newest pass began.
    pub(crate) due_from: Offset,
    /// Subscribers that cannot be served before the next pass: they started after the head.
    pub(crate) waiting: Vec<Key>,
    /// This worker's part of the balance, by transport.
    pub(crate) tallies: [Tally; 3],
    /// Where the newest passes ended, and when.
    pub(crate) past: VecDeque<(Offset, Millis)>,
    /// Counts passes, to begin each with another subscriber.
    pub(crate) passes: usize,
}

impl Local {
    pub(crate) fn cursor(&self, offset: Offset) -> Cursor {
        Cursor { epoch: self.feed.epoch(), offset }
    }

    /// Up to where a subscriber has everything.
    pub(crate) fn standing(&self, place: Place) -> Offset {
        match place {
            Place::Live => self.head,
            Place::Due => self.due_from,
            Place::Behind(offset) => offset,
        }
    }

    pub(crate) fn sit(&mut self, audience: AudienceKey, index: usize) -> usize {
        let place = audience.0 as usize;
        if self.members.len() <= place {
            self.members.resize_with(place + 1, Vec::new);
        }
        self.members[place].push(index);
        self.members[place].len() - 1
    }

    /// Takes a member from its seat. Gives the member that sits there now, if another one moved.
    pub(crate) fn stand_up(&mut self, audience: AudienceKey, seat: usize) -> Option<usize> {
        let members = &mut self.members[audience.0 as usize];
        members.swap_remove(seat);
        let moved = members.get(seat).copied();
        self.audiences.leave(audience);
        moved
    }
}

/// What a subscriber was given so far.
pub(crate) fn given(local: &Local, subscriber: &Subscriber, now: Millis) -> Stretch {
    let (after, from) = subscriber.began;
    Stretch { way: subscriber.way, after, upto: local.standing(subscriber.place).max(after), from, to: now }
}

/// All that a worker knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) subscribers: Slab<Subscriber>,
    pub(crate) locals: Vec<Local>,
    pub(super) by_name: HashMap<Namespace, usize>,
    /// Who owns connections of this worker.
    pub(crate) carrier: Rc<dyn Carrier>,
    /// Polls that were answered and may go on.
    resting: VecDeque<Key>,
    /// Subscribers that wait for their time, and who waits with them.
    pub(crate) paced: Queue,
    pub(crate) pacing: Rc<Notify>,
    /// Seconds since the hub was started.
    pub(crate) second: u64,
}

impl State {
    pub(crate) fn new(shared: Arc<Shared>, mailbox: Arc<Mailbox>) -> Self {
        Self {
            shared,
            mailbox,
            subscribers: Slab::new(),
            locals: Vec::new(),
            by_name: HashMap::new(),
            carrier: Rc::new(Nobody),
            resting: VecDeque::new(),
            paced: Queue::default(),
            pacing: Rc::default(),
            second: 0,
        }
    }

    pub(crate) fn carry(&mut self, carrier: Option<Rc<dyn Carrier>>) {
        self.carrier = carrier.unwrap_or_else(|| Rc::new(Nobody));
    }

    pub(crate) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// This worker's view of a feed. The link is made before the head is read, so that nothing between is missed.
    pub(crate) fn local(&mut self, namespace: &Namespace) -> Result<usize, Fault> {
        if let Some(index) = self.by_name.get(namespace) {
            return Ok(*index);
        }
        let feed = self.shared.feeds.find(namespace)?;
        self.shared.engine.follow(&feed);
        let index = self.locals.len();
        let link = Arc::new(Link::new(index, Arc::clone(&self.mailbox)));
        feed.link(Arc::clone(&link));
        let head = feed.last();
        self.locals.push(Local {
            feed,
            link,
            head,
            due_from: head,
            audiences: Audiences::default(),
            members: Vec::new(),
            by_member: HashMap::new(),
            waiting: Vec::new(),
            tallies: Default::default(),
            past: VecDeque::new(),
            passes: 0,
        });
        self.by_name.insert(namespace.clone(), index);
        Ok(index)
    }

    pub(crate) fn find(&mut self, key: Key) -> Option<&mut Subscriber> {
        self.subscribers.get_mut(key.index).filter(|subscriber| subscriber.serial == key.serial)
    }

    pub(crate) fn pipe(&mut self, key: Key) -> Option<&mut Pipe> {
        match &mut self.find(key)?.out {
            Out::Pipe(pipe) => Some(pipe),
            Out::Parked(_) | Out::Line(_) | Out::Call(_) => None,
        }
    }

    pub(crate) fn line(&mut self, key: Key) -> Option<&mut Line> {
        match &mut self.find(key)?.out {
            Out::Line(line) => Some(line),
            Out::Pipe(_) | Out::Parked(_) | Out::Call(_) => None,
        }
    }

    /// Forgets a subscriber and gives everything back that it held.
    pub(crate) fn remove(&mut self, key: Key) {
        if self.find(key).is_none() {
            return;
        }
        let mut gone = self.subscribers.remove(key.index);
        if let Out::Pipe(pipe) = &mut gone.out {
            pipe.cease();
        }
        self.leave_seat(gone.feed, gone.audience, gone.seat);
        let local = &mut self.locals[gone.feed];
        gone.debt.give_back(&mut local.tallies[gone.way.index()]);
        if let Some(member) = gone.interest.member.filter(|member| local.by_member.get(member) == Some(&key))
        {
            local.by_member.remove(&member);
        }
        let given = given(local, &gone, self.shared.now());
        self.shared.detach(gone.session, key, given);
        if !matches!(&gone.out, Out::Call(call) if call.rests()) {
            local.feed.leave(gone.way);
            self.shared.dismiss();
        }
    }

    fn leave_seat(&mut self, feed: usize, audience: AudienceKey, seat: usize) {
        let moved = self.locals[feed].stand_up(audience, seat);
        if let Some(moved) = moved.and_then(|index| self.subscribers.get_mut(index)) {
            moved.seat = seat;
        }
    }

    /// Obeys what was ordered about single subscribers.
    pub(crate) fn obey_all(&mut self) {
        for order in self.mailbox.take_orders() {
            self.obey(order);
        }
    }

    /// A poll was answered: it is no subscriber any more, and its record waits for the next poll.
    pub(crate) fn rest(&mut self, key: Key) {
        let second = short(self.second);
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return;
        };
        let Out::Call(call) = &mut subscriber.out else { return };
        call.rested_at = Some(second);
        let is_listed = std::mem::replace(&mut call.is_listed, true);
        let local = &mut self.locals[subscriber.feed];
        subscriber.place = Place::Behind(local.standing(subscriber.place));
        subscriber.debt.give_back(&mut local.tallies[subscriber.way.index()]);
        local.feed.leave(subscriber.way);
        self.shared.dismiss();
        if !is_listed {
            self.resting.push_back(key);
        }
    }

    /// Forgets those that have rested for [`REST_SECS`]. Each resting record stands in the list once.
    pub(crate) fn forget_rested(&mut self) {
        for _ in 0..self.resting.len() {
            let Some(key) = self.resting.pop_front() else { return };
            let now = short(self.second);
            let Some(Out::Call(call)) = self.find(key).map(|subscriber| &mut subscriber.out) else {
                continue;
            };
            match call.rested_at {
                Some(at) if at + REST_SECS <= now => self.remove(key),
                Some(_) => self.resting.push_back(key),
                None => call.is_listed = false,
            }
        }
    }

    /// Carries out an order.
    pub(crate) fn obey(&mut self, order: Order) {
        match order {
            Order::End(key, reason) => self.end(key, &Close::new(reason, reason.title())),
            Order::Rooms(key, interest) => self.change_rooms(key, interest),
            Order::Ask(ask) => self.answer_question(ask),
            // The task that reads the mail starts it: it takes a while.
            Order::Drain => {}
        }
    }

    fn change_rooms(&mut self, key: Key, interest: Interest) {
        let Some(subscriber) = self.find(key) else { return };
        let (feed, audience, seat) = (subscriber.feed, subscriber.audience, subscriber.seat);
        self.leave_seat(feed, audience, seat);
        let rooms = interest.rooms.clone().unwrap_or_default();
        let audience = self.locals[feed].audiences.enter(&rooms);
        let seat = self.locals[feed].sit(audience, key.index);
        self.set_behind(key);
        let Some(subscriber) = self.find(key) else { return };
        (subscriber.audience, subscriber.seat, subscriber.interest) = (audience, seat, interest);
        self.give_back(key);
        self.nudge(key);
    }

    /// Lets those go on whose time has come. Gives the time of the next one.
    pub(crate) fn call_paced(&mut self, now: Instant) -> Option<Instant> {
        while let Some(key) = self.paced.take(now) {
            if let Some(pace) = self.find(key).and_then(|subscriber| subscriber.pace.as_mut()) {
                pace.called();
                self.nudge(key);
            }
        }
        self.paced.next()
    }

    /// What a subscriber is owed is counted anew from when it is live again.
    pub(crate) fn give_back(&mut self, key: Key) {
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return;
        };
        subscriber.debt.give_back(&mut self.locals[subscriber.feed].tallies[subscriber.way.index()]);
    }

    /// Lets a subscriber read on by itself from where it stands.
    pub(crate) fn set_behind(&mut self, key: Key) {
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return;
        };
        subscriber.place = Place::Behind(self.locals[subscriber.feed].standing(subscriber.place));
    }

    /// Ends a subscriber: a stream after what it holds, a poll with an answer at once.
    pub(crate) fn end(&mut self, key: Key, close: &Close) {
        let Some(subscriber) = self.find(key) else { return };
        let shape = subscriber.shape;
        match &mut subscriber.out {
            Out::Pipe(pipe) => pipe.end(last_bytes(shape, close)),
            Out::Line(line) if line.is_ending => {}
            Out::Line(line) => {
                line.is_ending = true;
                let seat = line.seat;
                self.carrier.end(seat, last_bytes(shape, close));
            }
            Out::Call(call) if call.rests() => self.remove(key),
            Out::Parked(_) | Out::Call(_) => {
                // A poll that is merely replaced is answered empty: its client has opened the next one itself.
                let notices = if close.reason == Reason::Replaced {
                    vec![]
                } else {
                    vec![Notice::Close(close.clone())]
                };
                self.answer_without_events(key, &notices);
            }
        }
    }
}

/// How long the record of an answered poll waits for the next one, in seconds: a client that comes later is another one
/// to the hub, and its session's grace has begun.
const REST_SECS: u32 = 2;

/// The last bytes of a stream: the notice, and then the close frame or the last chunk.
fn last_bytes(shape: Shape, close: &Close) -> bytes::Bytes {
    let mut last = notice_bytes(shape, &Notice::Close(close.clone())).to_vec();
    match shape {
        Shape::Frames => last.extend(ws::close_frame(close.reason.close_code(), close.reason.name())),
        Shape::ChunkedEvents => last.extend_from_slice(sse::LAST_CHUNK),
        Shape::Events | Shape::Answer => {}
    }
    bytes::Bytes::from(last)
}

/// Stands in until there is a carrier: nobody has a seat either before.
#[derive(Debug)]
struct Nobody;

impl Carrier for Nobody {
    fn send(&self, _: Seat, _: &bytes::Bytes) -> usize {
        0
    }
    fn keep(&self, _: Seat, _: bytes::Bytes) {}
    fn answer(&self, _: Seat, _: &bytes::Bytes) {}
    fn end(&self, _: Seat, _: bytes::Bytes) {}
    fn pull(&self, _: Seat) {}
}
