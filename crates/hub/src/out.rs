//! The way out behind a subscriber record: what the hub hands over, and what carries it away.
//!
//! There are two ways out, each for streams and for polls. Where somebody else carries the bytes, a [`Pipe`] holds at
//! most one joined buffer and a bounded number of answers until they are taken, and a [`Parked`] poll its one answer.
//! Where a [`Carrier`](crate::Carrier) owns the connection, a [`Line`] or a [`Call`] holds nothing but its seat.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use tricast_wire::notice::Sync;

use crate::carrier::Seat;

/// How far a pipe's end has come.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It goes on.
    Open,
    /// These are its last bytes.
    Last(Bytes),
    /// It has ended.
    Over,
}

/// A stream's way out.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// The joined buffer that waits to be taken.
    slot: Option<Bytes>,
    /// The second in which the slot was filled.
    filled_at: u64,
    /// Answers to commands.
    replies: VecDeque<Bytes>,
    /// The answer to the newest ping; older ones need none (RFC 6455, section 5.5.3).
    pong: Option<Bytes>,
    pub(crate) ending: Ending,
    waker: Option<Waker>,
    /// Wakes whoever waits for room for a reply.
    room_waker: Option<Waker>,
    /// The second in which the oldest ping was handed over that has not been answered.
    pinged_at: Option<u64>,
}

impl Pipe {
    pub(crate) fn new(opening: Bytes, now: u64) -> Self {
        Self {
            slot: Some(opening),
            filled_at: now,
            replies: VecDeque::new(),
            pong: None,
            ending: Ending::Open,
            waker: None,
            room_waker: None,
            pinged_at: None,
        }
    }

    /// Whether a buffer can be handed over.
    pub(crate) fn is_free(&self) -> bool {
        self.slot.is_none() && self.is_open()
    }

    /// For how many seconds the buffer has not been taken.
    pub(crate) fn stalled_secs(&self, now: u64) -> u64 {
        if self.slot.is_some() { now.saturating_sub(self.filled_at) } else { 0 }
    }

    pub(crate) fn fill(&mut self, bytes: Bytes, now: u64) {
        self.slot = Some(bytes);
        self.filled_at = now;
        self.wake();
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.ending, Ending::Open)
    }

    /// Takes an answer, unless the pipe ends: then nothing more is owed.
    pub(crate) fn reply(&mut self, bytes: Bytes) {
        if self.is_open() {
            self.replies.push_back(bytes);
            self.wake();
        }
    }

    pub(crate) fn pong(&mut self, bytes: Bytes) {
        if self.is_open() {
            self.pong = Some(bytes);
            self.wake();
        }
    }

    pub(crate) fn has_room(&self, replies_max: usize) -> bool {
        self.replies.len() < replies_max
    }

    /// The carrier has gone: whoever waits for the pipe is told.
    pub(crate) fn cease(&mut self) {
        self.ending = Ending::Over;
        self.wake();
    }

    /// The client was heard.
    pub(crate) fn heard(&mut self) {
        self.pinged_at = None;
    }

    /// A ping is handed over. Only the first that is not answered counts.
    pub(crate) fn pinged(&mut self, now: u64) {
        self.pinged_at.get_or_insert(now);
    }

    /// For how many seconds a ping has not been answered.
    pub(crate) fn unheard_secs(&self, now: u64) -> u64 {
        self.pinged_at.map_or(0, |at| now.saturating_sub(at))
    }

    pub(crate) fn wait_for_room(&mut self, waker: &Waker) {
        self.room_waker = Some(waker.clone());
    }

    /// Ends the pipe after what it holds.
    pub(crate) fn end(&mut self, last: Bytes) {
        if self.is_open() {
            self.ending = Ending::Last(last);
            self.wake();
        }
    }

    /// What is to be written next of what the pipe holds.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        self.take_replies().or_else(|| self.slot.take())
    }

    fn take_replies(&mut self) -> Option<Bytes> {
        if self.replies.is_empty() {
            return self.pong.take();
        }
        let mut joined = BytesMut::new();
        self.pong
            .take()
            .into_iter()
            .chain(self.replies.drain(..))
            .for_each(|bytes| joined.extend_from_slice(&bytes));
        if let Some(waker) = self.room_waker.take() {
            waker.wake();
        }
        Some(joined.freeze())
    }

    /// The last bytes, once.
    pub(crate) fn take_last(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.ending, Ending::Over) {
            Ending::Last(last) => Some(last),
            Ending::Open | Ending::Over => None,
        }
    }

    pub(crate) fn park(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        if !self.is_open()
            && let Some(waker) = self.room_waker.take()
        {
            waker.wake();
        }
    }
}

/// A poll that waits.
#[derive(Debug)]
pub(crate) struct Parked {
    /// Told in the answer, where the client must know.
    pub(crate) sync: Option<Sync>,
    /// Events in the answer at most.
    pub(crate) events_max: usize,
    /// The answer, once there is one.
    answer: Option<Bytes>,
    waker: Option<Waker>,
}

impl Parked {
    pub(crate) fn new(sync: Option<Sync>, events_max: usize) -> Self {
        Self { sync, events_max, answer: None, waker: None }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    pub(crate) fn answer(&mut self, answer: Bytes) {
        self.answer = Some(answer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn take(&mut self, waker: &Waker) -> Option<Bytes> {
        if self.answer.is_none() {
            self.waker = Some(waker.clone());
        }
        self.answer.take()
    }
}

/// A stream on a connection that a carrier owns.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) seat: Seat,
    /// The second since which the connection stands.
    held_at: Option<u32>,
    /// The second of the oldest ping that has not been answered.
    pinged_at: Option<u32>,
    /// Its last bytes have been handed over.
    pub(crate) is_ending: bool,
}

impl Line {
    pub(crate) fn new(seat: Seat) -> Self {
        Self { seat, held_at: None, pinged_at: None, is_ending: false }
    }

    /// The connection stands; since when counts from the first time.
    pub(crate) fn hold(&mut self, now: u64) {
        self.held_at.get_or_insert(short(now));
    }

    pub(crate) fn go_on(&mut self) {
        self.held_at = None;
    }

    /// Whether the connection takes nothing at the moment.
    pub(crate) fn is_held(&self) -> bool {
        self.held_at.is_some()
    }

    pub(crate) fn held_secs(&self, now: u64) -> u64 {
        self.held_at.map_or(0, |at| now.saturating_sub(u64::from(at)))
    }

    pub(crate) fn heard(&mut self) {
        self.pinged_at = None;
    }

    pub(crate) fn pinged(&mut self, now: u64) {
        self.pinged_at.get_or_insert(short(now));
    }

    pub(crate) fn unheard_secs(&self, now: u64) -> u64 {
        self.pinged_at.map_or(0, |at| now.saturating_sub(u64::from(at)))
    }
}

/// Seconds since the start: a u32 lasts for 136 years.
pub(crate) fn short(second: u64) -> u32 {
    u32::try_from(second).unwrap_or(u32::MAX)
}

/// A poll on a connection that a carrier owns. Once answered it is no subscriber any more, but its record rests for a
/// moment, for the next poll on the same connection.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) seat: Seat,
    /// Events in the answer at most.
    pub(crate) events_max: u32,
    /// Told in the answer, where the client must know.
    pub(crate) sync: Option<Box<Sync>>,
    /// The second in which it was answered, while it rests.
    pub(crate) rested_at: Option<u32>,
    /// Whether it stands in the list of those that rest.
    pub(crate) is_listed: bool,
}

impl Call {
    pub(crate) fn new(seat: Seat, events_max: u32, sync: Option<Sync>) -> Self {
        Self { seat, events_max, sync: sync.map(Box::new), rested_at: None, is_listed: false }
    }

    pub(crate) fn rests(&self) -> bool {
        self.rested_at.is_some()
    }
}

/// What carries a subscriber's bytes away.
#[derive(Debug)]
pub(crate) enum Out {
    /// A stream that somebody else carries.
    Pipe(Box<Pipe>),
    /// A poll that somebody else answers.
    Parked(Box<Parked>),
    /// A stream on a carrier's connection.
    Line(Line),
    /// A poll on a carrier's connection.
    Call(Call),
}
