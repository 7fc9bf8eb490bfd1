//! The one place that draws random numbers for names.

use tricast_feed::{Epoch, SessionId};

/// A new life of a log, from the system's random source; from the clock where there is none.
pub(crate) fn random_epoch() -> Epoch {
    Epoch::from_random(getrandom::u64().unwrap_or_else(|_| crate::system_now().0))
}

/// An unguessable name. Without the system's random source nobody could be told apart safely, so the process ends.
pub(crate) fn random_session() -> SessionId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    SessionId(u128::from_ne_bytes(bytes))
}
