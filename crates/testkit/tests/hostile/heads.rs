//! Request heads at the edge of HTTP, on a fresh connection and on one that has been answered a poll.

use std::io::Write as _;

use tricast_testkit::{Connection, TestServer, patience};

use crate::way::Way;
use crate::witness::{Witnesses, holds_at_most};
use crate::{MIB, get};

on_each_way!(
    a_huge_head_is_refused,
    a_poll_may_ask_for_the_end,
    an_old_client_gets_an_old_answer,
    other_requests_between_polls,
);

const POLL: &str = "/v1/feeds/default/poll?wait=0";

/// A connection that has been answered so many polls.
fn after_polls(server: &TestServer, polls: usize) -> Connection {
    let mut connection = server.connect().unwrap();
    for _ in 0..polls {
        assert_eq!(connection.exchange(get(POLL, "")).unwrap().status, 200);
    }
    connection
}

/// Each is far beyond what any client needs. It is refused or cut off, and what came of it is not kept.
fn a_huge_head_is_refused(way: Way) {
    const HUGE: usize = 4 << 20;
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    witnesses.see(&server, 1, 0);
    let huge = [
        get(POLL, &format!("X-Huge: {}\r\n", "h".repeat(HUGE))),
        get(POLL, &"X-Many: h\r\n".repeat(HUGE / 11)),
        get(&format!("{POLL}&label={}", "h".repeat(HUGE)), ""),
    ];
    holds_at_most(16 * MIB, || {
        for head in &huge {
            for polls in [0, 1] {
                let mut connection = after_polls(&server, polls);
                let mut sender = connection.sender().unwrap();
                std::thread::scope(|scope| {
                    // The server may go before it has everything; that is what is asked of it.
                    scope.spawn(move || sender.write_all(head.as_bytes()).is_ok());
                    let answer = connection.response(patience());
                    let status = answer.as_ref().map_or(431, |answer| answer.status);
                    assert!(matches!(status, 400 | 413 | 414 | 431), "{head:.40}… {answer:?}");
                    // Whatever was said, nothing more comes.
                    assert!(connection.is_ended(patience()).unwrap_or(true));
                });
            }
        }
    });
    witnesses.see(&server, 10, 100);
    server.wait_for_subscribers(witnesses.count());
}

fn a_poll_may_ask_for_the_end(way: Way) {
    let server = way.server(&[]);
    for polls in [0, 2] {
        for words in ["close", "Close", "foo, close"] {
            let mut connection = after_polls(&server, polls);
            let answer = connection.exchange(get(POLL, &format!("Connection: {words}\r\n"))).unwrap();
            assert_eq!((answer.status, answer.json()["events"].is_array()), (200, true), "{words}");
            assert!(connection.is_ended(patience()).unwrap(), "{words} after {polls}");
        }
    }
}

/// HTTP/1.0 has no chunks, and its connections end with the answer (RFC 9112, section 9.3).
fn an_old_client_gets_an_old_answer(way: Way) {
    let server = way.server(&[]);
    for polls in [0, 2] {
        let mut connection = after_polls(&server, polls);
        connection.send(format!("GET {POLL} HTTP/1.0\r\nHost: test\r\n\r\n")).unwrap();
        let head = connection.response(patience()).unwrap();
        assert_eq!((head.status, head.header("transfer-encoding")), (200, None), "{head:?}");
        assert!(head.json()["events"].is_array());
        assert!(connection.is_ended(patience()).unwrap(), "after {polls} polls");
    }
}

/// One connection asks for everything that there is, and polls between: whoever carries the polls gives the others
/// back with all of their bytes.
fn other_requests_between_polls(way: Way) {
    let server = way.server(&[]);
    let mut connection = after_polls(&server, 1);
    let (mut cursor, body) = (server.tip(), "{\"data\":\"between\"}");
    let publish = format!(
        "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for cut in [1, 20, publish.len() - body.len(), publish.len() - 1] {
        connection.send(&publish[..cut]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(connection.exchange(&publish[cut..]).unwrap().status, 201);
        let poll = connection.exchange(get(&format!("{POLL}&after={cursor}"), "")).unwrap().json();
        assert_eq!(poll["events"].as_array().unwrap().len(), 1, "cut at {cut}: {poll}");
        cursor = poll["cursor"].as_str().unwrap().to_owned();
        // HEAD has the answer's head and no body: the next answer stands at once behind it.
        connection
            .send(format!("HEAD {POLL} HTTP/1.1\r\nHost: test\r\n\r\n{}", get("/healthz", "")))
            .unwrap();
        assert_eq!(connection.head(patience()).unwrap().status, 405);
        assert_eq!(connection.response(patience()).unwrap().text(), "ok\n");
        assert_eq!(connection.exchange(get("/v1/feeds/nowhere/poll", "")).unwrap().status, 404);
        assert_eq!(connection.exchange(get(&format!("{POLL}&colour=red"), "")).unwrap().status, 400);
    }
}
