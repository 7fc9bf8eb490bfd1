//! Requests that do not wait for the answer before.

use std::time::Duration;

use tricast_testkit::{Frame, Lane, WsPeer, cpu_time, patience};

use crate::way::Way;
use crate::witness::{Witnesses, holds_at_most};
use crate::{MIB, flood, get, opening};

on_each_way!(
    what_stands_behind_a_parked_poll_keeps_its_order,
    a_flood_behind_a_stream_is_neither_kept_nor_costly,
    requests_behind_a_websocket_are_no_frames,
    a_body_is_never_the_next_request,
);

/// Other polls, other requests and one with a body stand behind a poll that waits. Who carries the poll meets each.
fn what_stands_behind_a_parked_poll_keeps_its_order(way: Way) {
    let server = way.server(&[]);
    let ids = server.publish_all(0..5);
    let mut connection = server.connect().unwrap();
    let mut requests = get("/v1/feeds/default/poll?wait=60", "");
    for id in &ids[..4] {
        requests += &get(&format!("/v1/feeds/default/poll?wait=0&max=1&after={id}"), "");
        requests += &get("/healthz", "");
    }
    let body = "{\"data\":\"behind\"}";
    requests += &format!(
        "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    requests += &get(&format!("/v1/feeds/default/poll?wait=0&after={}", ids[4]), "");
    connection.send(requests).unwrap();
    server.wait_for_subscribers(1);
    server.publish_all(["\"first\""]);
    let mut answer = || connection.response(patience()).unwrap();
    assert_eq!(answer().json()["events"][0]["data"], "first");
    for id in &ids[1..] {
        assert_eq!(answer().json()["events"][0]["id"].as_str(), Some(&**id));
        assert_eq!(answer().text(), "ok\n");
    }
    assert_eq!(answer().status, 201);
    let last = answer().json();
    assert_eq!((&last["events"][0]["data"], &last["events"][1]["data"]), (&"first".into(), &"behind".into()));
}

/// Requests behind an answer that does not come are left with their sender: in his buffers, not in ours. Where actix
/// carries the stream they are its affair, and the flood is one that it takes into its own buffer.
fn a_flood_behind_a_stream_is_neither_kept_nor_costly(way: Way) {
    let sent_max = if way.is_owned() { 64 * MIB } else { 100 << 10 };
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    witnesses.see(&server, 1, 0);
    let behind = get("/healthz", "").repeat(1000);
    let mut flooders = Vec::new();
    holds_at_most(8 * MIB, || {
        for lane in [Lane::Poll, Lane::Sse] {
            let mut connection = server.connect().unwrap();
            connection.send(opening(lane)).unwrap();
            let mut sender = connection.sender().unwrap();
            let sent = flood(&mut sender, behind.as_bytes(), sent_max);
            assert!(!way.is_owned() || sent < sent_max, "{lane}: {sent} bytes of requests were taken");
            flooders.push(connection);
        }
    });
    let before = cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = cpu_time().saturating_sub(before);
    // A loop that spins takes a whole second of a core.
    assert!(used < Duration::from_millis(500), "{used:?} of processor time in a second of nothing");
    witnesses.see(&server, 10, 100);
    drop(flooders);
    server.wait_for_subscribers(witnesses.count());
}

/// An HTTP request is no frame: its second byte has no mask.
fn requests_behind_a_websocket_are_no_frames(way: Way) {
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    let mut peer = WsPeer::open(&server, "/v1/feeds/default/ws").unwrap();
    peer.connection.send(get("/healthz", "").repeat(20)).unwrap();
    let frames: Vec<Frame> = std::iter::from_fn(|| peer.next(patience()).ok().flatten()).collect();
    assert!(matches!(frames.last(), Some(Frame::Close(1002, _))), "{frames:?}");
    server.wait_for_subscribers(witnesses.count());
    witnesses.see(&server, 1, 0);
}

/// A poll may carry a body (RFC 9110, section 9.3.1). Taken for the next request, it would let one client of a shared
/// proxy connection speak for another.
fn a_body_is_never_the_next_request(way: Way) {
    let server = way.server(&[]);
    let inner = get("/v1/feeds/default/poll?wait=0&label=smuggled", "");
    let length = format!("Content-Length: {}\r\n", inner.len());
    let chunked = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let target = "/v1/feeds/default/poll?wait=0";
    for (head, body) in [(length.as_str(), &inner), ("Transfer-Encoding: chunked\r\n", &chunked)] {
        for before in [0, 1] {
            let mut connection = server.connect().unwrap();
            for _ in 0..before {
                assert_eq!(connection.exchange(get(target, "")).unwrap().status, 200);
            }
            let last = get("/healthz", "Connection: close\r\n");
            connection.send(get(target, head) + body + &last).unwrap();
            let first = connection.response(patience()).unwrap();
            assert!(matches!(first.status, 200 | 400), "{head}: {first:?}");
            // Either the body is passed over and the request behind it answered, or the connection is given up.
            if let Ok(second) = connection.response(patience()) {
                assert_eq!(second.text(), "ok\n", "{head}");
            }
            assert!(connection.is_ended(patience()).unwrap_or(true), "{head}: {:?}", connection.held());
        }
    }
}
