//! One subscriber of a schedule: its line, and what it must be given.

use std::collections::BTreeSet;
use std::time::Duration;

use tricast_testkit::{Kept, Lane, Message, Opening, Subscriber, TestServer};

use crate::schedule::ROOMS;
use crate::verdict::{Asked, Life, Told, Verdict, Witness};

/// How long a client looks for something that may have come already.
const LOOK: Duration = Duration::from_millis(2);

/// One subscriber of a schedule.
#[derive(Debug, Default)]
pub(crate) struct Client {
    line: Option<Subscriber>,
    pub(crate) witness: Witness,
}

/// How a client asks for its stream.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) lane: Lane,
    pub(crate) asked: Asked,
    pub(crate) rooms: BTreeSet<usize>,
    /// Whether it names its session.
    pub(crate) is_named: bool,
    /// Whether it takes little at once, so that not reading is felt soon.
    pub(crate) is_narrow: bool,
}

impl Client {
    pub(crate) fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// Opens its line in place of one that it has.
    pub(crate) fn open(&mut self, server: &TestServer, wish: &Wish, life: &Life, first: u64) -> Verdict {
        self.cut();
        let named = wish.is_named.then(|| self.witness.session.clone()).filter(|name| !name.is_empty());
        let mut opening = Opening::new().rooms(&names(&wish.rooms)).after(&after(&wish.asked));
        if let Some(session) = &named {
            opening = opening.session(session);
        }
        let open = if wish.is_narrow { Subscriber::open_narrow } else { Subscriber::open };
        let line = open(server, wish.lane, &opening);
        let sync = line.sync();
        let told = told(sync);
        self.line = Some(line);
        self.witness.synced(&wish.asked, &told, Some(&wish.rooms), life, first)
    }

    /// Cuts its line without a word.
    pub(crate) fn cut(&mut self) -> Option<Kept> {
        self.line.take().map(Subscriber::cut)
    }

    /// Reads what has come, at most so many messages. True if something came.
    pub(crate) fn read_some(
        &mut self,
        count: usize,
        server: &TestServer,
        life: &Life,
    ) -> Result<bool, String> {
        let mut came = false;
        for _ in 0..count {
            let message = self.line.as_mut().and_then(|line| line.next_within(LOOK));
            let Some(message) = message else { break };
            came = true;
            self.hear(&message, server, life)?;
        }
        Ok(came)
    }

    /// Reads until it has everything up to here.
    pub(crate) fn read_up_to(&mut self, offset: u64, server: &TestServer, life: &Life) -> Verdict {
        while self.witness.upto < offset {
            let line = self.line.as_mut().ok_or("it is not connected")?;
            let message = line.message();
            self.hear(&message, server, life)?;
        }
        Ok(())
    }

    fn hear(&mut self, message: &Message, server: &TestServer, life: &Life) -> Verdict {
        match message {
            Message::Event(event) => self.witness.given(event.offset()),
            Message::Beat(cursor) => self.witness.passed(offset_of(cursor)),
            Message::Gap(gap) => {
                let first = first_retained(server);
                self.witness.gap(gap.from, gap.to, offset_of(&gap.cursor), first)
            }
            // A poll that comes late is an opening of its own.
            Message::Sync(sync) if self.line.as_ref().is_some_and(|line| line.lane() == Lane::Poll) => {
                self.witness.synced_between(&told(sync), life, first_retained(server))
            }
            other => Err(format!("{other:?} came")),
        }
    }

    /// Joins a room while connected.
    pub(crate) fn join(&mut self, room: usize, life: &Life, may_be_gone: bool) {
        if self.change("join", room, may_be_gone) {
            self.witness.joined(room, life.last());
        }
    }

    /// Leaves a room while connected.
    pub(crate) fn leave(&mut self, room: usize, life: &Life, may_be_gone: bool) {
        if self.change("leave", room, may_be_gone) {
            self.witness.left(room, life);
        }
    }

    /// False if it is not connected, or if its session was forgotten between two polls.
    fn change(&mut self, how: &str, room: usize, may_be_gone: bool) -> bool {
        let Some(line) = &mut self.line else { return false };
        if may_be_gone && line.lane() == Lane::Poll {
            let response = line.change_rooms("PATCH", &format!("{{\"{how}\":[\"{}\"]}}", ROOMS[room]));
            assert!([200, 404].contains(&response.status), "{}", response.text());
            return response.status == 200;
        }
        if how == "join" {
            line.join(&[ROOMS[room]])
        } else {
            line.leave(&[ROOMS[room]])
        };
        true
    }
}

/// The oldest retained offset, as the server tells it.
pub(crate) fn first_retained(server: &TestServer) -> u64 {
    server.state()["first"].as_u64().unwrap()
}

fn told(sync: &tricast_testkit::Sync) -> Told {
    let (epoch, offset) = sync.cursor.split_once('-').unwrap();
    Told {
        session: sync.session.clone(),
        epoch: epoch.to_owned(),
        offset: offset.parse().unwrap(),
        state: sync.state.clone(),
        missed: sync.missed,
    }
}

fn offset_of(cursor: &str) -> u64 {
    cursor.split_once('-').unwrap().1.parse().unwrap()
}

fn names(rooms: &BTreeSet<usize>) -> String {
    rooms.iter().map(|room| ROOMS[*room]).collect::<Vec<_>>().join(",")
}

fn after(asked: &Asked) -> String {
    match asked {
        Asked::Tip => "tip".to_owned(),
        Asked::Earliest => "earliest".to_owned(),
        Asked::Cursor { epoch, offset } => format!("{epoch}-{offset}"),
    }
}
