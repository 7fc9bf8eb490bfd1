//! A crowd that does not read: it costs the others nothing, and the server little.

use tricast_testkit::{Lane, Message, Opening, Subscriber};

use crate::MIB;
use crate::way::Way;
use crate::witness::{Witnesses, holds_at_most};

on_each_way!(a_crowd_that_does_not_read_is_given_little);

/// Readers that do not read.
const READERS: usize = 300;

/// What is published while they do not: six megabytes for each of them, 1.8 gigabytes in all.
const EVENTS: u64 = 600;
const EVENT: usize = 10_000;

/// What the server may come to hold for each reader, in bytes: its record and what is unsent; where actix carries the
/// stream, actix's buffers and what one reading of the log brings.
const HELD: u64 = 32 << 10;
const HELD_BY_ACTIX: u64 = 256 << 10;

/// Reads on to the last event. Each offset comes once and in order, or is told as missing, or the stream was closed
/// with the reason. Gives how many were missing.
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
            Message::Close(close) => {
                assert_eq!((close.reason.as_str(), close.retry.as_str()), ("slow_consumer", "yes"));
                return EVENTS - upto;
            }
            other => panic!("{}: {other:?}", subscriber.lane()),
        }
    }
    missed
}

fn a_crowd_that_does_not_read_is_given_little(way: Way) {
    // A hundred of the events: whoever does not read misses most.
    let server = way.server(&[("history.bytes", "1048576")]);
    let mut witnesses = Witnesses::open(&server);
    let opening = Opening::new();
    let lanes = [Lane::Sse, Lane::Ws].into_iter().cycle();
    let mut stalled: Vec<Subscriber> =
        lanes.take(READERS).map(|lane| Subscriber::open_narrow(&server, lane, &opening)).collect();
    let held = if way.is_owned() { HELD } else { HELD_BY_ACTIX };
    // And what is there once for all: the history, and the buffers of the latest passes.
    holds_at_most(READERS as u64 * held + 16 * MIB, || {
        for _ in 0..EVENTS / 20 {
            witnesses.see(&server, 20, EVENT);
        }
    });
    // Some of each, and those that were first and last.
    for reader in stalled.iter_mut().step_by(29) {
        assert!(read_to_the_last(reader) > 0, "{}: six megabytes fit into no buffer here", reader.lane());
    }
    let mut again = stalled.swap_remove(0);
    witnesses.see(&server, 1, 0);
    assert_eq!(again.event().offset(), EVENTS + 1, "it is live again");
    drop((again, stalled));
    witnesses.see(&server, 1, 0);
    server.wait_for_subscribers(witnesses.count());
}
