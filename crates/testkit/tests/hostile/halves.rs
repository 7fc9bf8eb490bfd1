//! Connections that are half there: closed on one side, or reset in the middle of what is written to them.

use std::time::Duration;

use tricast_testkit::{Connection, Lane, Opening, Subscriber, patience};

use crate::way::Way;
use crate::witness::Witnesses;
use crate::{get, opening};

on_each_way!(
    who_half_closes_with_the_request_is_soon_gone,
    who_half_closes_and_does_not_read_is_gone,
    who_resets_is_gone,
);

/// Bytes that fit into no buffer between server and client, in events of this size.
const EVENTS: u64 = 600;
const EVENT: usize = 10_000;

/// The request is the last thing that comes. Whether it is answered is the server's affair; what is left is nothing.
fn who_half_closes_with_the_request_is_soon_gone(way: Way) {
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    for lane in Lane::ALL {
        for polls in [0, 1] {
            let mut connection = server.connect().unwrap();
            for _ in 0..polls {
                connection.exchange(get("/v1/feeds/default/poll?wait=0", "")).unwrap();
            }
            connection.send(opening(lane)).unwrap();
            connection.half_close().unwrap();
            // To the end, whatever comes before it.
            while connection.read_more(patience()).is_ok_and(|count| count > 0) {}
        }
    }
    server.wait_for_subscribers(witnesses.count());
    witnesses.see(&server, 1, 10);
}

/// Its end stands behind bytes that it does not take: the server must look for it, or give the stream up.
fn who_half_closes_and_does_not_read_is_gone(way: Way) {
    let server = way.server(&[("limits.stall_secs", "2"), ("stream.beat_secs", "1")]);
    let mut witnesses = Witnesses::open(&server);
    let mut half: Vec<Connection> = [Lane::Sse, Lane::Ws]
        .iter()
        .map(|lane| {
            let mut connection = server.connect_narrow(4096).unwrap();
            connection.send(opening(*lane)).unwrap();
            connection
        })
        .collect();
    server.wait_for_subscribers(witnesses.count() + 2);
    for _ in 0..EVENTS / 20 {
        witnesses.see(&server, 20, EVENT);
    }
    half.iter_mut().for_each(|connection| connection.half_close().unwrap());
    witnesses.see_until_alone(&server);
}

fn who_resets_is_gone(way: Way) {
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    let opening = Opening::new();
    let open: Vec<(Connection, Subscriber)> = Lane::ALL
        .iter()
        .map(|lane| {
            let mut connection = server.connect_narrow(4096).unwrap();
            connection.send(crate::opening(*lane)).unwrap();
            (connection, Subscriber::open_narrow(&server, *lane, &opening))
        })
        .collect();
    server.wait_for_subscribers(witnesses.count() + 6);
    for _ in 0..10 {
        witnesses.see(&server, 20, EVENT);
    }
    for (connection, subscriber) in open {
        // No time to linger is a reset, in the middle of what the server still writes.
        let socket = connection.sender().unwrap();
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        drop((connection, socket, subscriber));
    }
    server.wait_for_subscribers(witnesses.count());
    witnesses.see(&server, 1, 10);
}
