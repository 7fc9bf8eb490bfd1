//! A client that does not read: it costs nobody else anything, and gets everything or is told what it misses.

use tricast_testkit::{Lane, Message, Opening, Subscriber, TestServer};

on_each_lane!(a_stalled_reader_costs_nobody, what_a_stalled_reader_misses_is_told);

const COUNT: u64 = 5000;
const BATCH: u64 = 250;

/// Publishes events of a KiB, each with its number.
fn publish_much(server: &TestServer) {
    let filler = "x".repeat(1000);
    for first in (1..=COUNT).step_by(BATCH as usize) {
        server.publish_all((first..first + BATCH).map(|n| format!("{{\"n\":{n},\"filler\":\"{filler}\"}}")));
    }
}

/// Reads on to the last event, and checks that each offset was delivered or told as missing, once and in order.
fn read_to_the_last(subscriber: &mut Subscriber) -> u64 {
    let (mut upto, mut missed) = (0, 0);
    while upto < COUNT {
        match subscriber.next_news() {
            Message::Event(event) => {
                assert_eq!(event.offset(), upto + 1, "{}", subscriber.lane());
                assert!(event.data.starts_with(&format!("{{\"n\":{},", upto + 1)));
                upto += 1;
            }
            Message::Gap(gap) => {
                assert_eq!((gap.from, gap.reason.as_str()), (upto + 1, "slow"), "{}", subscriber.lane());
                assert!(gap.to >= gap.from && gap.cursor.ends_with(&format!("-{}", gap.to)), "{gap:?}");
                missed += gap.to + 1 - gap.from;
                upto = gap.to;
            }
            // A poll that was away for too long has a cursor that is too old.
            Message::Sync(sync) if subscriber.lane() == Lane::Poll => {
                assert_eq!(sync.state, "reset");
                missed += sync.missed.unwrap();
                upto += sync.missed.unwrap();
            }
            other => panic!("{}: {other:?}", subscriber.lane()),
        }
    }
    missed
}

fn a_stalled_reader_costs_nobody(lane: Lane) {
    let server = TestServer::with(&[("history.bytes", "67108864")]);
    let mut stalled = Subscriber::open_narrow(&server, lane, &Opening::new());
    let mut others: Vec<Subscriber> =
        Lane::ALL.iter().map(|lane| Subscriber::open(&server, *lane, &Opening::new())).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| publish_much(&server));
        for other in &mut others {
            scope.spawn(|| assert_eq!(read_to_the_last(other), 0));
        }
    });
    // The history holds everything, so the one who comes back to reading misses nothing either.
    assert_eq!(read_to_the_last(&mut stalled), 0);
}

fn what_a_stalled_reader_misses_is_told(lane: Lane) {
    let server = TestServer::with(&[("history.events", "300")]);
    let mut stalled = Subscriber::open_narrow(&server, lane, &Opening::new());
    publish_much(&server);
    let missed = read_to_the_last(&mut stalled);
    assert!(missed > 0, "{lane}: five mebibytes fit into no buffer here");
    server.publish_all([1]);
    assert_eq!(stalled.event().offset(), COUNT + 1, "and it is live again");
}

/// A stream whose client takes nothing for `limits.stall_secs` is ended; nothing is left of it.
#[test]
fn a_stream_that_nobody_reads_is_ended() {
    let server = TestServer::with(&[("limits.stall_secs", "1"), ("stream.beat_secs", "1")]);
    let _stalled: Vec<Subscriber> = [Lane::Sse, Lane::Ws]
        .iter()
        .map(|lane| Subscriber::open_narrow(&server, *lane, &Opening::new()))
        .collect();
    server.wait_for_subscribers(2);
    publish_much(&server);
    server.wait_for_subscribers(0);
}

/// A WebSocket whose client answers no ping is told why it ends.
#[test]
fn a_client_that_answers_no_ping_is_ended() {
    let server = TestServer::with(&[("limits.stall_secs", "1"), ("stream.beat_secs", "1")]);
    let mut mute = Subscriber::open(&server, Lane::Ws, &Opening::new());
    // It answers pings where it reads, so it does not read.
    server.wait_for_subscribers(1);
    server.wait_for_subscribers(0);
    let (close, code) = mute.ending();
    assert_eq!((close.reason.as_str(), close.retry.as_str(), code), ("slow_consumer", "yes", Some(4408)));
}

/// Where beats are further apart than a stall may last, a client that answers each ping is heard often enough.
#[test]
fn a_client_is_not_mute_between_two_pings() {
    let server = TestServer::with(&[("limits.stall_secs", "1"), ("stream.beat_secs", "3")]);
    let mut answering = Subscriber::open(&server, Lane::Ws, &Opening::new());
    for _ in 0..2 {
        answering.beat();
    }
    server.publish_all([1]);
    assert_eq!(answering.data(1), ["1"]);
}
