//! What long polling alone has: the wait, its answer, and two polls of one session.

use std::time::{Duration, Instant};

use tricast_testkit::{Connection, Lane, Opening, Response, Subscriber, TestServer, patience};

fn ask(server: &TestServer, query: &str, headers: &str) -> Response {
    server.request("GET", &format!("/v1/feeds/default/poll?{query}"), headers, "")
}

fn park(server: &TestServer, query: &str) -> Connection {
    let before = server.subscribers();
    let mut connection = server.connect().unwrap();
    let request = format!("GET /v1/feeds/default/poll?{query} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.send(request).unwrap();
    server.wait_for_subscribers(before + 1);
    connection
}

#[test]
fn the_wait_ends_empty() {
    let server = TestServer::start();
    server.publish_all(1..=2);
    let start = Instant::now();
    let answer = ask(&server, "wait=1", "");
    assert!(start.elapsed() >= Duration::from_secs(1), "it waits for the whole second");
    let body = answer.json();
    assert_eq!(
        (body["events"].as_array().unwrap().len(), body["cursor"].as_str()),
        (0, Some(&*server.tip()))
    );
    assert_eq!(body["notices"].as_array().unwrap().len(), 0);
    assert_eq!(answer.header("preference-applied"), None);
}

#[test]
fn prefer_is_applied_and_told() {
    let server = TestServer::start();
    for (headers, applied) in [
        ("Prefer: wait=0\r\n", "wait=0"),
        ("Prefer: respond-async, wait=1\r\n", "wait=1"),
        ("Prefer: respond-async\r\nPrefer: wait=\"1\"\r\n", "wait=1"),
        ("prefer: WAIT=0\r\n", "wait=0"),
        ("Prefer: Wait = 1 ; x, wait=0\r\n", "wait=1"),
    ] {
        let answer = ask(&server, "", headers);
        assert_eq!((answer.status, answer.header("preference-applied")), (200, Some(applied)), "{headers}");
    }
    assert_eq!(ask(&server, "wait=0", "Prefer: respond-async\r\n").header("preference-applied"), None);
    // More than the longest wait is the longest (RFC 7240, section 2): there is something to tell at once.
    server.publish_all([1]);
    let answer = ask(&server, "after=earliest", "Prefer: wait=3600\r\n");
    assert_eq!((answer.status, answer.header("preference-applied")), (200, Some("wait=60")));
    // What is no number is as if it were not there.
    let answer = ask(&server, "wait=0", "Prefer: wait=soon\r\n");
    assert_eq!((answer.status, answer.header("preference-applied")), (200, None));
}

#[test]
fn wait_and_max_have_their_ranges() {
    let server = TestServer::start();
    for (query, field) in [
        ("wait=61", "wait"),
        ("wait=-1", "wait"),
        ("wait=1.5", "wait"),
        ("wait=", "wait"),
        ("wait=0&max=0", "max"),
        ("wait=0&max=10001", "max"),
        ("wait=0&max=many", "max"),
        ("wait=0&wait=0", "wait"),
    ] {
        let answer = ask(&server, query, "");
        assert_eq!(answer.status, 400, "{query}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("{field}: ")), "{query}: {detail}");
    }
}

/// An answer was once cut at the 64 KiB that a stream reads at a time: a poll at a high rate could never catch up.
#[test]
fn one_answer_holds_everything_that_is_pending() {
    let server = TestServer::start();
    let batch: Vec<String> = (0..400).map(|_| format!("{{\"data\":\"{}\"}}", "x".repeat(1000))).collect();
    assert_eq!(server.post("", &format!("[{}]", batch.join(","))).status, 201);
    let answer = ask(&server, "wait=0&after=earliest", "");
    assert_eq!(answer.json()["events"].as_array().unwrap().len(), 400);
}

#[test]
fn max_pages_through_what_is_pending() {
    let server = TestServer::start();
    server.publish_all(1..=10);
    let mut query = "wait=0&max=4&after=earliest".to_owned();
    let mut pages = Vec::new();
    for _ in 0..3 {
        let body = ask(&server, &query, "").json();
        let events = body["events"].as_array().unwrap().clone();
        let cursor = body["cursor"].as_str().unwrap();
        assert_eq!(events.last().unwrap()["id"], cursor);
        query = format!("wait=0&max=4&after={cursor}");
        pages.push(events.len());
    }
    assert_eq!(pages, [4, 4, 2]);
}

#[test]
fn a_poll_that_goes_on_is_told_nothing_it_knows() {
    let server = TestServer::start();
    let first = ask(&server, "wait=0", "").json();
    let (session, cursor) = (first["sync"]["session"].as_str().unwrap(), first["cursor"].as_str().unwrap());
    let honoured = ask(&server, &format!("wait=0&session={session}&after={cursor}"), "").json();
    assert_eq!(honoured.get("sync"), None);
    // Without either, or with what is not honoured, it says so.
    for query in [
        format!("wait=0&after={cursor}"),
        format!("wait=0&session={session}"),
        format!("wait=0&session={session}&after={}-99", &cursor[..8]),
        format!("wait=0&session=s_AAAAAAAAAAAAAAAAAAAAAA&after={cursor}"),
    ] {
        assert!(ask(&server, &query, "").json().get("sync").is_some(), "{query}");
    }
}

#[test]
fn a_reset_is_answered_at_once() {
    let server = TestServer::start();
    server.publish_all([1]);
    let future = format!("{}-99", &server.tip()[..8]);
    // Were it parked, the answer would come after the wait of a minute, which is beyond patience.
    let body = ask(&server, &format!("wait=60&after={future}"), "").json();
    assert_eq!((&body["sync"]["state"], &body["cursor"]), (&"reset".into(), &server.tip().into()));
}

#[test]
fn of_two_polls_the_older_is_answered_empty() {
    let server = TestServer::start();
    let first = ask(&server, "wait=0&rooms=a", "").json();
    let (session, cursor) = (first["sync"]["session"].as_str().unwrap(), first["cursor"].as_str().unwrap());
    let query = format!("wait=60&session={session}&after={cursor}");
    let mut older = park(&server, &query);
    let mut newer = server.connect().unwrap();
    newer.send(format!("GET /v1/feeds/default/poll?{query} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
    let empty = older.response(patience()).unwrap().json();
    assert_eq!((&empty["events"], &empty["notices"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(empty["cursor"], cursor);
    server.publish_to("a", 1);
    let full = newer.response(patience()).unwrap().json();
    assert_eq!(full["events"][0]["data"], 1, "{full}");
}

#[test]
fn a_stream_takes_a_parked_polls_session_over() {
    for newer in [Lane::Sse, Lane::Ws] {
        let server = TestServer::start();
        let first = ask(&server, "wait=0&rooms=a", "").json();
        let (session, cursor) =
            (first["sync"]["session"].as_str().unwrap(), first["cursor"].as_str().unwrap());
        let mut older = park(&server, &format!("wait=60&session={session}&after={cursor}"));
        let mut current = Subscriber::open(&server, newer, &Opening::new().session(session));
        let empty = older.response(patience()).unwrap().json();
        assert_eq!((&empty["events"], &empty["notices"]), (&serde_json::json!([]), &serde_json::json!([])));
        server.publish_to("a", 1);
        assert_eq!((current.data(1), current.session()), (vec!["1".to_owned()], session));
    }
}

#[test]
fn a_parked_poll_is_answered_by_what_comes() {
    let server = TestServer::start();
    let mut parked = park(&server, "wait=60&rooms=a");
    server.publish_to("b", 1);
    let id = server.publish_to("a", 2);
    let body = parked.response(patience()).unwrap().json();
    assert_eq!(body["sync"]["state"], "new", "the first poll still tells its session");
    assert_eq!((body["events"][0]["id"].as_str(), body["cursor"].as_str()), (Some(&*id), Some(&*id)));
    server.wait_for_subscribers(0);
}

/// Ten polls on one connection, sent at once: each is answered, in order.
#[test]
fn pipelined_polls_are_answered_in_order() {
    let server = TestServer::start();
    let ids = server.publish_all(1..=10);
    let mut connection = server.connect().unwrap();
    let requests: String = ids
        .iter()
        .map(|id| {
            format!("GET /v1/feeds/default/poll?wait=0&max=1&after={id} HTTP/1.1\r\nHost: test\r\n\r\n")
        })
        .collect();
    connection.send(requests).unwrap();
    for place in 0..ids.len() {
        let body = connection.response(patience()).unwrap().json();
        assert_eq!(body["sync"]["cursor"].as_str(), Some(&*ids[place]));
        assert_eq!(body["cursor"].as_str(), ids.get(place + 1).or(ids.last()).map(String::as_str));
    }
}
