//! How other threads reach a worker: a flag for each feed that has news, and a few orders about single subscribers.

use tricast_feed::{Interest, Reason};

use crate::ask::Ask;
use crate::key::Key;
use crate::sync::{Arc, AtomicBool, Mutex, Notify, Ordering};

/// An order about one subscriber, or about all.
#[derive(Debug)]
pub(crate) enum Order {
    /// The subscriber ends for this reason.
    End(Key, Reason),
    /// The subscriber's session has other rooms now.
    Rooms(Key, Interest),
    /// Somebody asks what only this worker knows.
    Ask(Ask),
    /// Every subscriber ends, one by one.
    Drain,
}

/// What has come in for a worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Feeds with news, by the worker's own index.
    pub(crate) feeds: Vec<usize>,
    /// Orders in the order in which they came. At most a few a session.
    pub(crate) orders: Vec<Order>,
}

/// One worker's mailbox.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    notify: Notify,
}

impl Mailbox {
    /// Waits until something may be there.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }

    /// Takes all that has come.
    pub(crate) fn take(&self) -> Inbox {
        std::mem::take(&mut *crate::lock::lock(&self.inbox))
    }

    /// Takes the orders about single subscribers that have come, and leaves the rest.
    pub(crate) fn take_orders(&self) -> Vec<Order> {
        let mut inbox = crate::lock::lock(&self.inbox);
        if inbox.orders.is_empty() {
            return Vec::new();
        }
        let (stay, go) =
            std::mem::take(&mut inbox.orders).into_iter().partition(|order| matches!(order, Order::Drain));
        inbox.orders = stay;
        go
    }

    pub(crate) fn order(&self, order: Order) {
        crate::lock::lock(&self.inbox).orders.push(order);
        self.notify.notify_one();
    }

    fn news(&self, feed: usize) {
        crate::lock::lock(&self.inbox).feeds.push(feed);
        self.notify.notify_one();
    }
}

/// Joins a feed to a worker that has subscribers of it.
#[derive(Debug)]
pub(crate) struct Link {
    index: usize,
    dirty: AtomicBool,
    mailbox: Arc<Mailbox>,
}

impl Link {
    pub(crate) fn new(index: usize, mailbox: Arc<Mailbox>) -> Self {
        Self { index, dirty: AtomicBool::new(false), mailbox }
    }

    /// Wakes the worker, unless it has been woken for this feed and has not looked yet.
    pub(crate) fn news(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.mailbox.news(self.index);
        }
    }

    /// The worker is about to look. To be called before it reads the log, so that nothing between is missed.
    pub(crate) fn seen(&self) {
        self.dirty.store(false, Ordering::Release);
    }
}
