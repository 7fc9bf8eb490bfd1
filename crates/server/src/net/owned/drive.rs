//! The one task that waits for all owned connections of a worker.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::{Events, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tricast_hub::Key;

use crate::net::owned::accept::{Accepted, LISTENER, PAUSE};
use crate::net::owned::conn::{Conn, Flow, Role};
use crate::net::owned::input::Wanted;
use crate::net::owned::{END, Owned};
use crate::net::refusal::late;

/// Connections found ready in one turn at most.
const READY_MAX: usize = 1024;

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
    pub(super) fn release(&self, seat: u32) {
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
