//! Readers that do not read, over TLS.

use tricast_testkit::{Lane, Message, Opening, Subscriber, memory};

use crate::server;

on_each_way!(a_stalled_reader_costs_little_and_reads_on);

const READERS: usize = 100;
const EVENTS: u64 = 600;
const EVENT: usize = 10_000;

/// What both sides may come to hold for each reader, in bytes: the server's TLS, record and rest of an event, and the
/// client's TLS, which is in this process too. Where actix carries the stream, its buffers come to that.
const HELD: u64 = 96 << 10;
const HELD_BY_ACTIX: u64 = 320 << 10;

fn read_to_the_last(subscriber: &mut Subscriber) -> u64 {
    let (mut upto, mut missed) = (0, 0);
    while upto < EVENTS {
        match subscriber.next_news() {
            Message::Event(event) => {
                assert_eq!(event.offset(), upto + 1);
                upto += 1;
            }
            Message::Gap(gap) => {
                assert_eq!((gap.from, gap.reason.as_str()), (upto + 1, "slow"), "{gap:?}");
                missed += gap.to + 1 - gap.from;
                upto = gap.to;
            }
            other => panic!("{}: {other:?}", subscriber.lane()),
        }
    }
    missed
}

fn a_stalled_reader_costs_little_and_reads_on(way: &str) {
    let server = server(way, &[("history.bytes", "1048576")]);
    let mut witnesses: Vec<Subscriber> =
        Lane::ALL.iter().map(|lane| Subscriber::open(&server, *lane, &Opening::new())).collect();
    let lanes = [Lane::Sse, Lane::Ws].into_iter().cycle();
    let mut stalled: Vec<Subscriber> =
        lanes.take(READERS).map(|lane| Subscriber::open_narrow(&server, lane, &Opening::new())).collect();
    let filling = "x".repeat(EVENT);
    let before = memory();
    for batch in 0..EVENTS / 20 {
        let numbers = batch * 20..batch * 20 + 20;
        server.publish_all(numbers.clone().map(|n| format!("[{n},\"{filling}\"]")));
        for witness in &mut witnesses {
            for n in numbers.clone() {
                assert!(witness.event().data.starts_with(&format!("[{n},")), "{}", witness.lane());
            }
        }
    }
    let each = if way == "owned" { HELD } else { HELD_BY_ACTIX };
    let grown = memory().saturating_sub(before);
    assert!(grown <= READERS as u64 * each + (16 << 20), "{READERS} readers hold {grown} bytes");
    for reader in stalled.iter_mut().step_by(9) {
        assert!(read_to_the_last(reader) > 0, "{}: six megabytes fit into no buffer here", reader.lane());
        // And it is live again.
        server.publish_all(["\"live\""]);
        while reader.event().data != "\"live\"" {}
    }
}
