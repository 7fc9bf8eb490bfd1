//! A subscription as its user sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::sync::{mpsc, watch};
use tricast_wire::decode::{Beat, EventMsg, Gap, Sync};

use crate::{Error, Transport, Way};

/// What a subscription tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// An event: each once, in order.
    Event(EventMsg),
    /// The stream starts, or goes on, after this cursor. A state of `reset` tells that something was missed.
    Sync(Sync),
    /// These offsets will not come.
    Gap(Gap),
    /// The server is there, and everything up to the cursor has come.
    Beat(Beat),
    /// The connection changed.
    State(State),
}

/// What the connection is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A connection is being made.
    Connecting {
        /// By this transport.
        way: Way,
    },
    /// The server answers.
    Open {
        /// By this transport.
        way: Way,
    },
    /// The connection was lost or could not be had.
    Waiting {
        /// The transport that is tried next.
        way: Way,
        /// How long until then.
        delay: Duration,
        /// How many failures there were in a row.
        failures: u32,
        /// What happened, for people.
        cause: String,
    },
}

/// A running subscription: a stream of updates that ends after an error, and only then. Dropping it closes the
/// connection.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) updates: mpsc::Receiver<Result<Update, Error>>,
    pub(crate) choice: watch::Sender<Transport>,
    pub(crate) counts: Arc<AtomicCounts>,
}

impl Subscription {
    /// Goes on by another transport from where it stands. Nothing is lost or doubled: the session and the cursor
    /// are handed over. Takes effect as soon as the updates that were read already are taken.
    pub fn switch(&self, transport: Transport) {
        self.choice.send_replace(transport);
    }

    /// What has been counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            connections: read(&self.counts.connections),
            duplicates_dropped: read(&self.counts.duplicates_dropped),
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Update, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.updates.poll_recv(context)
    }
}

/// What a subscription has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections by which the server was heard: one more than reconnects and changes of transport. The polls of one connection
    /// count as one.
    pub connections: u64,
    /// Events that came again and were dropped.
    pub duplicates_dropped: u64,
}

/// The same, shared with the task that counts.
#[derive(Debug, Default)]
pub(crate) struct AtomicCounts {
    pub(crate) connections: AtomicU64,
    pub(crate) duplicates_dropped: AtomicU64,
}
