//! What a store holds when it is opened: every segment is read once, and what is missing is found.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use tricast_feed::{Draft, Epoch, Hole, Millis, Namespace, Offset};
use tricast_hub::Durability;

use crate::StoreError;
use crate::folder::Folder;
use crate::group::{self, Scan};
use crate::record::{Record, Remembered};
use crate::reserve::{Reserve, Reserved};
use crate::segment::Segment;

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) offset: Offset,
    pub(crate) time: Millis,
    pub(crate) draft: Draft,
}

/// What is kept of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) epoch: Option<Epoch>,
    /// The newest offset that is known of, given to an event or lost.
    pub(crate) last: Offset,
    /// Offsets up to this one are reserved.
    pub(crate) ceiling: Offset,
    floor: Offset,
    /// In order, without doubles.
    pub(crate) events: Vec<Kept>,
    /// In order; none touches another.
    pub(crate) holes: Vec<Hole>,
    /// In the order of their times.
    pub(crate) keys: Vec<Remembered>,
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) path: PathBuf,
    /// Where it begins.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// Whether it is what was being written when the process or the machine ended.
    pub(crate) is_tail: bool,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_tail { "an unfinished end" } else { "damage" };
        write!(f, "{}: {what}: {} bytes from byte {}", self.path.display(), self.bytes, self.at)
    }
}

/// Everything that a store holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) namespaces: BTreeMap<Namespace, Found>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) damage: Vec<Damage>,
    /// The mode of the process that used the store before, where there was one.
    pub(crate) mode: Option<Durability>,
}

/// Reads a store. `cuts` removes an unfinished end from its file.
pub(crate) fn load(folder: &Folder, cuts: bool) -> Result<Loaded, StoreError> {
    let mut loaded =
        Loaded { namespaces: BTreeMap::new(), segments: Vec::new(), damage: Vec::new(), mode: None };
    let numbers = folder.segments()?;
    for number in &numbers {
        let path = folder.segment(*number);
        let bytes = fs::read(&path).map_err(StoreError::at(&path))?;
        let scan = group::scan(&bytes);
        let is_newest = Some(number) == numbers.last();
        loaded.note_damage(&path, &scan, bytes.len(), is_newest);
        if cuts && is_newest && scan.end < bytes.len() {
            let file = OpenOptions::new().write(true).open(&path).map_err(StoreError::at(&path))?;
            let cut = file.set_len(scan.end as u64).and_then(|()| file.sync_all());
            cut.map_err(StoreError::at(&path))?;
        }
        loaded.take_in(*number, path, scan);
    }
    let reserve = Reserve::read(folder)?;
    loaded.mode = reserve.as_ref().map(|reserve| reserve.mode);
    let reserved = reserve.map(|reserve| reserve.namespaces).unwrap_or_default();
    for name in reserved.keys() {
        loaded.namespaces.entry(name.clone()).or_default();
    }
    let is_whole = loaded.damage.is_empty();
    for (name, found) in &mut loaded.namespaces {
        found.settle(reserved.get(name).copied(), loaded.mode, is_whole);
    }
    Ok(loaded)
}

impl Loaded {
    fn note_damage(&mut self, path: &std::path::Path, scan: &Scan, length: usize, is_newest: bool) {
        let damage = |range: std::ops::Range<usize>, is_tail| Damage {
            path: path.into(),
            at: range.start as u64,
            bytes: range.len() as u64,
            is_tail,
        };
        self.damage.extend(scan.damaged.iter().map(|range| damage(range.clone(), false)));
        if scan.end < length {
            self.damage.push(damage(scan.end..length, is_newest));
        }
    }

    fn take_in(&mut self, number: u64, path: PathBuf, scan: Scan) {
        let mut segment = Segment::new(number, path, scan.end as u64);
        for record in scan.records {
            segment.count(&record);
            match record {
                Record::State(state) => {
                    let found = self.namespaces.entry(state.namespace).or_default();
                    found.epoch = Some(state.epoch);
                    found.last = found.last.max(state.last);
                    found.floor = found.floor.max(state.floor);
                    found.holes.extend(state.holes);
                }
                Record::Key(namespace, remembered) => {
                    self.namespaces.entry(namespace).or_default().keys.push(remembered);
                }
                Record::Batch(batch) => {
                    let found = self.namespaces.entry(batch.namespace.clone()).or_default();
                    found.keys.extend(batch.remembered());
                    found.last = found.last.max(batch.last());
                    let (first, time) = (batch.first.0, batch.time);
                    let kept = |(offset, draft)| Kept { offset: Offset(offset), time, draft };
                    found.events.extend((first..).zip(batch.drafts).map(kept));
                }
            }
        }
        self.segments.push(segment);
    }
}

impl Found {
    /// Puts everything in order and finds what is missing.
    fn settle(&mut self, reserved: Option<Reserved>, mode: Option<Durability>, is_whole: bool) {
        let floor = self.floor;
        self.events.retain(|event| event.offset >= floor);
        // Old segments are copied forward, so an event may stand twice; the copies are equal.
        self.events.sort_by_key(|event| event.offset);
        self.events.dedup_by_key(|event| event.offset);
        self.keys.sort_by_key(|key| (key.time, key.first));
        self.keys.dedup();
        let known = self.holes.iter().map(|hole| hole.to).max().unwrap_or_default();
        let durable = self.last.max(known).max(Offset(self.floor.0.saturating_sub(1)));
        self.last = durable;
        if let Some(reserved) = reserved {
            self.epoch.get_or_insert(reserved.epoch);
            self.ceiling = reserved.ceiling;
            // Without the promise of `sync`, or with a part of a file gone, others may know of more than is here.
            let may_lack = mode != Some(Durability::Sync) || !is_whole;
            let given = if may_lack { reserved.ceiling.max(reserved.base) } else { reserved.base };
            self.last = self.last.max(given);
        }
        self.find_holes(durable);
    }

    /// From the oldest event on, what is no event is a hole. In front of it a hole counts as long as nothing that stood
    /// between the two is gone.
    fn find_holes(&mut self, durable: Offset) {
        let known = std::mem::take(&mut self.holes);
        let mut next = self.events.first().map_or(durable.next(), |event| event.offset);
        let front = known.iter().filter(|hole| hole.to.next() == next).map(|hole| hole.from).min();
        let mut holes: Vec<Hole> =
            front.map(|from| Hole { from, to: Offset(next.0 - 1) }).into_iter().collect();
        for event in &self.events {
            if event.offset > next {
                holes.push(Hole { from: next, to: Offset(event.offset.0 - 1) });
            }
            next = event.offset.next();
        }
        if next <= self.last {
            holes.push(Hole { from: next, to: self.last });
        }
        holes.dedup_by(|later, earlier| {
            let touch = earlier.to.next() == later.from;
            if touch {
                earlier.to = later.to;
            }
            touch
        });
        self.holes = holes;
    }
}
