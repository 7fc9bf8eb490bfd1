//! The hub against a plain model: any schedule of publish, subscribe, read, join, leave, cut, return and expiry gives
//! every session what it must be given and tells it the rest, on a real worker with its tasks, without a socket.
//!
//! Time is virtual. A seed that fails is kept in `schedule.proptest-regressions`. `TRICAST_SOAK=20` runs twenty times as many schedules; see `make soak`.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tricast_feed::{
    Addressing, After, ConflationKey, Cursor, Draft, Epoch, EventType, Millis, Namespace, Offset, Retention,
    Room, RoomSet,
};
use tricast_hub::{
    Batch, Feed, Feeds, Hub, Limits, MemoryEngine, Options, Shared, Slow, SlowPolicy, Stream, Way, Wish,
};
use tricast_wire::decode::{Message, Notice, SseDecoder, SseItem, SyncState};
use tricast_wire::text::{member_of, parse_cursor, parse_session, session as session_text};

#[expect(dead_code, reason = "the tests over sockets use more of it")]
#[path = "../../testkit/tests/guarantee/verdict.rs"]
mod verdict;

use verdict::{Asked, Life, Published, Told, Verdict, Witness};

const ROOMS: [&str; 3] = ["a", "b", "c"];

/// A worker has had its turn for everything when a client has looked so often and found nothing.
const QUIET: usize = 20;

/// How long a session outlives its stream.
const GRACE: Duration = Duration::from_secs(30);

/// Where a client goes on.
#[derive(Debug, Clone)]
enum Place {
    /// Where it stands.
    Own,
    /// Somewhere before, by so many parts of 255.
    Before(u8),
    Tip,
    Earliest,
    /// Further than anything was published.
    Future,
    /// In a numbering that is not this one.
    Foreign,
}

#[derive(Debug, Clone)]
enum Step {
    Publish { rooms: u8, except: Option<usize>, to: Option<usize>, has_key: bool, count: usize },
    Open { way: u8, rooms: u8, place: Place },
    Take { client: usize, pieces: usize },
    Join { client: usize, room: usize },
    Leave { client: usize, room: usize },
    Reopen { client: usize, way: u8, place: Place, rooms: Option<u8>, is_named: bool },
    Cut { client: usize },
    Wait { secs: u64 },
    Breathe,
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        6 => Just(Place::Own),
        3 => any::<u8>().prop_map(Place::Before),
        1 => Just(Place::Tip),
        1 => Just(Place::Earliest),
        1 => Just(Place::Future),
        1 => Just(Place::Foreign),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0_usize..6;
    let rooms = || 0_u8..8;
    let some = |weight| proptest::option::weighted(weight, client());
    prop_oneof![
        8 => (rooms(), some(0.2), some(0.1), any::<bool>(), 1_usize..5).prop_map(
            |(rooms, except, to, has_key, count)| Step::Publish { rooms, except, to, has_key, count }
        ),
        3 => (0_u8..3, rooms(), place()).prop_map(|(way, rooms, place)| Step::Open { way, rooms, place }),
        5 => (client(), 1_usize..4).prop_map(|(client, pieces)| Step::Take { client, pieces }),
        1 => (client(), 0..ROOMS.len()).prop_map(|(client, room)| Step::Join { client, room }),
        1 => (client(), 0..ROOMS.len()).prop_map(|(client, room)| Step::Leave { client, room }),
        3 => (client(), 0_u8..3, place(), proptest::option::weighted(0.3, rooms()), proptest::bool::weighted(0.8))
            .prop_map(|(client, way, place, rooms, is_named)| Step::Reopen { client, way, place, rooms, is_named }),
        1 => client().prop_map(|client| Step::Cut { client }),
        1 => prop_oneof![3 => 1_u64..4, 1 => Just(35)].prop_map(|secs| Step::Wait { secs }),
        4 => Just(Step::Breathe),
    ]
}

fn namespace() -> Namespace {
    Namespace::new("default").unwrap()
}

/// The rooms of a mask.
fn numbers(mask: u8) -> BTreeSet<usize> {
    (0..ROOMS.len()).filter(|room| mask & (1 << room) != 0).collect()
}

fn room_set(numbers: impl IntoIterator<Item = usize>) -> RoomSet {
    RoomSet::new(numbers.into_iter().map(|room| Room::new(ROOMS[room]).unwrap()).collect())
}

thread_local! {
    /// The hub's clock, in milliseconds.
    static NOW: Cell<u64> = const { Cell::new(1_000_000) };
}

fn now() -> Millis {
    Millis(NOW.get())
}

/// One client: its stream, what has come of it and is not read, and what it must be given.
struct Client {
    way: Way,
    stream: Option<Stream>,
    decoder: SseDecoder,
    witness: Witness,
    /// When its last stream went, where it has none.
    gone_at: u64,
}

struct World {
    shared: Arc<Shared>,
    hub: Hub,
    feed: Arc<Feed>,
    life: Life,
    clients: Vec<Client>,
    /// What is done for those that lag, where something is.
    policy: Option<SlowPolicy>,
    /// How many deliveries a second everybody asks for.
    rate: Option<u32>,
}

impl World {
    fn new(options: Options, rate: Option<u32>) -> Self {
        let policy = options.slow.events_max.map(|_| options.slow.policy);
        let feeds = Feeds::new(&[(namespace(), options.clone())], options, false, 10);
        let limits = Limits {
            read_bytes_max: 400,
            pass_events_max: 3,
            beat_secs: 7,
            stall_secs: 1_000_000,
            grace: GRACE,
            ..Limits::default()
        };
        let engine = Arc::new(MemoryEngine::new(Millis(1000), 10));
        let shared = Shared::new(feeds, engine, limits, now);
        let hub = Hub::start(&shared);
        let feed = shared.feeds.find(&namespace()).unwrap();
        let life = Life { epoch: feed.epoch().to_string(), log: Vec::new() };
        Self { shared, hub, feed, life, clients: Vec::new(), policy, rate }
    }

    async fn apply(&mut self, step: &Step) {
        let count = self.clients.len().max(1);
        match step {
            Step::Publish { rooms, except, to, has_key, count } => {
                self.publish(*rooms, *except, *to, *has_key, *count).await;
            }
            Step::Open { way, rooms, place } if self.clients.len() < 6 => {
                let (decoder, witness) = (SseDecoder::new(1 << 20), Witness::default());
                self.clients.push(Client { way: Way::Ws, stream: None, decoder, witness, gone_at: 0 });
                self.open(self.clients.len() - 1, *way, place, &numbers(*rooms), false);
            }
            Step::Open { .. } => {}
            Step::Take { client, pieces } => self.take(client % count, *pieces),
            Step::Join { client, room } => self.join(client % count, *room),
            Step::Leave { client, room } => self.leave(client % count, *room),
            Step::Reopen { client, way, place, rooms, is_named } => {
                if let Some(known) = self.clients.get(client % count) {
                    let own = known.witness.rooms.keys().copied().collect();
                    let rooms = rooms.map_or(own, numbers);
                    self.open(client % count, *way, place, &rooms, *is_named);
                }
            }
            Step::Cut { client } => self.cut(client % count),
            Step::Wait { secs } => self.wait(*secs).await,
            Step::Breathe => breathe().await,
        }
    }

    async fn publish(
        &mut self,
        rooms: u8,
        except: Option<usize>,
        to: Option<usize>,
        has_key: bool,
        count: usize,
    ) {
        let session = |client: Option<usize>| {
            client.and_then(|client| self.clients.get(client)).map(|client| client.witness.session.clone())
        };
        let to = session(to);
        let except = session(except).filter(|_| to.is_none());
        let rooms: Vec<usize> = if to.is_some() { vec![] } else { numbers(rooms).into_iter().collect() };
        let id = |name: &Option<String>| name.as_ref().map(|name| member_of(parse_session(name).unwrap()));
        let addressing =
            Addressing { rooms: room_set(rooms.iter().copied()), except: id(&except), to: id(&to) };
        let data = Bytes::from_static(b"\"0123456789\"");
        let draft = Draft {
            kind: EventType::message(),
            addressing,
            key: has_key.then(|| ConflationKey::new("k").unwrap()),
            from: None,
            data,
        };
        let batch = Batch { drafts: vec![draft; count], idempotency: None };
        let appended = self.shared.publish(&namespace(), batch).await.unwrap();
        assert_eq!(appended.first.0, self.life.last() + 1, "without a hole");
        for _ in 0..count {
            let event = Published { rooms: rooms.clone(), except: except.clone(), to: to.clone(), has_key };
            let offset = self.life.last() + 1;
            for client in self.clients.iter_mut().filter(|client| client.stream.is_some()) {
                client.witness.published(offset, &event);
            }
            self.life.log.push(event);
        }
    }

    fn first(&self) -> u64 {
        self.feed.state().first.0
    }

    fn asked(&self, client: usize, place: &Place) -> Asked {
        let witness = &self.clients[client].witness;
        let at = |offset| Asked::Cursor { epoch: self.life.epoch.clone(), offset };
        match place {
            Place::Own => at(witness.upto),
            Place::Before(part) => at(witness.upto * u64::from(*part) / 255),
            Place::Tip => Asked::Tip,
            Place::Earliest => Asked::Earliest,
            Place::Future => at(self.life.last() + 7),
            Place::Foreign => {
                Asked::Cursor { epoch: Epoch::from_random(1).to_string(), offset: witness.upto }
            }
        }
    }

    /// Opens a client's stream, in place of one that it has. With its session, if that is to be named.
    fn open(&mut self, client: usize, way: u8, place: &Place, rooms: &BTreeSet<usize>, is_named: bool) {
        let (asked, first) = (self.asked(client, place), self.first());
        let known = &mut self.clients[client];
        let named = is_named.then(|| known.witness.session.clone());
        let had_stream = known.stream.is_some();
        known.way = if way == 0 { Way::Sse } else { Way::Ws };
        let wish = Wish {
            namespace: namespace(),
            way: known.way,
            is_chunked: false,
            after: wish_after(&asked),
            rooms: Some(room_set(rooms.iter().copied())),
            session: named.as_ref().map(|name| parse_session(name).unwrap()),
            rate: self.rate,
            turn: None,
            label: None,
        };
        let stream = self.hub.open(&wish).unwrap();
        if let Some(named) = named {
            let age = NOW.get() - known.gone_at;
            let is_kept = session_text(stream.session()) == named;
            assert!(
                is_kept || (!had_stream && age > GRACE.as_millis() as u64),
                "the session lives for its grace"
            );
        }
        known.stream = Some(stream);
        known.decoder = SseDecoder::new(1 << 20);
        let told = first_told(known);
        let verdict = known.witness.synced(&asked, &told, Some(rooms), &self.life, first);
        verdict.unwrap_or_else(|wrong| panic!("client {client}: {wrong}"));
    }

    fn cut(&mut self, client: usize) {
        if let Some(client) = self.clients.get_mut(client)
            && client.stream.take().is_some()
        {
            client.gone_at = NOW.get();
        }
    }

    fn join(&mut self, client: usize, room: usize) {
        let tip = self.life.last();
        if self.change(client, &[room], &[]) {
            self.clients[client].witness.joined(room, tip);
        }
    }

    fn leave(&mut self, client: usize, room: usize) {
        if self.change(client, &[], &[room]) {
            self.clients[client].witness.left(room, &self.life);
        }
    }

    /// False if the session is gone.
    fn change(&self, client: usize, join: &[usize], leave: &[usize]) -> bool {
        let Some(client) = self.clients.get(client) else { return false };
        let list = |rooms: &[usize]| room_set(rooms.iter().copied()).iter().cloned().collect::<Vec<_>>();
        let session = parse_session(&client.witness.session).unwrap();
        let changed = self.shared.change_rooms(&namespace(), session, &list(join), &list(leave), 10);
        let age = NOW.get() - client.gone_at;
        let may_be_gone = client.stream.is_none() && age > GRACE.as_millis() as u64;
        assert!(changed.is_ok() || may_be_gone, "a session that lives can be changed");
        changed.is_ok()
    }

    fn take(&mut self, client: usize, pieces: usize) {
        for _ in 0..pieces {
            if self.clients.get(client).is_none() || !self.take_piece(client) {
                return;
            }
        }
    }

    /// Takes what the stream has ready. False if there is nothing.
    fn take_piece(&mut self, client: usize) -> bool {
        let first = self.first();
        let known = &mut self.clients[client];
        let Some(messages) = piece(known) else { return false };
        for message in messages {
            let verdict = hear(known, &message, first, (&self.life, self.policy));
            verdict.unwrap_or_else(|wrong| panic!("client {client}, {:?}: {wrong}", known.way));
        }
        true
    }

    async fn wait(&mut self, secs: u64) {
        for _ in 0..secs {
            NOW.set(NOW.get() + 1000);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What the hub counts itself comes out even at any moment, and once all is read nothing is pending.
    async fn check_balance(&self, pending: Option<u64>) {
        let balance = self.shared.balance(&namespace()).await.unwrap();
        assert_eq!(balance.fault(), 0, "{balance:?}");
        let open: u64 = balance.ways.iter().map(|tally| tally.pending).sum();
        assert!(pending.is_none_or(|pending| pending == open), "{balance:?}");
    }

    /// Everybody comes back and reads to the end.
    async fn settle(&mut self) {
        for client in 0..self.clients.len() {
            // With a pace, a look is a second, and beats come in between.
            let enough = if self.rate.is_some() { QUIET / 4 } else { QUIET };
            let mut quiet = 0;
            while quiet < enough {
                if self.clients[client].stream.is_none() {
                    let rooms = self.clients[client].witness.rooms.keys().copied().collect();
                    self.open(client, 1, &Place::Own, &rooms, true);
                }
                breathe().await;
                quiet = if self.take_piece(client) { 0 } else { quiet + 1 };
                // Who asks for few deliveries a second gets the rest in time.
                if self.rate.is_some() {
                    self.wait(1).await;
                }
            }
            let verdict = self.clients[client].witness.settled();
            verdict.unwrap_or_else(|wrong| panic!("client {client}: {wrong}"));
        }
    }
}

fn wish_after(asked: &Asked) -> After {
    match asked {
        Asked::Tip => After::Tip,
        Asked::Earliest => After::Earliest,
        Asked::Cursor { epoch, offset } => After::Cursor(parse_cursor(&format!("{epoch}-{offset}")).unwrap()),
    }
}

/// What a stream has ready, as messages.
fn piece(client: &mut Client) -> Option<Vec<Message>> {
    let bytes = client.stream.as_mut()?.next().now_or_never()??;
    let mut messages = Vec::new();
    if client.way == Way::Ws {
        let mut rest = &bytes[..];
        while let Some((payload, more)) = frame(rest) {
            messages.extend(payload.map(|text| Message::from_ws(text).unwrap()));
            rest = more;
        }
        assert!(rest.is_empty(), "a piece is whole frames");
    } else {
        let mut take = |item| match item {
            SseItem::Event(event) => messages.push(Message::from_sse(&event).unwrap()),
            SseItem::Retry(_) => {}
        };
        client.decoder.push(&bytes, &mut take).unwrap();
    }
    Some(messages)
}

/// The payload of a server's frame, if it is text, and what follows.
fn frame(bytes: &[u8]) -> Option<(Option<&str>, &[u8])> {
    let (head, short) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (start, len) = match short {
        126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes[2..10].try_into().unwrap())).unwrap()),
        short => (2, short),
    };
    let (payload, rest) = bytes[start..].split_at(len);
    Some(((head == 0x81).then(|| std::str::from_utf8(payload).unwrap()), rest))
}

/// The first thing that a stream tells.
fn first_told(client: &mut Client) -> Told {
    let messages = piece(client).expect("its first bytes are ready");
    let [Message::Notice(Notice::Sync(sync))] = &messages[..] else { panic!("{messages:?}") };
    let state = match sync.state {
        SyncState::New => "new",
        SyncState::Resumed => "resumed",
        SyncState::Reset => "reset",
    };
    Told {
        session: sync.session.clone(),
        epoch: sync.cursor.epoch.to_string(),
        offset: sync.cursor.offset.0,
        state: state.to_owned(),
        missed: sync.missed,
    }
}

/// Holds a message against what must come.
fn hear(client: &mut Client, message: &Message, first: u64, world: (&Life, Option<SlowPolicy>)) -> Verdict {
    let (life, policy) = world;
    let witness = &mut client.witness;
    match message {
        Message::Event(event) => witness.given(event.id.offset.0),
        Message::Notice(Notice::Beat(beat)) => witness.passed(beat.cursor.offset.0),
        Message::Notice(Notice::Gap(gap)) if policy.is_some() => {
            witness.passed_over(gap.from, gap.to, &gap.reason, life)
        }
        Message::Notice(Notice::Gap(gap)) => witness.gap(gap.from, gap.to, gap.cursor.offset.0, first),
        Message::Notice(Notice::Close(close))
            if policy == Some(SlowPolicy::Close) && close.reason == "slow_consumer" =>
        {
            (client.stream, client.gone_at) = (None, NOW.get());
            Ok(())
        }
        other => Err(format!("{other:?} came")),
    }
}

/// Lets the worker read its mail.
async fn breathe() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn on_a_worker<F: Future>(work: impl FnOnce() -> F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move { work().await })
}

/// How many times as many cases as in the normal run.
fn soak() -> u32 {
    std::env::var("TRICAST_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

fn run(options: Options, rate: Option<u32>, steps: &[Step]) {
    on_a_worker(|| async {
        let mut world = World::new(options, rate);
        for step in steps {
            world.apply(step).await;
            world.check_balance(None).await;
        }
        world.settle().await;
        world.check_balance(Some(0)).await;
        world.clients.clear();
        breathe().await;
        world.check_balance(Some(0)).await;
        assert_eq!(world.hub.subscribers(), 0, "everything is given back");
        assert_eq!(world.shared.subscribers(), 0);
    });
}

fn config() -> ProptestConfig {
    let beside = FileFailurePersistence::WithSource("proptest-regressions");
    let failure_persistence = Some(Box::new(beside) as Box<_>);
    ProptestConfig { cases: 600 * soak(), failure_persistence, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Where all of the history is kept, nobody is told of a loss.
    #[test]
    fn every_schedule_gives_what_the_model_gives(steps in proptest::collection::vec(step(), 1..80)) {
        run(Retention { events_max: 100_000, ..Retention::default() }.into(), None, &steps);
    }

    /// Where little is kept, what is lost is told.
    #[test]
    fn what_a_short_history_loses_is_told(
        events_max in 1_usize..12,
        bytes_max in 400_usize..4000,
        age_max in proptest::option::of(2_u64..60),
        steps in proptest::collection::vec(step(), 1..100),
    ) {
        let age_max = age_max.map(|secs| Millis(secs * 1000));
        run(Retention { events_max, bytes_max, age_max }.into(), None, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300 * soak(), ..config() })]

    /// Whatever is done for those that lag, and whoever asks for less: what does not come is told.
    #[test]
    fn what_a_policy_passes_over_is_told(
        policy in proptest::sample::select(&[SlowPolicy::Skip, SlowPolicy::Conflate, SlowPolicy::Close][..]),
        events_max in proptest::option::of(1_u64..8),
        rate in proptest::option::of(1_u32..5),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let slow = Slow { policy, events_max: events_max.or(Some(u64::MAX)), ..Slow::default() };
        let retention = Retention { events_max: 100_000, ..Retention::default() };
        run(Options { slow, ..retention.into() }, rate, &steps);
    }
}

/// A poll that is answered by a pass, by its own session's event, and by the end of its wait.
#[test]
fn polls_are_answered() {
    on_a_worker(|| async {
        let mut world = World::new(Retention::default().into(), None);
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
        let session = parse_session(&session).unwrap();
        let tip = After::Cursor(Cursor { epoch: world.feed.epoch(), offset: Offset(0) });

        let parked = world.hub.poll(&wish(tip, Some(session)), 10).unwrap();
        world.publish(0, None, None, false, 2).await;
        let answer = parked.answer(Duration::from_secs(5)).await;
        let text = String::from_utf8(answer.to_vec()).unwrap();
        assert!(text.starts_with("{\"events\":[{\"id\":"), "a poll that goes on has no sync: {text}");
        assert_eq!(text.matches("{\"id\":").count(), 2);
        assert_eq!(world.shared.subscribers(), 0);
    });
}
