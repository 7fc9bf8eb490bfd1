//! One look at everything that is counted.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use tricast_feed::Namespace;
use tricast_hub::{Balance, FeedState, Shared};
use tricast_wire::Fault;

use crate::metrics::House;

/// Namespaces whose balances are asked for at once.
const ASKED_AT_ONCE_MAX: usize = 16;

/// What was counted at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    /// The namespaces in the order of their names.
    pub(super) feeds: Vec<(Namespace, FeedState)>,
    /// Their balances in the same order; none if a worker does not answer.
    pub(super) balances: Vec<Balance>,
    pub(super) sessions: usize,
    pub(super) connections: usize,
    pub(super) connections_max: usize,
    pub(super) is_draining: bool,
    pub(super) uptime: Duration,
}

impl Sample {
    /// Takes one. It waits for every worker's part of the balances, as long as [`Shared::balance`] waits.
    pub(super) async fn take(shared: &Shared, house: &House) -> Self {
        let mut feeds: Vec<_> =
            shared.feeds.all().iter().map(|feed| (feed.namespace().clone(), feed.state())).collect();
        feeds.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Self {
            balances: balances(shared, &feeds).await.unwrap_or_default(),
            feeds,
            sessions: shared.sessions(),
            connections: house.guests.here(),
            connections_max: house.guests.most(),
            is_draining: shared.is_draining(),
            uptime: house.started.elapsed(),
        }
    }
}

async fn balances(shared: &Shared, feeds: &[(Namespace, FeedState)]) -> Result<Vec<Balance>, Fault> {
    let asked = feeds.iter().map(|(namespace, _)| shared.balance(namespace));
    futures::stream::iter(asked).buffered(ASKED_AT_ONCE_MAX).try_collect().await
}
