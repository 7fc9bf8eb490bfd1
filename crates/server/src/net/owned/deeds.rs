//! What is done for a client that asked for something: another poll, another place, a command.

use std::rc::{Rc, Weak};

use actix_web::rt::spawn;
use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use tricast_feed::After;
use tricast_hub::{Key, Seat};
use tricast_wire::Fault;
use tricast_wire::problem::Problem;

use crate::net::owned::conn::{Flow, Role};
use crate::net::owned::{END, Owned};
use crate::net::refusal::refusal;
use crate::transport::voice::Voice;

impl Owned {
    /// Starts the next poll of a connection.
    pub(super) fn poll_again(&self, seat: u32, after: After) {
        let (key, wait, polled) = {
            let table = self.table.borrow();
            let Some(conn) = table.get(seat as usize) else { return };
            let Role::Polls(polls) = &conn.role else { return };
            let (wish, wait, key) = (&polls.polling.wish, polls.polling.wait, conn.key);
            let (session, rooms) = (wish.session, wish.rooms.clone());
            // The hub may answer at once, and finds the table free then.
            drop(table);
            match (key, after) {
                (Some(key), After::Cursor(after)) => {
                    (key, wait, self.hub.poll_again(key, after, session, rooms.as_ref()))
                }
                _ => return self.poll_afresh(seat, after),
            }
        };
        match polled {
            Ok(true) => self.wait(Seat(seat), key, wait),
            Ok(false) => self.poll_afresh(seat, after),
            Err(fault) => self.refuse(seat, fault),
        }
    }

    /// Starts the next poll of a connection with a subscriber of its own.
    fn poll_afresh(&self, seat: u32, after: After) {
        self.release(seat);
        let (wish, events_max, wait) = {
            let mut table = self.table.borrow_mut();
            let Some(conn) = table.get_mut(seat as usize) else { return };
            let Role::Polls(polls) = &mut conn.role else { return };
            polls.polling.wish.after = after;
            (polls.polling.wish.clone(), polls.polling.events_max, polls.polling.wait)
        };
        match self.hub.poll_on(&wish, events_max, Seat(seat)) {
            Ok(key) => self.wait(Seat(seat), key, wait),
            Err(fault) => self.refuse(seat, fault),
        }
    }

    /// Answers with a refusal, and ends the connection.
    fn refuse(&self, seat: u32, fault: Fault) {
        let refusal = Bytes::from(refusal(&Problem::from(fault)));
        let flow = self.table.borrow_mut().get_mut(seat as usize).map(|conn| conn.end(refusal));
        self.set_deadline(seat, END);
        self.follow(seat, flow.unwrap_or(Flow::Fine));
    }

    /// Shows a client to the door whose first request comes.
    pub(super) fn show_in(&self, seat: u32) {
        let Some(mut conn) = self.table.borrow_mut().try_remove(seat as usize) else { return };
        let (Some((io, guest)), Role::Hall(peer)) = (conn.move_out(), &conn.role) else { return };
        if let Some(front) = self.front.get().and_then(Weak::upgrade) {
            front.welcome(io.fresh(&self.registry), *peer, guest);
        }
    }

    /// Gives a connection back to the door, with what was read.
    pub(super) fn give_back(&self, seat: u32) {
        self.release(seat);
        let Some(mut conn) = self.table.borrow_mut().try_remove(seat as usize) else { return };
        let Some((io, guest)) = conn.move_out() else { return };
        let Role::Polls(polls) = &mut conn.role else { return };
        let ahead = BytesMut::from(&polls.ahead[..]);
        let Some(front) = self.front.get().and_then(Weak::upgrade) else { return };
        // Most come back at once, with another poll: a plain one stays registered here.
        let wire =
            if io.reads_in_records() { io.disown(&self.registry) } else { Ok(io.fresh(&self.registry)) };
        let Ok(wire) = wire else { return };
        let peer = wire.peer();
        let mut attended = Box::pin(front.attend(wire, ahead, peer, guest));
        if attended.as_mut().now_or_never().is_none() {
            spawn(attended);
        }
    }

    /// Carries a command out: at once, if it needs to wait for nobody.
    pub(super) fn obey(self: &Rc<Self>, seat: u32, text: String) {
        let (voice, key) = {
            let mut table = self.table.borrow_mut();
            let Some(conn) = table.get_mut(seat as usize) else { return };
            let Role::Frames(talk) = &mut conn.role else { return };
            let (Some(session), Some(key)) = (talk.session, conn.key) else { return };
            talk.is_busy = true;
            let shared = std::sync::Arc::clone(self.hub.shared());
            (Voice { shared, namespace: talk.namespace.clone(), session, limits: self.settings.publish }, key)
        };
        let mut obeyed = Box::pin(async move { voice.obey(&text).await });
        if let Some(reply) = obeyed.as_mut().now_or_never() {
            return self.reply(seat, key, reply);
        }
        let owned = Rc::downgrade(self);
        spawn(async move {
            let reply = obeyed.await;
            if let Some(owned) = owned.upgrade() {
                owned.reply(seat, key, reply);
            }
        });
    }

    /// Answers a command, if the connection is still that client's.
    fn reply(&self, seat: u32, key: Key, reply: Bytes) {
        let flow = {
            let mut table = self.table.borrow_mut();
            let Some(conn) = table.get_mut(seat as usize).filter(|conn| conn.key == Some(key)) else {
                return;
            };
            if let Role::Frames(talk) = &mut conn.role {
                talk.is_busy = false;
            }
            if conn.ends() { Flow::Fine } else { conn.reply(reply) }
        };
        self.follow(seat, flow);
        self.note(|todo| todo.reads.push(seat));
    }
}
