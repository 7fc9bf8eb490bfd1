//! How a handler takes the connection that its request came on.

use std::cell::RefCell;
use std::rc::Rc;

use actix_web::{HttpMessage as _, HttpRequest};
use bytes::Bytes;
use tricast_hub::{Hub, Key, Seat, Wish};
use tricast_wire::Fault;

use crate::net::owned::{Owned, Polling, Role};

/// Found with a request whose connection can be taken over.
#[derive(Debug, Clone)]
pub(crate) struct Native {
    owned: Rc<Owned>,
    claim: Rc<RefCell<Option<Claim>>>,
}

/// A connection that a handler has taken. Until it moves, it has a seat and nothing else; dropped before, it gives the
/// seat back.
#[derive(Debug)]
pub(crate) struct Claim {
    owned: Rc<Owned>,
    pub(crate) seat: Seat,
    /// What follows the head of the answer.
    pub(crate) opening: Bytes,
    is_moved: bool,
}

impl Native {
    pub(crate) fn new(owned: &Rc<Owned>) -> Self {
        Self { owned: Rc::clone(owned), claim: Rc::default() }
    }

    /// The one of this request, if its connection can be taken over.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// What the handler took.
    pub(crate) fn take(&self) -> Option<Claim> {
        self.claim.borrow_mut().take()
    }

    /// Opens a stream on this connection.
    pub(crate) fn open(&self, hub: &Hub, wish: &Wish, role: impl FnOnce() -> Role) -> Result<(), Fault> {
        let mut claim = self.claim(role());
        let opened = hub.open_on(wish, claim.seat)?;
        self.owned.enter(claim.seat, opened.key, opened.session);
        claim.opening = opened.opening;
        *self.claim.borrow_mut() = Some(claim);
        Ok(())
    }

    /// Starts a poll on this connection.
    pub(crate) fn poll(&self, hub: &Hub, polling: Polling) -> Result<(), Fault> {
        let wait = polling.wait;
        let wish = polling.wish.clone();
        let events_max = polling.events_max;
        let claim = self.claim(Role::polls(polling));
        let key: Key = hub.poll_on(&wish, events_max, claim.seat)?;
        self.owned.wait(claim.seat, key, wait);
        *self.claim.borrow_mut() = Some(claim);
        Ok(())
    }

    fn claim(&self, role: Role) -> Claim {
        let seat = self.owned.reserve(role);
        Claim { owned: Rc::clone(&self.owned), seat, opening: Bytes::new(), is_moved: false }
    }
}

impl Claim {
    /// The connection moves: from now on the seat is given back when it closes.
    pub(crate) fn moved(mut self) -> Seat {
        self.is_moved = true;
        self.seat
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_moved {
            self.owned.cancel(self.seat);
        }
    }
}
