//! Subscribers that lag further than their namespace allows, and subscribers that ask for less, on a real worker.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tricast_feed::{
    Addressing, After, ConflationKey, Cursor, Draft, EventType, Millis, Namespace, Offset, Retention,
};
use tricast_hub::{
    Batch, Feeds, Hub, Limits, MemoryEngine, Options, Shared, Slow, SlowPolicy, Stream, Way, Wish, system_now,
};

fn namespace() -> Namespace {
    Namespace::new("default").unwrap()
}

fn wish(way: Way) -> Wish {
    Wish {
        namespace: namespace(),
        way,
        is_chunked: false,
        after: After::Tip,
        rooms: None,
        session: None,
        rate: None,
        turn: None,
        label: None,
    }
}

struct World {
    shared: Arc<Shared>,
    hub: Hub,
}

impl World {
    fn new(policy: SlowPolicy, events_max: Option<u64>) -> Self {
        Self::with_beats(policy, events_max, 3600)
    }

    fn with_beats(policy: SlowPolicy, events_max: Option<u64>, beat_secs: u64) -> Self {
        let slow = Slow { policy, events_max, ..Slow::default() };
        let options = Options { retention: Retention::default(), slow, ..Options::default() };
        let feeds = Feeds::new(&[(namespace(), options.clone())], options, false, 10);
        let engine = Arc::new(MemoryEngine::new(Millis(1000), 10));
        let shared = Shared::new(feeds, engine, Limits { beat_secs, ..Limits::default() }, system_now);
        let hub = Hub::start(&shared);
        Self { shared, hub }
    }

    /// Publishes one event for each letter: its key, or none for a dot. The worker looks after each.
    async fn publish(&self, keys: &str) {
        for key in keys.chars() {
            let draft = Draft {
                kind: EventType::message(),
                addressing: Addressing::default(),
                key: (key != '.').then(|| ConflationKey::new(&key.to_string()).unwrap()),
                from: None,
                data: Bytes::from_static(b"1"),
            };
            self.shared
                .publish(&namespace(), Batch { drafts: vec![draft], idempotency: None })
                .await
                .unwrap();
            breathe().await;
        }
    }

    /// A stream that has said its first word and is live.
    async fn live(&self, wish: &Wish) -> Stream {
        let mut stream = self.hub.open(wish).unwrap();
        assert!(shown(&mut stream).await.contains("sync"));
        stream
    }

    async fn check_balance(&self) -> (u64, u64) {
        let balance = self.shared.balance(&namespace()).await.unwrap();
        assert_eq!(balance.fault(), 0, "{balance:?}");
        (
            balance.ways.iter().map(|tally| tally.skipped).sum(),
            balance.ways.iter().map(|tally| tally.conflated).sum(),
        )
    }
}

/// Everything that is there to be taken: events by offset, gaps as `2..4slow`, other notices by name.
async fn shown(stream: &mut Stream) -> String {
    let mut text = String::new();
    while let Ok(Some(bytes)) = tokio::time::timeout(Duration::ZERO, stream.next()).await {
        text.push_str(&String::from_utf8_lossy(&bytes));
        breathe().await;
    }
    let mut shown = Vec::new();
    for part in text.split("data: ").skip(1) {
        let value: serde_json::Value = serde_json::from_str(part.lines().next().unwrap()).unwrap();
        shown.push(match value["notice"].as_str() {
            Some("gap") => {
                format!("{}..{}{}", value["from"], value["to"], value["reason"].as_str().unwrap())
            }
            Some("close") => format!("close {}", value["reason"].as_str().unwrap()),
            Some(name) => name.to_owned(),
            None => value["id"].as_str().unwrap().split('-').nth(1).unwrap().to_owned(),
        });
    }
    shown.join(" ")
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

fn check(policy: SlowPolicy, events_max: Option<u64>, keys: &str, expected: &str, fallen: (u64, u64)) {
    on_a_worker(|| async {
        let world = World::new(policy, events_max);
        let mut stream = world.live(&wish(Way::Sse)).await;
        world.publish(keys).await;
        assert_eq!(shown(&mut stream).await, expected, "{policy:?} {keys}");
        assert_eq!(world.check_balance().await, fallen);
        world.publish("z").await;
        assert_eq!(
            shown(&mut stream).await,
            (keys.len() + 1).to_string(),
            "it is live again and lags no more"
        );
        world.check_balance().await;
    });
}

// The first event is in the stream's buffer already; what it lags begins with the second.

#[test]
fn without_bounds_nothing_falls_away() {
    check(SlowPolicy::Skip, None, "aabaa", "1 2 3 4 5", (0, 0));
    check(SlowPolicy::Conflate, None, "aabaa", "1 2 3 4 5", (0, 0));
}

#[test]
fn who_lags_too_far_skips_to_the_newest() {
    check(SlowPolicy::Skip, Some(3), "aaaa", "1 2 3 4", (0, 0));
    check(SlowPolicy::Skip, Some(3), "aaaaa", "1 2..5slow", (4, 0));
}

#[test]
fn who_lags_too_far_gets_the_newest_of_each_key() {
    check(SlowPolicy::Conflate, Some(3), "aaba", "1 2 3 4", (0, 0));
    check(SlowPolicy::Conflate, Some(3), "aabab", "1 2..3conflated 4 5", (0, 2));
    check(SlowPolicy::Conflate, Some(2), "a.....", "1 2..4slow 5 6", (3, 0));
}

#[test]
fn who_lags_too_far_is_closed_and_resumes_without_loss() {
    on_a_worker(|| async {
        tokio::time::pause();
        let world = World::new(SlowPolicy::Close, Some(3));
        let mut stream = world.live(&wish(Way::Sse)).await;
        let session = stream.session();
        world.publish("aaaaaaaa").await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(shown(&mut stream).await, "1 close slow_consumer");
        drop(stream);
        let epoch = world.shared.feeds.find(&namespace()).unwrap().epoch();
        let after = After::Cursor(Cursor { epoch, offset: Offset(1) });
        let mut stream = world.hub.open(&Wish { after, session: Some(session), ..wish(Way::Sse) }).unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(shown(&mut stream).await, "sync 2 3 4 5 6 7 8", "who resumes is not closed for it");
        world.check_balance().await;
    });
}

#[test]
fn who_asks_for_the_past_gets_all_of_it() {
    on_a_worker(|| async {
        let world = World::new(SlowPolicy::Skip, Some(1));
        world.publish("aaaa").await;
        let mut stream = world.hub.open(&Wish { after: After::Earliest, ..wish(Way::Sse) }).unwrap();
        assert_eq!(shown(&mut stream).await, "sync 1 2 3 4");
        world.check_balance().await;
    });
}

#[test]
fn a_rate_gathers_events() {
    on_a_worker(|| async {
        tokio::time::pause();
        let world = World::new(SlowPolicy::Skip, None);
        let mut stream = world.live(&Wish { rate: Some(2), ..wish(Way::Sse) }).await;
        world.publish("..").await;
        assert_eq!(shown(&mut stream).await, "1 2", "the first goes at once, with what has come");
        world.publish("...").await;
        assert_eq!(shown(&mut stream).await, "", "half a second has not passed");
        tokio::time::sleep(Duration::from_millis(501)).await;
        assert_eq!(shown(&mut stream).await, "3 4 5");
        world.check_balance().await;
    });
}

#[test]
fn who_asks_for_less_is_told_that_the_server_lives() {
    on_a_worker(|| async {
        tokio::time::pause();
        let world = World::with_beats(SlowPolicy::Skip, None, 1);
        let mut stream = world.live(&Wish { rate: Some(1), ..wish(Way::Sse) }).await;
        world.publish(".").await;
        assert!(shown(&mut stream).await.contains('1'));
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(shown(&mut stream).await, "beat");
    });
}

#[test]
fn a_rate_conflates_where_the_namespace_does() {
    on_a_worker(|| async {
        tokio::time::pause();
        let world = World::new(SlowPolicy::Conflate, None);
        let mut stream = world.live(&Wish { rate: Some(10), ..wish(Way::Sse) }).await;
        world.publish("a").await;
        assert_eq!(shown(&mut stream).await, "1");
        world.publish("abab.").await;
        tokio::time::sleep(Duration::from_millis(101)).await;
        assert_eq!(shown(&mut stream).await, "2..3conflated 4 5 6");
        assert_eq!(world.check_balance().await, (0, 2));
    });
}

#[test]
fn a_poll_of_a_session_that_lags_skips_as_a_stream_does() {
    on_a_worker(|| async {
        let world = World::new(SlowPolicy::Skip, Some(2));
        let stream = world.live(&wish(Way::Sse)).await;
        let session = Some(stream.session());
        drop(stream);
        world.publish("aaa").await;
        let epoch = world.shared.feeds.find(&namespace()).unwrap().epoch();
        let after = |offset| After::Cursor(Cursor { epoch, offset: Offset(offset) });
        let poll = |offset| Wish { after: after(offset), session, ..wish(Way::Poll) };
        let answer = world.hub.poll(&poll(0), 10).unwrap().answer(Duration::ZERO).await;
        let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(
            (value["events"].as_array().unwrap().len(), value["notices"][0]["to"].as_u64()),
            (0, Some(3))
        );
        let answer = world.hub.poll(&poll(1), 10).unwrap().answer(Duration::ZERO).await;
        let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(value["events"].as_array().unwrap().len(), 2, "two behind is allowed");
        world.check_balance().await;
    });
}
