//! The one task that waits for all owned connections of a worker.

use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_web::rt::spawn;
use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use mio::{Events, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tricast_feed::After;
use tricast_hub::{Key, Seat};
use tricast_wire::Fault;
use tricast_wire::problem::Problem;

use crate::net::owned::accept::{Accepted, LISTENER, PAUSE};
use crate::net::owned::conn::{Conn, Flow, Role};
use crate::net::owned::polls::{Next, Phase};
use crate::net::owned::talk::Heard;
use crate::net::owned::{AHEAD_BYTES_MAX, END, Owned, READ_BYTES};
use crate::net::refusal::{late, refusal};
use crate::transport::voice::Voice;

/// Connections found ready in one turn at most.
const READY_MAX: usize = 1024;

/// Bytes that the client of an SSE stream may send, none of which mean anything.
const EVENTS_INPUT_MAX: u32 = 64 << 10;

/// Waits and works until the table is closed.
pub(super) fn drive(owned: Rc<Owned>, poll: Poll) -> io::Result<impl Future<Output = ()>> {
    let mut poll = watch(poll)?;
    let mut events = Events::with_capacity(READY_MAX);
    Ok(async move {
        let mut retry = None;
        while !owned.is_closed.get() {
            events.clear();
            let alarm = owned.deadlines.borrow().next();
            let alarm =
                alarm.map(|at| owned.start + Duration::from_millis(at)).into_iter().chain(retry).min();
            tokio::select! {
                ready = poll.readable_mut() => {
                    let Ok(mut ready) = ready else { return };
                    let polled = ready.get_inner_mut().poll(&mut events, Some(Duration::ZERO));
                    if polled.is_err() || events.is_empty() {
                        ready.clear_ready();
                    }
                }
                () = owned.noted.notified() => {}
                () = at(alarm) => {}
            }
            events.iter().for_each(|event| owned.on_ready(event));
            owned.do_noted();
            owned.on_alarms();
            retry = owned.take_in(retry);
            yield_now().await;
        }
    })
}

/// Has tokio wait for the epoll instance of the connections.
#[expect(
    deprecated,
    reason = "its successor is unsafe; a `mio::Poll` keeps its one descriptor open while it lives"
)]
fn watch(poll: Poll) -> io::Result<AsyncFd<Poll>> {
    AsyncFd::with_interest(poll, Interest::READABLE)
}

async fn at(alarm: Option<Instant>) {
    match alarm {
        Some(alarm) => sleep_until(alarm).await,
        None => std::future::pending().await,
    }
}

/// What a look at a connection's input asks for.
enum Wanted {
    Nothing,
    /// The connection is over.
    Drop,
    /// There may be more to read, after others had their turn.
    Again,
    /// A poll from another place.
    Poll(After),
    /// The rest of a request, in time.
    Rest,
    /// A first request for the door.
    Enter,
    /// A request for the door.
    GiveBack,
    /// A command, and whether more was read behind it.
    Command(String),
    /// The connection ends with these bytes.
    End(Bytes),
}

impl Owned {
    /// Takes clients in that wait outside. Gives when to try again, if that must pause.
    fn take_in(&self, retry: Option<Instant>) -> Option<Instant> {
        if retry.is_some_and(|at| at > Instant::now()) {
            return retry;
        }
        match self.door.accept() {
            Accepted::All => None,
            Accepted::Some => {
                self.wake();
                None
            }
            Accepted::Paused => Some(Instant::now() + PAUSE),
        }
    }

    fn on_ready(self: &Rc<Self>, event: &mio::event::Event) {
        if event.token() == LISTENER {
            return self.door.knock();
        }
        let seat = event.token().0 as u32;
        if event.is_read_closed()
            && let Some(conn) = self.table.borrow_mut().get_mut(seat as usize)
        {
            conn.is_closing = true;
        }
        if event.is_writable() {
            self.on_writable(seat);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.on_readable(seat);
        }
    }

    /// Writes what is held, and lets the subscriber read on if that was all.
    fn on_writable(self: &Rc<Self>, seat: u32) {
        let (flow, key, stands) = {
            let mut table = self.table.borrow_mut();
            let Some(conn) = table.get_mut(seat as usize).filter(|conn| conn.stands()) else { return };
            (conn.flush(), conn.key, conn.stands())
        };
        self.follow(seat, flow);
        if stands {
            return;
        }
        match (flow, key) {
            (Flow::Ended, _) => self.release(seat),
            (Flow::Fine, Some(key)) => self.advance(seat, key),
            (Flow::Fine | Flow::Over, _) => {}
        }
        // Commands that waited for room go on, and requests that were sent ahead.
        self.note(|todo| todo.reads.push(seat));
    }

    /// The subscriber of a connection that ends is one no more.
    fn release(&self, seat: u32) {
        let key = self.table.borrow_mut().get_mut(seat as usize).and_then(|conn| conn.key.take());
        if let Some(key) = key {
            self.hub.release(key);
        }
    }

    fn on_readable(self: &Rc<Self>, seat: u32) {
        match self.read(seat) {
            Wanted::Nothing => {}
            Wanted::Drop => self.drop_conn(seat),
            Wanted::Again => self.note(|todo| todo.reads.push(seat)),
            Wanted::Poll(after) => {
                self.poll_again(seat, after);
                self.read_to_the_end(seat);
            }
            Wanted::Rest => {
                self.set_deadline(seat, self.settings.request_timeout);
                self.read_to_the_end(seat);
            }
            Wanted::Enter => self.show_in(seat),
            Wanted::GiveBack => self.give_back(seat),
            Wanted::Command(text) => self.obey(seat, text),
            Wanted::End(last) => {
                let flow = self.table.borrow_mut().get_mut(seat as usize).map(|conn| conn.end(last));
                self.release(seat);
                self.set_deadline(seat, END);
                self.follow(seat, flow.unwrap_or(Flow::Fine));
            }
        }
    }

    /// Reads on where the client has closed its side: there is no other notice of that than the end of what it sent.
    fn read_to_the_end(&self, seat: u32) {
        if self.table.borrow().get(seat as usize).is_some_and(Conn::reads_on) {
            self.note(|todo| todo.reads.push(seat));
        }
    }

    /// Reads once, and looks at what came.
    fn read(&self, seat: u32) -> Wanted {
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat as usize) else { return Wanted::Nothing };
        let mut scratch = self.scratch.borrow_mut();
        if conn.ends() {
            return read_out(conn, &mut scratch);
        }
        match &conn.role {
            Role::Hall(_) => Wanted::Enter,
            Role::Events(_) => read_events(conn, &mut scratch),
            Role::Polls(_) => self.read_polls(conn, &mut scratch),
            Role::Frames(_) => self.read_frames(conn, &mut scratch),
        }
    }

    fn read_polls(&self, conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
        let Role::Polls(polls) = &conn.role else { return Wanted::Nothing };
        let room = (AHEAD_BYTES_MAX + 1).saturating_sub(polls.ahead.len()).min(scratch.len());
        let count = match read_into(conn, &mut scratch[..room]) {
            _ if room == 0 => 0,
            Ok(count) => count,
            Err(()) => return Wanted::Drop,
        };
        let is_held = conn.role.is_waiting() || conn.stands();
        let has_more = count > 0 && conn.reads_on();
        let Role::Polls(polls) = &mut conn.role else { return Wanted::Nothing };
        let was_empty = polls.ahead.is_empty();
        if is_held || !was_empty {
            polls.ahead.extend_from_slice(&scratch[..count]);
        }
        // Most requests come whole and alone, and are never copied.
        let input = if was_empty { &scratch[..count] } else { &polls.ahead[..] };
        let next = if is_held { Next::Nothing } else { polls.next(input) };
        let (used, wanted) = match next {
            Next::Again(after, used) => (used, Wanted::Poll(after)),
            Next::Other => (0, Wanted::GiveBack),
            // A client that sends so much before it has its answer is up to no good.
            Next::Nothing if polls.ahead.len() > AHEAD_BYTES_MAX => return Wanted::Drop,
            // Also of a head that began behind the request before it, and of one that TLS gave by records.
            Next::Nothing if !is_held && !input.is_empty() && !polls.is_timed => {
                polls.is_timed = true;
                (0, Wanted::Rest)
            }
            Next::Nothing if has_more => (0, Wanted::Again),
            Next::Nothing => (0, Wanted::Nothing),
        };
        if !is_held && was_empty {
            polls.ahead.extend_from_slice(&scratch[used..count]);
        } else if used > 0 {
            polls.ahead.drain(..used);
        }
        if used > 0 {
            polls.phase = Phase::Waiting;
            polls.is_timed = false;
        }
        if polls.ahead.is_empty() {
            polls.ahead = Vec::new();
        }
        wanted
    }

    fn read_frames(&self, conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
        let has_room = conn.has_room(self.settings.hub.replies_max);
        let key = conn.key;
        let Role::Frames(talk) = &mut conn.role else { return Wanted::Nothing };
        if talk.is_busy || !has_room {
            return Wanted::Nothing;
        }
        let ahead = std::mem::take(&mut talk.ahead);
        // Behind what was read ahead more may have come.
        let mut has_more = true;
        let mut input = &ahead[..];
        if ahead.is_empty() {
            let Ok(count) = read_into(conn, scratch) else { return Wanted::Drop };
            has_more = count == scratch.len() || conn.reads_on();
            input = &scratch[..count];
        }
        if input.is_empty() {
            return Wanted::Nothing;
        }
        if let Some(key) = key {
            self.hub.heard(key);
        }
        let mut pong = None;
        let Role::Frames(talk) = &mut conn.role else { return Wanted::Nothing };
        let heard = talk.hear(&mut input, self.settings.message_bytes_max, &mut pong);
        talk.ahead = input.to_vec();
        if let Some(pong) = pong
            && conn.pong(pong) == Flow::Over
        {
            return Wanted::Drop;
        }
        match heard {
            Heard::Nothing if has_more => Wanted::Again,
            Heard::Nothing => Wanted::Nothing,
            Heard::Command(text) => Wanted::Command(text),
            Heard::Last(last) => Wanted::End(last),
        }
    }

    /// Starts the next poll of a connection.
    fn poll_again(&self, seat: u32, after: After) {
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
    fn show_in(&self, seat: u32) {
        let Some(mut conn) = self.table.borrow_mut().try_remove(seat as usize) else { return };
        let (Some((io, guest)), Role::Hall(peer)) = (conn.move_out(), &conn.role) else { return };
        if let Some(front) = self.front.get().and_then(Weak::upgrade) {
            front.welcome(io.fresh(&self.registry), *peer, guest);
        }
    }

    /// Gives a connection back to the door, with what was read.
    fn give_back(&self, seat: u32) {
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
    fn obey(self: &Rc<Self>, seat: u32, text: String) {
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

    /// Does what was noted while the hub was at work.
    fn do_noted(self: &Rc<Self>) {
        self.is_noted.set(false);
        let todo = std::mem::take(&mut *self.todo.borrow_mut());
        for seat in todo.pulls {
            let found = self.table.borrow().get(seat as usize).map(|conn| (conn.key, conn.stands()));
            if let Some((Some(key), false)) = found {
                self.advance(seat, key);
            }
        }
        for seat in todo.reads {
            self.on_readable(seat);
        }
        todo.released.into_iter().for_each(|key| self.hub.release(key));
        for seat in todo.dead {
            // By now the seat may be another connection's.
            if self.table.borrow().get(seat as usize).is_some_and(|conn| conn.is_over) {
                self.drop_conn(seat);
            }
        }
    }

    /// Does what is due.
    fn on_alarms(self: &Rc<Self>) {
        let now = self.now();
        while let Some((at, seat)) = self.take_alarm(now) {
            let due =
                self.table.borrow_mut().get_mut(seat as usize).and_then(|conn| self.is_due(conn, at, seat));
            match due {
                Some(Due::Answer(key)) => self.hub.answer_now(key),
                Some(Due::Late) => {
                    let flow = self.table.borrow_mut().get_mut(seat as usize).map(|conn| conn.end(late()));
                    self.set_deadline(seat, END);
                    self.follow(seat, flow.unwrap_or(Flow::Fine));
                }
                Some(Due::Drop) => self.drop_conn(seat),
                None => {}
            }
        }
    }

    fn take_alarm(&self, now: u64) -> Option<(u64, u32)> {
        self.deadlines.borrow_mut().take(now)
    }

    /// What is due on a connection whose alarm went off, if that was its newest one and its deadline has come.
    fn is_due(&self, conn: &mut Conn, at: u64, seat: u32) -> Option<Due> {
        if conn.alarm != at {
            return None;
        }
        conn.alarm = 0;
        if conn.deadline > self.now() {
            self.deadlines.borrow_mut().add(conn.deadline, seat, &mut conn.alarm);
            return None;
        }
        match conn.key {
            Some(key) if conn.role.is_waiting() => Some(Due::Answer(key)),
            _ if conn.ends() => Some(Due::Drop),
            _ if conn.role.has_ahead() || matches!(conn.role, Role::Hall(_)) => Some(Due::Late),
            _ => Some(Due::Drop),
        }
    }
}

/// What is due on a connection.
enum Due {
    /// A poll's time is up.
    Answer(Key),
    /// A request was not finished in time.
    Late,
    /// It rested for too long, or did not end in time.
    Drop,
}

/// Reads once. An error is the end of the connection, by whatever side.
fn read_into(conn: &mut Conn, into: &mut [u8]) -> Result<usize, ()> {
    match conn.io().map(|io| io.read(into)) {
        Some(Ok(Some(0)) | Err(_)) => Err(()),
        Some(Ok(Some(count))) => Ok(count),
        Some(Ok(None)) | None => Ok(0),
    }
}

/// Reads what a client still sends on a connection that ends, to see it close.
fn read_out(conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
    match read_into(conn, scratch) {
        Err(()) => Wanted::Drop,
        Ok(count) if count == READ_BYTES || (count > 0 && conn.reads_on()) => Wanted::Again,
        Ok(_) => Wanted::Nothing,
    }
}

fn read_events(conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
    let Ok(count) = read_into(conn, scratch) else { return Wanted::Drop };
    let reads_on = conn.reads_on();
    let Role::Events(input) = &mut conn.role else { return Wanted::Nothing };
    // A read takes far less than the range.
    *input = input.saturating_add(count as u32);
    match count {
        _ if *input > EVENTS_INPUT_MAX => Wanted::Drop,
        READ_BYTES => Wanted::Again,
        1.. if reads_on => Wanted::Again,
        _ => Wanted::Nothing,
    }
}
