//! The logs of the process, and their state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tricast_feed::{
    Addressing, After, ConflationKey, Cursor, Draft, Entry, Epoch, Interest, Log, Millis, Namespace, Offset,
    Read, ReadLimit, Reason, Start,
};
use tricast_wire::Fault;
use tricast_wire::event::{Encoded, Prepared};

use crate::Way;
use crate::engine::{Engine, EngineError, Life};
use crate::lock::lock;
use crate::mailbox::Link;
use crate::options::Options;

/// One namespace's log, shared by all workers.
#[derive(Debug)]
pub struct Feed {
    namespace: Namespace,
    epoch: Epoch,
    /// The newest offset when this process took the feed up.
    began: Offset,
    options: Options,
    log: Mutex<Log<Encoded>>,
    links: RwLock<Vec<Arc<Link>>>,
    subscribers: [AtomicUsize; 3],
}

/// What a namespace looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedState {
    /// The oldest retained offset.
    pub first: Offset,
    /// The cursor of somebody who has everything.
    pub cursor: Cursor,
    /// Events published since this process took the feed up.
    pub published: u64,
    /// Retained events.
    pub events: usize,
    /// Memory that their encodings hold, in bytes.
    pub bytes: usize,
    /// Subscribers, in the order of [`Way::ALL`].
    pub subscribers: [usize; 3],
}

/// One event that has been prepared for its log.
#[derive(Debug)]
pub struct Ready {
    prepared: Prepared,
    addressing: Addressing,
    key: Option<ConflationKey>,
}

impl Ready {
    /// Does all of the encoding that needs no place in the log.
    #[must_use]
    pub fn new(draft: Draft) -> Self {
        Self { prepared: Prepared::new(&draft), addressing: draft.addressing, key: draft.key }
    }

    /// The entry of an event that has a place from before.
    #[must_use]
    pub fn entry(self, epoch: Epoch, offset: Offset, time: Millis) -> Entry<Encoded> {
        let payload = self.prepared.encode(epoch, offset, time);
        let size = payload.size();
        Entry { offset, time, addressing: self.addressing, key: self.key, size, payload }
    }
}

/// The place that a batch was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The first event's offset; the others follow.
    pub first: Offset,
    /// The time of all of them.
    pub time: Millis,
}

impl Feed {
    fn new(namespace: Namespace, life: Life, options: Options) -> Self {
        Self {
            namespace,
            epoch: life.epoch,
            began: life.restored.last,
            log: Mutex::new(Log::restore(life.epoch, options.retention, life.restored)),
            options,
            links: RwLock::default(),
            subscribers: Default::default(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What it asks for itself.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The life of its log.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest offset.
    pub fn last(&self) -> Offset {
        lock(&self.log).last()
    }

    /// The oldest retained offset.
    pub fn first(&self) -> Offset {
        lock(&self.log).first()
    }

    /// Where a subscriber starts, and the newest offset.
    pub(crate) fn start_and_last(&self, after: After) -> (Start, Offset) {
        let log = lock(&self.log);
        (log.start(after), log.last())
    }

    /// Appends a batch in one piece and tells every worker. For engines alone: everybody else publishes through
    /// [`Shared::publish`](crate::Shared::publish).
    pub fn append(&self, now: Millis, batch: Vec<Ready>) -> Placed {
        let mut log = lock(&self.log);
        let mut placed = Placed { first: log.last().next(), time: now };
        for ready in batch {
            log.append(now, ready.addressing, ready.key, |offset, time| {
                placed.time = time;
                let encoded = ready.prepared.encode(self.epoch, offset, time);
                let size = encoded.size();
                (encoded, size)
            });
        }
        log.expire(now);
        drop(log);
        self.tell();
        placed
    }

    fn tell(&self) {
        let links = self.links.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        links.iter().for_each(|link| link.news());
    }

    /// Drops what is too old.
    pub(crate) fn expire(&self, now: Millis) {
        lock(&self.log).expire(now);
    }

    /// From now on the worker behind this link hears of news.
    pub(crate) fn link(&self, link: Arc<Link>) {
        self.links.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(link);
    }

    /// Where a reader starts.
    pub fn start(&self, after: After) -> Start {
        lock(&self.log).start(after)
    }

    /// Reads from the log; see [`Log::read`].
    pub fn read(&self, after: Offset, upto: Offset, interest: &Interest, limit: ReadLimit) -> Read<Encoded> {
        lock(&self.log).read(after, upto, interest, limit)
    }

    /// A page of history: where it starts, what was read, and the newest offset, all of one moment.
    pub fn page(
        &self,
        after: After,
        interest: &Interest,
        limit: ReadLimit,
    ) -> (Start, Read<Encoded>, Offset) {
        let log = lock(&self.log);
        let start = log.start(after);
        let read = log.read(start.offset, log.last(), interest, limit);
        (start, read, log.last())
    }

    /// Whom an event was for, if it is retained; and the newest offset.
    pub(crate) fn addressing(&self, offset: Offset) -> (Option<Addressing>, Offset) {
        let log = lock(&self.log);
        (log.get(offset).map(|entry| entry.addressing.clone()), log.last())
    }

    /// Looks at the log under its lock.
    pub(crate) fn with_log<T>(&self, look: impl FnOnce(&Log<Encoded>) -> T) -> T {
        look(&lock(&self.log))
    }

    pub(crate) fn enter(&self, way: Way) {
        self.subscribers[way.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self, way: Way) {
        self.subscribers[way.index()].fetch_sub(1, Ordering::Relaxed);
    }

    /// What the namespace looks like now.
    pub fn state(&self) -> FeedState {
        let log = lock(&self.log);
        FeedState {
            first: log.first(),
            cursor: log.cursor(),
            published: log.last().0.saturating_sub(self.began.0),
            events: log.len(),
            bytes: log.bytes(),
            subscribers: Way::ALL.map(|way| self.subscribers[way.index()].load(Ordering::Relaxed)),
        }
    }
}

/// All feeds of the process.
#[derive(Debug)]
pub struct Feeds {
    by_name: RwLock<HashMap<Namespace, Arc<Feed>>>,
    /// Who is asked for a feed's life; each begins anew where there is none.
    engine: Option<Arc<dyn Engine>>,
    options: Options,
    dynamic: bool,
    namespaces_max: usize,
}

impl Feeds {
    /// The declared namespaces, whose lives begin now. With `dynamic`, others are made on first use with these
    /// `options`, up to `namespaces_max`.
    pub fn new(
        declared: &[(Namespace, Options)],
        options: Options,
        dynamic: bool,
        namespaces_max: usize,
    ) -> Self {
        let feed = |(name, options): &(Namespace, Options)| {
            (name.clone(), Arc::new(Feed::new(name.clone(), Life::fresh(), options.clone())))
        };
        let by_name = RwLock::new(declared.iter().map(feed).collect());
        Self { by_name, engine: None, options, dynamic, namespaces_max }
    }

    /// The same over an engine that may know these namespaces from before. With `dynamic`, every namespace that it knows
    /// is made at once.
    ///
    /// # Errors
    /// What the engine says.
    pub fn over(
        engine: Arc<dyn Engine>,
        declared: &[(Namespace, Options)],
        options: Options,
        dynamic: bool,
        namespaces_max: usize,
    ) -> Result<Self, EngineError> {
        let mut by_name = HashMap::new();
        for (name, options) in declared {
            by_name.insert(name.clone(), open(engine.as_ref(), name, options)?);
        }
        for name in engine.kept() {
            if by_name.contains_key(&name) {
                continue;
            }
            if dynamic {
                by_name.insert(name.clone(), open(engine.as_ref(), &name, &options)?);
            } else {
                tracing::warn!(namespace = %name, "kept from before, but neither declared nor dynamic");
            }
        }
        let by_name = RwLock::new(by_name);
        Ok(Self { by_name, engine: Some(engine), options, dynamic, namespaces_max })
    }

    /// The feed of this name.
    ///
    /// # Errors
    /// [`Reason::NotFound`] if it is neither declared nor can be made.
    pub fn find(&self, namespace: &Namespace) -> Result<Arc<Feed>, Fault> {
        let by_name = self.by_name.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(feed) = by_name.get(namespace) {
            return Ok(Arc::clone(feed));
        }
        drop(by_name);
        if self.dynamic { self.make(namespace) } else { Err(no_namespace("there is no such namespace")) }
    }

    fn make(&self, namespace: &Namespace) -> Result<Arc<Feed>, Fault> {
        let mut by_name = self.by_name.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if by_name.len() >= self.namespaces_max && !by_name.contains_key(namespace) {
            return Err(no_namespace("no room for another namespace"));
        }
        if let Some(feed) = by_name.get(namespace) {
            return Ok(Arc::clone(feed));
        }
        let feed = match &self.engine {
            Some(engine) => open(engine.as_ref(), namespace, &self.options)
                .map_err(|error| Fault::new(Reason::Degraded, error))?,
            None => Arc::new(Feed::new(namespace.clone(), Life::fresh(), self.options.clone())),
        };
        by_name.insert(namespace.clone(), Arc::clone(&feed));
        Ok(feed)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Feed>> {
        self.by_name.read().unwrap_or_else(std::sync::PoisonError::into_inner).values().cloned().collect()
    }
}

/// Makes a feed that goes on with the life that its engine knows.
fn open(engine: &dyn Engine, namespace: &Namespace, options: &Options) -> Result<Arc<Feed>, EngineError> {
    let life = engine.open(namespace)?;
    let feed = Arc::new(Feed::new(namespace.clone(), life, options.clone()));
    engine.follow(&feed);
    Ok(feed)
}

fn no_namespace(detail: &str) -> Fault {
    Fault { reason: Reason::NotFound, field: Some("namespace".to_owned()), detail: detail.to_owned() }
}
