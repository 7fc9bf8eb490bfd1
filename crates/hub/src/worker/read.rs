//! A subscriber that is behind reads the log by itself until it has caught up.

use std::task::{Poll, Waker};

use bytes::Bytes;
use tricast_feed::{Offset, Read, ReadLimit};
use tricast_wire::event::Encoded;
use tricast_wire::notice::{GapReason, Notice};
use tricast_wire::poll;

use crate::join::{notice_bytes, stream_bytes};
use crate::key::Key;
use crate::out::Out;
use crate::worker::state::{Place, State};

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
            match self.catch_up(key, usize::MAX) {
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

    /// Reads once from the log, up to the head and not beyond.
    fn catch_up(&mut self, key: Key, events_max: usize) -> Progress {
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return Progress::Nothing;
        };
        let Place::Behind(offset) = subscriber.place else { return Progress::Nothing };
        let local = &mut self.locals[subscriber.feed];
        if offset < local.head {
            let bytes = match subscriber.out {
                Out::Pipe(_) => self.shared.limits.read_bytes_max,
                Out::Parked(_) => self.shared.limits.answer_bytes_max,
            };
            let limit = ReadLimit { events: events_max, bytes };
            let read = local.feed.read(offset, local.head, &subscriber.interest, limit);
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
        let reason = if subscriber.was_live { GapReason::Slow } else { GapReason::Expired };
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
        let Some(subscriber) = self.find(key) else { return };
        match &mut subscriber.out {
            Out::Pipe(pipe) => pipe.wake(),
            Out::Parked(parked) if parked.is_answered() => {}
            Out::Parked(parked) => {
                let (events_max, resets) =
                    (parked.events_max, parked.sync.is_some_and(|sync| is_reset(&sync)));
                self.answer_from_log(key, events_max, resets);
            }
        }
    }

    fn answer_from_log(&mut self, key: Key, events_max: usize, resets: bool) {
        loop {
            match self.catch_up(key, events_max) {
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
        let offset = match place {
            Place::Live => self.locals[feed].head,
            Place::Behind(offset) => offset,
        };
        self.answer(key, &[], notices, offset);
    }

    fn answer(&mut self, key: Key, events: &[Bytes], notices: &[Notice], offset: Offset) {
        let Some(feed) = self.find(key).map(|subscriber| subscriber.feed) else { return };
        let cursor = self.locals[feed].cursor(offset);
        let Some(subscriber) = self.find(key) else { return };
        if let Out::Parked(parked) = &mut subscriber.out
            && !parked.is_answered()
        {
            let events = events.iter().map(Bytes::as_ref);
            parked.answer(poll::answer(parked.sync.as_ref(), events, notices, cursor));
        }
    }
}

fn is_reset(sync: &tricast_wire::notice::Sync) -> bool {
    matches!(sync.state, tricast_feed::StartState::Reset { .. })
}
