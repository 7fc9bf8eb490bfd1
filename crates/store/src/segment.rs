//! Segments: the files that a journal is made of.
//!
//! Only the newest is written to. An old one is removed when nothing of it is retained any more.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use tricast_feed::{Millis, Namespace, Offset};

use crate::folder::Folder;
use crate::record::Record;

/// What a segment holds of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    first: Offset,
    last: Offset,
    /// About how many bytes these take.
    bytes: u64,
}

/// What is known of a segment without reading it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    shares: BTreeMap<Namespace, Share>,
    /// The time of the newest idempotency key.
    newest_key: Option<Millis>,
}

impl Segment {
    pub(crate) fn new(number: u64, path: PathBuf, bytes: u64) -> Self {
        Self { number, path, bytes, shares: BTreeMap::new(), newest_key: None }
    }

    /// Counts a record that is in it.
    pub(crate) fn count(&mut self, record: &Record) {
        match record {
            Record::State(_) => {}
            Record::Key(_, remembered) => self.note_key(remembered.time),
            Record::Batch(batch) => {
                let data = batch.drafts.iter().map(|draft| draft.data.len() as u64 + 64).sum();
                self.note(&batch.namespace, batch.first, batch.last(), data);
                if batch.idempotency.is_some() {
                    self.note_key(batch.time);
                }
            }
        }
    }

    pub(crate) fn note(&mut self, namespace: &Namespace, first: Offset, last: Offset, bytes: u64) {
        match self.shares.get_mut(namespace) {
            Some(share) => {
                share.first = share.first.min(first);
                share.last = share.last.max(last);
                share.bytes += bytes;
            }
            None => {
                self.shares.insert(namespace.clone(), Share { first, last, bytes });
            }
        }
    }

    pub(crate) fn note_key(&mut self, time: Millis) {
        self.newest_key = self.newest_key.max(Some(time));
    }

    /// Whether everything of it may go, where `floor` gives each namespace's oldest retained offset and keys up to
    /// `forgotten` are past their window.
    pub(crate) fn is_dead(&self, floor: &impl Fn(&Namespace) -> Offset, forgotten: Millis) -> bool {
        self.newest_key.is_none_or(|time| time <= forgotten)
            && self.shares.iter().all(|(namespace, share)| share.last < floor(namespace))
    }

    /// Whether any event of it is no longer retained.
    pub(crate) fn has_dead(&self, floor: &impl Fn(&Namespace) -> Offset) -> bool {
        self.shares.iter().any(|(namespace, share)| share.first < floor(namespace))
    }

    /// About how many bytes of it are still retained.
    pub(crate) fn live_bytes(&self, floor: &impl Fn(&Namespace) -> Offset) -> u64 {
        let live = |(namespace, share): (&Namespace, &Share)| {
            let all = share.last.0 - share.first.0 + 1;
            let kept = (share.last.0 + 1).saturating_sub(floor(namespace).0).min(all);
            (u128::from(share.bytes) * u128::from(kept) / u128::from(all)) as u64
        };
        self.shares.iter().map(live).sum()
    }
}

/// The segment that is written to.
#[derive(Debug)]
pub(crate) struct Active {
    file: File,
    pub(crate) segment: Segment,
    /// What stands behind `segment.bytes` may be half a group, which must go before anything else is written.
    is_dirty: bool,
    /// A flush has failed: what the system holds of this file is not to be trusted with more.
    pub(crate) is_worn: bool,
}

impl Active {
    /// Makes a new segment, whose first group is `head`.
    pub(crate) fn make(folder: &Folder, number: u64, head: &[u8]) -> io::Result<Self> {
        let path = folder.segment(number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let made = file.write_all_at(head, 0).and_then(|()| file.sync_all()).and_then(|()| folder.sync());
        if let Err(error) = made {
            // A head alone does no harm where it cannot be removed.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let segment = Segment::new(number, path, head.len() as u64);
        Ok(Self { file, segment, is_dirty: false, is_worn: false })
    }

    /// Appends a group, for good when this returns. Nothing of it is there after an error, unless even that cannot be
    /// had: then nothing else is written before it is.
    pub(crate) fn append(&mut self, group: &[u8]) -> io::Result<()> {
        self.clean()?;
        let written = self.file.write_all_at(group, self.segment.bytes);
        let done = written.and_then(|()| self.file.sync_data().inspect_err(|_| self.is_worn = true));
        if let Err(error) = done {
            self.is_dirty = true;
            // The first error says more; this one would come again with the next attempt.
            let _ = self.clean();
            return Err(error);
        }
        self.segment.bytes += group.len() as u64;
        Ok(())
    }

    fn clean(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.file.set_len(self.segment.bytes)?;
            self.file.sync_all()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    pub(crate) fn is_clean(&self) -> bool {
        !self.is_dirty
    }
}
