//! A subscriber that is behind reads the log by itself until it has caught up.

use std::task::{Poll, Waker};

use bytes::Bytes;
use tricast_feed::{Offset, Read, ReadLimit};
use tricast_wire::event::Encoded;
use tricast_wire::notice::{GapReason, Notice};
use tricast_wire::poll;

use crate::carrier::Advance;
use crate::join::{notice_bytes, stop_in, stream_bytes};
use crate::key::Key;
use crate::out::Out;
use crate::way::Shape;
use crate::worker::pass::hold_line;
use crate::worker::state::{Place, State};

/// Pieces that a subscriber reads from the log before others have their turn.
const PIECES_MAX: usize = 4;

/// What a look at a subscriber's place shows.
enum Progress {
    /// It is live, or waits for the next pass.
    Nothing,
    /// It read something.
    Found(Read<Encoded>),
    /// It got on, without anything of its own.
    Moved,
}

impl State {
    /// The next bytes of a stream.
    pub(crate) fn next_bytes(&mut self, key: Key, waker: &Waker) -> Poll<Option<Bytes>> {
        loop {
            let Some(pipe) = self.pipe(key) else { return Poll::Ready(None) };
            if let Some(bytes) = pipe.take() {
                return Poll::Ready(Some(bytes));
            }
            if !pipe.is_open() {
                return Poll::Ready(pipe.take_last());
            }
            match self.catch_up(key, usize::MAX, Offset::ZERO) {
                Progress::Found(read) => return Poll::Ready(Some(self.stream_read(key, &read))),
                Progress::Moved => {}
                Progress::Nothing => {
                    if let Some(pipe) = self.pipe(key) {
                        pipe.park(waker);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Lets a stream on a carrier's connection read on, a few pieces at once.
    pub(crate) fn advance(&mut self, key: Key) -> Advance {
        let Some(line) = self.line(key) else { return Advance::Idle };
        line.go_on();
        for _ in 0..PIECES_MAX {
            match self.catch_up(key, usize::MAX, Offset::ZERO) {
                Progress::Found(read) if self.send_read(key, &read) => {}
                Progress::Found(_) => return Advance::Held,
                Progress::Moved => {}
                Progress::Nothing => return Advance::Idle,
            }
        }
        Advance::More
    }

    /// Hands what was read to the carrier. False if the connection stands.
    fn send_read(&mut self, key: Key, read: &Read<Encoded>) -> bool {
        let shape = self.subscribers[key.index].shape;
        let gap = self.gap_notice(key, read).map(|notice| notice_bytes(shape, &notice)).unwrap_or_default();
        let bytes = stream_bytes(shape, (!gap.is_empty()).then(|| gap.clone()), read.entries.iter());
        let Self { subscribers, carrier, second, shared, .. } = self;
        let subscriber = &mut subscribers[key.index];
        let Out::Line(line) = &subscriber.out else { return false };
        let written = carrier.send(line.seat, &bytes);
        if written == bytes.len() {
            shared.count_deliveries(read.entries.len() as u64);
            return true;
        }
        let (rest, upto, told) = stop_of_read(shape, &gap, read, written);
        // Zero bytes of a gap: it will be found again.
        subscriber.place = if written == 0 { Place::Behind(read.after) } else { Place::Behind(upto) };
        shared.count_deliveries(told as u64);
        hold_line(subscriber, *second, rest, carrier.as_ref());
        false
    }

    /// Reads once from the log, up to the head and not beyond; for a poll that comes just now, up to `seen`.
    fn catch_up(&mut self, key: Key, events_max: usize, seen: Offset) -> Progress {
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return Progress::Nothing;
        };
        let Place::Behind(offset) = subscriber.place else { return Progress::Nothing };
        let local = &mut self.locals[subscriber.feed];
        let end = local.head.max(seen);
        if offset < end {
            let bytes = match subscriber.out {
                Out::Pipe(_) | Out::Line(_) => self.shared.limits.read_bytes_max,
                Out::Parked(_) | Out::Call(_) => self.shared.limits.answer_bytes_max,
            };
            let limit = ReadLimit { events: events_max, bytes };
            let read = local.feed.read(offset, end, &subscriber.interest, limit);
            subscriber.place = Place::Behind(read.upto);
            let found = !read.entries.is_empty() || read.gap.is_some();
            return if found { Progress::Found(read) } else { Progress::Moved };
        }
        let joins_are_past = subscriber.interest.joined.iter().all(|(_, since)| *since <= local.head);
        if offset == local.head && joins_are_past {
            subscriber.place = Place::Live;
            subscriber.was_live = true;
        } else if !subscriber.is_waiting {
            subscriber.is_waiting = true;
            local.waiting.push(key);
        }
        Progress::Nothing
    }

    fn gap_notice(&self, key: Key, read: &Read<Encoded>) -> Option<Notice> {
        let (from, to) = read.gap?;
        let subscriber = self.subscribers.get(key.index)?;
        let reason = match subscriber.was_live {
            _ if read.gap_is_hole => GapReason::Engine,
            true => GapReason::Slow,
            false => GapReason::Expired,
        };
        Some(Notice::Gap { from, to: self.locals[subscriber.feed].cursor(to), reason })
    }

    fn stream_read(&self, key: Key, read: &Read<Encoded>) -> Bytes {
        self.shared.count_deliveries(read.entries.len() as u64);
        let shape = self.subscribers[key.index].shape;
        let gap = self.gap_notice(key, read).map(|notice| notice_bytes(shape, &notice));
        stream_bytes(shape, gap, read.entries.iter())
    }

    /// Lets a subscriber look at the log, because something is there for it alone.
    pub(crate) fn nudge(&mut self, key: Key) {
        self.nudge_up_to(key, Offset::ZERO);
    }

    /// The same, where everything up to `seen` may be read already.
    pub(crate) fn nudge_up_to(&mut self, key: Key, seen: Offset) {
        let Some(subscriber) = self.find(key) else { return };
        let (events_max, resets) = match &mut subscriber.out {
            Out::Pipe(pipe) => return pipe.wake(),
            Out::Line(line) => {
                let seat = line.seat;
                return self.carrier.pull(seat);
            }
            Out::Parked(parked) if parked.is_answered() => return,
            Out::Parked(parked) => (parked.events_max, parked.sync.is_some_and(|sync| is_reset(&sync))),
            Out::Call(call) if call.rests() => return,
            Out::Call(call) => {
                (call.events_max as usize, call.sync.as_ref().is_some_and(|sync| is_reset(sync)))
            }
        };
        self.answer_from_log(key, events_max, resets, seen);
    }

    fn answer_from_log(&mut self, key: Key, events_max: usize, resets: bool, seen: Offset) {
        loop {
            match self.catch_up(key, events_max, seen) {
                Progress::Found(read) => return self.answer_with(key, &read),
                Progress::Moved => {}
                // That a cursor was not honoured is news enough.
                Progress::Nothing if resets => return self.answer_without_events(key, &[]),
                Progress::Nothing => return,
            }
        }
    }

    fn answer_with(&mut self, key: Key, read: &Read<Encoded>) {
        self.shared.count_deliveries(read.entries.len() as u64);
        let notices: Vec<Notice> = self.gap_notice(key, read).into_iter().collect();
        let pieces: Vec<Bytes> = read.entries.iter().map(|entry| entry.payload.json()).collect();
        self.answer(key, &pieces, &notices, read.upto);
    }

    /// Answers a poll with what it has: its own cursor.
    pub(crate) fn answer_without_events(&mut self, key: Key, notices: &[Notice]) {
        let Some(subscriber) = self.find(key) else { return };
        let (place, feed) = (subscriber.place, subscriber.feed);
        let offset = self.locals[feed].standing(place);
        self.answer(key, &[], notices, offset);
    }

    fn answer(&mut self, key: Key, events: &[Bytes], notices: &[Notice], offset: Offset) {
        let Some(feed) = self.find(key).map(|subscriber| subscriber.feed) else { return };
        let cursor = self.locals[feed].cursor(offset);
        let Some(subscriber) = self.find(key) else { return };
        let events = events.iter().map(Bytes::as_ref);
        match &mut subscriber.out {
            Out::Parked(parked) if !parked.is_answered() => {
                parked.answer(poll::answer(parked.sync.as_ref(), events, notices, cursor));
            }
            Out::Call(call) if !call.rests() => {
                let body = poll::answer(call.sync.as_deref(), events, notices, cursor);
                let seat = call.seat;
                self.carrier.answer(seat, &body);
                self.rest(key);
            }
            Out::Parked(_) | Out::Call(_) | Out::Pipe(_) | Out::Line(_) => {}
        }
    }
}

/// Where a carrier stopped in what was read: what is missing of the last piece, up to where all is done then, and how
/// many events that makes.
fn stop_of_read(shape: Shape, gap: &Bytes, read: &Read<Encoded>, written: usize) -> (Bytes, Offset, usize) {
    let start = read.gap.map_or(read.after, |(_, to)| to);
    if written < gap.len() {
        let rest = if written == 0 { Bytes::new() } else { gap.slice(written..) };
        return (rest, start, 0);
    }
    let stop = stop_in(shape, written - gap.len(), read.entries.iter());
    let upto = stop.events.checked_sub(1).map_or(start, |last| read.entries[last].offset);
    (stop.rest, upto, stop.events)
}

fn is_reset(sync: &tricast_wire::notice::Sync) -> bool {
    matches!(sync.state, tricast_feed::StartState::Reset { .. })
}
