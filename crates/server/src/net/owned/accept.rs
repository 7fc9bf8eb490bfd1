//! Accepting: each worker takes clients from the same listening socket, when it has time for them.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use mio::{Interest, Registry, Token};

use crate::net::service::Porter;

/// The listener's name among the seats: no connection's, for the table is never so long.
pub(super) const LISTENER: Token = Token(usize::MAX - 1);

/// Clients that are taken in before others have their turn.
const CLIENTS_MAX: usize = 32;

/// How long accepting pauses when the process or the system is out of something.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// Where a worker accepts.
#[derive(Debug, Default)]
pub(super) struct Door {
    listener: RefCell<Option<mio::net::TcpListener>>,
    porter: OnceCell<Porter>,
    /// Whether more clients may be waiting.
    has_more: Cell<bool>,
}

/// What is to be done after clients were taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Nobody waits.
    All,
    /// More may wait.
    Some,
    /// The process or the system is out of something: accepting pauses.
    Paused,
}

impl Door {
    pub(super) fn open(&self, listener: TcpListener, porter: Porter, registry: &Registry) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        *self.listener.borrow_mut() = Some(listener);
        // Opened once, when the worker starts.
        let _ = self.porter.set(porter);
        Ok(())
    }

    pub(super) fn close(&self) {
        self.listener.borrow_mut().take();
    }

    /// Somebody waits outside.
    pub(super) fn knock(&self) {
        self.has_more.set(true);
    }

    /// Takes clients in, if somebody waits.
    pub(super) fn accept(&self) -> Accepted {
        if !self.has_more.get() {
            return Accepted::All;
        }
        for _ in 0..CLIENTS_MAX {
            let accepted = match &*self.listener.borrow() {
                Some(listener) => listener.accept(),
                None => return Accepted::All,
            };
            let Some(porter) = self.porter.get() else { return Accepted::All };
            match accepted {
                Ok((stream, peer)) => porter.greet(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.has_more.set(false);
                    return Accepted::All;
                }
                // The client has gone before it came in.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    porter.pause(&error);
                    return Accepted::Paused;
                }
            }
        }
        Accepted::Some
    }
}
