//! Bodies that are too large, declared or not.

use std::io::Write as _;

use tricast_testkit::{Lane, Opening, Response, Subscriber, TestServer, patience};

const TEN_MIB: usize = 10 << 20;

/// Sends while it reads: a server that refuses early may close before everything was sent.
fn send_while_reading(server: &TestServer, head: &str, body: Vec<u8>) -> Response {
    let mut connection = server.connect().unwrap();
    connection.send(head).unwrap();
    let mut sender = connection.sender().unwrap();
    let sending = std::thread::spawn(move || sender.write_all(&body).is_ok());
    let response = connection.response(patience()).unwrap();
    drop(connection);
    let _ = sending.join();
    response
}

#[track_caller]
fn check(answer: &Response) {
    assert_eq!(answer.status, 413, "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["reason"], "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("limits.body_bytes"), "{problem}");
}

#[test]
fn a_declared_body_is_refused_before_it_comes() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    let head =
        format!("POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: {TEN_MIB}\r\n\r\n");
    check(&connection.exchange(head).unwrap());
}

#[test]
fn ten_mebibytes_with_their_length() {
    let server = TestServer::plain(&[]);
    let mut witness = Subscriber::open(&server, Lane::Sse, &Opening::new());
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(TEN_MIB));
    let head = format!(
        "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    check(&send_while_reading(&server, &head, body.into_bytes()));
    server.publish_all([1]);
    assert_eq!(witness.data(1), ["1"]);
}

#[test]
fn ten_mebibytes_in_chunks() {
    let server = TestServer::plain(&[]);
    let head = "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut body = chunk.repeat(TEN_MIB / 0x10000).into_bytes();
    body.extend_from_slice(b"0\r\n\r\n");
    check(&send_while_reading(&server, head, body));
    assert_eq!(server.state()["last"], 0);
}

/// One byte under the limit is published, one over is refused: by HTTP as by WebSocket.
#[test]
fn the_limits_are_exact() {
    let server = TestServer::with(&[("limits.body_bytes", "2000"), ("limits.message_bytes", "2000")]);
    let body = |len: usize| {
        let frame = "{\"data\":\"\"}".len();
        format!("{{\"data\":\"{}\"}}", "x".repeat(len - frame))
    };
    assert_eq!(server.post("", &body(2000)).status, 201);
    check(&server.post("", &body(2001)));
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new());
    let message = |len: usize| {
        let frame = "{\"op\":\"publish\",\"data\":\"\"}".len();
        format!("{{\"op\":\"publish\",\"data\":\"{}\"}}", "x".repeat(len - frame))
    };
    subscriber.say(&message(2000));
    assert_eq!(subscriber.next_news().cursor(), None, "the answer comes first");
    assert_eq!(subscriber.event().offset(), 2);
    subscriber.say(&message(2001));
    assert_eq!(subscriber.end_code(), 1009);
}

/// A body that never comes holds nobody up.
#[test]
fn a_body_that_stops_costs_its_own_connection() {
    let server = TestServer::start();
    let mut stopped = server.connect().unwrap();
    stopped
        .send("POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{\"data\":")
        .unwrap();
    for n in 0..20 {
        server.publish_all([n]);
    }
    stopped.half_close().unwrap();
    let answer = stopped.response(patience());
    assert!(answer.map_or(true, |answer| answer.status == 400), "half a body is no publish");
    assert_eq!(server.state()["last"], 20);
}
