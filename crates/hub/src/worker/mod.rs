//! One worker's hub: the subscribers of its connections, and the passes that serve them.
//!
//! Everything here runs on one thread, so there is no lock on the way out. Other threads reach a worker through its
//! mailbox only.

mod drain;
mod open;
mod pass;
mod read;
mod state;
mod tick;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{spawn_local, yield_now};
use tricast_feed::{After, Label, Namespace, RoomSet, SessionId};

use crate::mailbox::{Mailbox, Order};
use crate::{Shared, Way};
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
        if shared.is_draining() {
            hub.state.borrow_mut().start_draining(&hub.state);
        }
        hub
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
    loop {
        mailbox.wait().await;
        let mut inbox = mailbox.take();
        while !(inbox.feeds.is_empty() && inbox.orders.is_empty()) {
            let Some(state) = state.upgrade() else { return };
            // Orders first: a publish that followed a join must find the join done.
            for order in inbox.orders.drain(..) {
                let is_drain = matches!(order, Order::Drain);
                state.borrow_mut().obey(order);
                if is_drain {
                    state.borrow_mut().start_draining(&state);
                }
            }
            inbox.feeds.retain(|feed| state.borrow_mut().pass(*feed));
            drop(state);
            // The connections take what they were given before the next pass.
            yield_now().await;
            let more = mailbox.take();
            inbox.orders.extend(more.orders);
            for feed in more.feeds {
                if !inbox.feeds.contains(&feed) {
                    inbox.feeds.push(feed);
                }
            }
        }
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
