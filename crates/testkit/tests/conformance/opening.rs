//! The start of a subscription, and its beats.

use tricast_testkit::{Lane, Message, Opening, SseReader, Subscriber, TestServer, WsPeer, patience};

on_each_lane!(
    sync_is_first,
    an_empty_namespace_starts_at_zero,
    earliest_brings_the_history,
    beats_carry_the_cursor,
    a_quiet_subscriber_gets_on,
    namespaces_are_apart,
    a_label_changes_nothing,
);

fn sync_is_first(lane: Lane) {
    let server = TestServer::with(&[("stream.beat_secs", "7")]);
    server.publish_all(1..=3);
    let subscriber = Subscriber::open(&server, lane, &Opening::new());
    let sync = subscriber.sync();
    assert_eq!((sync.state.as_str(), sync.missed, sync.beat), ("new", Some(0), 7));
    assert_eq!(sync.cursor, server.tip());
    assert!(sync.session.starts_with("s_") && sync.session.len() == 24, "{sync:?}");
    let other = Subscriber::open(&server, lane, &Opening::new());
    assert_ne!(other.session(), subscriber.session());
}

fn an_empty_namespace_starts_at_zero(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after("earliest"));
    assert!(subscriber.cursor().ends_with("-0"), "{}", subscriber.cursor());
    server.publish_all([1]);
    assert_eq!(subscriber.event().offset(), 1);
}

fn earliest_brings_the_history(lane: Lane) {
    let server = TestServer::start();
    let ids = server.publish_all(1..=20);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after("earliest"));
    assert_eq!(subscriber.sync().state, "new");
    let got: Vec<String> = subscriber.events(20).into_iter().map(|event| event.id).collect();
    assert_eq!(got, ids);
    server.publish_all([21]);
    assert_eq!(subscriber.data(1), ["21"]);
}

fn beats_carry_the_cursor(lane: Lane) {
    let server = TestServer::with(&[("stream.beat_secs", "1")]);
    server.publish_all(1..=2);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().wait(1));
    assert_eq!(subscriber.beat(), server.tip());
    let ids = server.publish_all([3]);
    assert_eq!(subscriber.event().id, ids[0]);
    assert_eq!(subscriber.beat(), ids[0]);
}

/// Events for others move the cursor of a subscriber who sees none of them.
fn a_quiet_subscriber_gets_on(lane: Lane) {
    let server = TestServer::with(&[("stream.beat_secs", "1")]);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("mine").wait(1));
    let elsewhere = server.publish_to("theirs", 1);
    let mut beats = (0..).map(|_| subscriber.beat());
    assert!(beats.by_ref().take(10).any(|cursor| cursor == elsewhere));
    drop(beats);
    let mut again = subscriber.cut().go_on(&server, lane);
    assert_eq!(again.cursor(), elsewhere);
    let mine = server.publish_to("mine", 2);
    assert_eq!(again.event().id, mine);
}

fn namespaces_are_apart(lane: Lane) {
    let server = TestServer::start();
    let mut here = Subscriber::open(&server, lane, &Opening::new());
    let mut there = Subscriber::open(&server, lane, &Opening::new().namespace("other"));
    let answer = server.request("POST", "/v1/feeds/other/events", "", "{\"data\":\"there\"}");
    assert_eq!(answer.status, 201);
    server.publish_all(["\"here\""]);
    assert_eq!(here.data(1), ["\"here\""]);
    let event = there.event();
    assert_eq!((event.data.as_str(), event.offset()), ("\"there\"", 1));
    // A cursor of one namespace is of another epoch in the other.
    let lost = Subscriber::open(&server, lane, &Opening::new().after(&event.id));
    assert_eq!((lost.sync().state.as_str(), lost.sync().missed), ("reset", None));
}

fn a_label_changes_nothing(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().with("label", "lane-1"));
    server.publish_all([1]);
    assert_eq!(subscriber.data(1), ["1"]);
}

#[test]
fn sse_says_when_to_come_back() {
    let server = TestServer::with(&[("stream.retry_ms", "1234")]);
    let mut connection = server.connect().unwrap();
    connection.send("GET /v1/feeds/default/sse HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert_eq!(connection.head(patience()).unwrap().header("transfer-encoding"), Some("chunked"));
    let mut reader = SseReader::default();
    let block = reader.next(&mut connection, patience()).unwrap().unwrap();
    assert_eq!(reader.retry_ms, Some(1234));
    assert!(matches!(block.message(), Message::Sync(_)));
}

#[test]
fn last_event_id_goes_before_after() {
    let server = TestServer::start();
    let ids = server.publish_all(1..=5);
    for (header, after, first) in [(&ids[2], &ids[0], &ids[3]), (&ids[0], &ids[4], &ids[1])] {
        let mut connection = server.connect().unwrap();
        let request = format!(
            "GET /v1/feeds/default/sse?after={after} HTTP/1.1\r\nHost: test\r\nLast-Event-ID: {header}\r\n\r\n"
        );
        connection.send(request).unwrap();
        connection.head(patience()).unwrap();
        let mut reader = SseReader::default();
        let mut next = || reader.next(&mut connection, patience()).unwrap().unwrap().message();
        assert!(matches!(next(), Message::Sync(sync) if sync.state == "resumed" && sync.cursor == **header));
        assert!(matches!(next(), Message::Event(event) if event.id == **first));
    }
    let bad = server.request("GET", "/v1/feeds/default/sse", "Last-Event-ID: yesterday\r\n", "");
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("Last-Event-ID: "), "{}", bad.text());
}

#[test]
fn head_of_a_stream_is_its_head() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    connection.send("HEAD /v1/feeds/default/sse HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let head = connection.head(patience()).unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    // Nothing of a body: the next thing on the connection is the answer to the next request.
    connection.send("GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(connection.response(patience()).unwrap().status, 200);
    assert_eq!(server.subscribers(), 0);
}

#[test]
fn http_1_0_gets_no_chunks() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    connection.send("GET /v1/feeds/default/sse?after=earliest HTTP/1.0\r\nHost: test\r\n\r\n").unwrap();
    let head = connection.head(patience()).unwrap();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None), "{head:?}");
    server.publish_all([1]);
    let mut reader = SseReader::default();
    let mut next = || reader.next(&mut connection, patience()).unwrap().unwrap().message();
    assert!(matches!(next(), Message::Sync(_)));
    assert!(matches!(next(), Message::Event(event) if event.data == "1"));
}

#[test]
fn the_subprotocol_is_answered_when_offered() {
    let server = TestServer::start();
    for (offer, answer) in [("", None), ("Sec-WebSocket-Protocol: x, tricast.v1\r\n", Some("tricast.v1"))] {
        let mut connection = server.connect().unwrap();
        connection.send(WsPeer::request("/v1/feeds/default/ws", offer)).unwrap();
        let head = connection.head(patience()).unwrap();
        assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, answer));
    }
}
