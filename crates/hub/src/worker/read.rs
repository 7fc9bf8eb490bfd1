//! A subscriber that is behind reads the log by itself until it has caught up.

use std::task::{Poll, Waker};

use bytes::Bytes;
use tokio::time::Instant;
use tricast_feed::{Gap, GapReason, Millis, Offset, Read, ReadLimit};
use tricast_wire::event::Encoded;
use tricast_wire::notice::Notice;
use tricast_wire::poll;

use crate::SlowPolicy;
use crate::carrier::Advance;
use crate::key::Key;
use crate::out::Out;
use crate::pace::Leave;
use crate::tally::Fate;
use crate::worker::parts::{StopOfParts, gap_notice, join, parts_of, reason_of, stop_of_parts};
use crate::worker::pass::hold_line;
use crate::worker::state::{Course, Local, Place, State, Subscriber};

/// Pieces that a subscriber reads from the log before others have their turn.
const PIECES_MAX: usize = 4;

/// What a subscriber found in the log, and how many of its events fell away.
struct Found {
    read: Read<Encoded>,
    skipped: u64,
    conflated: u64,
}

impl Found {
    fn of(read: Read<Encoded>) -> Self {
        Self { read, skipped: 0, conflated: 0 }
    }
}

/// What a look at a subscriber's place shows.
enum Progress {
    /// It is live, or waits for the next pass or for its time.
    Nothing,
    /// It found something.
    Found(Found),
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
                Progress::Found(found) => return Poll::Ready(Some(self.stream_found(key, &found))),
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
                Progress::Found(found) if self.send_found(key, &found) => {}
                Progress::Found(_) => return Advance::Held,
                Progress::Moved => {}
                Progress::Nothing => return Advance::Idle,
            }
        }
        Advance::More
    }

    /// Hands what was found to the carrier. False if the connection stands.
    fn send_found(&mut self, key: Key, found: &Found) -> bool {
        let Self { subscribers, carrier, second, locals, .. } = self;
        let subscriber = &mut subscribers[key.index];
        let local = &locals[subscriber.feed];
        let bytes = join(local, subscriber, &found.read);
        let Out::Line(line) = &subscriber.out else { return false };
        let written = carrier.send(line.seat, &bytes);
        if written == bytes.len() {
            self.settle(key, found, found.read.entries.len());
            return true;
        }
        let parts = parts_of(local, subscriber, &found.read);
        let mut stop = stop_of_parts(&parts, written, found.read.after);
        subscriber.place = Place::Behind(stop.upto);
        hold_line(subscriber, *second, std::mem::take(&mut stop.rest), carrier.as_ref());
        self.settle_told(key, found, &stop);
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
        let mut end = local.head.max(seen);
        if offset < end
            && let Some(pace) = &mut subscriber.pace
        {
            match pace.ask(offset, end, Instant::now()) {
                Leave::UpTo(allowed) => end = allowed,
                Leave::Wait => return Progress::Nothing,
                Leave::Queue(at) => {
                    self.paced.push(at, key);
                    self.pacing.notify_one();
                    return Progress::Nothing;
                }
            }
        }
        if offset < end {
            let bytes = match subscriber.out {
                Out::Pipe(_) | Out::Line(_) => self.shared.limits.read_bytes_max,
                Out::Parked(_) | Out::Call(_) => self.shared.limits.answer_bytes_max,
            };
            let limit = ReadLimit { events: events_max, bytes };
            let found = look(local, subscriber, (offset, end), limit, || self.shared.now());
            subscriber.place = Place::Behind(found.read.upto);
            return if found.read.is_empty() { Progress::Moved } else { Progress::Found(found) };
        }
        let joins_are_past = subscriber.interest.joined.iter().all(|(_, since)| *since <= local.head);
        if offset == local.head && joins_are_past {
            let missing = subscriber.debt.caught_up(&mut local.tallies[subscriber.way.index()]);
            if missing > 0 {
                tracing::error!(namespace = %local.feed.namespace(), %offset, missing, "the balance is broken");
            }
            (subscriber.course, subscriber.live_after) = (Course::Live, offset);
            if subscriber.pace.is_none() {
                subscriber.place = Place::Live;
                return Progress::Nothing;
            }
        }
        if !subscriber.is_waiting {
            subscriber.is_waiting = true;
            local.waiting.push(key);
        }
        Progress::Nothing
    }

    /// Counts what was found and has been handed over whole.
    fn settle(&mut self, key: Key, found: &Found, delivered: usize) {
        let fate = Fate { delivered: delivered as u64, skipped: found.skipped, conflated: found.conflated };
        self.remember_gaps(key, &found.read.gaps);
        self.count_fate(key, found, fate);
    }

    fn remember_gaps(&self, key: Key, gaps: &[Gap]) {
        let Some(subscriber) = self.subscribers.get(key.index) else { return };
        for gap in gaps {
            self.shared.told(subscriber.session, Gap { reason: reason_of(subscriber, gap), ..*gap });
        }
    }

    /// Counts what was found and has been handed over in part. What fell away for good was told with it, or is found to
    /// have fallen away again.
    fn settle_told(&mut self, key: Key, found: &Found, stop: &StopOfParts) {
        let Some(subscriber) = self.subscribers.get(key.index) else { return };
        let local = &self.locals[subscriber.feed];
        let mut fate = Fate { delivered: stop.events as u64, ..Fate::default() };
        let told = &found.read.gaps[..stop.gaps];
        self.remember_gaps(key, told);
        local.feed.with_log(|log| {
            for gap in told {
                let own = log.count(Offset(gap.from.0 - 1), gap.to, &subscriber.interest);
                match gap.reason {
                    GapReason::Conflated => fate.conflated += own,
                    GapReason::Slow | GapReason::Expired | GapReason::Engine => fate.skipped += own,
                }
            }
        });
        self.count_fate(key, found, fate);
    }

    fn count_fate(&mut self, key: Key, found: &Found, mut fate: Fate) {
        self.shared.count_deliveries(fate.delivered);
        let Some(subscriber) = self.subscribers.get_mut(key.index) else { return };
        let local = &mut self.locals[subscriber.feed];
        // What is no longer in the log cannot be counted there; but what is still to come can.
        let has_unknown =
            found.read.gaps.iter().any(|gap| matches!(gap.reason, GapReason::Expired | GapReason::Engine));
        if has_unknown
            && subscriber.debt.is_counted()
            && let Place::Behind(offset) = subscriber.place
        {
            let rest = local.feed.with_log(|log| log.count(offset, local.head, &subscriber.interest));
            let known = rest + fate.delivered + fate.skipped + fate.conflated;
            fate.skipped += subscriber.debt.open().saturating_sub(known);
        }
        subscriber.debt.settle(fate, &mut local.tallies[subscriber.way.index()]);
    }

    fn stream_found(&mut self, key: Key, found: &Found) -> Bytes {
        let subscriber = &self.subscribers[key.index];
        let bytes = join(&self.locals[subscriber.feed], subscriber, &found.read);
        self.settle(key, found, found.read.entries.len());
        bytes
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
                Progress::Found(found) => return self.answer_with(key, &found),
                Progress::Moved => {}
                // That a cursor was not honoured is news enough.
                Progress::Nothing if resets => return self.answer_without_events(key, &[]),
                Progress::Nothing => return,
            }
        }
    }

    fn answer_with(&mut self, key: Key, found: &Found) {
        self.settle(key, found, found.read.entries.len());
        let Some(subscriber) = self.subscribers.get(key.index) else { return };
        let local = &self.locals[subscriber.feed];
        let notices: Vec<Notice> =
            found.read.gaps.iter().map(|gap| gap_notice(local, subscriber, gap)).collect();
        let pieces: Vec<Bytes> = found.read.entries.iter().map(|entry| entry.payload.json()).collect();
        self.answer(key, &pieces, &notices, found.read.upto);
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

/// Looks at the log for a subscriber, and lets it fall back if it lags further than its namespace allows.
fn look(
    local: &Local,
    subscriber: &Subscriber,
    (offset, end): (Offset, Offset),
    limit: ReadLimit,
    now: impl Fn() -> Millis,
) -> Found {
    let slow = &local.feed.options().slow;
    let (lag, interest) = (slow.lag(), &subscriber.interest);
    let now = if lag.age_max.is_some() { now() } else { Millis(0) };
    local.feed.with_log(|log| {
        let may_fall = subscriber.course != Course::Replay && slow.policy != SlowPolicy::Close;
        let lags = may_fall && log.lags(offset, end, interest, lag, now);
        let is_gathered = subscriber.pace.is_some() && subscriber.course != Course::Replay;
        match slow.policy {
            SlowPolicy::Skip if lags => {
                Found { skipped: log.count(offset, end, interest), ..Found::of(log.skip(offset, end)) }
            }
            SlowPolicy::Conflate if lags || is_gathered => {
                let (read, fallen) = log.read_newest(offset, end, interest, lag, limit);
                Found { read, skipped: fallen.skipped, conflated: fallen.conflated }
            }
            SlowPolicy::Skip | SlowPolicy::Conflate | SlowPolicy::Close => {
                Found::of(log.read(offset, end, interest, limit))
            }
        }
    })
}

fn is_reset(sync: &tricast_wire::notice::Sync) -> bool {
    matches!(sync.state, tricast_feed::StartState::Reset { .. })
}
