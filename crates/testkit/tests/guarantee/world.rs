//! The server of a schedule, what was published on it, and its subscribers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tricast_testkit::TestServer;

use crate::client::{Client, Wish, first_retained};
use crate::schedule::{CLIENTS, Place, ROOMS, Step};
use crate::verdict::{Asked, Life, Published};

/// How much history the server keeps, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    pub(crate) events: usize,
    /// Seconds that a session outlives its last line.
    pub(crate) grace_secs: u64,
    /// How a log in files is kept; without, it is in memory alone.
    pub(crate) durability: Option<&'static str>,
}

/// Bytes of a large event. A few of them fill what the kernel takes ahead for a client that does not read.
const LARGE_BYTES: usize = 8 << 10;

/// A little longer than between two looks of the server for what is too old.
const SWEEP: Duration = Duration::from_millis(1200);

/// The server of a schedule, what was published on it, and its subscribers.
pub(crate) struct World {
    history: History,
    folder: TempDir,
    /// `None` only while it starts again.
    server: Option<TestServer>,
    life: Life,
    clients: Vec<Client>,
}

fn start(history: History, folder: &str) -> TestServer {
    let in_files =
        history.durability.map(|durability| [("store.path", folder), ("store.durability", durability)]);
    let (events, grace_secs) = (history.events.to_string(), history.grace_secs.to_string());
    let memory = [
        ("history.events", events.as_str()),
        ("session.grace_secs", grace_secs.as_str()),
        // Small reads and passes, so that a few events are many turns.
        ("limits.read_bytes_max", "1024"),
        ("limits.pass_events_max", "2"),
        ("socket.unsent_max", "1024"),
        ("drain.max_secs", "1"),
    ];
    let flags: Vec<_> = memory.into_iter().chain(in_files.into_iter().flatten()).collect();
    TestServer::with(&flags)
}

/// The rooms of a mask.
fn numbers(mask: u8) -> BTreeSet<usize> {
    (0..ROOMS.len()).filter(|room| mask & (1 << room) != 0).collect()
}

impl World {
    pub(crate) fn new(history: History) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start(history, folder.path().to_str().unwrap());
        let life = Life { epoch: epoch(&server), log: Vec::new() };
        Self { history, folder, server: Some(server), life, clients: Vec::new() }
    }

    fn server(&self) -> &TestServer {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        let count = self.clients.len().max(1);
        let may_be_gone = self.history.grace_secs == 0;
        match *step {
            Step::Publish { rooms, except, to, key, count, is_large } => {
                self.publish(rooms, except, to, key, count, is_large);
            }
            Step::Open { lane, rooms, place, is_narrow } if self.clients.len() < CLIENTS => {
                self.clients.push(Client::default());
                let (client, rooms) = (self.clients.len() - 1, numbers(rooms));
                let asked = self.asked(client, place);
                self.open(client, &Wish { lane, asked, rooms, is_named: false, is_narrow });
            }
            Step::Open { .. } => {}
            Step::Return { client, lane, place, rooms, is_named } if !self.clients.is_empty() => {
                let (client, asked) = (client % count, self.asked(client % count, place));
                let rooms = rooms.map_or_else(|| self.rooms_of(client), numbers);
                self.open(client, &Wish { lane, asked, rooms, is_named, is_narrow: false });
            }
            Step::Return { .. } => {}
            Step::Restart => self.restart(),
            Step::Wait => std::thread::sleep(SWEEP),
            Step::Read { client, count: most } => {
                let server = self.server.as_ref().unwrap();
                let read = self
                    .clients
                    .get_mut(client % count)
                    .map(|known| known.read_some(most, server, &self.life));
                judge(client % count, read.transpose().map(drop));
            }
            Step::Join { client, room } => {
                self.with(client % count, |known, life| known.join(room, life, may_be_gone));
            }
            Step::Leave { client, room } => {
                self.with(client % count, |known, life| known.leave(room, life, may_be_gone));
            }
            Step::Cut { client } => self.with(client % count, |known, _| drop(known.cut())),
        }
    }

    fn with(&mut self, client: usize, change: impl FnOnce(&mut Client, &Life)) {
        if let Some(known) = self.clients.get_mut(client) {
            change(known, &self.life);
        }
    }

    fn rooms_of(&self, client: usize) -> BTreeSet<usize> {
        self.clients[client].witness.rooms.keys().copied().collect()
    }

    fn publish(
        &mut self,
        rooms: u8,
        except: Option<usize>,
        to: Option<usize>,
        key: bool,
        count: usize,
        is_large: bool,
    ) {
        let session = |client: Option<usize>| {
            client.and_then(|client| self.clients.get(client)).map(|client| client.witness.session.clone())
        };
        let to = session(to);
        let except = session(except).filter(|_| to.is_none());
        let rooms = if to.is_some() { BTreeSet::new() } else { numbers(rooms) };
        let event = Published { rooms: rooms.into_iter().collect(), except, to, has_key: key };
        self.publish_all(&event, count, if is_large { LARGE_BYTES } else { 0 });
    }

    /// Publishes a batch of like events, and lets every subscriber that is there know what it must be given.
    fn publish_all(&mut self, event: &Published, count: usize, filler: usize) {
        let rooms: Vec<&str> = event.rooms.iter().map(|room| ROOMS[*room]).collect();
        let mut body = json!({ "rooms": rooms, "data": "x".repeat(filler) });
        for (field, session) in [("except", &event.except), ("to", &event.to)] {
            if let Some(session) = session {
                body[field] = session.as_str().into();
            }
        }
        if event.has_key {
            body["key"] = "k".into();
        }
        let batch = vec![body; count];
        let ids = self.server().publish(&json!(batch).to_string());
        for id in ids {
            let offset = self.life.last() + 1;
            assert_eq!(id, format!("{}-{offset}", self.life.epoch), "without a hole");
            for client in self.clients.iter_mut().filter(|client| client.is_connected()) {
                client.witness.published(offset, event);
            }
            self.life.log.push(event.clone());
        }
    }

    fn asked(&self, client: usize, place: Place) -> Asked {
        let witness = &self.clients[client].witness;
        let epoch = if witness.epoch.is_empty() { &self.life.epoch } else { &witness.epoch };
        let at = |offset| Asked::Cursor { epoch: epoch.clone(), offset };
        match place {
            Place::Own => at(witness.upto),
            Place::Before(part) => at(witness.upto * u64::from(part) / 255),
            Place::Tip => Asked::Tip,
            Place::Earliest => Asked::Earliest,
            Place::Future => at(self.life.last() + 7),
            Place::Foreign => Asked::Cursor { epoch: "aaaaaaaa".to_owned(), offset: witness.upto },
        }
    }

    fn open(&mut self, client: usize, wish: &Wish) {
        // A line that is cut leaves the server before another one comes.
        let server = self.server.as_ref().unwrap();
        let first = first_retained(server);
        let verdict = self.clients[client].open(server, wish, &self.life, first);
        judge(client, verdict.map_err(|wrong| format!("{wish:?}: {wrong}")));
    }

    /// Everybody is cut, and what is kept in memory is gone with the process.
    fn restart(&mut self) {
        for client in &mut self.clients {
            client.cut();
        }
        if let Some(server) = self.server.take() {
            server.begin_to_stop();
            server.wait_for_end();
        }
        let server = start(self.history, self.folder.path().to_str().unwrap());
        if self.history.durability.is_some() {
            assert_eq!(epoch(&server), self.life.epoch, "a log in files goes on");
        } else {
            assert_ne!(epoch(&server), self.life.epoch, "a numbering that cannot go on is another one");
            self.life = Life { epoch: epoch(&server), log: Vec::new() };
        }
        self.server = Some(server);
    }

    /// Everybody comes back, and reads up to an event for all.
    pub(crate) fn settle(mut self) {
        for client in 0..self.clients.len() {
            if !self.clients[client].is_connected() {
                let (asked, rooms) = (self.asked(client, Place::Own), self.rooms_of(client));
                let lane = tricast_testkit::Lane::ALL[client % 3];
                self.open(client, &Wish { lane, asked, rooms, is_named: true, is_narrow: false });
            }
        }
        self.publish_all(&Published::default(), 1, 0);
        let (last, server) = (self.life.last(), self.server.as_ref().unwrap());
        for (place, client) in self.clients.iter_mut().enumerate() {
            judge(place, client.read_up_to(last, server, &self.life));
            judge(place, client.witness.settled());
        }
    }
}

fn epoch(server: &TestServer) -> String {
    server.state()["epoch"].as_str().unwrap().to_owned()
}

#[track_caller]
fn judge<T>(client: usize, verdict: Result<T, String>) {
    if let Err(wrong) = verdict {
        panic!("client {client}: {wrong}");
    }
}
