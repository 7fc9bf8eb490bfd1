//! Questions that only a worker can answer.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tricast_feed::{Millis, Namespace, Offset, Room};

use crate::key::Key;
use crate::roster::{Choice, Connection, Listing};
use crate::tally::Tally;
use crate::why::Stretch;

/// A question, and where the answer goes. Whoever asked may have gone.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The worker's part of a balance, by transport.
    Balance(Namespace, oneshot::Sender<[Tally; 3]>),
    /// What a subscriber was given so far, and when the event at this offset, where a pass gave it; nothing if the
    /// subscriber has gone.
    Given(Key, Offset, oneshot::Sender<Option<(Stretch, Option<Millis>)>>),
    /// The worker's connections, the first of those that are asked for.
    Connections(Namespace, Choice, oneshot::Sender<Listing<Connection>>),
    /// How many of the worker's connections are in each room.
    Rooms(Namespace, oneshot::Sender<HashMap<Room, usize>>),
}
