//! Where publishers hand their publishes to the writer, and wait for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tricast_feed::{Millis, Offset};
use tricast_hub::{Appended, EngineError, Feed, IdempotencyKey, Ready};

use crate::lane::Lane;

/// Bytes of publishes that are written and flushed together, about.
const GROUP_BYTES: usize = 4 << 20;

/// How long the writer waits before it tries again what has failed.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A publish on its way to the disk.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) lane: Arc<Lane>,
    pub(crate) record: Vec<u8>,
    pub(crate) count: usize,
    pub(crate) first: Offset,
    pub(crate) time: Millis,
    pub(crate) idempotency: Option<(IdempotencyKey, u64)>,
    /// Who waits for it, and what is to be put into the feed then; nobody where the feed has it already.
    pub(crate) waits: Option<Waits>,
}

impl Job {
    /// The newest of its offsets.
    pub(crate) fn last(&self) -> Offset {
        Offset(self.first.0 + self.count as u64 - 1)
    }
}

/// The rest of a publish that is answered when it is on disk.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) feed: Arc<Feed>,
    pub(crate) ready: Vec<Ready>,
    pub(crate) reply: oneshot::Sender<Result<Appended, EngineError>>,
}

/// What the writer is to do next.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) jobs: Vec<Job>,
    pub(crate) prunes: Option<Millis>,
    /// There is nothing more to come.
    pub(crate) is_last: bool,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Bytes of all publishes that are not on disk, those that the writer holds among them.
    bytes: usize,
    /// Somebody needs a ceiling.
    reserves: bool,
    prunes: Option<Millis>,
    is_closed: bool,
    has_ended: bool,
    failing: Option<String>,
}

/// The queue between publishers and the writer.
#[derive(Debug)]
pub(crate) struct Desk {
    queue: Mutex<Queue>,
    /// Wakes the writer, and whoever waits for its end.
    wake: Condvar,
    /// Wakes publishers that wait for room.
    pub(crate) room: Notify,
    bytes_max: usize,
}

impl Desk {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { queue: Mutex::default(), wake: Condvar::new(), room: Notify::new(), bytes_max }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing can be written at the moment.
    pub(crate) fn failing(&self) -> Option<String> {
        self.lock().failing.clone()
    }

    /// Takes room for a publish of so many bytes. False if it must wait for some: the bound is never exceeded, but by a
    /// publish that is alone.
    pub(crate) fn admit(&self, bytes: usize) -> Result<bool, EngineError> {
        let mut queue = self.lock();
        queue.check()?;
        let fits = queue.bytes == 0 || queue.bytes + bytes <= self.bytes_max;
        if fits {
            queue.bytes += bytes;
        }
        Ok(fits)
    }

    /// Hands over a publish that was admitted.
    pub(crate) fn push(&self, job: Job, reserves: bool) {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        queue.reserves |= reserves;
        if queue.jobs.len() == 1 || reserves {
            self.wake.notify_all();
        }
    }

    /// Asks for a ceiling.
    pub(crate) fn ask_for_ceiling(&self) -> Result<(), EngineError> {
        let mut queue = self.lock();
        queue.check()?;
        queue.reserves = true;
        self.wake.notify_all();
        Ok(())
    }

    /// Asks for what is no longer retained to be removed.
    pub(crate) fn ask_for_pruning(&self, now: Millis) {
        self.lock().prunes = Some(now);
        self.wake.notify_all();
    }

    /// Puts a publish that cannot be written with this group before the next one.
    pub(crate) fn put_back(&self, job: Job) {
        self.lock().jobs.push_front(job);
    }

    /// The writer's next turn. With a `delay`, publishes are gathered for so long. Comes back without any work after a
    /// while if something is to be tried again.
    pub(crate) fn next_turn(&self, delay: Duration, tries_again: bool) -> Turn {
        let mut queue = self.lock();
        let retry_at = Instant::now() + RETRY_AFTER;
        while !queue.is_urgent() && (queue.jobs.is_empty() || tries_again) {
            if !tries_again {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = retry_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let flush_at = Instant::now() + delay;
        while !queue.is_urgent() && !queue.jobs.is_empty() && queue.bytes < self.bytes_max / 2 {
            let left = flush_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.take()
    }

    /// So many bytes are on disk or were refused: others may come.
    pub(crate) fn release(&self, bytes: usize) {
        self.lock().bytes -= bytes;
        self.room.notify_waiters();
    }

    /// Notes how the writer fares.
    pub(crate) fn note(&self, failing: Option<String>) {
        let mut queue = self.lock();
        let before = std::mem::replace(&mut queue.failing, failing.clone());
        drop(queue);
        match (before, failing) {
            (None, Some(why)) => tracing::error!("publishes are refused: {why}"),
            (Some(_), None) => tracing::info!("the store can be written to again"),
            _ => {}
        }
        self.room.notify_waiters();
    }

    /// No publish is taken any more. Waits until the writer has ended, for a while. True if it has.
    pub(crate) fn close(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut queue = self.lock();
        queue.is_closed = true;
        self.wake.notify_all();
        while !queue.has_ended && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            queue = self.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.has_ended
    }

    /// The writer has ended, in whatever way: nobody must wait for it.
    pub(crate) fn end(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        queue.has_ended = true;
        // Whoever waits for an answer learns from this that none will come.
        queue.jobs.clear();
        self.wake.notify_all();
        drop(queue);
        self.room.notify_waiters();
    }
}

impl Queue {
    fn check(&self) -> Result<(), EngineError> {
        if self.is_closed {
            return Err(EngineError::Away("the store is closed".to_owned()));
        }
        self.failing.clone().map_or(Ok(()), |why| Err(EngineError::Away(why)))
    }

    /// Whether the writer must not wait for more.
    fn is_urgent(&self) -> bool {
        self.reserves || self.prunes.is_some() || self.is_closed
    }

    fn take(&mut self) -> Turn {
        let (mut taken, mut bytes) = (0, 0);
        for job in &self.jobs {
            if taken > 0 && bytes + job.record.len() > GROUP_BYTES {
                break;
            }
            bytes += job.record.len();
            taken += 1;
        }
        let jobs: Vec<Job> = self.jobs.drain(..taken).collect();
        self.reserves = false;
        Turn { jobs, prunes: self.prunes.take(), is_last: self.is_closed && self.jobs.is_empty() }
    }
}
