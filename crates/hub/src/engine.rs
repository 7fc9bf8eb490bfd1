//! The engine: who orders events and keeps them.
//!
//! The hub asks an engine to append and is told the offsets; the engine puts what was appended, by this process or by
//! another, into the [`Feed`] in order. In memory both are the same step. A durable or a shared engine does its own
//! part before or behind it, and nothing else in the hub changes. Before a feed is made, the engine is asked for its
//! [`Life`]: what is known of it from before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tricast_feed::{Cursor, Draft, Epoch, Millis, Namespace, Offset, Restored};
use tricast_wire::event::Encoded;

use crate::feeds::{Feed, Ready};
use crate::idempotency::{Known, Memory, fingerprint};
use crate::lock::lock;
use crate::random::random_epoch;

/// A publisher's own name for a publish: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Checks the text; `None` if it is not such a name.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let good = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Events that are published together: all or nothing, one after the other.
#[derive(Debug)]
pub struct Batch {
    /// The events, at least one.
    pub drafts: Vec<Draft>,
    /// Makes a repeated publish harmless.
    pub idempotency: Option<IdempotencyKey>,
}

/// Where a batch stands in the log: consecutive offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The log's life.
    pub epoch: Epoch,
    /// The first event's place.
    pub first: Offset,
    /// How many events there are.
    pub count: usize,
    /// How far they are kept by now; none where they are in memory alone.
    pub durability: Option<Durability>,
}

/// What the answer to a publish means, where events are kept beyond the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// They are written within a bounded time.
    Async,
    /// They are written.
    Sync,
}

impl Durability {
    /// The name on the wire and in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Sync => "sync",
        }
    }
}

/// What an engine knows of a feed from before it is made.
#[derive(Debug)]
pub struct Life {
    /// Names the life.
    pub epoch: Epoch,
    /// What is kept of it.
    pub restored: Restored<Encoded>,
}

impl Life {
    /// One that begins now.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            epoch: random_epoch(),
            restored: Restored { last: Offset::ZERO, entries: Vec::new(), holes: Vec::new() },
        }
    }
}

impl Appended {
    /// The ids of the events in order.
    pub fn ids(&self) -> impl Iterator<Item = Cursor> {
        let (epoch, first) = (self.epoch, self.first.0);
        (first..first + self.count as u64).map(move |offset| Cursor { epoch, offset: Offset(offset) })
    }
}

/// Why an engine did not append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineError {
    /// The idempotency key was used for other events.
    KeyReused,
    /// The engine cannot be reached or cannot write; nothing was appended.
    Away(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyReused => f.write_str("the key was used for another publish"),
            Self::Away(why) => write!(f, "the engine is away: {why}"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Whether an engine is fit for traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It is.
    Ready,
    /// It is not, and why.
    Away(String),
}

/// Orders events and keeps them.
pub trait Engine: Send + Sync + fmt::Debug + 'static {
    /// Appends a batch and puts it into the feed.
    ///
    /// # Errors
    /// [`EngineError`]; then nothing was appended.
    fn append<'a>(
        &'a self,
        feed: &'a Arc<Feed>,
        batch: Batch,
        now: Millis,
    ) -> BoxFuture<'a, Result<Appended, EngineError>>;

    /// The life that a feed of this name goes on with, asked once before the feed is made.
    ///
    /// # Errors
    /// [`EngineError::Away`] if the engine cannot tell.
    fn open(&self, _namespace: &Namespace) -> Result<Life, EngineError> {
        Ok(Life::fresh())
    }

    /// The namespaces that the engine knows from before.
    fn kept(&self) -> Vec<Namespace> {
        Vec::new()
    }

    /// The process uses this feed from now on: what others append must reach it too. Nothing to do for an engine that
    /// has no others.
    fn follow(&self, _feed: &Arc<Feed>) {}

    /// Whether the engine is fit for traffic.
    fn health(&self) -> Health {
        Health::Ready
    }

    /// Called about once a second, for what an engine wants to forget.
    fn tick(&self, _now: Millis) {}

    /// Called once when the server has stopped: what is still to be kept is kept before this returns. Publishes are
    /// refused from then on.
    fn close(&self) {}
}

/// Keeps everything in this process's memory. The default.
#[derive(Debug)]
pub struct MemoryEngine {
    window: Millis,
    keys_max: usize,
    remembered: Mutex<HashMap<Namespace, Arc<Mutex<Memory>>>>,
}

impl MemoryEngine {
    /// An engine that remembers idempotency keys for `window`, at most `keys_max` in a namespace.
    #[must_use]
    pub fn new(window: Millis, keys_max: usize) -> Self {
        Self { window, keys_max, remembered: Mutex::default() }
    }

    fn append_once(
        &self,
        feed: &Feed,
        key: IdempotencyKey,
        drafts: Vec<Draft>,
        now: Millis,
    ) -> Result<Appended, EngineError> {
        let memory = Arc::clone(lock(&self.remembered).entry(feed.namespace().clone()).or_default());
        let fingerprint = fingerprint(&drafts);
        let count = drafts.len();
        // Held over the append, so that two publishes with one key cannot both append.
        let mut memory = lock(&memory);
        memory.forget(now, self.window, self.keys_max);
        match memory.look(&key, fingerprint) {
            Known::Same(first, count) => Ok(Appended { epoch: feed.epoch(), first, count, durability: None }),
            Known::Other => Err(EngineError::KeyReused),
            Known::No => {
                let appended = append_now(feed, drafts, now);
                memory.keep(key, fingerprint, appended.first, count, now);
                Ok(appended)
            }
        }
    }
}

impl Engine for MemoryEngine {
    fn append<'a>(
        &'a self,
        feed: &'a Arc<Feed>,
        batch: Batch,
        now: Millis,
    ) -> BoxFuture<'a, Result<Appended, EngineError>> {
        let appended = match batch.idempotency {
            Some(key) => self.append_once(feed, key, batch.drafts, now),
            None => Ok(append_now(feed, batch.drafts, now)),
        };
        Box::pin(std::future::ready(appended))
    }

    fn tick(&self, now: Millis) {
        let memories: Vec<_> = lock(&self.remembered).values().cloned().collect();
        for memory in memories {
            lock(&memory).forget(now, self.window, self.keys_max);
        }
    }
}

fn append_now(feed: &Feed, drafts: Vec<Draft>, now: Millis) -> Appended {
    let count = drafts.len();
    let first = feed.append(now, drafts.into_iter().map(Ready::new).collect()).first;
    Appended { epoch: feed.epoch(), first, count, durability: None }
}
