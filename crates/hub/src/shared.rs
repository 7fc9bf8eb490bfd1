//! What all workers of a process share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tricast_feed::{Interest, Millis, Namespace, Offset, Reason, Room, RoomSet, SessionId};
use tricast_wire::Fault;

use crate::key::Key;
use crate::lock::lock;
use crate::mailbox::{Mailbox, Order};
use crate::random::random_session;
use crate::session::{Live, SessionError, Sessions, rooms_of};
use crate::{Appended, Batch, Check, Clock, Engine, EngineError, Feeds, Limits};

/// What all workers of a process share.
#[derive(Debug)]
pub struct Shared {
    /// The logs.
    pub feeds: Feeds,
    /// Who orders events.
    pub engine: Arc<dyn Engine>,
    /// The bounds.
    pub limits: Limits,
    clock: Clock,
    sessions: Mutex<Sessions>,
    mailboxes: Mutex<Vec<Arc<Mailbox>>>,
    subscribers: AtomicUsize,
    serials: AtomicU64,
    deliveries: AtomicU64,
    draining: AtomicBool,
    swept_at: AtomicU64,
}

impl Shared {
    /// Puts the parts together.
    pub fn new(feeds: Feeds, engine: Arc<dyn Engine>, limits: Limits, clock: Clock) -> Arc<Self> {
        for feed in feeds.all() {
            engine.follow(&feed);
        }
        Arc::new(Self {
            feeds,
            engine,
            limits,
            clock,
            sessions: Mutex::default(),
            mailboxes: Mutex::default(),
            subscribers: AtomicUsize::new(0),
            serials: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            swept_at: AtomicU64::new(0),
        })
    }

    /// The time.
    pub fn now(&self) -> Millis {
        (self.clock)()
    }

    /// Publishes a batch.
    ///
    /// # Errors
    /// [`Reason::NotFound`] for a namespace that is not there; 422's [`Reason::BadRequest`] for a reused idempotency
    /// key, which names `Idempotency-Key`; [`Reason::Degraded`] if the engine is away; what the namespace's
    /// [`Check`](crate::Check) refuses. Nothing was appended then.
    pub async fn publish(&self, namespace: &Namespace, batch: Batch) -> Result<Appended, Fault> {
        let feed = self.feeds.find(namespace)?;
        if let Some(check) = &feed.options().check {
            check_all(check.as_ref(), &batch)?;
        }
        self.engine.append(&feed, batch, self.now()).await.map_err(|error| match error {
            EngineError::KeyReused => Fault::bad("Idempotency-Key", error),
            EngineError::Away(_) => Fault::new(Reason::Degraded, error),
        })
    }

    /// Subscribers at the moment.
    pub fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// Sessions at the moment, those without a subscriber too.
    pub fn sessions(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Events handed to subscribers since the start.
    pub fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    pub(crate) fn count_deliveries(&self, count: u64) {
        self.deliveries.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes a subscriber's place.
    pub(crate) fn admit(&self) -> Result<(), Fault> {
        if self.is_draining() {
            return Err(Fault::new(Reason::Draining, "the server stops"));
        }
        if self.subscribers.fetch_add(1, Ordering::Relaxed) >= self.limits.subscribers_max {
            self.subscribers.fetch_sub(1, Ordering::Relaxed);
            let detail = format!("limits.subscribers_max is {}", self.limits.subscribers_max);
            return Err(Fault::new(Reason::TooManyConnections, detail));
        }
        Ok(())
    }

    /// Numbers the subscribers of all workers: a session that moves to another worker must be able to tell its new
    /// subscriber from the old one.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives a subscriber's place back.
    pub(crate) fn dismiss(&self) {
        self.subscribers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Goes on with the session that was asked for, or starts another, and attaches its new subscriber.
    ///
    /// Both under one lock: a change of rooms between the two would find no subscriber to tell, and this subscriber
    /// would go on with the rooms from before.
    pub(crate) fn take_session(
        &self,
        wanted: Option<SessionId>,
        namespace: &Namespace,
        rooms: Option<&RoomSet>,
        live: Live,
    ) -> (Interest, SessionId) {
        let mut sessions = lock(&self.sessions);
        let resumed = wanted.and_then(|id| Some((sessions.resume(id, namespace, rooms)?, id)));
        let (interest, id) = resumed.unwrap_or_else(|| {
            let id = random_session();
            let interest = Interest::of(id, rooms.cloned().unwrap_or_default());
            sessions.start(id, namespace.clone(), interest.clone(), self.limits.sessions_max);
            (interest, id)
        });
        if let Some(old) = sessions.attach(id, live) {
            old.mailbox.order(Order::End(old.key, Reason::Replaced));
        }
        (interest, id)
    }

    pub(crate) fn detach(&self, id: SessionId, key: Key) {
        lock(&self.sessions).detach(id, key, self.now());
    }

    /// Changes a session's rooms, at once also for its open stream or parked poll. Gives the rooms it has now.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn change_rooms(
        &self,
        namespace: &Namespace,
        session: SessionId,
        join: &[Room],
        leave: &[Room],
        rooms_max: usize,
    ) -> Result<Vec<Room>, SessionError> {
        let now = self.newest(namespace);
        self.change(namespace, session, rooms_max, |interest| interest.changed(join, leave, now))
    }

    /// Gives a session these rooms and no others; see [`Shared::change_rooms`].
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn replace_rooms(
        &self,
        namespace: &Namespace,
        session: SessionId,
        rooms: &RoomSet,
        rooms_max: usize,
    ) -> Result<Vec<Room>, SessionError> {
        let now = self.newest(namespace);
        self.change(namespace, session, rooms_max, |interest| {
            let before: Vec<Room> = rooms_of(interest);
            let leave: Vec<Room> = before.into_iter().filter(|room| !rooms.contains(room)).collect();
            let join: Vec<Room> = rooms.iter().cloned().collect();
            interest.changed(&join, &leave, now)
        })
    }

    fn newest(&self, namespace: &Namespace) -> Offset {
        self.feeds.find(namespace).map_or(Offset::ZERO, |feed| feed.last())
    }

    fn change(
        &self,
        namespace: &Namespace,
        session: SessionId,
        rooms_max: usize,
        change: impl FnOnce(&Interest) -> Interest,
    ) -> Result<Vec<Room>, SessionError> {
        let mut sessions = lock(&self.sessions);
        let (interest, live) = sessions.change(session, namespace, rooms_max, change)?;
        let rooms = rooms_of(&interest);
        // Still under the lock, so that two changes reach the worker in their order.
        if let Some(live) = live {
            live.mailbox.order(Order::Rooms(live.key, interest));
        }
        Ok(rooms)
    }

    pub(crate) fn enlist(&self, mailbox: Arc<Mailbox>) {
        lock(&self.mailboxes).push(mailbox);
    }

    /// Whether the server stops.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Refuses new subscribers and ends those that are there, one by one; see [`Limits::drain_rate`].
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        for mailbox in lock(&self.mailboxes).iter() {
            mailbox.order(Order::Drain);
        }
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        lock(&self.mailboxes).len().max(1)
    }

    /// Once a second, by whichever worker comes first: forgets what is too old.
    pub(crate) fn sweep(&self) {
        let now = self.now();
        let before = self.swept_at.load(Ordering::Relaxed);
        let due = now.0 >= before + 900;
        if !due
            || self.swept_at.compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        lock(&self.sessions).expire(now, millis(self.limits.grace));
        self.feeds.all().iter().for_each(|feed| feed.expire(now));
        self.engine.tick(now);
    }
}

fn check_all(check: &dyn Check, batch: &Batch) -> Result<(), Fault> {
    let is_alone = batch.drafts.len() == 1;
    for (place, draft) in batch.drafts.iter().enumerate() {
        check
            .check(draft)
            .map_err(|fault| if is_alone { fault } else { fault.within(&format!("events[{place}]")) })?;
    }
    Ok(())
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
