//! What all workers of a process share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tricast_feed::{
    Cursor, Gap, Interest, Member, Millis, Namespace, Offset, Reason, Room, RoomSet, SessionId,
};
use tricast_wire::Fault;

use crate::ask::Ask;
use crate::key::Key;
use crate::lock::lock;
use crate::mailbox::{Mailbox, Order};
use crate::presence::{Attendance, Change};
use crate::random::random_session;
use crate::session::{Barred, Entry, Live, SessionError, Sessions, rooms_of};
use crate::why::{Stretch, Why, by_addressing};
use crate::{Appended, Balance, Batch, Check, Clock, Engine, EngineError, Feeds, Limits, Presence};

/// Comings and goings that are published together.
const CHANGES_AT_ONCE: usize = 256;

/// How long a worker may take to answer a question.
const WORKER_WAIT_MAX: Duration = Duration::from_secs(5);

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
    started: Instant,
    sessions: Mutex<Sessions>,
    mailboxes: Mutex<Vec<Arc<Mailbox>>>,
    subscribers: AtomicUsize,
    serials: AtomicU64,
    deliveries: AtomicU64,
    draining: AtomicBool,
    swept_at: AtomicU64,
    changes: Notify,
    presence_told: AtomicBool,
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
            started: Instant::now(),
            sessions: Mutex::default(),
            mailboxes: Mutex::default(),
            subscribers: AtomicUsize::new(0),
            serials: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            swept_at: AtomicU64::new(0),
            changes: Notify::new(),
            presence_told: AtomicBool::new(false),
        })
    }

    /// The time.
    pub fn now(&self) -> Millis {
        (self.clock)()
    }

    /// How long the process has run: what a grace is counted by, whatever is done to the clock.
    fn uptime(&self) -> Millis {
        millis(self.started.elapsed())
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

    /// The balance of a namespace: what its subscribers were owed, against what became of it.
    ///
    /// # Errors
    /// [`Reason::NotFound`] for a namespace that is not there; [`Reason::Internal`] if a worker does not answer.
    pub async fn balance(&self, namespace: &Namespace) -> Result<Balance, Fault> {
        let feed = self.feeds.find(namespace)?;
        let mut balance = Balance { published: feed.last().0, ..Balance::default() };
        let parts = self.ask_workers(|reply| Ask::Balance(namespace.clone(), reply)).await?;
        parts.iter().for_each(|part| balance.add(part));
        Ok(balance)
    }

    /// Asks each worker in turn.
    pub(crate) async fn ask_workers<T>(
        &self,
        ask: impl Fn(oneshot::Sender<T>) -> Ask,
    ) -> Result<Vec<T>, Fault> {
        let mailboxes = lock(&self.mailboxes).clone();
        let mut parts = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes {
            let (reply, answer) = oneshot::channel();
            mailbox.order(Order::Ask(ask(reply)));
            let part = tokio::time::timeout(WORKER_WAIT_MAX, answer).await;
            let silent = || Fault::new(Reason::Internal, "a worker does not answer");
            parts.push(part.ok().and_then(Result::ok).ok_or_else(silent)?);
        }
        Ok(parts)
    }

    /// Ends a session by an operator's word: its stream or poll is told [`Reason::Kicked`], and so is whoever comes with
    /// this session until its grace is over.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] for a session that is not there, or no longer.
    pub fn kick(&self, namespace: &Namespace, member: Member) -> Result<(), SessionError> {
        let mut sessions = lock(&self.sessions);
        let live = sessions.kick(namespace, member, self.uptime())?;
        // Still under the lock: a poll that comes now finds its session closed.
        if let Some(live) = live {
            live.mailbox.order(Order::End(live.key, Reason::Kicked));
        }
        self.tell_changes(&sessions);
        Ok(())
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
    /// Fails with [`Reason::Replaced`] if the session has had a newer connection, and with [`Reason::Kicked`] if an
    /// operator has ended it.
    ///
    /// Both under one lock: a change of rooms between the two would find no subscriber to tell, and this subscriber
    /// would go on with the rooms from before.
    pub(crate) fn take_session(
        &self,
        wanted: Option<SessionId>,
        entry: &Entry<'_>,
        live: Live,
    ) -> Result<(Interest, SessionId), Fault> {
        let mut sessions = lock(&self.sessions);
        let resumed = match wanted {
            Some(id) => sessions.resume(id, entry).map_err(barred)?.map(|interest| (interest, id)),
            None => None,
        };
        let (interest, id) = resumed.unwrap_or_else(|| {
            let id = random_session();
            (sessions.start(id, entry, self.limits.sessions_max), id)
        });
        if let Some(old) = sessions.attach(id, live) {
            old.mailbox.order(Order::End(old.key, Reason::Replaced));
        }
        self.tell_changes(&sessions);
        Ok((interest, id))
    }

    fn tell_changes(&self, sessions: &Sessions) {
        if sessions.rolls.has_changes() {
            self.changes.notify_one();
        }
    }

    /// The sessions of a room, or of the whole namespace: how many, and the first `limit` by name.
    ///
    /// # Errors
    /// [`Reason::NotFound`] for a namespace that is not there, or that keeps no presence.
    pub fn attendance(
        &self,
        namespace: &Namespace,
        room: Option<&Room>,
        limit: usize,
    ) -> Result<Attendance, Fault> {
        if self.feeds.find(namespace)?.options().presence == Presence::Off {
            return Err(Fault::new(Reason::NotFound, "the namespace keeps no presence"));
        }
        Ok(lock(&self.sessions).attendance(namespace, room, limit))
    }

    /// Publishes comings and goings, as long as the process lives. One worker does it for all.
    pub(crate) async fn tell_presence(self: Arc<Self>) {
        loop {
            self.changes.notified().await;
            loop {
                let (changes, left_out) = lock(&self.sessions).rolls.take_changes(CHANGES_AT_ONCE);
                if left_out > 0 {
                    tracing::warn!(left_out, "too many comings and goings to tell all of them");
                }
                let Some(first) = changes.first() else { break };
                let Ok(feed) = self.feeds.find(&first.namespace) else { continue };
                let batch = Batch { drafts: changes.iter().map(Change::draft).collect(), idempotency: None };
                if let Err(error) = self.engine.append(&feed, batch, self.now()).await {
                    tracing::warn!(%error, count = changes.len(), "comings and goings were not told");
                }
            }
        }
    }

    /// Whether the caller is the one that tells presence.
    pub(crate) fn claims_presence(&self) -> bool {
        !self.presence_told.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn detach(&self, id: SessionId, key: Key, given: Stretch) {
        lock(&self.sessions).detach(id, key, given, self.uptime());
    }

    /// A connection goes on from another place than where it stood; it was given this.
    pub(crate) fn given(&self, id: SessionId, given: Stretch) {
        lock(&self.sessions).given(id, given);
    }

    /// A session was told a gap.
    pub(crate) fn told(&self, id: SessionId, gap: Gap) {
        lock(&self.sessions).told(id, gap, self.now());
    }

    /// Why a session did, or did not, get an event.
    ///
    /// # Errors
    /// [`Reason::NotFound`] for a namespace that is not there, or an event that never was.
    pub async fn why(&self, namespace: &Namespace, member: Member, event: Cursor) -> Result<Why, Fault> {
        let feed = self.feeds.find(namespace)?;
        let (addressing, last) = feed.addressing(event.offset);
        if event.epoch != feed.epoch() || event.offset > last || event.offset == Offset::ZERO {
            let detail = "there is no such event".to_owned();
            return Err(Fault { reason: Reason::NotFound, field: Some("id".to_owned()), detail });
        }
        let found = lock(&self.sessions).find(namespace, member);
        let Some(found) = found else { return Ok(Why::NoSession) };
        let Some(addressing) = addressing else { return Ok(Why::Expired) };
        let first = by_addressing(&found.interest, &addressing, event.offset);
        if let Some(why @ (Why::NotAddressed | Why::Excluded)) = first {
            return Ok(why);
        }
        // What rooms it was in then is not remembered.
        if event.offset <= found.left_at && !addressing.is_broadcast() && addressing.to.is_none() {
            return Ok(Why::Forgotten);
        }
        if let Some(why) = first {
            return Ok(why);
        }
        let given = match found.live {
            Some(live) => given_by(&live, event.offset).await,
            None => None,
        };
        let why = lock(&self.sessions).why(found.id, given.map(|(stretch, _)| stretch), event.offset);
        let at = given.and_then(|(_, at)| at);
        Ok(match (why, at) {
            (Why::Delivered { way, .. }, Some(at)) => Why::Delivered { way, from: at, to: at },
            (why, _) => why,
        })
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
        self.change(namespace, session, rooms_max, now, |interest| interest.changed(join, leave, now))
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
        self.change(namespace, session, rooms_max, now, |interest| {
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
        newest: Offset,
        change: impl FnOnce(&Interest) -> Interest,
    ) -> Result<Vec<Room>, SessionError> {
        let mut sessions = lock(&self.sessions);
        let (interest, live) = sessions.change(session, namespace, rooms_max, newest, change)?;
        let rooms = rooms_of(&interest);
        // Still under the lock, so that two changes reach the worker in their order.
        if let Some(live) = live {
            live.mailbox.order(Order::Rooms(live.key, interest));
        }
        self.tell_changes(&sessions);
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
        let mut sessions = lock(&self.sessions);
        sessions.expire(self.uptime(), millis(self.limits.grace));
        self.tell_changes(&sessions);
        drop(sessions);
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

/// What a live subscriber was given so far, and when this; nothing if it has gone meanwhile.
async fn given_by(live: &Live, offset: Offset) -> Option<(Stretch, Option<Millis>)> {
    let (reply, answer) = oneshot::channel();
    live.mailbox.order(Order::Ask(Ask::Given(live.key, offset, reply)));
    tokio::time::timeout(WORKER_WAIT_MAX, answer).await.ok()?.ok()?
}

fn barred(barred: Barred) -> Fault {
    let (reason, field, detail) = match barred {
        Barred::Late => (Reason::Replaced, "turn", "a newer connection has the session"),
        Barred::Kicked => (Reason::Kicked, "session", "an operator has ended it"),
    };
    Fault { reason, field: Some(field.to_owned()), detail: detail.to_owned() }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
