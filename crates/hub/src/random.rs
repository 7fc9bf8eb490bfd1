//! The one place that draws random numbers for names.

use std::cell::RefCell;

use tricast_feed::{Epoch, SessionId};

/// A new life of a log, from the system's random source; from the clock where there is none.
pub(crate) fn random_epoch() -> Epoch {
    Epoch::from_random(getrandom::u64().unwrap_or_else(|_| crate::system_now().0))
}

/// Names drawn from the system at once: asking it for each costs a system call.
const NAMES_AT_ONCE: usize = 32;

thread_local! {
    static NAMES: RefCell<Vec<SessionId>> = const { RefCell::new(Vec::new()) };
}

/// An unguessable name. Without the system's random source nobody could be told apart safely, so the process ends.
pub(crate) fn random_session() -> SessionId {
    NAMES.with_borrow_mut(|names| {
        if names.is_empty() {
            let mut bytes = [[0; 16]; NAMES_AT_ONCE];
            getrandom::fill(bytes.as_flattened_mut()).expect("the system has a random source");
            names.extend(bytes.map(|bytes| SessionId(u128::from_ne_bytes(bytes))));
        }
        names.pop().expect("names were drawn")
    })
}
