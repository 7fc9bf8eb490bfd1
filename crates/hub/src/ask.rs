//! Questions that only a worker can answer.

use tokio::sync::oneshot;
use tricast_feed::Namespace;

use crate::key::Key;
use crate::tally::Tally;
use crate::why::Stretch;

/// A question, and where the answer goes. Whoever asked may have gone.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The worker's part of a balance, by transport.
    Balance(Namespace, oneshot::Sender<[Tally; 3]>),
    /// What a subscriber was given so far; nothing if it has gone.
    Given(Key, oneshot::Sender<Option<Stretch>>),
}
