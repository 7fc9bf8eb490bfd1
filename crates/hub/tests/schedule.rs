//! The hub against a plain model: any schedule of publish, subscribe, read, join, leave and drop gives every session
//! what the model gives, on a real worker with its tasks, without a socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use proptest::prelude::*;
use tricast_feed::{
    Addressing, After, Cursor, Draft, EventType, Millis, Namespace, Offset, Retention, Room, RoomSet,
    SessionId,
};
use tricast_hub::{Batch, Feeds, Hub, Limits, MemoryEngine, Shared, Stream, Way, Wish, system_now};
use tricast_wire::text::member_of;

const ROOMS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Publish { room: Option<usize>, except: Option<usize>, to: Option<usize>, count: usize },
    Open { way: u8, room: Option<usize>, from_start: bool },
    Take { client: usize, pieces: usize },
    Join { client: usize, room: usize },
    Leave { client: usize, room: usize },
    Reopen { client: usize, way: u8 },
    Breathe,
}

fn step() -> impl Strategy<Value = Step> {
    let room = || proptest::option::of(0..ROOMS.len());
    let client = || 0_usize..6;
    prop_oneof![
        6 => (room(), proptest::option::weighted(0.2, client()), proptest::option::weighted(0.1, client()), 1_usize..4)
            .prop_map(|(room, except, to, count)| Step::Publish { room, except, to, count }),
        3 => (0_u8..3, room(), any::<bool>()).prop_map(|(way, room, from_start)| Step::Open { way, room, from_start }),
        5 => (client(), 1_usize..4).prop_map(|(client, pieces)| Step::Take { client, pieces }),
        1 => (client(), 0..ROOMS.len()).prop_map(|(client, room)| Step::Join { client, room }),
        1 => (client(), 0..ROOMS.len()).prop_map(|(client, room)| Step::Leave { client, room }),
        2 => (client(), 0_u8..3).prop_map(|(client, way)| Step::Reopen { client, way }),
        4 => Just(Step::Breathe),
    ]
}

fn room(index: usize) -> Room {
    Room::new(ROOMS[index]).unwrap()
}

fn namespace() -> Namespace {
    Namespace::new("default").unwrap()
}

/// One client: what it was given, and what the model says it should have been given.
struct Client {
    way: Way,
    stream: Option<Stream>,
    session: SessionId,
    cursor: u64,
    got: Vec<u64>,
    due: Vec<u64>,
    rooms: Vec<usize>,
    text: Vec<u8>,
}

struct World {
    shared: Arc<Shared>,
    hub: Hub,
    clients: Vec<Client>,
    last: u64,
}

impl World {
    fn new() -> Self {
        let retention = Retention { events_max: 100_000, ..Retention::default() };
        let feeds = Feeds::new(&[(namespace(), retention.into())], retention.into(), false, 10);
        let limits = Limits { read_bytes_max: 400, pass_events_max: 3, beat_secs: 3600, ..Limits::default() };
        let engine = Arc::new(MemoryEngine::new(Millis(1000), 10));
        let shared = Shared::new(feeds, engine, limits, system_now);
        let hub = Hub::start(&shared);
        Self { shared, hub, clients: Vec::new(), last: 0 }
    }

    async fn apply(&mut self, step: &Step) {
        let count = self.clients.len().max(1);
        match *step {
            Step::Publish { room, except, to, count } => self.publish(room, except, to, count).await,
            Step::Open { way, room, from_start } if self.clients.len() < 6 => {
                self.open(way, room, from_start);
            }
            Step::Take { client, pieces } => self.take(client % count, pieces).await,
            Step::Join { client, room } => self.change(client % count, Some(room), None).await,
            Step::Leave { client, room } => self.change(client % count, None, Some(room)).await,
            Step::Reopen { client, way } => self.reopen(client % count, way),
            Step::Open { .. } => {}
            Step::Breathe => breathe().await,
        }
    }

    async fn publish(
        &mut self,
        to_room: Option<usize>,
        except: Option<usize>,
        to: Option<usize>,
        count: usize,
    ) {
        let session = |client: Option<usize>| {
            client.and_then(|client| self.clients.get(client)).map(|c| member_of(c.session))
        };
        let (except, to) = (session(except), session(to));
        let rooms = if to.is_some() { vec![] } else { to_room.into_iter().map(room).collect() };
        let except = if to.is_some() { None } else { except };
        let addressing = Addressing { rooms: RoomSet::new(rooms), except, to };
        let draft = Draft {
            kind: EventType::message(),
            addressing,
            key: None,
            from: None,
            data: Bytes::from_static(b"\"0123456789\""),
        };
        let batch = Batch { drafts: vec![draft; count], idempotency: None };
        let appended = self.shared.publish(&namespace(), batch).await.unwrap();
        assert_eq!(appended.first.0, self.last + 1);
        for offset in self.last + 1..=self.last + count as u64 {
            for client in &mut self.clients {
                let member = member_of(client.session);
                let for_all = to.is_none() && except != Some(member);
                let in_room = to_room.is_none_or(|room| client.rooms.contains(&room));
                if to == Some(member) || (for_all && in_room) {
                    client.due.push(offset);
                }
            }
        }
        self.last += count as u64;
    }

    fn open(&mut self, way: u8, in_room: Option<usize>, from_start: bool) {
        let rooms: Vec<usize> = in_room.into_iter().collect();
        // A start in the past would need the model of all that was published: it is the log's own test. Here the
        // start is the tip, asked for by name or by its cursor.
        let feed = self.shared.feeds.find(&namespace()).unwrap();
        let tip = Cursor { epoch: feed.epoch(), offset: Offset(self.last) };
        let after = if from_start { After::Cursor(tip) } else { After::Tip };
        let way = Way::ALL[way as usize];
        let mut client = Client {
            way,
            stream: None,
            session: SessionId(0),
            cursor: self.last,
            got: vec![],
            due: vec![],
            rooms,
            text: vec![],
        };
        let rooms = Some(RoomSet::new(client.rooms.iter().copied().map(room).collect()));
        let wish = Wish {
            namespace: namespace(),
            way: stream_way(way),
            is_chunked: false,
            after,
            rooms,
            session: None,
            rate: None,
            turn: None,
            label: None,
        };
        let stream = self.hub.open(&wish).unwrap();
        client.session = stream.session();
        client.stream = Some(stream);
        self.clients.push(client);
    }

    /// The client is cut and comes back, perhaps by another way, with its session and its cursor.
    fn reopen(&mut self, client: usize, way: u8) {
        let Some(client) = self.clients.get_mut(client) else { return };
        client.stream = None;
        client.text.clear();
        client.way = Way::ALL[way as usize];
        let feed = self.shared.feeds.find(&namespace()).unwrap();
        let after = After::Cursor(Cursor { epoch: feed.epoch(), offset: Offset(client.cursor) });
        let session = Some(client.session);
        let way = stream_way(client.way);
        let wish = Wish {
            namespace: namespace(),
            way,
            is_chunked: false,
            after,
            rooms: None,
            session,
            rate: None,
            turn: None,
            label: None,
        };
        let stream = self.hub.open(&wish).unwrap();
        assert_eq!(stream.session(), client.session, "the session lives on");
        client.stream = Some(stream);
    }

    /// Settles first, so that the model knows exactly what the client had before its rooms changed.
    async fn change(&mut self, client: usize, join: Option<usize>, leave: Option<usize>) {
        if self.clients.get(client).is_none() {
            return;
        }
        if leave.is_some() {
            self.drain(client).await;
        }
        let list = |index: Option<usize>| index.into_iter().map(room).collect::<Vec<_>>();
        let session = self.clients[client].session;
        self.shared.change_rooms(&namespace(), session, &list(join), &list(leave), 10).unwrap();
        let rooms = &mut self.clients[client].rooms;
        rooms.retain(|room| Some(*room) != leave);
        if let Some(join) = join.filter(|join| !rooms.contains(join)) {
            rooms.push(join);
        }
    }

    async fn take(&mut self, client: usize, pieces: usize) {
        for _ in 0..pieces {
            if self.clients.get(client).is_none() || !self.take_piece(client).await {
                return;
            }
        }
    }

    /// Takes what the stream has ready. False if there is nothing.
    async fn take_piece(&mut self, client: usize) -> bool {
        let client = &mut self.clients[client];
        let Some(stream) = &mut client.stream else { return false };
        let Ok(Some(bytes)) = tokio::time::timeout(Duration::ZERO, stream.next()).await else { return false };
        client.text.extend_from_slice(&bytes);
        let text = String::from_utf8_lossy(&client.text).into_owned();
        assert!(!text.contains("\"notice\":\"gap\""), "nothing is lost here: {text}");
        for id in text.split("{\"id\":\"").skip(1) {
            let offset = id.split(['-', '"']).nth(1).unwrap().parse().unwrap();
            client.got.push(offset);
            client.cursor = offset;
        }
        client.text.clear();
        true
    }

    async fn drain(&mut self, client: usize) {
        for _ in 0..10_000 {
            breathe().await;
            if !self.take_piece(client).await {
                return;
            }
        }
        panic!("a stream has no end");
    }

    /// The balance holds at any moment, and once all is read nothing is pending.
    async fn check_balance(&self, pending: u64) {
        let balance = self.shared.balance(&namespace()).await.unwrap();
        assert_eq!(balance.fault(), 0, "{balance:?}");
        let open: u64 = balance.ways.iter().map(|tally| tally.pending).sum();
        assert_eq!(open, pending, "{balance:?}");
    }

    async fn settle(&mut self) {
        for client in 0..self.clients.len() {
            self.drain(client).await;
            let client = &self.clients[client];
            assert_eq!(client.got, client.due, "{:?}", client.way);
        }
    }
}

/// Polls are tested over sockets; here each client holds a stream.
fn stream_way(way: Way) -> Way {
    if way == Way::Poll { Way::Sse } else { way }
}

/// Lets the worker read its mail.
async fn breathe() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn on_a_worker<F: Future>(work: impl FnOnce() -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move { work().await })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_schedule_gives_what_the_model_gives(steps in proptest::collection::vec(step(), 1..80)) {
        on_a_worker(|| async {
            let mut world = World::new();
            for step in &steps {
                world.apply(step).await;
                let balance = world.shared.balance(&namespace()).await.unwrap();
                assert_eq!(balance.fault(), 0, "{balance:?}");
            }
            world.settle().await;
            world.check_balance(0).await;
            world.clients.clear();
            breathe().await;
            world.check_balance(0).await;
            assert_eq!(world.hub.subscribers(), 0, "everything is given back");
            assert_eq!(world.shared.subscribers(), 0);
        });
    }
}

/// A poll that is answered by a pass, by its own session's event, and by the end of its wait.
#[test]
fn polls_are_answered() {
    on_a_worker(|| async {
        let mut world = World::new();
        let wish = |after, session| Wish {
            namespace: namespace(),
            way: Way::Poll,
            is_chunked: false,
            after,
            rooms: None,
            session,
            rate: None,
            turn: None,
            label: None,
        };
        let empty = world.hub.poll(&wish(After::Tip, None), 10).unwrap().answer(Duration::ZERO).await;
        let text = String::from_utf8(empty.to_vec()).unwrap();
        assert!(text.starts_with("{\"sync\":{\"session\":\"s_") && text.contains("\"events\":[]"), "{text}");
        let session = text.split('"').nth(5).unwrap().to_owned();
        let session = tricast_wire::text::parse_session(&session).unwrap();
        let feed = world.shared.feeds.find(&namespace()).unwrap();
        let tip = After::Cursor(Cursor { epoch: feed.epoch(), offset: Offset(0) });

        let parked = world.hub.poll(&wish(tip, Some(session)), 10).unwrap();
        world.publish(None, None, None, 2).await;
        let answer = parked.answer(Duration::from_secs(5)).await;
        let text = String::from_utf8(answer.to_vec()).unwrap();
        assert!(text.starts_with("{\"events\":[{\"id\":"), "a poll that goes on has no sync: {text}");
        assert_eq!(text.matches("{\"id\":").count(), 2);
        assert_eq!(world.shared.subscribers(), 0);
    });
}
