//! The log: the only queue in the product.
//!
//! Publishers append; a subscriber is a [`Cursor`] that reads. Next to the entries stands an index by room, so that a
//! reader of one quiet room finds its events without reading everybody else's.

mod holes;
mod newest;
mod places;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub use holes::Hole;
pub use newest::{Conflation, Lag};
use places::Places;

use crate::{
    Addressing, ConflationKey, Cursor, Entry, Epoch, Gap, GapReason, Interest, Member, Millis, Offset,
    Retention, Room,
};

/// Where a subscriber wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Only what comes from now on.
    Tip,
    /// The whole retained history first.
    Earliest,
    /// Everything after this.
    Cursor(Cursor),
}

/// How a start was honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartState {
    /// No cursor was given.
    New,
    /// The cursor was honoured; nothing is missing.
    Resumed,
    /// The cursor could not be honoured. `missed` is how many events of the namespace are gone, where that is known.
    Reset {
        /// Events lost between the cursor and the place where the reader starts.
        missed: Option<u64>,
    },
}

/// The place where a reader starts, and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The reader has everything up to here.
    pub offset: Offset,
    /// How the start was honoured.
    pub state: StartState,
}

/// How much one read may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// At most this many events.
    pub events: usize,
    /// No further event once this many bytes are in (the first always is).
    pub bytes: usize,
}

/// What a read found.
#[derive(Debug)]
pub struct Read<P> {
    /// The reader's events, in order.
    pub entries: Vec<Arc<Entry<P>>>,
    /// Where the read began.
    pub after: Offset,
    /// The reader has now everything of its own up to here.
    pub upto: Offset,
    /// What will not come, in order, between the entries.
    pub gaps: Vec<Gap>,
}

/// One thing that a read found.
#[derive(Debug)]
pub enum Piece<'a, P> {
    /// Offsets that will not come.
    Gap(Gap),
    /// An event.
    Event(&'a Arc<Entry<P>>),
}

impl<P> Read<P> {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.gaps.is_empty()
    }

    /// What was found, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_, P>> {
        let (mut gaps, mut entries) = (self.gaps.iter().peekable(), self.entries.iter().peekable());
        std::iter::from_fn(move || {
            let next = entries.peek().map(|entry| entry.offset);
            match gaps.next_if(|gap| next.is_none_or(|offset| gap.from < offset)) {
                Some(gap) => Some(Piece::Gap(*gap)),
                None => entries.next().map(Piece::Event),
            }
        })
    }
}

/// Everything that is kept of a log between two lives of its process.
#[derive(Debug)]
pub struct Restored<P> {
    /// The newest offset, whether its event is kept or not.
    pub last: Offset,
    /// The kept events by their offsets, in order.
    pub entries: Vec<Entry<P>>,
    /// The holes in the numbering, in order, none of which touches another or has an entry in it.
    pub holes: Vec<Hole>,
}

/// The events of one namespace, from the oldest retained to the newest.
#[derive(Debug)]
pub struct Log<P> {
    epoch: Epoch,
    retention: Retention,
    entries: VecDeque<Arc<Entry<P>>>,
    /// Holes that a reader may still come upon, in order.
    holes: VecDeque<Hole>,
    last: Offset,
    last_time: Millis,
    bytes: usize,
    broadcasts: VecDeque<u64>,
    by_room: HashMap<Room, VecDeque<u64>>,
    by_addressee: HashMap<Member, VecDeque<u64>>,
}

impl<P> Log<P> {
    /// An empty log of a new epoch.
    #[must_use]
    pub fn new(epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            retention,
            entries: VecDeque::new(),
            holes: VecDeque::new(),
            last: Offset::ZERO,
            last_time: Millis::default(),
            bytes: 0,
            broadcasts: VecDeque::new(),
            by_room: HashMap::new(),
            by_addressee: HashMap::new(),
        }
    }

    /// A log that goes on where another process left it, within its retention as of its newest event.
    #[must_use]
    pub fn restore(epoch: Epoch, retention: Retention, restored: Restored<P>) -> Self {
        let mut log = Self::new(epoch, retention);
        for entry in restored.entries {
            log.index(&entry.addressing, entry.offset);
            log.bytes += entry.size;
            log.last_time = log.last_time.max(entry.time);
            log.entries.push_back(Arc::new(entry));
        }
        log.holes = restored.holes.into();
        log.last = restored.last;
        log.expire(log.last_time);
        log
    }

    /// The life of the log that its offsets count in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest offset; zero while nothing was ever appended.
    #[must_use]
    pub fn last(&self) -> Offset {
        self.last
    }

    /// The oldest retained offset; one more than [`Log::last`] where nothing is retained.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.entries.front().map_or(self.last.next(), |entry| entry.offset)
    }

    /// The holes that a reader may still come upon, in order.
    pub fn holes(&self) -> impl Iterator<Item = Hole> {
        self.holes.iter().copied()
    }

    /// The oldest offset that a reader can be told about: an event to give or a hole to name.
    fn oldest(&self) -> Offset {
        self.holes.front().map_or(self.first(), |hole| hole.from.min(self.first()))
    }

    /// How many events are retained.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes are retained, as the entries' sizes count them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The cursor of somebody who has everything.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, offset: self.last }
    }

    /// Appends one event. `encode` is told its offset and time and gives the payload and its size in bytes.
    /// Call [`Log::expire`] after a batch; appending alone drops nothing, so that a batch stays together.
    pub fn append(
        &mut self,
        now: Millis,
        addressing: Addressing,
        key: Option<ConflationKey>,
        encode: impl FnOnce(Offset, Millis) -> (P, usize),
    ) -> Offset {
        let offset = self.last.next();
        let time = now.max(self.last_time);
        let (payload, size) = encode(offset, time);
        self.index(&addressing, offset);
        self.entries.push_back(Arc::new(Entry { offset, time, addressing, key, size, payload }));
        self.bytes += size;
        self.last = offset;
        self.last_time = time;
        offset
    }

    fn index(&mut self, addressing: &Addressing, offset: Offset) {
        if let Some(member) = addressing.to {
            self.by_addressee.entry(member).or_default().push_back(offset.0);
        } else if addressing.rooms.is_empty() {
            self.broadcasts.push_back(offset.0);
        } else {
            for room in &addressing.rooms {
                match self.by_room.get_mut(room) {
                    Some(listed) => listed.push_back(offset.0),
                    None => {
                        self.by_room.insert(room.clone(), VecDeque::from([offset.0]));
                    }
                }
            }
        }
    }

    /// Drops the oldest events until the retention holds. The newest event always stays within its age.
    pub fn expire(&mut self, now: Millis) {
        while let Some(oldest) = self.entries.front() {
            let over = self.entries.len() > self.retention.events_max.max(1)
                || (self.bytes > self.retention.bytes_max && self.entries.len() > 1);
            let aged = self.retention.age_max.is_some_and(|age| now.since(oldest.time) > age);
            if !over && !aged {
                return;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(gone) = self.entries.pop_front() else { return };
        self.bytes -= gone.size;
        // A hole is as old as the event behind it.
        while self.holes.front().is_some_and(|hole| hole.to < gone.offset) {
            self.holes.pop_front();
        }
        if let Some(member) = gone.addressing.to {
            drop_front(&mut self.by_addressee, &member);
        } else if gone.addressing.rooms.is_empty() {
            self.broadcasts.pop_front();
        } else {
            for room in &gone.addressing.rooms {
                drop_front(&mut self.by_room, room);
            }
        }
    }

    /// Where a reader starts.
    #[must_use]
    pub fn start(&self, after: After) -> Start {
        let oldest = Offset(self.oldest().0 - 1);
        match after {
            After::Tip => Start { offset: self.last, state: StartState::New },
            After::Earliest => Start { offset: oldest, state: StartState::New },
            After::Cursor(cursor) if cursor.epoch != self.epoch => {
                Start { offset: oldest, state: StartState::Reset { missed: None } }
            }
            After::Cursor(cursor) if cursor.offset > self.last => {
                Start { offset: self.last, state: StartState::Reset { missed: None } }
            }
            After::Cursor(cursor) if cursor.offset < oldest => {
                let missed = oldest.0 - cursor.offset.0;
                Start { offset: oldest, state: StartState::Reset { missed: Some(missed) } }
            }
            After::Cursor(cursor) => Start { offset: cursor.offset, state: StartState::Resumed },
        }
    }

    /// Reads a reader's own events after `after` and not beyond `upto`. A read ends where a hole begins; the next one
    /// begins with the hole as its gap.
    ///
    /// The cost grows with what is found and with the reader's rooms, not with what others published.
    #[must_use]
    pub fn read(&self, after: Offset, upto: Offset, interest: &Interest, limit: ReadLimit) -> Read<P> {
        let upto = upto.min(self.last);
        let front = self.front_gap(after, upto);
        let from = front.map_or(after, |gap| gap.to.max(after));
        let upto = self.before_next_hole(from, upto);
        let mut read = Read { entries: Vec::new(), after, upto, gaps: front.into_iter().collect() };
        let mut bytes = 0;
        let mut places = Places::new(self, from, upto, interest);
        while let Some(offset) = places.next() {
            let Some(entry) = self.get(Offset(offset)) else { continue };
            if !interest.covers(&entry.addressing, entry.offset) {
                continue;
            }
            let full = read.entries.len() >= limit.events
                || (bytes + entry.size > limit.bytes && !read.entries.is_empty());
            if full {
                read.upto = read.entries.last().map_or(from, |entry| entry.offset);
                return read;
            }
            bytes += entry.size;
            read.entries.push(Arc::clone(entry));
        }
        read
    }

    /// A reader's own events after `after` and not beyond `upto`, as they lie in the log.
    fn own<'a>(
        &'a self,
        after: Offset,
        upto: Offset,
        interest: &'a Interest,
    ) -> impl Iterator<Item = &'a Arc<Entry<P>>> {
        let from = after.max(Offset(self.first().0 - 1));
        let mut places = Places::new(self, from, upto.min(self.last), interest);
        std::iter::from_fn(move || places.next())
            .filter_map(|offset| self.get(Offset(offset)))
            .filter(|entry| interest.covers(&entry.addressing, entry.offset))
    }

    /// How many retained events after `after` and not beyond `upto` are a reader's own.
    #[must_use]
    pub fn count(&self, after: Offset, upto: Offset, interest: &Interest) -> u64 {
        self.own(after, upto, interest).count() as u64
    }

    /// What a reader at `after` will not get first of all, because it is no longer there or never was.
    fn front_gap(&self, after: Offset, upto: Offset) -> Option<Gap> {
        let oldest = self.oldest();
        if after >= upto {
            return None;
        }
        if after.next() < oldest {
            let to = Offset(oldest.0 - 1).min(upto);
            return Some(Gap { from: after.next(), to, reason: GapReason::Expired });
        }
        let hole = self.hole_at(after.next())?;
        Some(Gap { from: after.next(), to: hole.to.min(upto), reason: GapReason::Engine })
    }

    /// Everything after `after`, for whomever, oldest first, at most `max` entries.
    pub fn tail(&self, after: Offset, max: usize) -> impl Iterator<Item = &Arc<Entry<P>>> {
        let skip = (after.next().0).saturating_sub(self.first().0) - self.missing_before(after.next());
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.range(skip..).take(max)
    }

    /// The event at an offset, if it is retained.
    #[must_use]
    pub fn get(&self, offset: Offset) -> Option<&Arc<Entry<P>>> {
        if !self.holes.is_empty() && self.hole_at(offset).is_some() {
            return None;
        }
        let place = offset.0.checked_sub(self.first().0)? - self.missing_before(offset);
        self.entries.get(usize::try_from(place).ok()?)
    }
}

fn drop_front<K: std::hash::Hash + Eq>(index: &mut HashMap<K, VecDeque<u64>>, key: &K) {
    let Some(listed) = index.get_mut(key) else { return };
    listed.pop_front();
    if listed.is_empty() {
        index.remove(key);
    }
}
