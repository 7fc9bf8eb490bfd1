//! The engine that keeps events on disk.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tricast_feed::{Millis, Namespace, Offset, Restored};
use tricast_hub::{
    Appended, Batch, Clock, Durability, Engine, EngineError, Feed, Health, IdempotencyKey, Known, Life,
    Ready, fingerprint,
};

use crate::StoreError;
use crate::desk::{Desk, Job, Waits};
use crate::folder::Folder;
use crate::journal::Journal;
use crate::lane::Lane;
use crate::load::{Found, Loaded, load};
use crate::record;
use crate::writer::{Lanes, Writer};

/// The longest that a store may take to write what is left when it is closed.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// The most that may be allowed to wait: what is held while a disk is full is written as one group, whose length has
/// 32 bits.
pub const QUEUE_BYTES_MAX: usize = 1 << 30;

/// How a store keeps events.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Its folder, which is made where there is none.
    pub path: PathBuf,
    /// When a publish is answered.
    pub durability: Durability,
    /// How long publishes are gathered under [`Durability::Async`] before they are written.
    pub flush: Duration,
    /// Bytes of publishes that may wait to be written, at most [`QUEUE_BYTES_MAX`]; further ones wait for room.
    pub queue_bytes_max: usize,
    /// How long an idempotency key is remembered.
    pub window: Millis,
    /// Idempotency keys remembered in a namespace.
    pub keys_max: usize,
    /// Gives the time.
    pub clock: Clock,
}

/// Keeps events on disk, beside the log in memory that everybody reads.
#[derive(Debug)]
pub struct DurableEngine {
    options: StoreOptions,
    desk: Arc<Desk>,
    lanes: Arc<Lanes>,
    /// What was found of namespaces that no feed goes on with yet.
    lives: Mutex<HashMap<Namespace, Life>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl DurableEngine {
    /// Opens a store, and tells in the log what is missing of it.
    ///
    /// # Errors
    /// [`StoreError`]; the store is as it was then.
    pub fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let folder = Folder::open(&options.path, true)?;
        let loaded = load(&folder, true)?;
        tell(&loaded);
        let desk = Arc::new(Desk::new(options.queue_bytes_max.min(QUEUE_BYTES_MAX)));
        let (mut lanes, mut lives) = (BTreeMap::new(), HashMap::new());
        for (namespace, found) in loaded.namespaces {
            if let Some((lane, life)) = revive(namespace.clone(), found) {
                lanes.insert(namespace.clone(), Arc::new(lane));
                lives.insert(namespace, life);
            }
        }
        let lanes: Arc<Lanes> = Arc::new(RwLock::new(lanes));
        let writer = Writer {
            desk: Arc::clone(&desk),
            lanes: Arc::clone(&lanes),
            journal: Journal::new(folder, loaded.segments),
            durability: options.durability,
            delay: match options.durability {
                Durability::Async => options.flush,
                Durability::Sync => Duration::ZERO,
            },
            window: options.window,
            keys_max: options.keys_max,
            clock: options.clock,
            held: Vec::new(),
            is_reserved: false,
        };
        let thread = std::thread::Builder::new().name("tricast-store".to_owned()).spawn(|| writer.run());
        let thread = thread.map_err(StoreError::at(&options.path))?;
        Ok(Self { options, desk, lanes, lives: Mutex::new(lives), writer: Mutex::new(Some(thread)) })
    }

    fn lane(&self, feed: &Feed) -> Result<Arc<Lane>, EngineError> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.get(feed.namespace()).cloned();
        lane.ok_or_else(|| EngineError::Away(format!("{} was not opened", feed.namespace())))
    }

    async fn append_async(
        &self,
        feed: &Arc<Feed>,
        batch: Batch,
        now: Millis,
    ) -> Result<Appended, EngineError> {
        let lane = self.lane(feed)?;
        let mut publish = Some(Publish::new(&lane, batch)?);
        loop {
            let room = self.desk.room.notified();
            if let Some(appended) = self.try_append(&lane, feed, &mut publish, now)? {
                return Ok(appended);
            }
            room.await;
        }
    }

    /// Appends at once, or not at all: then there will be word of room.
    fn try_append(
        &self,
        lane: &Arc<Lane>,
        feed: &Feed,
        publish: &mut Option<Publish>,
        now: Millis,
    ) -> Result<Option<Appended>, EngineError> {
        let Some(waiting) = publish.as_ref() else { return Ok(None) };
        // Held over everything, so that the order on disk is the order in the feed.
        let mut inner = lane.lock();
        let appended = |first, count| {
            let durability = Some(Durability::Async);
            Appended { epoch: lane.epoch, first, count, durability }
        };
        if let Some((key, fingerprint)) = &waiting.idempotency {
            inner.memory.forget(now, self.options.window, self.options.keys_max);
            match inner.memory.look(key, *fingerprint) {
                Known::Same(first, count) => return Ok(Some(appended(first, count))),
                Known::Other => return Err(EngineError::KeyReused),
                Known::No => {}
            }
        }
        if !inner.has_room(waiting.ready.len()) {
            return self.desk.ask_for_ceiling().map(|()| None);
        }
        if !self.desk.admit(waiting.record.len())? {
            return Ok(None);
        }
        let Some(Publish { mut record, ready, idempotency }) = publish.take() else { return Ok(None) };
        let count = ready.len();
        let placed = feed.append(now, ready);
        record::place(&mut record, placed.first, placed.time);
        inner.last = Offset(placed.first.0 + count as u64 - 1);
        if let Some((key, fingerprint)) = idempotency.clone() {
            inner.memory.keep(key, fingerprint, placed.first, count, placed.time);
        }
        let (first, time) = (placed.first, placed.time);
        let job = Job { lane: Arc::clone(lane), record, count, first, time, idempotency, waits: None };
        self.desk.push(job, inner.wants_ceiling());
        Ok(Some(appended(first, count)))
    }

    async fn append_sync(
        &self,
        feed: &Arc<Feed>,
        batch: Batch,
        now: Millis,
    ) -> Result<Appended, EngineError> {
        let lane = self.lane(feed)?;
        let Publish { record, ready, idempotency } = Publish::new(&lane, batch)?;
        loop {
            let room = self.desk.room.notified();
            if self.desk.admit(record.len())? {
                break;
            }
            room.await;
        }
        let (reply, answer) = oneshot::channel();
        let count = ready.len();
        let waits = Some(Waits { feed: Arc::clone(feed), ready, reply });
        self.desk
            .push(Job { lane, record, count, first: Offset::ZERO, time: now, idempotency, waits }, false);
        answer.await.unwrap_or_else(|_| Err(EngineError::Away("the store is closed".to_owned())))
    }
}

/// A publish, as bytes for the disk and prepared for its feed.
struct Publish {
    record: Vec<u8>,
    ready: Vec<Ready>,
    idempotency: Option<(IdempotencyKey, u64)>,
}

impl Publish {
    fn new(lane: &Lane, batch: Batch) -> Result<Self, EngineError> {
        let idempotency = batch.idempotency.map(|key| (key, fingerprint(&batch.drafts)));
        let key = idempotency.as_ref().map(|(key, fingerprint)| (key, *fingerprint));
        let record = record::batch(&lane.namespace, key, &batch.drafts);
        if record.len() > RECORD_BYTES_MAX {
            return Err(EngineError::Away(format!("a publish may take {RECORD_BYTES_MAX} bytes on disk")));
        }
        Ok(Self { record, ready: batch.drafts.into_iter().map(Ready::new).collect(), idempotency })
    }
}

/// The longest record: far beyond what one body brings, and within what a length on disk can say.
const RECORD_BYTES_MAX: usize = 1 << 30;

impl Engine for DurableEngine {
    fn append<'a>(
        &'a self,
        feed: &'a Arc<Feed>,
        batch: Batch,
        now: Millis,
    ) -> BoxFuture<'a, Result<Appended, EngineError>> {
        match self.options.durability {
            Durability::Async => Box::pin(self.append_async(feed, batch, now)),
            Durability::Sync => Box::pin(self.append_sync(feed, batch, now)),
        }
    }

    fn open(&self, namespace: &Namespace) -> Result<Life, EngineError> {
        let known = self.lives.lock().unwrap_or_else(PoisonError::into_inner).remove(namespace);
        if let Some(life) = known {
            return Ok(life);
        }
        let life = Life::fresh();
        let start = (Offset::ZERO, Millis(0), Offset::ZERO);
        let lane = Lane::new(namespace.clone(), life.epoch, Vec::new(), start, Vec::new());
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(namespace.clone(), Arc::new(lane));
        Ok(life)
    }

    fn kept(&self) -> Vec<Namespace> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn follow(&self, feed: &Arc<Feed>) {
        if let Ok(lane) = self.lane(feed) {
            lane.lock().feed = Some(Arc::clone(feed));
            // The epoch is to be on disk before anybody has a cursor in it. While it cannot be, publishes are refused.
            let _ = self.desk.ask_for_ceiling();
        }
    }

    fn health(&self) -> Health {
        self.desk.failing().map_or(Health::Ready, Health::Away)
    }

    fn tick(&self, now: Millis) {
        let lanes: Vec<_> =
            self.lanes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for lane in lanes {
            lane.lock().memory.forget(now, self.options.window, self.options.keys_max);
        }
        self.desk.ask_for_pruning(now);
    }

    fn close(&self) {
        let has_ended = self.desk.close(CLOSE_MAX);
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if !has_ended {
            tracing::error!("the store has not taken what was left within {} seconds", CLOSE_MAX.as_secs());
        } else if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer has failed");
        }
    }
}

impl Drop for DurableEngine {
    fn drop(&mut self) {
        if self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.close();
        }
    }
}

/// What a namespace goes on with. Nothing of one whose epoch is lost can be trusted.
fn revive(namespace: Namespace, found: Found) -> Option<(Lane, Life)> {
    let epoch = found.epoch?;
    let time = found.events.last().map_or(Millis(0), |event| event.time);
    let start = (found.last, time, found.ceiling);
    let lane = Lane::new(namespace, epoch, found.holes.clone(), start, found.keys);
    let entry = |event: crate::load::Kept| Ready::new(event.draft).entry(epoch, event.offset, event.time);
    let entries = found.events.into_iter().map(entry).collect();
    Some((lane, Life { epoch, restored: Restored { last: found.last, entries, holes: found.holes } }))
}

/// Says in the log what is not as it should be.
fn tell(loaded: &Loaded) {
    for damage in &loaded.damage {
        let what = if damage.is_tail { "cut off" } else { "stepped over" };
        tracing::warn!("store.path: {damage}, {what}");
    }
    for (namespace, found) in &loaded.namespaces {
        if found.epoch.is_none() {
            let events = found.events.len();
            tracing::warn!(%namespace, events, "what names its epoch is lost, so it begins anew");
            continue;
        }
        let holes: Vec<String> =
            found.holes.iter().map(|hole| format!("{}-{}", hole.from, hole.to)).collect();
        if !holes.is_empty() {
            tracing::warn!(%namespace, holes = holes.join(","), "offsets without events, told as gaps");
        }
        tracing::info!(%namespace, events = found.events.len(), last = %found.last, "restored");
    }
}
