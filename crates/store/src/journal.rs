//! The journal: segments, one behind the other, and what is removed from its old end.

use std::collections::VecDeque;
use std::{fs, io};

use tricast_feed::{Millis, Namespace, Offset};

use crate::folder::Folder;
use crate::group;
use crate::record::{self, Record, State};
use crate::segment::{Active, Segment};

/// A segment that is so long is ended, in bytes.
const SEGMENT_BYTES: u64 = 4 << 20;

/// Segments at most; above, the oldest is copied forward, whatever it holds.
const SEGMENTS_MAX: usize = 256;

/// Segments that may stand beside twice of what is retained.
const SPARE_SEGMENTS: u64 = 4;

/// The time after which a segment that holds something dead is ended, so that it can go.
const SEGMENT_AGE: Millis = Millis(600_000);

/// What is still wanted of what the journal holds.
pub(crate) struct Wanted<'a> {
    /// The oldest retained offset of each namespace.
    pub(crate) floor: &'a dyn Fn(&Namespace) -> Offset,
    /// Keys up to this time are past their window.
    pub(crate) forgotten: Millis,
    /// What each namespace's state is now.
    pub(crate) states: &'a dyn Fn() -> Vec<State>,
}

/// The events in the order of their writing.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: Folder,
    old: VecDeque<Segment>,
    active: Option<Active>,
    next_number: u64,
    /// When the active segment was made.
    began: Millis,
}

impl Journal {
    pub(crate) fn new(folder: Folder, segments: Vec<Segment>) -> Self {
        let next_number = segments.last().map_or(1, |segment| segment.number + 1);
        Self { folder, old: segments.into(), active: None, next_number, began: Millis(0) }
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Bytes of all segments.
    fn bytes(&self) -> u64 {
        let active = self.active.as_ref().map_or(0, |active| active.segment.bytes);
        self.old.iter().map(|segment| segment.bytes).sum::<u64>() + active
    }

    /// Appends a group, for good when this returns. `note` counts what is in it. Nothing of it is there after an error.
    pub(crate) fn append(
        &mut self,
        group: &[u8],
        states: &dyn Fn() -> Vec<State>,
        now: Millis,
        note: impl FnOnce(&mut Segment),
    ) -> io::Result<()> {
        let active = self.ready(states, now)?;
        active.append(group)?;
        note(&mut active.segment);
        Ok(())
    }

    /// The segment to write to: a new one where the last one is full or worn.
    fn ready(&mut self, states: &dyn Fn() -> Vec<State>, now: Millis) -> io::Result<&mut Active> {
        let ends =
            |active: &Active| active.is_clean() && (active.is_worn || active.segment.bytes >= SEGMENT_BYTES);
        match self.active.take() {
            Some(active) if !ends(&active) => Ok(self.active.insert(active)),
            full => {
                // A number is tried once: what a failed attempt could not remove must not stand in the way.
                let number = self.next_number;
                self.next_number += 1;
                let made = match Active::make(&self.folder, number, &head(&states())) {
                    Ok(made) => made,
                    Err(error) => {
                        self.active = full;
                        return Err(error);
                    }
                };
                self.old.extend(full.map(|active| active.segment));
                self.began = now;
                Ok(self.active.insert(made))
            }
        }
    }

    /// Ends the active segment.
    fn rotate(&mut self) {
        self.old.extend(self.active.take().map(|active| active.segment));
    }

    /// Removes what is no longer wanted.
    pub(crate) fn prune(&mut self, wanted: &Wanted<'_>, now: Millis) -> io::Result<()> {
        if self.active.as_ref().is_some_and(|active| self.may_end(active, wanted, now)) {
            self.rotate();
        }
        while self.old.front().is_some_and(|oldest| oldest.is_dead(&wanted.floor, wanted.forgotten)) {
            // What is known of each namespace must stand in a newer one. A full disk need not have room for that where
            // there is one already.
            if self.old.len() < 2 && self.active.is_none() {
                self.ready(wanted.states, now)?;
            }
            self.remove_oldest()?;
        }
        if self.is_wasteful(wanted) {
            self.copy_oldest_forward(wanted, now)?;
        }
        Ok(())
    }

    fn may_end(&self, active: &Active, wanted: &Wanted<'_>, now: Millis) -> bool {
        let has_dead = active.segment.has_dead(&wanted.floor);
        active.is_clean()
            && has_dead
            && (active.segment.is_dead(&wanted.floor, wanted.forgotten)
                || now.since(self.began) > SEGMENT_AGE)
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.old.front() else { return Ok(()) };
        fs::remove_file(&oldest.path)?;
        self.old.pop_front();
        Ok(())
    }

    fn is_wasteful(&self, wanted: &Wanted<'_>) -> bool {
        let active = self.active.iter().map(|active| &active.segment);
        let live: u64 = self.old.iter().chain(active).map(|segment| segment.live_bytes(&wanted.floor)).sum();
        !self.old.is_empty()
            && (self.bytes() > 2 * live + SPARE_SEGMENTS * SEGMENT_BYTES || self.old.len() > SEGMENTS_MAX)
    }

    /// Writes again what is wanted of the oldest segment, and removes it.
    fn copy_oldest_forward(&mut self, wanted: &Wanted<'_>, now: Millis) -> io::Result<()> {
        let Some(oldest) = self.old.front() else { return Ok(()) };
        let records = group::scan(&fs::read(&oldest.path)?).records;
        let kept: Vec<Record> =
            records.into_iter().filter_map(|record| still_wanted(record, wanted)).collect();
        let mut bytes = Vec::new();
        let start = group::begin(&mut bytes);
        kept.iter().for_each(|record| record::push(&mut bytes, &encode(record)));
        group::end(&mut bytes, start);
        if bytes.is_empty() {
            self.ready(wanted.states, now)?;
        } else {
            self.append(&bytes, wanted.states, now, |segment| {
                kept.iter().for_each(|record| segment.count(record));
            })?;
        }
        self.remove_oldest()
    }
}

/// What of a record is wanted: all, its key alone, or nothing. A segment's states are in every newer one.
fn still_wanted(record: Record, wanted: &Wanted<'_>) -> Option<Record> {
    match record {
        Record::State(_) => None,
        Record::Key(namespace, key) => (key.time > wanted.forgotten).then_some(Record::Key(namespace, key)),
        Record::Batch(batch) if batch.last() >= (wanted.floor)(&batch.namespace) => {
            Some(Record::Batch(batch))
        }
        Record::Batch(batch) => {
            let key = batch.remembered().filter(|key| key.time > wanted.forgotten)?;
            Some(Record::Key(batch.namespace, key))
        }
    }
}

/// A record as bytes.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    match record {
        Record::State(state) => record::state(state),
        Record::Key(namespace, remembered) => record::key(namespace, remembered),
        Record::Batch(batch) => {
            let key = batch.idempotency.as_ref().map(|(key, fingerprint)| (key, *fingerprint));
            let mut bytes = record::batch(&batch.namespace, key, &batch.drafts);
            record::place(&mut bytes, batch.first, batch.time);
            bytes
        }
    }
}

/// The first group of a segment.
fn head(states: &[State]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let start = group::begin(&mut bytes);
    states.iter().for_each(|state| record::push(&mut bytes, &record::state(state)));
    group::end(&mut bytes, start);
    bytes
}
