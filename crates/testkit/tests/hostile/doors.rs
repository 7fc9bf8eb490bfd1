//! One connection that asks for one thing after the other: it changes hands at the door, and nothing is lost by it.

use tricast_testkit::{Connection, patience};

use crate::way::Way;
use crate::{get, opening};

on_each_way!(
    a_stream_at_last_is_carried_as_one_at_first,
    cut_at_every_byte,
    more_polls_behind_a_publish_than_are_read_ahead,
    polls_ahead_of_answers_that_are_not_read_yet,
    chunks_and_expectations,
    a_second_head_that_stops_is_ended,
);

/// More than the client of an SSE stream may send, none of which means anything.
const SENT: u64 = 256 << 10;

fn post(data: &str, headers: &str) -> String {
    let body = format!("{{\"data\":{data}}}");
    format!(
        "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn poll(after: &str) -> String {
    get(&format!("/v1/feeds/default/poll?wait=0&max=1&after={after}"), "")
}

/// Whether the server itself carries this stream: then it ends it over what no client of a stream has to say. actix
/// would leave that unread.
fn is_carried_by_the_server(mut connection: Connection) -> bool {
    let mut sender = connection.sender().unwrap();
    let flooding = std::thread::spawn(move || crate::flood(&mut sender, &[b'x'; 1000], SENT));
    let is_ended = loop {
        match connection.read_more(patience()) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    flooding.join().unwrap();
    is_ended
}

fn a_stream_at_last_is_carried_as_one_at_first(way: Way) {
    let server = way.server(&[]);
    let mut connection = server.connect().unwrap();
    assert_eq!(connection.exchange(post("1", "")).unwrap().status, 201);
    assert_eq!(connection.exchange(poll("earliest")).unwrap().json()["events"][0]["data"], 1);
    connection.send("HEAD /v1/feeds/default HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let head = connection.head(patience()).unwrap();
    assert!(matches!(head.status, 200 | 405), "{head:?}");
    connection.send(opening(tricast_testkit::Lane::Sse)).unwrap();
    assert_eq!(connection.head(patience()).unwrap().status, 200);
    server.wait_for_subscribers(1);
    let mut text = String::new();
    server.publish_all(["\"now\""]);
    while !text.contains("\"now\"") {
        text += &String::from_utf8(connection.piece(patience()).unwrap().unwrap()).unwrap();
    }
    if way.is_owned() {
        assert!(is_carried_by_the_server(connection));
        server.wait_for_subscribers(0);
    }
}

/// A publish and two polls in one segment, and in two, with the cut at every byte.
fn cut_at_every_byte(way: Way) {
    let server = way.server(&[]);
    let ids = server.publish_all(["\"a\"", "\"b\"", "\"c\""]);
    let requests = [post("\"d\"", ""), poll(&ids[0]), poll(&ids[1]), get("/healthz", "")].concat();
    for cut in 0..requests.len() {
        let mut connection = server.connect().unwrap();
        let (first, second) = requests.as_bytes().split_at(cut);
        connection.send(first).unwrap();
        if cut % 3 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        connection.send(second).unwrap();
        let mut answer = || connection.response(patience()).unwrap();
        assert_eq!(answer().status, 201, "cut at {cut}");
        assert_eq!(answer().json()["events"][0]["data"], "b", "cut at {cut}");
        assert_eq!(answer().json()["events"][0]["data"], "c", "cut at {cut}");
        assert_eq!(answer().text(), "ok\n", "cut at {cut}");
    }
}

/// Gate and door once sent such a connection to each other for ever.
fn more_polls_behind_a_publish_than_are_read_ahead(way: Way) {
    let server = way.server(&[("server.workers", "1")]);
    let ids = server.publish_all(["\"a\"", "\"b\""]);
    let polls = (40 << 10) / poll(&ids[0]).len();
    let mut connection = server.connect().unwrap();
    connection.send([post("\"c\"", ""), poll(&ids[0]).repeat(polls)].concat()).unwrap();
    assert_eq!(connection.response(patience()).unwrap().status, 201);
    for _ in 0..polls {
        assert_eq!(connection.response(patience()).unwrap().json()["events"][0]["data"], "b");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

/// A client may write all of its requests before it reads an answer. Answers that it does not take yet keep the next
/// ones back; they once ended the connection.
fn polls_ahead_of_answers_that_are_not_read_yet(way: Way) {
    let server = way.server(&[("server.workers", "1")]);
    let ids = server.publish_all(["\"a\"", "\"b\""]);
    let polls = (40 << 10) / poll(&ids[0]).len();
    let mut connection = server.connect_narrow(2048).unwrap();
    connection.send(poll(&ids[0]).repeat(polls)).unwrap();
    // Long enough for the answers to fill whatever is between.
    std::thread::sleep(std::time::Duration::from_millis(300));
    for n in 0..polls {
        let answer =
            connection.response(patience()).unwrap_or_else(|error| panic!("{n} of {polls}: {error}"));
        assert_eq!(answer.json()["events"][0]["data"], "b");
    }
}

/// Requests whose end is not plain from their head, and one that waits to be asked for its body; others follow them.
fn chunks_and_expectations(way: Way) {
    let server = way.server(&[]);
    let mut connection = server.connect().unwrap();
    let head = "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    for n in 0..3 {
        connection.send(format!("{head}5\r\n{{\"dat\r\n5;x=y\r\na\":{n}}}\r\n0\r\n\r\n")).unwrap();
        assert_eq!(connection.response(patience()).unwrap().status, 201);
    }
    let tip = connection.exchange(poll("earliest")).unwrap().json();
    assert_eq!(tip["events"][0]["data"], 0);
    let mut connection = server.connect().unwrap();
    for data in ["4", "5"] {
        let request = post(data, "Expect: 100-continue\r\n");
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        connection.send(format!("{head}\r\n\r\n")).unwrap();
        assert_eq!(connection.head(patience()).unwrap().status, 100);
        assert_eq!(connection.exchange(body).unwrap().status, 201);
    }
    connection.send(opening(tricast_testkit::Lane::Sse)).unwrap();
    assert_eq!(connection.head(patience()).unwrap().status, 200);
    server.wait_for_subscribers(1);
}

/// Half of a head comes with what is answered, or after it, and no more. It is not kept for as long as a connection
/// may rest, which is longer than a test's patience.
fn a_second_head_that_stops_is_ended(way: Way) {
    let server = way.server(&[("server.request_timeout_ms", "500")]);
    let half = &poll("tip")[..20];
    for first in [poll("tip"), post("1", ""), get("/healthz", "")] {
        for is_at_once in [true, false] {
            let mut connection = server.connect().unwrap();
            if is_at_once {
                connection.send([&first, half].concat()).unwrap();
            } else {
                connection.send(&first).unwrap();
            }
            assert!(matches!(connection.response(patience()).unwrap().status, 200 | 201));
            if !is_at_once {
                connection.send(half).unwrap();
            }
            let last = connection.response(patience());
            let is_late = last.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
            assert!(!is_late, "{first:.20} {is_at_once}: {last:?}");
            assert!(last.map_or(true, |answer| answer.status == 408));
        }
    }
}
