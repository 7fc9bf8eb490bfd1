//! One look at everything that is counted.

use std::time::Duration;

use tricast_feed::Namespace;
use tricast_hub::{FeedState, Shared};

use crate::metrics::House;

/// What was counted at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    /// The namespaces in the order of their names.
    pub(super) feeds: Vec<(Namespace, FeedState)>,
    /// Events handed to subscribers.
    pub(super) deliveries: u64,
    pub(super) sessions: usize,
    pub(super) connections: usize,
    pub(super) connections_max: usize,
    pub(super) is_draining: bool,
    pub(super) uptime: Duration,
}

impl Sample {
    /// Takes one. It waits for nothing but short locks.
    pub(super) fn take(shared: &Shared, house: &House) -> Self {
        let mut feeds: Vec<_> =
            shared.feeds.all().iter().map(|feed| (feed.namespace().clone(), feed.state())).collect();
        feeds.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Self {
            feeds,
            deliveries: shared.deliveries(),
            sessions: shared.sessions(),
            connections: house.guests.here(),
            connections_max: house.guests.most(),
            is_draining: shared.is_draining(),
            uptime: house.started.elapsed(),
        }
    }
}
