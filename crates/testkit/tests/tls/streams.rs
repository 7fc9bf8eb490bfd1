//! The three transports over TLS.

use tricast_testkit::{Frame, Lane, Opening, Subscriber, WsPeer, patience};

use crate::{get, post, server};

on_each_way!(
    a_feed_in_order_and_on_from_a_cut,
    poll_after_poll_and_others_between,
    a_websocket_talks_and_ends,
    draining_ends_with_a_word,
);

fn a_feed_in_order_and_on_from_a_cut(way: &str) {
    let server = server(way, &[]);
    for lane in Lane::ALL {
        let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
        assert_eq!(subscriber.sync().state, "new");
        server.publish_all(0..50);
        server.publish_to("b", 1000);
        server.publish_to("a", 50);
        let data: Vec<String> = (0..=50).map(|n| n.to_string()).collect();
        assert_eq!(subscriber.data(51), data, "{lane}");
        let session = subscriber.session().to_owned();
        let kept = subscriber.cut();
        server.publish_to("a", "\"meanwhile\"");
        for next in Lane::ALL {
            let mut again = kept.go_on(&server, next);
            assert_eq!(
                (again.session(), again.sync().state.as_str()),
                (&*session, "resumed"),
                "{lane}, {next}"
            );
            assert_eq!(again.data(1), ["\"meanwhile\""], "{lane}, {next}");
            drop(again.cut());
        }
    }
}

/// One connection: polls that are alike, polls that are not, other requests, and a stream at last.
fn poll_after_poll_and_others_between(way: &str) {
    let server = server(way, &[]);
    let mut connection = server.connect().unwrap();
    let mut cursor = server.tip();
    for n in 0..30 {
        let rooms = if n % 7 == 6 { "&rooms=a" } else { "" };
        let poll = get(&format!("/v1/feeds/default/poll?wait=20&after={cursor}{rooms}"));
        if n % 2 == 0 {
            // The poll waits for it.
            connection.send(&poll).unwrap();
            server.publish(&format!("{{\"data\":{n}}}"));
        } else {
            assert_eq!(connection.exchange(post(&n.to_string())).unwrap().status, 201);
            connection.send(&poll).unwrap();
        }
        let answer = connection.response(patience()).unwrap().json();
        assert_eq!(answer["events"][0]["data"], n, "{answer}");
        answer["cursor"].as_str().unwrap().clone_into(&mut cursor);
    }
    connection.send(get(&format!("/v1/feeds/default/sse?after={cursor}"))).unwrap();
    assert_eq!(connection.head(patience()).unwrap().status, 200);
    let mut read = String::new();
    server.publish("{\"data\":\"last\"}");
    while !read.contains("\"last\"") {
        read += &String::from_utf8(connection.piece(patience()).unwrap().unwrap()).unwrap();
    }
}

fn a_websocket_talks_and_ends(way: &str) {
    let server = server(way, &[]);
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new());
    assert_eq!(subscriber.join(&["a"]), ["a"]);
    server.publish_to("a", 1);
    assert_eq!(subscriber.data(1), ["1"]);
    let mut peer = WsPeer::open(&server, "/v1/feeds/default/ws").unwrap();
    assert!(matches!(peer.next(patience()).unwrap(), Some(Frame::Text(_))));
    for size in [0, 1, 125] {
        peer.send_frame(0x89, &vec![b'p'; size]).unwrap();
        assert_eq!(peer.next(patience()).unwrap(), Some(Frame::Pong(vec![b'p'; size])));
    }
    peer.send_frame(0x88, &1000_u16.to_be_bytes()).unwrap();
    assert_eq!(peer.next(patience()).unwrap(), Some(Frame::Close(1000, String::new())));
    // An end without TLS's own would be an error here.
    assert_eq!(peer.next(patience()).unwrap(), None);
}

fn draining_ends_with_a_word(way: &str) {
    let server = server(way, &[]);
    let mut all: Vec<Subscriber> =
        Lane::ALL.iter().map(|lane| Subscriber::open(&server, *lane, &Opening::new())).collect();
    server.wait_for_subscribers(3);
    server.begin_to_stop();
    for subscriber in &mut all {
        assert_eq!(subscriber.ending().0.reason, "draining");
    }
    drop(all);
    server.wait_for_end();
}
