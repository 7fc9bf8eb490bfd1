//! The task that runs the source: it publishes at its deadlines for as long as the server lives.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tricast_feed::{Addressing, Draft, EventType, Namespace, Room, RoomSet};
use tricast_hub::{Batch, Shared};
use tricast_wire::Fault;

use super::desk::Desk;
use super::pace::Pace;
use super::source::{Notification, Source};
use super::wishes::Wishes;

/// The most events that are appended in one go, so that nobody else waits long for the log.
const BATCH_EVENTS_MAX: u64 = 64;

/// The most bytes of payload in one go, for the same reason: 1 MiB.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Where the source's events go.
trait Publisher: Send + Sync {
    /// Publishes a batch, all or nothing.
    fn publish(&self, drafts: Vec<Draft>) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Publishes to a namespace of this process, as the API does.
struct FeedPublisher {
    shared: Arc<Shared>,
    namespace: Namespace,
}

impl Publisher for FeedPublisher {
    async fn publish(&self, drafts: Vec<Draft>) -> Result<(), Fault> {
        self.shared.publish(&self.namespace, Batch { drafts, idempotency: None }).await.map(|_| ())
    }
}

/// Starts the desk's source on this runtime. It publishes to the `default` namespace until it is aborted.
pub(crate) fn start(desk: Arc<Desk>) -> JoinHandle<()> {
    let namespace = Namespace::new("default").expect("the name is in the grammar");
    let publisher = FeedPublisher { shared: Arc::clone(&desk.shared), namespace };
    tokio::spawn(run(desk, publisher, wall_us, std::future::pending()))
}

/// The one place that reads the time for the source's events: microseconds since the Unix epoch.
fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Publishes what the desk asks for, and ends scenarios that run out, until `stop` resolves. `wall_us` goes into the
/// events, while the deadlines are kept on the monotonic clock.
async fn run(
    desk: Arc<Desk>,
    publisher: impl Publisher,
    wall_us: impl Fn() -> u64,
    stop: impl Future<Output = ()>,
) {
    let source = Source::with_seed(desk.seed);
    let mut runner = Runner { source, desk: Arc::clone(&desk), publisher, wall_us };
    tokio::select! {
        () = stop => {}
        () = runner.publish_for_ever() => {}
        () = desk.stage.end_what_runs_out() => {}
    }
}

/// The source at work.
struct Runner<P, W> {
    source: Source,
    desk: Arc<Desk>,
    publisher: P,
    wall_us: W,
}

impl<P: Publisher, W: Fn() -> u64> Runner<P, W> {
    async fn publish_for_ever(&mut self) {
        let (start, mut wishes) = (Instant::now(), self.desk.stage.wishes());
        let mut asked = *wishes.borrow_and_update();
        let mut pace = Pace::start(asked.effective_rate(), Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                changed = changed(&mut wishes) => {
                    asked = changed;
                    pace.change(asked.effective_rate(), start.elapsed());
                }
                () = reached(start, pace.deadline()) => {}
            }
            let due = pace.take(start.elapsed());
            self.desk.counts.missed_ticks.fetch_add(due.missed, Ordering::Relaxed);
            self.publish(due.events, asked.payload_bytes).await;
        }
    }

    /// Publishes so many events in bounded batches, and lets other tasks run between them.
    async fn publish(&mut self, mut events: u64, payload_bytes: usize) {
        let fitting = (BATCH_BYTES_MAX / payload_bytes.max(1)).max(1) as u64;
        while events > 0 {
            let batch = events.min(BATCH_EVENTS_MAX).min(fitting);
            let drafts: Vec<Draft> =
                (0..batch).map(|_| draft(self.source.next((self.wall_us)(), payload_bytes))).collect();
            let counts = &self.desk.counts;
            let told: Vec<Bytes> = if self.desk.textbook.receiver_count() > 0 {
                drafts.iter().map(|draft| draft.data.clone()).collect()
            } else {
                Vec::new()
            };
            match self.publisher.publish(drafts).await {
                Ok(()) => {
                    for event in told {
                        // Whoever read may have gone.
                        let _gone = self.desk.textbook.send(event);
                    }
                    counts.published.fetch_add(batch, Ordering::Relaxed)
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the source could not publish");
                    counts.missed_ticks.fetch_add(batch, Ordering::Relaxed)
                }
            };
            events -= batch;
            if events > 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The next change of the wishes. Never, once nobody can wish any more.
async fn changed(wishes: &mut watch::Receiver<Wishes>) -> Wishes {
    if wishes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *wishes.borrow_and_update()
}

/// The deadline, or never.
async fn reached(start: Instant, deadline: Option<Duration>) {
    match deadline.and_then(|deadline| start.checked_add(deadline)) {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A notification as the log takes it. Its names are constants that a test holds against their grammar.
fn draft(made: Notification) -> Draft {
    let rooms = made.rooms.iter().filter_map(|room| Room::new(room).ok()).collect();
    Draft {
        kind: EventType::new(made.kind).unwrap_or_else(|_| EventType::message()),
        addressing: Addressing { rooms: RoomSet::new(rooms), except: None, to: None },
        key: None,
        from: None,
        data: Bytes::from(made.data),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};
    use tokio::sync::oneshot;
    use tricast_feed::{Millis, Reason};

    use super::super::source::ROOMS;
    use super::super::tests::desk;
    use super::*;

    /// Keeps what is published, or refuses it.
    #[derive(Clone, Default)]
    struct Notebook {
        batches: Arc<Mutex<Vec<Vec<Draft>>>>,
        is_away: bool,
    }

    impl Publisher for Notebook {
        async fn publish(&self, drafts: Vec<Draft>) -> Result<(), Fault> {
            if self.is_away {
                return Err(Fault::new(Reason::Degraded, "away"));
            }
            self.batches.lock().unwrap().push(drafts);
            Ok(())
        }
    }

    impl Notebook {
        fn events(&self) -> Vec<Draft> {
            self.batches.lock().unwrap().iter().flatten().cloned().collect()
        }
    }

    /// Runs the source in virtual time while the script plays, and gives what was published.
    async fn played(desk: &Arc<Desk>, notebook: Notebook, script: impl AsyncFnOnce()) -> Vec<Draft> {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _told = stopped.await;
        };
        let source = run(Arc::clone(desk), notebook.clone(), || 1, stopped);
        let script = async {
            script().await;
            stop.send(()).unwrap();
        };
        tokio::join!(source, script);
        notebook.events()
    }

    async fn pass(millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    fn counts(desk: &Desk) -> (u64, u64) {
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        (read(&desk.counts.published), read(&desk.counts.missed_ticks))
    }

    #[tokio::test(start_paused = true)]
    async fn publishes_at_the_asked_rate_and_size() {
        let desk = desk(50.0, 300);
        let events = played(&desk, Notebook::default(), async || pass(10_001).await).await;
        assert_eq!(events.len(), 500);
        assert_eq!(counts(&desk), (500, 0));
        assert!(events.iter().all(|event| event.data.len() == 300));
        let first: Value = serde_json::from_slice(&events[0].data).unwrap();
        assert_eq!((&first["n"], &first["at_us"]), (&json!(1), &json!(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn every_name_is_in_its_grammar() {
        let desk = desk(1000.0, 64);
        let events = played(&desk, Notebook::default(), async || pass(3_000).await).await;
        let mut source = Source::with_seed(desk.seed);
        assert!(events.len() > 2000);
        for event in &events {
            let made = source.next(1, 64);
            assert_eq!(event.kind.as_str(), made.kind);
            assert_eq!(event.addressing.rooms.len(), made.rooms.len());
        }
        assert!(ROOMS.iter().all(|room| Room::new(room).is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_take_effect_at_once() {
        let desk = desk(0.0, 64);
        let script = async || {
            pass(5_000).await;
            assert_eq!(counts(&desk), (0, 0), "a rate of 0 is silence");
            desk.change(br#"{"rate":10}"#, None).unwrap();
            pass(1_001).await;
            assert_eq!(counts(&desk), (10, 0));
            desk.change(br#"{"paused":true}"#, None).unwrap();
            pass(60_000).await;
            assert_eq!(counts(&desk), (10, 0), "a pause is silence and owes nothing");
            desk.change(br#"{"paused":false,"rate":5000,"payload":128}"#, None).unwrap();
            pass(1_001).await;
        };
        let events = played(&desk, Notebook::default(), script).await;
        assert_eq!(counts(&desk), (events.len() as u64, 0));
        assert!((5_000..=5_020).contains(&events.len()), "{}", events.len());
        assert_eq!(events.last().unwrap().data.len(), 128);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scenario_that_is_not_heard_of_leaves_nothing_behind() {
        let desk = desk(10.0, 64);
        let rate = || desk.stage.wishes().borrow().rate;
        let lease = |id: &str, seconds: u64| {
            desk.stage.begin(format!(r#"{{"id":"{id}","name":"calm","seconds":{seconds}}}"#).as_bytes())
        };
        let script = async || {
            lease("a", 20).unwrap();
            desk.change(br#"{"rate":500}"#, Some("a")).unwrap();
            pass(19_000).await;
            assert_eq!(rate(), 500.0);
            pass(2_000).await;
            assert_eq!(rate(), 10.0);
            assert!(desk.change(br#"{"rate":500}"#, Some("a")).is_err(), "it is over");
            lease("b", 5).unwrap();
            desk.stage.end("b").unwrap();
            lease("c", 60).unwrap();
            desk.change(br#"{"rate":20}"#, Some("c")).unwrap();
            pass(30_000).await;
            assert_eq!(rate(), 20.0, "the end of an old lease is nothing to the next");
        };
        played(&desk, Notebook::default(), script).await;
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_bounded_in_events_and_bytes() {
        let desk = desk(5000.0, 64);
        let notebook = Notebook::default();
        let script = async || {
            // A stall that the source cannot see coming: 90 ms are caught up, all of them.
            tokio::time::advance(Duration::from_millis(90)).await;
            pass(10).await;
            desk.change(br#"{"payload":65536}"#, None).unwrap();
            tokio::time::advance(Duration::from_millis(90)).await;
            pass(10).await;
        };
        played(&desk, notebook.clone(), script).await;
        let batches = notebook.batches.lock().unwrap();
        let most = batches.iter().map(Vec::len).max().unwrap();
        assert_eq!(most as u64, BATCH_EVENTS_MAX);
        let bytes = |batch: &Vec<Draft>| batch.iter().map(|event| event.data.len()).sum::<usize>();
        assert_eq!(batches.iter().map(bytes).max(), Some(BATCH_BYTES_MAX));
        assert_eq!(counts(&desk).1, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_stall_is_counted_and_not_made_up() {
        let desk = desk(100.0, 64);
        let script = async || {
            pass(1_001).await;
            tokio::time::advance(Duration::from_secs(5)).await;
            pass(1_000).await;
        };
        played(&desk, Notebook::default(), script).await;
        let (published, missed) = counts(&desk);
        assert_eq!(published + missed, 700);
        assert!((480..=500).contains(&missed), "{missed}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_log_does_not_take_counts_as_missed() {
        let desk = desk(10.0, 64);
        let notebook = Notebook { is_away: true, ..Notebook::default() };
        played(&desk, notebook, async || pass(1_001).await).await;
        assert_eq!(counts(&desk), (0, 10));
    }

    #[tokio::test]
    async fn the_feed_has_what_the_source_published() {
        let (desk, shared) = super::super::tests::desk_and_shared(1000.0, 64);
        let namespace = Namespace::new("default").unwrap();
        let publisher = FeedPublisher { shared: Arc::clone(&shared), namespace: namespace.clone() };
        let enough = async {
            while desk.counts.published.load(Ordering::Relaxed) < 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        run(Arc::clone(&desk), publisher, || 1, enough).await;
        assert_eq!(shared.feeds.find(&namespace).unwrap().last().0, counts(&desk).0);
        assert!(shared.now() > Millis(0));
    }
}
