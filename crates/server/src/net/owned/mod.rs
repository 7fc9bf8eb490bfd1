//! The connections that this worker's hub writes to itself.
//!
//! Each is a record in a table: its socket, what must go out before anything else, and what its client's side needs.
//! One task for all of them waits for readiness ([`drive`]); there is none for each. The hub writes through
//! [`Carrier`] in the middle of a pass, so nothing here may call the hub while the hub is at work: what is found out
//! then is noted in [`Todo`] and done by the task.
//!
//! Bounds, for each connection: of what goes out, the rest of one event or one answer, `limits.replies_max` answers and
//! one pong; of what comes in, one message (`limits.message_bytes`) or one request head, and [`AHEAD_BYTES_MAX`] read
//! ahead. A client that sends more than it is read is not read from.

mod accept;
mod conn;
mod deadlines;
mod deeds;
mod drive;
mod heads;
mod input;
mod io;
mod polls;
mod talk;

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{SocketAddr, TcpListener};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;
use tricast_feed::SessionId;
use tricast_hub::{Carrier, Hub, Key, LinkFacts, Seat};

use crate::net::front::Front;
use crate::net::guests::Guest;
use crate::net::service::{KEEP_ALIVE, Porter};
use crate::net::wire::Wire;
use crate::settings::Settings;
use accept::Door;
pub(crate) use conn::Role;
use conn::{Conn, Flow};
use deadlines::Deadlines;
use heads::Heads;
pub(crate) use polls::Polling;
#[cfg(feature = "fuzz")]
pub(crate) use polls::check_likeness;
pub(crate) use talk::Talk;

/// Bytes read ahead of a poll that waits, or of a WebSocket whose client does not read its answers.
const AHEAD_BYTES_MAX: usize = 16 << 10;

/// Bytes that one read takes.
const READ_BYTES: usize = 64 << 10;

/// How long a connection may take to end: to write what it holds, and then for its client to close.
const END: Duration = Duration::from_secs(2);

/// The start of a connection that a handler has taken.
#[derive(Debug)]
pub(crate) struct Start {
    /// The head of the request.
    pub(crate) request_head: Bytes,
    /// The head of the answer.
    pub(crate) answer_head: BytesMut,
    /// What follows it, on a stream.
    pub(crate) opening: Bytes,
    /// Whether the connection ends with the answer.
    pub(crate) closes: bool,
}

/// What could not be done while the hub was at work.
#[derive(Debug, Default)]
struct Todo {
    /// Subscribers that shall read on.
    pulls: Vec<u32>,
    /// Connections that are over.
    dead: Vec<u32>,
    /// Subscribers whose connection ends.
    released: Vec<Key>,
    /// Connections from which more is to be read.
    reads: Vec<u32>,
}

/// A worker's owned connections.
#[derive(Debug)]
pub(crate) struct Owned {
    hub: Hub,
    settings: Arc<Settings>,
    registry: Rc<mio::Registry>,
    table: RefCell<Slab<Conn>>,
    todo: RefCell<Todo>,
    /// Wakes the task, for what was noted.
    noted: Notify,
    deadlines: RefCell<Deadlines>,
    heads: RefCell<Heads>,
    scratch: RefCell<Vec<u8>>,
    start: Instant,
    front: OnceCell<Weak<Front>>,
    door: Door,
    is_noted: Cell<bool>,
    /// Whether the server has stopped.
    is_closed: Cell<bool>,
}

impl Owned {
    /// Makes this worker's table, names it to the hub and starts its task.
    ///
    /// # Errors
    /// If there can be no epoll instance.
    pub(crate) fn start(hub: &Hub, settings: &Arc<Settings>) -> std::io::Result<Rc<Self>> {
        let poll = mio::Poll::new()?;
        let owned = Rc::new(Self {
            hub: hub.clone(),
            settings: Arc::clone(settings),
            registry: Rc::new(poll.registry().try_clone()?),
            table: RefCell::default(),
            todo: RefCell::default(),
            noted: Notify::new(),
            deadlines: RefCell::default(),
            heads: RefCell::default(),
            scratch: RefCell::new(vec![0; READ_BYTES]),
            start: Instant::now(),
            front: OnceCell::new(),
            door: Door::default(),
            is_noted: Cell::new(false),
            is_closed: Cell::new(false),
        });
        let carrier: Rc<dyn Carrier> = Rc::<Self>::clone(&owned);
        hub.carry(Some(carrier));
        actix_web::rt::spawn(drive::drive(Rc::clone(&owned), poll)?);
        Ok(owned)
    }

    /// Takes clients in from this listener from now on.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(crate) fn accept_from(&self, listener: TcpListener, porter: Porter) -> std::io::Result<()> {
        self.door.open(listener, porter, &self.registry)
    }

    /// Closes all connections: the server has stopped.
    pub(crate) fn close(&self) {
        self.door.close();
        self.is_closed.set(true);
        self.noted.notify_one();
        self.hub.carry(None);
        let seats: Vec<u32> = self.table.borrow().iter().map(|(seat, _)| seat as u32).collect();
        seats.into_iter().for_each(|seat| self.drop_conn(seat));
    }

    /// Names the door to which connections go whose next request is another one.
    pub(crate) fn give_back_to(&self, front: &Rc<Front>) {
        // Set once, when the worker starts.
        let _ = self.front.set(Rc::downgrade(front));
    }

    /// Milliseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Makes a seat for a connection that comes when its request was answered.
    pub(crate) fn reserve(&self, role: Role) -> Seat {
        let mut table = self.table.borrow_mut();
        // Connections are fewer than `limits.connections_max`, and descriptors than 2^32.
        Seat(table.insert(Conn::new(role)) as u32)
    }

    /// The request was not granted after all.
    pub(crate) fn cancel(&self, seat: Seat) {
        self.drop_conn(seat.0);
    }

    /// A stream's subscriber has this seat.
    pub(crate) fn enter(&self, seat: Seat, key: Key, session: SessionId) {
        if let Some(conn) = self.table.borrow_mut().get_mut(seat.0 as usize) {
            conn.key = Some(key);
            conn.role.know(session);
        }
    }

    /// A poll's subscriber has this seat, and waits so long, if it has not been answered already.
    pub(crate) fn wait(&self, seat: Seat, key: Key, wait: Duration) {
        let waits = {
            let mut table = self.table.borrow_mut();
            let Some(conn) = table.get_mut(seat.0 as usize) else { return };
            conn.key = Some(key);
            conn.role.is_waiting()
        };
        if waits && wait.is_zero() {
            self.hub.answer_now(key);
        } else if waits {
            self.set_deadline(seat.0, wait);
        }
    }

    /// A client is here whose first request is not: it is waited for, for as long as a request may take.
    pub(crate) fn await_request(&self, wire: Wire, peer: SocketAddr, guest: Guest) {
        let seat = self.reserve(Role::Hall(peer));
        let moved = io::Io::own(wire, &self.registry, mio::Token(seat.0 as usize));
        match (moved, self.table.borrow_mut().get_mut(seat.0 as usize)) {
            (Ok(io), Some(conn)) => conn.move_in(io, guest, &[]),
            _ => return self.cancel(seat),
        }
        self.set_deadline(seat.0, self.settings.request_timeout);
    }

    /// The connection moves in: its answer begins.
    pub(crate) fn attach(self: &Rc<Self>, seat: Seat, wire: Wire, guest: Guest, start: Start, ahead: &[u8]) {
        // What came with the request is not told again by the kernel, nor what TLS holds.
        let has_more = !ahead.is_empty() || matches!(wire, Wire::Tls(_));
        let key = {
            let mut table = self.table.borrow_mut();
            let Some(conn) = table.get_mut(seat.0 as usize) else { return };
            let token = mio::Token(seat.0 as usize);
            let moved = io::Io::own(wire, &self.registry, token);
            match moved {
                Ok(io) => conn.move_in(io, guest, ahead),
                Err(error) => {
                    tracing::debug!(%error, "an owned connection could not be registered");
                    drop(table);
                    return self.drop_conn(seat.0);
                }
            }
            conn.key
        };
        self.begin(seat.0, start);
        if let Some(key) = key {
            self.advance(seat.0, key);
        }
        if has_more {
            self.note(|todo| todo.reads.push(seat.0));
        }
    }

    /// Writes the head of the answer, and what has come for it meanwhile.
    fn begin(&self, seat: u32, start: Start) {
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat as usize) else { return };
        let flow = match &mut conn.role {
            Role::Polls(polls) => {
                polls.learn(&start, &mut self.heads.borrow_mut());
                match polls.early.take() {
                    Some(body) => self.answer_on(conn, seat, &body),
                    None => Flow::Fine,
                }
            }
            Role::Hall(_) | Role::Events(_) | Role::Frames(_) => {
                let mut first = start.answer_head;
                first.extend_from_slice(&start.opening);
                conn.write_first(first.freeze())
            }
        };
        drop(table);
        self.follow(seat, flow);
    }

    /// Notes what a write has shown.
    fn follow(&self, seat: u32, flow: Flow) {
        match flow {
            Flow::Fine => {}
            Flow::Over => self.bury(seat),
            Flow::Ended => self.set_deadline(seat, END),
        }
    }

    /// A connection is over: it goes once the hub is not at work.
    fn bury(&self, seat: u32) {
        if let Some(conn) = self.table.borrow_mut().get_mut(seat as usize) {
            conn.is_over = true;
            self.note(|todo| todo.dead.push(seat));
        }
    }

    fn note(&self, what: impl FnOnce(&mut Todo)) {
        what(&mut self.todo.borrow_mut());
        self.wake();
    }

    /// Wakes the task, once until it looks.
    fn wake(&self) {
        if !self.is_noted.replace(true) {
            self.noted.notify_one();
        }
    }

    fn set_deadline(&self, seat: u32, after: Duration) {
        let at = self.now() + u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 2);
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat as usize) else { return };
        conn.deadline = at;
        if self.deadlines.borrow_mut().add(at, seat, &mut conn.alarm) {
            self.wake();
        }
    }

    /// Lets a stream's subscriber read on.
    fn advance(&self, seat: u32, key: Key) {
        if self.hub.advance(key) == tricast_hub::Advance::More {
            self.note(|todo| todo.pulls.push(seat));
        }
    }

    /// Forgets a connection, and closes it.
    fn drop_conn(&self, seat: u32) {
        let Some(mut gone) = self.table.borrow_mut().try_remove(seat as usize) else { return };
        if let Some(io) = gone.io() {
            io.part();
        }
        if let Some(key) = gone.key {
            self.hub.release(key);
        }
    }

    fn answer_on(&self, conn: &mut Conn, seat: u32, body: &Bytes) -> Flow {
        let Role::Polls(polls) = &mut conn.role else { return Flow::Fine };
        let now = self.now();
        let Some(full) = polls.answer(body, &mut self.heads.borrow_mut(), now) else { return Flow::Fine };
        let closes = polls.closes;
        let flow = conn.write_first(full);
        if closes && matches!(flow, Flow::Fine) {
            return conn.end(Bytes::new());
        }
        conn.deadline = now + u64::try_from(KEEP_ALIVE.as_millis()).unwrap_or(0);
        if self.deadlines.borrow_mut().add(conn.deadline, seat, &mut conn.alarm) {
            self.wake();
        }
        flow
    }
}

impl Carrier for Owned {
    fn send(&self, seat: Seat, bytes: &Bytes) -> usize {
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat.0 as usize) else { return 0 };
        let Ok(written) = conn.send(bytes) else {
            drop(table);
            self.bury(seat.0);
            return 0;
        };
        written
    }

    fn keep(&self, seat: Seat, rest: Bytes) {
        if let Some(conn) = self.table.borrow_mut().get_mut(seat.0 as usize) {
            conn.keep(rest);
        }
    }

    fn answer(&self, seat: Seat, body: &Bytes) {
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat.0 as usize) else { return };
        let flow = self.answer_on(conn, seat.0, body);
        let has_more = conn.role.has_ahead();
        drop(table);
        self.follow(seat.0, flow);
        if has_more {
            self.note(|todo| todo.reads.push(seat.0));
        }
    }

    fn end(&self, seat: Seat, last: Bytes) {
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat.0 as usize) else { return };
        let flow = conn.end(last);
        let released = if flow == Flow::Ended { conn.key.take() } else { None };
        drop(table);
        self.follow(seat.0, flow);
        self.set_deadline(seat.0, END);
        self.note(|todo| todo.released.extend(released));
    }

    fn facts(&self, seat: Seat) -> Option<LinkFacts> {
        self.table.borrow().get(seat.0 as usize)?.facts()
    }

    fn pull(&self, seat: Seat) {
        self.note(|todo| todo.pulls.push(seat.0));
    }
}
