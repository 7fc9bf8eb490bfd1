//! One worker's hub: the subscribers of its connections, and the passes that serve them.
//!
//! Everything here runs on one thread, so there is no lock on the way out. Other threads reach a worker through its
//! mailbox only.

mod answer;
mod drain;
mod open;
mod parts;
mod pass;
mod read;
mod state;
mod tick;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tokio::time::Instant;
use tricast_feed::{After, Label, Namespace, Reason, RoomSet, SessionId};
use tricast_wire::notice::Close;

use crate::mailbox::{Inbox, Mailbox, Order};
use crate::{Advance, Carrier, Key, Shared, Way};
pub use open::Opened;
use pass::Run;
pub(crate) use state::State;

/// What a client asks for when it subscribes.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The namespace.
    pub namespace: Namespace,
    /// The transport.
    pub way: Way,
    /// Whether an SSE stream shall carry HTTP/1.1's chunks already, because its carrier writes bytes as they are.
    pub is_chunked: bool,
    /// Where to start.
    pub after: After,
    /// Rooms, if any were named; for a session that goes on they replace its own.
    pub rooms: Option<RoomSet>,
    /// The session to go on with.
    pub session: Option<SessionId>,
    /// Deliveries a second that it wants at most; what comes between two is gathered.
    pub rate: Option<u32>,
    /// Grows with every connection that the client makes for its session: an older one cannot end a newer.
    pub turn: Option<u64>,
    /// A name for logs.
    pub label: Option<Label>,
}

/// One worker's hub. Clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: Rc<RefCell<State>>,
}

impl Hub {
    /// Makes this thread's hub and starts its tasks. To be called on a thread that runs a
    /// [`tokio::task::LocalSet`] or an actix runtime.
    pub fn start(shared: &Arc<Shared>) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        shared.enlist(Arc::clone(&mailbox));
        let state = Rc::new(RefCell::new(State::new(Arc::clone(shared), Arc::clone(&mailbox))));
        let hub = Self { shared: Arc::clone(shared), state };
        spawn_local(read_mail(Rc::downgrade(&hub.state), mailbox));
        spawn_local(keep_time(Rc::downgrade(&hub.state)));
        let pacing = Rc::clone(&hub.state.borrow().pacing);
        spawn_local(keep_pace(Rc::downgrade(&hub.state), pacing));
        if shared.claims_presence() {
            spawn_local(Arc::clone(shared).tell_presence());
        }
        if shared.is_draining() {
            hub.state.borrow_mut().start_draining(&hub.state);
        }
        hub
    }

    /// Names who owns connections of this worker, or that nobody does any more. To be called before the first subscriber,
    /// and at the end.
    pub fn carry(&self, carrier: Option<Rc<dyn Carrier>>) {
        self.state.borrow_mut().carry(carrier);
    }

    /// Lets the subscriber of a carrier's connection read on: at first, and whenever the connection goes on after it
    /// stood, or was asked for by [`Carrier::pull`].
    pub fn advance(&self, key: Key) -> Advance {
        self.state.borrow_mut().advance(key)
    }

    /// The client of a carrier's connection was heard.
    pub fn heard(&self, key: Key) {
        if let Some(line) = self.state.borrow_mut().line(key) {
            line.heard();
        }
    }

    /// Answers the poll of a carrier's connection with what it has, because its time is up. Does nothing if it was
    /// answered before.
    pub fn answer_now(&self, key: Key) {
        self.state.borrow_mut().answer_without_events(key, &[]);
    }

    /// Ends the stream of a carrier's connection for a reason.
    pub fn end(&self, key: Key, reason: Reason, detail: &str) {
        self.state.borrow_mut().end(key, &Close::new(reason, detail));
    }

    /// Forgets a subscriber. Its carrier calls this when the connection is gone, and may use the seat again then.
    pub fn release(&self, key: Key) {
        self.state.borrow_mut().remove(key);
    }

    /// What all workers share.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Subscribers of this worker.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.state.borrow().len()
    }
}

type Weak = std::rc::Weak<RefCell<State>>;

/// Carries out what the mailbox brings, until the hub is gone.
async fn read_mail(state: Weak, mailbox: Arc<Mailbox>) {
    let mut work = Work::default();
    loop {
        mailbox.wait().await;
        work.add(mailbox.take());
        while !work.is_done() {
            let Some(state) = state.upgrade() else { return };
            work.turn(&state);
            drop(state);
            // Connections take what they were given, and new ones come in, before it goes on.
            yield_now().await;
            work.add(mailbox.take());
        }
    }
}

/// Subscribers that a pass serves before other work of the thread has its turn.
const STEP: usize = 256;

/// What a worker has to do.
#[derive(Debug, Default)]
struct Work {
    orders: Vec<Order>,
    /// Feeds with news, each once.
    feeds: Vec<usize>,
    /// Passes under way, at most one over each feed.
    runs: Vec<Run>,
}

impl Work {
    fn add(&mut self, inbox: Inbox) {
        self.orders.extend(inbox.orders);
        for feed in inbox.feeds {
            if !self.feeds.contains(&feed) {
                self.feeds.push(feed);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.orders.is_empty() && self.feeds.is_empty() && self.runs.is_empty()
    }

    /// Obeys all orders, begins the passes that can begin, and brings each that is under way one step on.
    fn turn(&mut self, state: &Rc<RefCell<State>>) {
        // Orders first: a publish that followed a join must find the join done.
        for order in self.orders.drain(..) {
            let is_drain = matches!(order, Order::Drain);
            state.borrow_mut().obey(order);
            if is_drain {
                state.borrow_mut().start_draining(state);
            }
        }
        let Self { feeds, runs, .. } = self;
        let is_under_way = |runs: &[Run], feed| runs.iter().any(|run| run.feed() == feed);
        feeds.retain(|feed| {
            let waits = is_under_way(runs, *feed);
            if !waits {
                runs.extend(state.borrow_mut().plan(*feed));
            }
            waits
        });
        runs.retain_mut(|run| {
            let remains = state.borrow_mut().step(run, STEP);
            if !remains && run.has_more {
                feeds.push(run.feed());
            }
            remains
        });
    }
}

/// Ticks once a second, until the hub is gone.
async fn keep_time(state: Weak) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(state) = state.upgrade() else { return };
        state.borrow_mut().tick();
    }
}

/// Lets those go on whose time has come, until the hub is gone.
async fn keep_pace(state: Weak, pacing: Rc<Notify>) {
    loop {
        let Some(strong) = state.upgrade() else { return };
        let next = strong.borrow_mut().call_paced(Instant::now());
        drop(strong);
        match next {
            // Woken early by one that is due before; at the latest after a second, to see whether the hub is gone.
            Some(at) => {
                let _ = tokio::time::timeout_at(at, pacing.notified()).await;
            }
            None => {
                let _ = tokio::time::timeout(Duration::from_secs(1), pacing.notified()).await;
            }
        }
    }
}
