//! The hot steps whose instructions are counted: what an event costs on its way in and out, without sockets.
//!
//! A step is run for a number of rounds, after everything that it needs once was made. Whoever counts runs it for few
//! and for many rounds and takes the difference, so that the making cancels out and only the rounds are left.
//!
//! Each step checks that it did its work: a step that stopped working would be the cheapest of all.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::task::LocalSet;
use tricast_feed::{
    Addressing, After, Cursor, Epoch, Interest, Log, Millis, Offset, ReadLimit, Retention, Room, RoomSet,
    SessionId,
};
use tricast_hub::{Advance, Batch, Carrier, Hub, Seat, Shared, Stream, Way};
use tricast_wire::text::parse_session;

use crate::{batch, namespace, shared, wish};

/// Subscribers that a pass serves.
const SUBSCRIBERS: usize = 1000;

/// Rounds before those that count: the log is at its full length then, and every table at its size.
const WARM_UP: usize = 2000;

/// How long a poll may wait for what is there already.
const WAIT: Duration = Duration::from_secs(60);

/// A hot step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One event is appended to a full log, in all its encodings; the oldest one goes.
    Append,
    /// One event is published and handed to 1,000 streams of Server-Sent Events.
    PassSse,
    /// One event is published and handed to 1,000 WebSockets.
    PassWs,
    /// One poll is opened at a cursor with one event of news, and answered.
    PollAnswer,
    /// 1,000 polls are parked, and one event answers all of them.
    PollsParked,
    /// One event is published and written to 1,000 owned streams of Server-Sent Events.
    LinesSse,
    /// One event is published and written to 1,000 owned WebSockets.
    LinesWs,
    /// 1,000 polls on owned connections are answered by one event, and come again.
    Calls,
    /// The one event of a quiet room is found among a million others.
    QuietRoom,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Append,
        Self::PassSse,
        Self::PassWs,
        Self::PollAnswer,
        Self::PollsParked,
        Self::LinesSse,
        Self::LinesWs,
        Self::Calls,
        Self::QuietRoom,
    ];

    /// Its name in the budgets and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append-and-encode",
            Self::PassSse => "pass-sse-1000",
            Self::PassWs => "pass-ws-1000",
            Self::PollAnswer => "poll-answer",
            Self::PollsParked => "polls-parked-1000",
            Self::LinesSse => "lines-sse-1000",
            Self::LinesWs => "lines-ws-1000",
            Self::Calls => "calls-1000",
            Self::QuietRoom => "quiet-room-1000000",
        }
    }

    /// The step of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// How many rounds are few and how many are many: far enough apart that what is random in a run, such as a hash
    /// table's order, is small beside the difference.
    #[must_use]
    pub fn rounds(self) -> (usize, usize) {
        match self {
            Self::Append | Self::PollAnswer | Self::QuietRoom => (1000, 5000),
            Self::PassSse | Self::PassWs | Self::LinesSse | Self::LinesWs | Self::Calls => (10, 60),
            Self::PollsParked => (4, 12),
        }
    }

    /// Runs it so many times.
    ///
    /// # Panics
    /// If it does not do its work.
    pub fn run(self, rounds: usize) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        LocalSet::new().block_on(&runtime, async {
            match self {
                Self::Append => append(rounds),
                Self::PassSse => pass(Way::Sse, rounds).await,
                Self::PassWs => pass(Way::Ws, rounds).await,
                Self::PollAnswer => poll_answer(rounds).await,
                Self::PollsParked => polls_parked(rounds).await,
                Self::LinesSse => lines(Way::Sse, rounds).await,
                Self::LinesWs => lines(Way::Ws, rounds).await,
                Self::Calls => calls(rounds).await,
                Self::QuietRoom => quiet_room(rounds),
            }
        });
    }
}

/// Events of other rooms round the one of the quiet room.
const OTHERS: u32 = 1_000_000;

/// Reads a quiet room from the start of a long log. The log's own crate is enough: what is counted is the search.
fn quiet_room(rounds: usize) {
    let room = |name: &str| Room::new(name).expect("the name is good");
    let retention = Retention { events_max: OTHERS as usize + 1, bytes_max: usize::MAX, age_max: None };
    let mut log: Log<()> = Log::new(Epoch::from_random(1), retention);
    let busy = [room("a"), room("b"), room("c")].map(|room| RoomSet::new(vec![room]));
    let quiet = RoomSet::new(vec![room("quiet")]);
    for place in 0..=OTHERS {
        let rooms = if place == OTHERS / 2 { &quiet } else { &busy[place as usize % busy.len()] };
        let addressing = Addressing { rooms: rooms.clone(), ..Addressing::default() };
        log.append(Millis(0), addressing, None, |_, _| ((), 1));
    }
    let interest = Interest { rooms: Some(quiet), ..Interest::everything() };
    for _ in 0..rounds {
        let read = log.read(Offset::ZERO, log.last(), &interest, ReadLimit { events: 100, bytes: 1 << 20 });
        assert_eq!((read.entries.len(), read.upto), (1, log.last()), "the one event, and everything is read");
    }
}

/// Publishes a copy of a batch, whose event is the same as that of all benchmarks.
fn publish(shared: &Shared, batch: &Batch) -> Offset {
    let batch = Batch { drafts: batch.drafts.clone(), idempotency: None };
    let published = shared.publish(&namespace(), batch).now_or_never();
    published.expect("memory does not wait").expect("the namespace is there").first
}

fn append(rounds: usize) {
    let (shared, one) = (shared(), batch(1));
    let mut last = Offset::ZERO;
    for _ in 0..WARM_UP + rounds {
        last = publish(&shared, &one);
    }
    assert_eq!(last, Offset((WARM_UP + rounds) as u64), "every event has its offset");
}

async fn pass(way: Way, rounds: usize) {
    let (shared, one) = (shared(), batch(1));
    let hub = Hub::start(&shared);
    let open = |_| hub.open(&wish(way, After::Tip, None)).expect("there is room");
    let mut streams: Vec<Stream> = (0..SUBSCRIBERS).map(open).collect();
    for stream in &mut streams {
        stream.next().await.expect("a stream begins with its sync");
    }
    let before = shared.deliveries();
    for _ in 0..rounds {
        publish(&shared, &one);
        for stream in &mut streams {
            stream.next().await.expect("the stream goes on");
        }
    }
    assert_eq!(shared.deliveries() - before, (SUBSCRIBERS * rounds) as u64, "everybody has everything");
}

/// Opens a session by a poll that does not wait.
async fn session(hub: &Hub) -> SessionId {
    let waiting = hub.poll(&wish(Way::Poll, After::Tip, None), 1000).expect("there is room");
    let answer = waiting.answer(Duration::ZERO).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let name = text.split('"').nth(5).expect("a first answer names its session");
    parse_session(name).expect("it is one")
}

async fn poll_answer(rounds: usize) {
    let (shared, one) = (shared(), batch(1));
    let hub = Hub::start(&shared);
    let epoch = shared.feeds.find(&namespace()).expect("the namespace is there").epoch();
    let session = session(&hub).await;
    publish(&shared, &one);
    let after = After::Cursor(Cursor { epoch, offset: Offset::ZERO });
    for _ in 0..rounds {
        let waiting = hub.poll(&wish(Way::Poll, after, Some(session)), 1000).expect("there is room");
        let answer = waiting.answer(WAIT).await;
        assert!(answer.len() > crate::PAYLOAD_BYTES, "the event is in the answer");
    }
}

async fn polls_parked(rounds: usize) {
    let (shared, one) = (shared(), batch(1));
    let hub = Hub::start(&shared);
    let epoch = shared.feeds.find(&namespace()).expect("the namespace is there").epoch();
    let mut sessions = Vec::with_capacity(SUBSCRIBERS);
    for _ in 0..SUBSCRIBERS {
        sessions.push(session(&hub).await);
    }
    let mut at = Offset::ZERO;
    for _ in 0..rounds {
        let after = After::Cursor(Cursor { epoch, offset: at });
        let park = |session: &SessionId| {
            let waiting = hub.poll(&wish(Way::Poll, after, Some(*session)), 1000).expect("there is room");
            waiting.answer(WAIT)
        };
        let mut answers: FuturesUnordered<_> = sessions.iter().map(park).collect();
        at = publish(&shared, &one);
        while let Some(answer) = answers.next().await {
            assert!(answer.len() > crate::PAYLOAD_BYTES, "the event is in the answer");
        }
    }
}

/// Takes everything at once: what is left of a delivery beside the kernel's `send`.
#[derive(Debug)]
struct Taker;

impl Carrier for Taker {
    fn send(&self, _: Seat, bytes: &Bytes) -> usize {
        bytes.len()
    }

    fn keep(&self, _: Seat, _: Bytes) {}

    fn answer(&self, _: Seat, _: &Bytes) {}

    fn end(&self, _: Seat, _: Bytes) {}

    fn pull(&self, _: Seat) {}
}

/// Lets the hub's task go on until so many events were delivered.
async fn until(shared: &Shared, deliveries: usize) {
    // One turn a step of a pass, and some for waking up.
    for _ in 0..100 {
        if shared.deliveries() == deliveries as u64 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} of {deliveries} were delivered", shared.deliveries());
}

fn owned_hub(shared: &Arc<Shared>) -> Hub {
    let hub = Hub::start(shared);
    hub.carry(Some(Rc::new(Taker)));
    hub
}

async fn lines(way: Way, rounds: usize) {
    let (shared, one) = (shared(), batch(1));
    let hub = owned_hub(&shared);
    for seat in 0..SUBSCRIBERS {
        let opened = hub.open_on(&wish(way, After::Tip, None), Seat(seat as u32)).expect("there is room");
        assert_eq!(hub.advance(opened.key), Advance::Idle);
    }
    for round in 1..=rounds {
        publish(&shared, &one);
        until(&shared, round * SUBSCRIBERS).await;
    }
}

async fn calls(rounds: usize) {
    let (shared, one) = (shared(), batch(1));
    let hub = owned_hub(&shared);
    let epoch = shared.feeds.find(&namespace()).expect("the namespace is there").epoch();
    let mut keys = Vec::with_capacity(SUBSCRIBERS);
    for seat in 0..SUBSCRIBERS {
        let session = session(&hub).await;
        let after = After::Cursor(Cursor { epoch, offset: Offset::ZERO });
        let wish = wish(Way::Poll, after, Some(session));
        keys.push((hub.poll_on(&wish, 1000, Seat(seat as u32)).expect("there is room"), session));
    }
    for round in 1..=rounds {
        let at = Cursor { epoch, offset: publish(&shared, &one) };
        until(&shared, round * SUBSCRIBERS).await;
        for (key, session) in &keys {
            let goes_on = hub.poll_again(*key, at, Some(*session), None).expect("there is room");
            assert!(goes_on, "the record rests");
        }
    }
}
