//! Peers that do not speak TLS, or not to the end.

use std::io::ErrorKind;

use tricast_testkit::{Connection, Lane, Opening, Subscriber, patience};

use crate::{get, server};

on_each_way!(
    plain_http_is_no_tls,
    a_handshake_has_its_time,
    garbage_in_the_middle_ends_it,
    who_is_one_too_many_is_told,
);

/// Reads until the connection is over; not in time is a failure.
#[track_caller]
fn is_over(connection: &mut Connection) {
    loop {
        match connection.read_more(patience()) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return assert_ne!(error.kind(), ErrorKind::TimedOut, "{error}"),
        }
    }
}

fn plain_http_is_no_tls(way: &str) {
    let server = server(way, &[]);
    let mut plain = Connection::open(server.address()).unwrap();
    plain.send(get("/v1/feeds/default/poll")).unwrap();
    is_over(&mut plain);
    assert!(!plain.held().starts_with(b"HTTP"), "{:?}", plain.held());
    assert_eq!(server.get("/healthz").status, 200);
}

/// One says nothing, one begins and stops, and both are ended long before a test's patience is.
fn a_handshake_has_its_time(way: &str) {
    let server = server(way, &[("server.request_timeout_ms", "300")]);
    // The head of a record with a client's hello of 512 bytes, and none of them (RFC 8446, section 5.1).
    for begun in [&b""[..], &[0x16, 3, 1, 2, 0], &[0x16, 3, 1, 2, 0, 1, 0]] {
        let mut connection = Connection::open(server.address()).unwrap();
        connection.send(begun).unwrap();
        let start = std::time::Instant::now();
        is_over(&mut connection);
        assert!(start.elapsed().as_millis() >= 250, "{begun:?}: it has its time");
    }
    // And a place is left for everybody.
    let mut subscriber = Subscriber::open(&server, Lane::Sse, &Opening::new());
    server.publish_all([1]);
    assert_eq!(subscriber.data(1), ["1"]);
}

/// What cannot be deciphered ends the connection, and nobody else's.
fn garbage_in_the_middle_ends_it(way: &str) {
    use std::io::Write as _;
    let server = server(way, &[]);
    let mut witness = Subscriber::open(&server, Lane::Ws, &Opening::new());
    for lane in Lane::ALL {
        let mut connection = server.connect().unwrap();
        assert_eq!(connection.exchange(get("/v1/feeds/default/poll?wait=0")).unwrap().status, 200);
        if lane != Lane::Poll {
            let path = format!("/v1/feeds/default/{lane}");
            let request =
                if lane == Lane::Ws { tricast_testkit::WsPeer::request(&path, "") } else { get(&path) };
            connection.send(request).unwrap();
            assert!(matches!(connection.head(patience()).unwrap().status, 101 | 200));
        }
        let mut bare = connection.sender().unwrap();
        bare.write_all(&[0x17, 3, 3, 0, 32]).unwrap();
        bare.write_all(&[0xaa; 32]).unwrap();
        is_over(&mut connection);
    }
    server.wait_for_subscribers(1);
    server.publish_all([1]);
    assert_eq!(witness.data(1), ["1"]);
}

fn who_is_one_too_many_is_told(way: &str) {
    let server = server(way, &[("limits.connections_max", "1")]);
    let mut first = server.connect().unwrap();
    assert_eq!(first.exchange(get("/healthz")).unwrap().status, 200);
    let mut second = server.connect().unwrap();
    let answer = second.response(patience()).unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(second.is_ended(patience()).unwrap());
}
