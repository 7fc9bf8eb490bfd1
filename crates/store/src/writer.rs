//! The one thread that writes: it gathers publishes into groups, and brings each to disk with one flush.
//!
//! Under `async` the feed has the events already; a group that cannot be written is held and tried again. Under `sync`
//! the writer gives the offsets, and what cannot be written is refused and was never there.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tricast_feed::{Millis, Namespace, Offset};
use tricast_hub::{Appended, Clock, Durability, EngineError, Known};

use crate::desk::{Desk, Job};
use crate::group;
use crate::journal::{Journal, Wanted};
use crate::lane::Lane;
use crate::record::{self, State};
use crate::reserve::Reserve;

/// All namespaces of a store.
pub(crate) type Lanes = RwLock<BTreeMap<Namespace, Arc<Lane>>>;

/// What the writer needs.
pub(crate) struct Writer {
    pub(crate) desk: Arc<Desk>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) journal: Journal,
    pub(crate) durability: Durability,
    pub(crate) delay: Duration,
    /// How long an idempotency key is remembered.
    pub(crate) window: Millis,
    pub(crate) keys_max: usize,
    pub(crate) clock: Clock,
    /// A group that could not be written yet.
    pub(crate) held: Vec<Job>,
    /// What was reserved last is on disk.
    pub(crate) is_reserved: bool,
}

/// Tells that the writer has ended, however it did.
struct Ends(Arc<Desk>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Writer {
    /// Writes until the desk is closed.
    pub(crate) fn run(mut self) {
        let _ends = Ends(Arc::clone(&self.desk));
        loop {
            let tries_again = self.desk.failing().is_some();
            let turn = self.desk.next_turn(self.delay, tries_again);
            let done = self.take_turn(turn.jobs, tries_again);
            self.note(&done);
            if let Some(now) = turn.prunes {
                self.prune(now);
            }
            if turn.is_last {
                return self.finish();
            }
        }
    }

    fn take_turn(&mut self, jobs: Vec<Job>, tries_again: bool) -> io::Result<()> {
        let had_jobs = !jobs.is_empty();
        match self.durability {
            Durability::Async => {
                self.held.extend(jobs);
                let reserved = self.reserve_if_due();
                self.write_held().and(reserved)
            }
            Durability::Sync => {
                if let Err(error) = self.reserve_if_due() {
                    jobs.into_iter().for_each(|job| self.refuse(job, &error));
                    return Err(error);
                }
                let done = self.write_and_answer(jobs);
                if tries_again && !had_jobs { self.probe() } else { done }
            }
        }
    }

    fn note(&self, done: &io::Result<()>) {
        let why =
            |error: &io::Error| format!("store.path: {}: {error}", self.journal.folder().path().display());
        self.desk.note(done.as_ref().err().map(why));
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn states(lanes: &Lanes) -> Vec<State> {
        let lanes = lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.values().map(|lane| lane.state()).collect()
    }

    /// Writes new ceilings if one is due, or a namespace is new.
    fn reserve_if_due(&mut self) -> io::Result<()> {
        let lanes = self.all();
        let is_due = lanes.iter().any(|lane| lane.lock().wants_ceiling());
        let is_new = lanes.iter().any(|lane| !lane.lock().is_known);
        if self.is_reserved && !is_due && !is_new {
            return Ok(());
        }
        let now = (self.clock)();
        let next = |lane: &Arc<Lane>| {
            let mut inner = lane.lock();
            if inner.wants_ceiling() { inner.next_ceiling(now) } else { inner.ceiling }
        };
        let ceilings: Vec<Offset> = lanes.iter().map(next).collect();
        self.write_ceilings(&lanes, &ceilings)?;
        for (lane, ceiling) in lanes.iter().zip(ceilings) {
            let mut inner = lane.lock();
            (inner.ceiling, inner.is_known) = (ceiling, true);
        }
        self.is_reserved = true;
        self.desk.room.notify_waiters();
        Ok(())
    }

    fn write_ceilings(&self, lanes: &[Arc<Lane>], ceilings: &[Offset]) -> io::Result<()> {
        let reserved =
            |(lane, ceiling): (&Arc<Lane>, &Offset)| (lane.namespace.clone(), lane.reserved(*ceiling));
        let namespaces = lanes.iter().zip(ceilings).map(reserved).collect();
        Reserve { mode: self.durability, namespaces }.write(self.journal.folder())
    }

    /// Brings publishes that have their places to disk in one group.
    fn write(&mut self, jobs: &[Job]) -> io::Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(jobs.iter().map(|job| job.record.len() + 4).sum::<usize>() + 16);
        let start = group::begin(&mut bytes);
        jobs.iter().for_each(|job| record::push(&mut bytes, &job.record));
        group::end(&mut bytes, start);
        let lanes = Arc::clone(&self.lanes);
        self.journal.append(&bytes, &|| Self::states(&lanes), (self.clock)(), |segment| {
            for job in jobs {
                segment.note(&job.lane.namespace, job.first, job.last(), job.record.len() as u64);
                if job.idempotency.is_some() {
                    segment.note_key(job.time);
                }
            }
        })?;
        jobs.iter().for_each(|job| job.lane.lock().durable = job.last());
        Ok(())
    }

    /// Writes what the feeds have already, or holds it for the next turn.
    fn write_held(&mut self) -> io::Result<()> {
        let jobs = std::mem::take(&mut self.held);
        match self.write(&jobs) {
            Ok(()) => {
                self.desk.release(jobs.iter().map(|job| job.record.len()).sum());
                Ok(())
            }
            Err(error) => {
                self.held = jobs;
                Err(error)
            }
        }
    }

    /// Gives publishes their places, brings them to disk, and only then puts them into their feeds and answers.
    fn write_and_answer(&mut self, jobs: Vec<Job>) -> io::Result<()> {
        let (placed, refused) = self.place_all(jobs);
        let done = self.write(&placed);
        for job in placed {
            match &done {
                Ok(()) => self.put_into_feed(job),
                Err(error) => {
                    take_place_back(&job);
                    self.refuse(job, error);
                }
            }
        }
        done.and(refused)
    }

    /// Gives each publish its place, but for those that are answered without one.
    fn place_all(&mut self, jobs: Vec<Job>) -> (Vec<Job>, io::Result<()>) {
        let mut placed: Vec<Job> = Vec::with_capacity(jobs.len());
        let mut keys = HashSet::new();
        let mut done = Ok(());
        for mut job in jobs {
            if let Some((key, fingerprint)) = job.idempotency.clone() {
                if !keys.insert((job.lane.namespace.clone(), key.clone())) {
                    // What its twin comes to is not known yet: it waits for the next group.
                    self.desk.put_back(job);
                    continue;
                }
                let mut inner = job.lane.lock();
                inner.memory.forget((self.clock)(), self.window, self.keys_max);
                let known = inner.memory.look(&key, fingerprint);
                drop(inner);
                if let Some(answer) = answer_of(&job, &known) {
                    self.answer(job, answer);
                    continue;
                }
            }
            if !job.lane.lock().has_room(job.count)
                && let Err(error) = self.reserve_if_due()
            {
                self.refuse(job, &error);
                done = Err(error);
                continue;
            }
            give_place(&mut job);
            placed.push(job);
        }
        (placed, done)
    }

    fn put_into_feed(&self, mut job: Job) {
        if let Some((key, fingerprint)) = job.idempotency.clone() {
            job.lane.lock().memory.keep(key, fingerprint, job.first, job.count, job.time);
        }
        let Some(waits) = &mut job.waits else { return };
        let given = waits.feed.append(job.time, std::mem::take(&mut waits.ready)).first;
        if given != job.first {
            tracing::error!(namespace = %job.lane.namespace, %given, kept = %job.first, "the feed and the store differ");
        }
        let (epoch, first, count) = (job.lane.epoch, job.first, job.count);
        let appended = Appended { epoch, first, count, durability: Some(Durability::Sync) };
        self.answer(job, Ok(appended));
    }

    fn refuse(&self, job: Job, error: &io::Error) {
        let why = format!("store.path: {}: {error}", self.journal.folder().path().display());
        self.answer(job, Err(EngineError::Away(why)));
    }

    fn answer(&self, job: Job, answer: Result<Appended, EngineError>) {
        let bytes = job.record.len();
        if let Some(waits) = job.waits {
            // Whoever has gone meanwhile does not want to know.
            let _ = waits.reply.send(answer);
        }
        self.desk.release(bytes);
    }

    /// Finds out whether there is room again, by writing something that is true.
    fn probe(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        let start = group::begin(&mut bytes);
        Self::states(&self.lanes).iter().for_each(|state| record::push(&mut bytes, &record::state(state)));
        group::end(&mut bytes, start);
        let lanes = Arc::clone(&self.lanes);
        self.journal.append(&bytes, &|| Self::states(&lanes), (self.clock)(), |_| {})
    }

    fn prune(&mut self, now: Millis) {
        let lanes = Arc::clone(&self.lanes);
        let floors: BTreeMap<Namespace, Offset> =
            self.all().iter().map(|lane| (lane.namespace.clone(), lane.floor())).collect();
        let wanted = Wanted {
            floor: &|namespace| floors.get(namespace).copied().unwrap_or(Offset(1)),
            forgotten: Millis(now.0.saturating_sub(self.window.0)),
            states: &|| Self::states(&lanes),
        };
        if let Err(error) = self.journal.prune(&wanted, now) {
            tracing::warn!(
                "store.path: {}: what is old stays: {error}",
                self.journal.folder().path().display()
            );
        }
    }

    /// Writes what is left, and that nothing is missing.
    fn finish(self) {
        if !self.held.is_empty() {
            let events: usize = self.held.iter().map(|job| job.count).sum();
            tracing::error!(
                events,
                "the store cannot be written to: these are lost, and will be told as a gap"
            );
            return;
        }
        let lanes = self.all();
        let ceilings: Vec<Offset> = lanes.iter().map(|lane| lane.lock().durable).collect();
        if let Err(error) = self.write_ceilings(&lanes, &ceilings) {
            tracing::warn!("the store is not marked as clean: {error}");
        }
    }
}

/// The answer to a publish whose key is known already.
fn answer_of(job: &Job, known: &Known) -> Option<Result<Appended, EngineError>> {
    match *known {
        Known::No => None,
        Known::Other => Some(Err(EngineError::KeyReused)),
        Known::Same(first, count) => {
            Some(Ok(Appended { epoch: job.lane.epoch, first, count, durability: Some(Durability::Sync) }))
        }
    }
}

/// Under `sync` nobody but the writer gives offsets.
fn give_place(job: &mut Job) {
    let mut inner = job.lane.lock();
    job.first = inner.last.next();
    job.time = job.time.max(inner.time);
    (inner.last, inner.time) = (job.last(), job.time);
    drop(inner);
    record::place(&mut job.record, job.first, job.time);
}

/// Nobody has seen these offsets, so the next publish may have them.
fn take_place_back(job: &Job) {
    let mut inner = job.lane.lock();
    inner.last = inner.last.min(Offset(job.first.0 - 1));
}
