//! Peers that send their bytes one by one, or in pieces that end anywhere.

use std::time::{Duration, Instant};

use tricast_testkit::{Connection, Frame, Lane, PATIENCE, TestServer, WsPeer, client_frame, patience};

use crate::way::Way;
use crate::witness::Witnesses;
use crate::{get, opening};

on_each_way!(
    a_head_in_single_bytes_is_a_head,
    two_polls_cut_anywhere_are_two_polls,
    a_head_that_drips_is_given_up,
    a_later_head_that_drips_costs_nobody,
);

/// Peers that drip, the time between two drops, and the server's patience with them.
const DRIPPING: usize = 20;
const DROP: Duration = Duration::from_millis(20);
const PATIENT: [(&str, &str); 1] = [("server.request_timeout_ms", "1000")];

fn send_bytewise(connection: &mut Connection, bytes: impl AsRef<[u8]>) {
    for byte in bytes.as_ref() {
        connection.send([*byte]).unwrap();
    }
}

fn a_head_in_single_bytes_is_a_head(way: Way) {
    let server = way.server(&[]);
    server.publish_all([1]);
    for lane in Lane::ALL {
        let mut connection = server.connect().unwrap();
        if lane == Lane::Poll {
            // The first by the book, so that whoever has the connection by then reads the others.
            let target = "/v1/feeds/default/poll?wait=0&after=earliest";
            assert_eq!(connection.exchange(get(target, "")).unwrap().status, 200);
            for _ in 0..2 {
                send_bytewise(&mut connection, get(target, "Accept: */*\r\n"));
                let answer = connection.response(patience()).unwrap();
                assert_eq!((answer.status, &answer.json()["events"][0]["data"]), (200, &1.into()));
            }
            continue;
        }
        send_bytewise(&mut connection, opening(lane));
        let head = connection.head(patience()).unwrap();
        assert_eq!(head.status, if lane == Lane::Ws { 101 } else { 200 }, "{lane}");
        if lane == Lane::Ws {
            send_bytewise(&mut connection, client_frame(0x89, b"drip", [1, 2, 3, 4]));
            connection.fill(1, patience()).unwrap();
        }
    }
    let mut peer = WsPeer::open(&server, "/v1/feeds/default/ws").unwrap();
    send_bytewise(&mut peer.connection, client_frame(0x89, b"drip", [1, 2, 3, 4]));
    let pong =
        std::iter::from_fn(|| peer.next(patience()).unwrap()).find(|frame| !matches!(frame, Frame::Text(_)));
    assert_eq!(pong, Some(Frame::Pong(b"drip".to_vec())));
}

/// Two requests in two pieces, with the cut at every place of both.
fn two_polls_cut_anywhere_are_two_polls(way: Way) {
    let server = way.server(&[]);
    let ids = server.publish_all(1..=3);
    let poll = |id: &str| get(&format!("/v1/feeds/default/poll?wait=0&max=1&after={id}"), "");
    let both = poll(&ids[0]) + &poll(&ids[1]);
    let mut connection = server.connect().unwrap();
    for cut in 1..both.len() {
        connection.send(&both[..cut]).unwrap();
        // Long enough that the two are seldom read as one; where they are, this cut was not tried, and no more.
        std::thread::sleep(Duration::from_millis(2));
        connection.send(&both[cut..]).unwrap();
        for expected in &ids[1..] {
            let answer = connection.response(patience()).unwrap();
            assert_eq!(answer.json()["events"][0]["id"].as_str(), Some(&**expected), "cut at {cut}");
        }
    }
}

/// Lets a head drip on connections that are open already, until the server has given each of them up.
#[track_caller]
fn are_given_up(server: &TestServer, mut dripping: Vec<Connection>) {
    let mut witnesses = Witnesses::open(server);
    let deadline = Instant::now() + PATIENCE;
    while !dripping.is_empty() {
        assert!(Instant::now() < deadline, "{} heads drip on", dripping.len());
        dripping.retain_mut(|connection| {
            if connection.send("x").is_err() {
                return false;
            }
            // Whatever is said to it is the end.
            match connection.read_more(Instant::now() + Duration::from_millis(1)) {
                Ok(0) => false,
                Ok(_) => {
                    let answer = connection.response(patience());
                    assert!(answer.as_ref().map_or(true, |answer| answer.status == 408), "{answer:?}");
                    false
                }
                Err(error) => error.kind() == std::io::ErrorKind::TimedOut,
            }
        });
        witnesses.see(server, 1, 10);
        std::thread::sleep(DROP);
    }
}

fn a_head_that_drips_is_given_up(way: Way) {
    let server = way.server(&PATIENT);
    let drip = |_| {
        let mut connection = server.connect().unwrap();
        connection.send("GET /v1/feeds/default/poll HTTP/1.1\r\nHost: test\r\nX-Drip: ").unwrap();
        connection
    };
    are_given_up(&server, (0..DRIPPING).map(drip).collect());
}

/// A client that has been answered a poll has no more time for its next head than for the first one. Where actix reads
/// that head, only its size is bounded, not its time: there the drips cost nobody anything meanwhile.
fn a_later_head_that_drips_costs_nobody(way: Way) {
    let server = way.server(&PATIENT);
    let drip = |_| {
        let mut connection = server.connect().unwrap();
        let poll = get("/v1/feeds/default/poll?wait=0", "");
        assert_eq!(connection.exchange(poll).unwrap().status, 200);
        connection.send("GET /v1/feeds/default/poll HTTP/1.1\r\nHost: test\r\nX-Drip: ").unwrap();
        connection
    };
    let mut dripping: Vec<Connection> = (0..DRIPPING).map(drip).collect();
    if way.is_owned() {
        return are_given_up(&server, dripping);
    }
    let mut witnesses = Witnesses::open(&server);
    for _ in 0..20 {
        dripping.iter_mut().for_each(|connection| connection.send("x").unwrap());
        witnesses.see(&server, 1, 10);
    }
    // And whoever comes to the end of his head is answered.
    for connection in &mut dripping {
        let answer = connection.exchange("\r\nPrefer: wait=0\r\n\r\n").unwrap();
        assert_eq!(answer.status, 200);
    }
}
