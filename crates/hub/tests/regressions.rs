//! Each test names the mechanism of a defect that once was.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tricast_feed::{
    Addressing, After, Draft, EventType, Millis, Namespace, Reason, Retention, Room, RoomSet, SessionId,
};
use tricast_hub::{Batch, Feeds, Hub, Limits, MemoryEngine, Shared, Stream, Way, Wish, system_now};

fn namespace(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn shared() -> Arc<Shared> {
    let retention = Retention { events_max: 100_000, bytes_max: usize::MAX, age_max: None };
    let declared = [(namespace("default"), retention.into()), (namespace("other"), retention.into())];
    let feeds = Feeds::new(&declared, retention.into(), false, 10);
    let limits = Limits { replies_max: 2, ..Limits::default() };
    Shared::new(feeds, Arc::new(MemoryEngine::new(Millis(1000), 10)), limits, system_now)
}

fn open(hub: &Hub, name: &str, room: Option<&str>) -> Stream {
    let rooms = room.map(|room| RoomSet::new(vec![Room::new(room).unwrap()]));
    let wish = Wish {
        namespace: namespace(name),
        way: Way::Ws,
        is_chunked: false,
        after: After::Tip,
        rooms,
        session: None,
        rate: None,
        turn: None,
        label: None,
    };
    hub.open(&wish).unwrap()
}

async fn publish(shared: &Shared, name: &str, room: Option<&str>, count: usize, len: usize) {
    let rooms = room.map(|room| Room::new(room).unwrap()).into_iter().collect();
    let draft = Draft {
        kind: EventType::message(),
        addressing: Addressing { rooms: RoomSet::new(rooms), ..Addressing::default() },
        key: None,
        from: None,
        data: Bytes::from(format!("\"{}\"", "x".repeat(len))),
    };
    let batch = Batch { drafts: vec![draft; count], idempotency: None };
    shared.publish(&namespace(name), batch).await.unwrap();
}

/// Takes the sync, and a beat where it is the stream's turn, so that the stream is live and free.
async fn settle(stream: &mut Stream) {
    stream.next().await.unwrap();
    breathe().await;
    while ready(stream).await.is_some() {}
}

async fn ready(stream: &mut Stream) -> Option<Bytes> {
    tokio::time::timeout(Duration::ZERO, stream.next()).await.ok().flatten()
}

async fn breathe() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn on_a_worker<F: Future>(work: impl FnOnce() -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move { work().await })
}

/// Whoever waited for room in a stream was not woken when the stream went, and stayed for ever.
#[test]
fn who_waits_for_room_is_told_that_the_stream_has_gone() {
    on_a_worker(|| async {
        let hub = Hub::start(&shared());
        let stream = open(&hub, "default", None);
        let handle = stream.handle();
        handle.reply("one");
        handle.reply("two");
        let waiting = tokio::task::spawn_local(async move { handle.room().await });
        breathe().await;
        assert!(!waiting.is_finished(), "there is no room");
        drop(stream);
        breathe().await;
        assert!(waiting.is_finished());
        assert!(!waiting.await.unwrap());
    });
}

/// A stream that was ended took answers without end, as its carrier had stopped to take them.
#[test]
fn a_stream_that_ends_owes_no_more_answers() {
    on_a_worker(|| async {
        let hub = Hub::start(&shared());
        let mut stream = open(&hub, "default", None);
        settle(&mut stream).await;
        let handle = stream.handle();
        handle.end(Reason::Replaced, "elsewhere");
        assert!(!handle.room().await);
        for _ in 0..1000 {
            handle.reply("answer");
            handle.pong("pong");
        }
        let last = stream.next().await.unwrap();
        assert!(last.starts_with(b"\x81") && !String::from_utf8_lossy(&last).contains("answer"));
        assert!(stream.next().await.is_none());
    });
}

/// A worker took its orders, made a pass over another feed, and read the log before it saw a join that had been
/// answered meanwhile.
#[test]
fn a_join_holds_for_what_is_published_after_it() {
    on_a_worker(|| async {
        let shared = shared();
        let hub = Hub::start(&shared);
        let mut stream = open(&hub, "other", None);
        settle(&mut stream).await;
        publish(&shared, "other", Some("late"), 1, 1).await;
        breathe().await;
        let joined = [Room::new("late").unwrap()];
        shared.change_rooms(&namespace("other"), stream.session(), &joined, &[], 10).unwrap();
        publish(&shared, "other", Some("late"), 1, 1).await;
        // A poll makes a pass at once, before the worker has read its mail: the order is still on its way.
        let wish = Wish {
            namespace: namespace("other"),
            way: Way::Poll,
            is_chunked: false,
            after: After::Tip,
            rooms: None,
            session: None,
            rate: None,
            turn: None,
            label: None,
        };
        hub.poll(&wish, 10).unwrap().answer(Duration::ZERO).await;
        breathe().await;
        let got = String::from_utf8_lossy(&ready(&mut stream).await.unwrap()).into_owned();
        assert_eq!(
            got.matches("{\"id\":").count(),
            1,
            "the event after the join, and not the one before: {got}"
        );
    });
}

/// A batch of broadcasts was joined once for each audience: with a room for each subscriber that was the whole batch for
/// each of them.
#[test]
fn a_broadcast_is_joined_once_whatever_the_rooms_are() {
    on_a_worker(|| async {
        let shared = shared();
        let hub = Hub::start(&shared);
        let mut streams: Vec<Stream> =
            (0..50).map(|place| open(&hub, "default", Some(&format!("user-{place}")))).collect();
        for stream in &mut streams {
            settle(stream).await;
        }
        publish(&shared, "default", None, 20, 100).await;
        breathe().await;
        let mut places = Vec::new();
        for stream in &mut streams {
            places.push(ready(stream).await.unwrap().as_ptr());
        }
        places.dedup();
        assert_eq!(places.len(), 1, "one buffer for all of them");
    });
}

/// Many different joins, each of them large: nobody gets one made for it; each reads the log when it is ready.
#[test]
fn many_large_joins_are_left_to_their_readers() {
    on_a_worker(|| async {
        let shared = shared();
        let hub = Hub::start(&shared);
        let mut streams: Vec<Stream> =
            (0..40).map(|place| open(&hub, "default", Some(&format!("user-{place}")))).collect();
        for stream in &mut streams {
            settle(stream).await;
        }
        for place in 0..40 {
            publish(&shared, "default", Some(&format!("user-{place}")), 1, 10).await;
        }
        publish(&shared, "default", None, 400, 200).await;
        breathe().await;
        for stream in &mut streams {
            let mut events = 0;
            while let Some(bytes) = ready(stream).await {
                assert!(bytes.len() <= 80 << 10, "{} bytes at once", bytes.len());
                events += String::from_utf8_lossy(&bytes).matches("{\"id\":").count();
                breathe().await;
            }
            assert_eq!(events, 401);
        }
    });
}

/// A poll that waits for nothing was answered from before the last pass, and missed what had been published.
#[test]
fn a_poll_sees_what_was_published_before_it() {
    on_a_worker(|| async {
        let shared = shared();
        let hub = Hub::start(&shared);
        let wish = |after, session: Option<SessionId>| Wish {
            namespace: namespace("default"),
            way: Way::Poll,
            is_chunked: false,
            after,
            rooms: None,
            session,
            rate: None,
            turn: None,
            label: None,
        };
        hub.poll(&wish(After::Tip, None), 10).unwrap().answer(Duration::ZERO).await;
        publish(&shared, "default", None, 1, 1).await;
        // No breath between: the worker has had no time for a pass.
        let answer = hub.poll(&wish(After::Earliest, None), 10).unwrap().answer(Duration::ZERO).await;
        assert!(String::from_utf8_lossy(&answer).contains("{\"id\":"), "{answer:?}");
    });
}
