//! One owned connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use tricast_feed::SessionId;
use tricast_hub::{Key, LinkFacts};

use crate::net::guests::Guest;
use crate::net::owned::io::Io;
use crate::net::owned::polls::{Phase, Polling, Polls};
use crate::net::owned::talk::Talk;

/// What the connection is for.
#[derive(Debug)]
pub(crate) enum Role {
    /// A client whose first request has not come.
    Hall(SocketAddr),
    /// Server-Sent Events; what the client sends means nothing, and is counted.
    Events(u32),
    /// A WebSocket.
    Frames(Box<Talk>),
    /// Long polls.
    Polls(Box<Polls>),
}

impl Role {
    pub(crate) fn polls(polling: Polling) -> Self {
        Self::Polls(Box::new(Polls::new(polling)))
    }

    /// A stream learns its session.
    pub(crate) fn know(&mut self, session: SessionId) {
        if let Self::Frames(talk) = self {
            talk.session = Some(session);
        }
    }

    /// Whether a poll has not been answered.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self, Self::Polls(polls) if polls.phase == Phase::Waiting)
    }

    /// Whether something was read ahead.
    pub(crate) fn has_ahead(&self) -> bool {
        match self {
            Self::Hall(_) | Self::Events(_) => false,
            Self::Frames(talk) => !talk.ahead.is_empty(),
            Self::Polls(polls) => !polls.ahead.is_empty(),
        }
    }
}

/// What a write has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The connection goes on.
    Fine,
    /// Its last bytes are out.
    Ended,
    /// It is over.
    Over,
}

/// What waits behind the rest of an event. Most connections never have it.
#[derive(Debug, Default)]
struct Later {
    replies: VecDeque<Bytes>,
    /// The answer to the newest ping; older ones need none (RFC 6455, section 5.5.3).
    pong: Option<Bytes>,
}

/// One owned connection.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Not here yet while its request is being answered.
    io: Option<Io>,
    /// Its subscriber, while it has one.
    pub(crate) key: Option<Key>,
    pub(crate) role: Role,
    /// When something is due, in milliseconds of its table's clock; zero for never.
    pub(crate) deadline: u64,
    /// Its next alarm; zero for none.
    pub(crate) alarm: u64,
    /// What must go out first.
    rest: Bytes,
    later: Option<Box<Later>>,
    guest: Option<Guest>,
    /// It took less than it was given: it goes on when the kernel says so.
    stands: bool,
    /// It ends after what it holds.
    ends: bool,
    /// Its client has closed its side, perhaps behind bytes that were not read yet.
    pub(crate) is_closing: bool,
    /// A write has failed.
    pub(crate) is_over: bool,
}

impl Conn {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            io: None,
            key: None,
            role,
            deadline: 0,
            alarm: 0,
            rest: Bytes::new(),
            later: None,
            guest: None,
            stands: false,
            ends: false,
            is_closing: false,
            is_over: false,
        }
    }

    pub(crate) fn move_in(&mut self, io: Io, guest: Guest, ahead: &[u8]) {
        self.io = Some(io);
        self.guest = Some(guest);
        match &mut self.role {
            Role::Hall(_) | Role::Events(_) => {}
            Role::Frames(talk) => talk.ahead.extend_from_slice(ahead),
            Role::Polls(polls) => polls.ahead.extend_from_slice(ahead),
        }
    }

    /// The connection moves out, with its place and what was read ahead.
    pub(crate) fn move_out(&mut self) -> Option<(Io, Guest)> {
        self.io.take().zip(self.guest.take())
    }

    /// What an operator is told of it, once its request was answered.
    pub(crate) fn facts(&self) -> Option<LinkFacts> {
        self.io.as_ref().map(Io::facts)
    }

    pub(crate) fn io(&mut self) -> Option<&mut Io> {
        self.io.as_mut()
    }

    pub(crate) fn ends(&self) -> bool {
        self.ends
    }

    /// Whether answers can be taken.
    pub(crate) fn has_room(&self, replies_max: usize) -> bool {
        self.later.as_ref().is_none_or(|later| later.replies.len() < replies_max)
    }

    /// Writes an event, unless something else must go first. Gives how many bytes the connection took.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stands || self.ends {
            return Ok(0);
        }
        let Some(io) = &mut self.io else { return Ok(0) };
        let (written, takes_more) = io.write(bytes)?;
        self.stands = !takes_more;
        Ok(written)
    }

    pub(crate) fn keep(&mut self, rest: Bytes) {
        self.rest = rest;
    }

    /// Writes what nothing stands before: the head of an answer, or an answer.
    pub(crate) fn write_first(&mut self, bytes: Bytes) -> Flow {
        self.rest = bytes;
        self.stands = false;
        self.flush()
    }

    /// Writes an answer to a command, after what it holds.
    pub(crate) fn reply(&mut self, reply: Bytes) -> Flow {
        self.later.get_or_insert_default().replies.push_back(reply);
        self.flush_unless_standing()
    }

    /// Answers a ping, in place of the answer to an older one.
    pub(crate) fn pong(&mut self, pong: Bytes) -> Flow {
        self.later.get_or_insert_default().pong = Some(pong);
        self.flush_unless_standing()
    }

    /// Ends it after what it holds and these bytes. Once.
    pub(crate) fn end(&mut self, last: Bytes) -> Flow {
        if self.ends {
            return Flow::Fine;
        }
        self.ends = true;
        self.later.get_or_insert_default().replies.push_back(last);
        if self.io.is_none() { Flow::Fine } else { self.flush_unless_standing() }
    }

    fn flush_unless_standing(&mut self) -> Flow {
        if self.stands { Flow::Fine } else { self.flush() }
    }

    /// The kernel takes more: writes what is held.
    pub(crate) fn flush(&mut self) -> Flow {
        let Some(io) = &mut self.io else { return Flow::Fine };
        loop {
            // Also where nothing is held: TLS may hold something.
            let Ok((written, takes_more)) = io.write(&self.rest) else { return Flow::Over };
            let _ = self.rest.split_to(written);
            self.stands = !takes_more;
            if self.stands {
                return Flow::Fine;
            }
            match self
                .later
                .as_mut()
                .and_then(|later| later.pong.take().or_else(|| later.replies.pop_front()))
            {
                Some(next) => self.rest = next,
                None => break,
            }
        }
        self.stands = false;
        self.later = None;
        self.rest = Bytes::new();
        if self.ends {
            io.shut();
            return Flow::Ended;
        }
        Flow::Fine
    }

    /// Whether reads must go on until there is nothing, because no other notice of more comes.
    pub(crate) fn reads_on(&self) -> bool {
        self.is_closing || self.io.as_ref().is_some_and(Io::reads_in_records)
    }

    /// Whether it takes nothing at the moment.
    pub(crate) fn stands(&self) -> bool {
        self.stands
    }
}
