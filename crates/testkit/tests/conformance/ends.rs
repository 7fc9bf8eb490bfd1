//! How subscriptions end: by the client's going, and by the server's.

use std::time::Duration;

use tricast_testkit::{Connection, Lane, Message, Opening, SseReader, Subscriber, TestServer, patience};

on_each_lane!(a_cut_is_noticed_within_a_second, a_half_closed_client_is_ended, draining_tells_everybody);

/// Nothing is published and no beat is due: only the end of the connection itself can tell the server. One of three
/// tries has to be fast, so that a machine that stands still for a second is no failure.
fn a_cut_is_noticed_within_a_second(lane: Lane) {
    let server = TestServer::start();
    let took: Vec<Duration> = (0..3)
        .map(|_| {
            let subscriber = Subscriber::open(&server, lane, &Opening::new());
            server.wait_for_subscribers(1);
            drop(subscriber);
            server.wait_for_subscribers(0)
        })
        .collect();
    assert!(took.iter().any(|time| *time < Duration::from_secs(1)), "{took:?}");
}

fn a_half_closed_client_is_ended(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new());
    server.wait_for_subscribers(1);
    assert!(subscriber.is_ended_by_half_close());
    server.wait_for_subscribers(0);
}

fn draining_tells_everybody(lane: Lane) {
    let server = TestServer::with(&[("stream.retry_ms", "500")]);
    let mut subscribers: Vec<Subscriber> =
        (0..10).map(|_| Subscriber::open(&server, lane, &Opening::new())).collect();
    server.wait_for_subscribers(10);
    server.begin_to_stop();
    for subscriber in &mut subscribers {
        let (close, code) = subscriber.ending();
        assert_eq!((close.reason.as_str(), close.retry.as_str()), ("draining", "yes"));
        assert!(close.retry_after_ms.is_some_and(|millis| millis <= 500), "{close:?}");
        assert_eq!(code, (lane == Lane::Ws).then_some(1012));
    }
    drop(subscribers);
    let took = server.wait_for_end();
    assert!(took < Duration::from_secs(10), "drain.max_secs is 5, and it took {took:?}");
}

/// Events that were published before the server stops are delivered before it says so.
#[test]
fn what_was_published_goes_out_before_the_end() {
    let server = TestServer::start();
    let mut subscribers: Vec<Subscriber> =
        Lane::ALL.iter().map(|lane| Subscriber::open(&server, *lane, &Opening::new())).collect();
    server.wait_for_subscribers(3);
    server.publish_all(1..=200);
    server.begin_to_stop();
    for subscriber in &mut subscribers {
        let mut got = Vec::new();
        while got.len() < 200 {
            match subscriber.next_news() {
                Message::Event(event) => got.push(event.offset()),
                other => panic!("{}: {other:?} after {} events", subscriber.lane(), got.len()),
            }
        }
        assert_eq!(got, (1..=200).collect::<Vec<_>>());
    }
}

/// While it drains, a server refuses new subscribers and says that it is not ready; connections that are open see it.
#[test]
fn a_draining_server_takes_nobody_in() {
    // One stream a second or so is ended, so that draining lasts long enough to be asked about.
    let server = TestServer::with(&[("drain.rate", "1"), ("drain.max_secs", "3")]);
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut asking: Vec<Connection> = (0..4).map(|_| server.connect().unwrap()).collect();
    for connection in &mut asking {
        assert_eq!(connection.exchange(ask("/readyz")).unwrap().status, 200);
    }
    // A stream whose client never reads keeps the server draining for as long as it may.
    let _open: Vec<Subscriber> = (0..400)
        .map(|n| Subscriber::open(&server, if n % 2 == 0 { Lane::Sse } else { Lane::Ws }, &Opening::new()))
        .collect();
    server.begin_to_stop();
    let mut ready = asking.pop().unwrap();
    let refusal = loop {
        let answer = ready.exchange(ask("/readyz")).unwrap();
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((refusal.status, refusal.json()["reason"].as_str()), (503, Some("draining")));
    assert_eq!(refusal.header("retry-after"), Some("1"));
    for (connection, lane) in asking.iter_mut().zip(["poll?wait=0", "sse", "poll"]) {
        let answer = connection.exchange(ask(&format!("/v1/feeds/default/{lane}"))).unwrap();
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (503, Some("draining")), "{lane}");
    }
    assert_eq!(ready.exchange(ask("/healthz")).unwrap().status, 200, "it still lives");
    drop((ready, asking));
    server.wait_for_end();
}

/// An idle connection, one in the middle of a request and one that reads nothing do not hold the end up for ever.
#[test]
fn the_end_is_bounded() {
    let server = TestServer::with(&[("drain.max_secs", "1")]);
    let mut idle = server.connect().unwrap();
    assert_eq!(idle.exchange("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap().status, 200);
    let mut halfway = server.connect().unwrap();
    halfway
        .send("POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n{")
        .unwrap();
    let _deaf = Subscriber::open_narrow(&server, Lane::Sse, &Opening::new());
    let text = format!("\"{}\"", "x".repeat(10_000));
    for _ in 0..5 {
        server.publish_all(std::iter::repeat_n(&text, 100));
    }
    server.begin_to_stop();
    let took = server.wait_for_end();
    assert!(took < Duration::from_secs(6), "drain.max_secs is 1, and it took {took:?}");
    assert!(idle.is_ended(patience()).unwrap_or(true));
}

/// A rate below a hundred a second and worker was once taken for a hundred.
#[test]
fn a_low_drain_rate_is_kept() {
    let server = TestServer::with(&[("drain.rate", "4"), ("drain.max_secs", "30")]);
    let streams: Vec<_> = (0..8).map(|_| Subscriber::open(&server, Lane::Sse, &Opening::new())).collect();
    server.begin_to_stop();
    // Eight at four a second, whichever workers they are on: the last one is not told before the second second.
    let took = server.wait_for_end();
    assert!(took > Duration::from_millis(1000), "all of them were told within {took:?}");
    drop(streams);
}

/// A stream that ends properly leaves the connection fit for the next request, or closed: never with bytes that a
/// client would take for the next answer.
#[test]
fn after_a_stream_the_connection_is_whole() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    connection.send("GET /v1/feeds/default/sse HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    connection.head(patience()).unwrap();
    let first = SseReader::default().next(&mut connection, patience()).unwrap().unwrap();
    let Message::Sync(sync) = first.message() else { panic!("{first:?}") };
    let _newer = Subscriber::open(&server, Lane::Ws, &Opening::new().session(&sync.session));
    while connection.piece(patience()).unwrap().is_some() {}
    assert_eq!(connection.held(), b"");
    let next = connection.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").and_then(|()| {
        let head = connection.response(patience())?;
        Ok(head.status)
    });
    assert!(next.as_ref().map_or(true, |status| *status == 200), "{next:?}");
}
