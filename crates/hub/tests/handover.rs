//! Register, replay, go live: the hand-over between a publisher and a worker, in every order of their steps.
//!
//! `mailbox.rs` and `lock.rs` are the hub's own sources, read here with [loom](https://docs.rs/loom)'s threads, locks and
//! atomics in place of the standard library's, so that what is tried out is the real `Link`. Beside it stands what uses
//! it, step for step: `Feed::append` (the log's lock, then the news), `State::local` (the link is made before the head is
//! read), `State::plan` (the flag is put back before the log is read, orders are taken after it) and a reader as
//! `State::catch_up` has it.
//!
//! Each model also has a broken twin with two steps exchanged, which must fail: else the model would show nothing.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

/// Loom's own, and what the hub takes from tokio.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
    use std::task::Poll;

    /// What of `tokio::sync::Notify` is relied on: a notice that comes before the wait is kept for it, once. It never
    /// wakes: a worker here looks whether the wait is over, and in the end everybody who tells something has told it.
    #[derive(Debug, Default)]
    pub(crate) struct Notify(Mutex<bool>);

    impl Notify {
        pub(crate) fn notify_one(&self) {
            *self.0.lock().unwrap() = true;
        }

        pub(crate) fn notified(&self) -> impl Future<Output = ()> {
            let is_told = std::mem::take(&mut *self.0.lock().unwrap());
            std::future::poll_fn(move |_| if is_told { Poll::Ready(()) } else { Poll::Pending })
        }
    }
}

/// Questions to a worker play no part here.
mod ask {
    #[derive(Debug)]
    pub(crate) struct Ask;
}
#[expect(unreachable_pub, reason = "it is public in the hub")]
#[path = "../src/key.rs"]
mod key;
#[path = "../src/lock.rs"]
mod lock;
#[expect(dead_code, reason = "the hub uses more of it than the hand-over")]
#[path = "../src/mailbox.rs"]
mod mailbox;

use futures::FutureExt as _;
use loom::sync::RwLock;
use loom::thread;

use mailbox::{Link, Mailbox, Order};
use sync::{Arc, Mutex};

/// A feed as publishers and workers see it: how many events its log has, and the links of its workers.
#[derive(Debug, Default)]
struct Feed {
    last: Mutex<u64>,
    links: RwLock<Vec<Arc<Link>>>,
}

impl Feed {
    /// As `Feed::append`.
    fn append(&self) {
        *lock::lock(&self.last) += 1;
        self.links.read().unwrap().iter().for_each(|link| link.news());
    }

    fn last(&self) -> u64 {
        *lock::lock(&self.last)
    }
}

/// The steps that a broken twin exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// As in the hub.
    Right,
    /// The head is read before the link is made.
    HeadBeforeLink,
    /// The flag is put back after the log was read.
    SeenAfterLook,
}

/// One worker with one subscriber that starts after `cursor`, or at the tip.
struct Worker {
    feed: Arc<Feed>,
    mailbox: Arc<Mailbox>,
    link: Arc<Link>,
    steps: Steps,
    head: u64,
    /// The subscriber has everything up to here.
    place: u64,
    got: Vec<u64>,
}

impl Worker {
    /// As `State::local`, and then `State::open`.
    fn start(feed: &Arc<Feed>, cursor: Option<u64>, steps: Steps) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let link = Arc::new(Link::new(0, Arc::clone(&mailbox)));
        let early = (steps == Steps::HeadBeforeLink).then(|| feed.last());
        feed.links.write().unwrap().push(Arc::clone(&link));
        let head = early.unwrap_or_else(|| feed.last());
        let place = cursor.unwrap_or_else(|| feed.last());
        let mut worker = Self { feed: Arc::clone(feed), mailbox, link, steps, head, place, got: Vec::new() };
        worker.catch_up();
        worker
    }

    /// As `State::catch_up`: reads the log up to the head and not beyond.
    fn catch_up(&mut self) {
        self.got.extend(self.place + 1..=self.head);
        self.place = self.place.max(self.head);
    }

    /// As `State::plan` and the run after it: who stands at the old head is given what is new, and who started beyond it
    /// goes on by itself.
    fn pass(&mut self) {
        if self.steps != Steps::SeenAfterLook {
            self.link.seen();
        }
        let last = self.feed.last();
        if self.steps == Steps::SeenAfterLook {
            self.link.seen();
        }
        self.head = last;
        self.catch_up();
    }

    /// Reads its mail, if it was woken. False if it sleeps.
    fn turn(&mut self) -> bool {
        let is_woken = self.mailbox.wait().now_or_never().is_some();
        if is_woken {
            for feed in self.mailbox.take().feeds {
                assert_eq!(feed, 0, "its own index");
                self.pass();
            }
        }
        is_woken
    }
}

/// Tries every order in which at most so many threads are interrupted: enough for all that two or three threads of a
/// few steps can do to each other, and bounded in time.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// How often a worker looks at its mail while publishers are still at work. Any look later is as one after the end.
const TURNS: usize = 2;

/// Publishers that append `each` events, while a worker registers, replays and goes on live.
fn hand_over(publishers: u64, each: u64, cursor: Option<u64>, steps: Steps) {
    let feed = Arc::new(Feed::default());
    let threads: Vec<_> = (0..publishers)
        .map(|_| {
            let feed = Arc::clone(&feed);
            thread::spawn(move || (0..each).for_each(|_| feed.append()))
        })
        .collect();
    let last = publishers * each;
    let mut worker = Worker::start(&feed, cursor, steps);
    let from = worker.got.first().map_or(worker.place, |first| first - 1);
    for _ in 0..TURNS {
        worker.turn();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    while worker.turn() {}
    assert_eq!(worker.head, last, "the worker sleeps, and something is in the log");
    assert_eq!(worker.got, (from + 1..=last).collect::<Vec<_>>(), "each once and in order");
    assert!(cursor.is_none_or(|cursor| cursor == from), "from where it resumed");
}

#[test]
fn a_subscriber_that_resumes_gets_each_event_once_and_in_order() {
    explore(4, || hand_over(1, 2, Some(0), Steps::Right));
}

#[test]
fn a_subscriber_that_starts_at_the_tip_misses_nothing_behind_it() {
    explore(4, || hand_over(1, 2, None, Steps::Right));
}

#[test]
fn two_publishers_wake_the_worker_for_both() {
    explore(4, || hand_over(2, 1, Some(0), Steps::Right));
}

#[test]
#[should_panic(expected = "the worker sleeps")]
fn a_head_that_is_read_before_the_link_is_made_loses_an_event() {
    explore(4, || hand_over(1, 1, Some(0), Steps::HeadBeforeLink));
}

#[test]
#[should_panic(expected = "the worker sleeps")]
fn a_flag_that_is_put_back_after_the_look_loses_an_event() {
    explore(4, || hand_over(1, 2, Some(0), Steps::SeenAfterLook));
}

/// Who joins a room and then publishes into it must get that event: the order is given before the publish, and the pass
/// that sees the event takes the orders after it has looked.
fn join_then_publish(takes_after_looking: bool) {
    let feed = Arc::new(Feed::default());
    let mailbox = Arc::new(Mailbox::default());
    let link = Arc::new(Link::new(0, Arc::clone(&mailbox)));
    feed.links.write().unwrap().push(Arc::clone(&link));
    let client = {
        let (feed, mailbox) = (Arc::clone(&feed), Arc::clone(&mailbox));
        thread::spawn(move || {
            mailbox.order(Order::Rooms(key::Key::for_test(0), tricast_feed::Interest::everything()));
            feed.append();
        })
    };
    let is_member = std::cell::Cell::new(false);
    let orders = |taken: Vec<Order>| {
        is_member.set(is_member.get() || taken.iter().any(|order| matches!(order, Order::Rooms(..))));
    };
    // The mail came with the order, or before it; a pass over the same feed that is made for an earlier event.
    orders(mailbox.take().orders);
    link.seen();
    if !takes_after_looking {
        orders(mailbox.take_orders());
    }
    let sees_it = feed.last() == 1;
    if takes_after_looking {
        orders(mailbox.take_orders());
    }
    assert!(is_member.get() || !sees_it, "the join was ordered before the event was published");
    client.join().unwrap();
}

#[test]
fn a_join_holds_for_what_is_published_after_it() {
    explore(4, || join_then_publish(true));
}

#[test]
#[should_panic(expected = "the join was ordered")]
fn orders_that_are_taken_before_the_look_come_too_late() {
    explore(4, || join_then_publish(false));
}
