//! Counts connections over all workers, whoever holds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Guests {
    most: usize,
    here: AtomicUsize,
}

/// One connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Guest(Arc<Guests>);

impl Guests {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, here: AtomicUsize::new(0) })
    }

    /// Takes a place, if one is free.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Guest> {
        let guest = Guest(Arc::clone(self));
        // A guest too many leaves again by being dropped.
        (self.here.fetch_add(1, Ordering::Relaxed) < self.most).then_some(guest)
    }

    /// Connections at the moment.
    pub(crate) fn here(&self) -> usize {
        self.here.load(Ordering::Relaxed)
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.here.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let guests = Guests::new(2);
        let (first, second) = (guests.enter(), guests.enter());
        assert!(first.is_some() && second.is_some() && guests.enter().is_none());
        assert_eq!(guests.here(), 2);
        drop(first);
        assert!(guests.enter().is_some());
        assert_eq!(guests.here(), 1);
    }
}
