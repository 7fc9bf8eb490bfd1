//! Publishing over HTTP: batches, idempotency, and what is refused.

use tricast_testkit::{Lane, Opening, Subscriber, TestServer};

on_each_lane!(a_batch_is_all_or_nothing, lines_are_a_batch);

const JSON: &str = "Content-Type: application/json\r\n";
const LINES: &str = "Content-Type: application/x-ndjson\r\n";

fn a_batch_is_all_or_nothing(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new());
    for (headers, body, field) in [
        (JSON, r#"[{"data":1},{"data":2,"type":"A"}]"#, "events[1].type: "),
        (JSON, r#"[{"data":1},{"data":2},{"rooms":[]}]"#, "events[2].data: missing"),
        (LINES, "{\"data\":1}\n{\"data\":2,\"rooms\":[\"a\",\"-\"]}\n", "line 2.rooms[1]: "),
        (LINES, "{\"data\":1}\n{\"data\":\n", "line 2.data: "),
    ] {
        let answer = server.post(headers, body);
        assert_eq!(answer.status, 400, "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(field), "{body}: {detail}");
    }
    let ids = server.publish(r#"[{"data":1},{"data":2}]"#);
    assert!(ids[0].ends_with("-1") && ids[1].ends_with("-2"), "{ids:?}");
    assert_eq!(subscriber.data(2), ["1", "2"]);
}

fn lines_are_a_batch(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    let answer =
        server.post(LINES, "{\"data\":1}\r\n\n{\"data\":\"2\",\"rooms\":[\"a\"]}\n{\"data\":{ \"n\" : 3 }}");
    assert_eq!((answer.status, answer.header("location")), (201, None));
    assert_eq!(answer.json()["events"].as_array().unwrap().len(), 3);
    assert_eq!(subscriber.data(3), ["1", "\"2\"", "{\"n\":3}"]);
}

#[test]
fn a_single_event_has_its_location() {
    let server = TestServer::start();
    let answer = server.post(JSON, r#"{"data":null}"#);
    let id = answer.json()["events"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), Some(&*format!("/v1/feeds/default/events/{id}")));
    assert_eq!(id, server.tip());
}

#[test]
fn an_idempotency_key_gives_the_first_answer_again() {
    let server = TestServer::start();
    let key = format!("{JSON}Idempotency-Key: order-42\r\n");
    let body = r#"[{"data":1},{"data":2}]"#;
    let first = server.post(&key, body);
    assert_eq!(first.status, 201);
    server.publish_all([3]);
    let again = server.post(&key, body);
    assert_eq!((again.status, again.text()), (201, first.text()));
    assert_eq!(server.state()["last"], 3, "nothing was appended");
    let other = server.post(&key, r#"{"data":4}"#);
    assert_eq!((other.status, other.json()["reason"].as_str()), (422, Some("bad_request")));
    assert!(other.text().contains("Idempotency-Key: "), "{}", other.text());
    // The same key in another namespace is another key.
    let elsewhere = server.request("POST", "/v1/feeds/other/events", &key, r#"{"data":4}"#);
    assert_eq!(elsewhere.status, 201);
    assert_eq!(server.state()["last"], 3);
}

#[test]
fn a_refused_publish_does_not_use_its_key_up() {
    let server = TestServer::start();
    let key = format!("{JSON}Idempotency-Key: k\r\n");
    assert_eq!(server.post(&key, r#"{"data":}"#).status, 400);
    assert_eq!(server.post(&key, r#"{"data":1}"#).status, 201);
    for bad in ["", " ", "a b", &"k".repeat(256), "é"] {
        let answer = server.post(&format!("{JSON}Idempotency-Key: {bad}\r\n"), r#"{"data":1}"#);
        assert_eq!(answer.status, 400, "{bad:?}");
        assert!(answer.text().contains("Idempotency-Key: "), "{}", answer.text());
    }
    assert_eq!(server.state()["last"], 1);
}

/// Sixteen at once with one key append one event, and all are told the same id.
#[test]
fn a_key_that_is_used_at_once_appends_once() {
    let server = TestServer::start();
    let key = format!("{JSON}Idempotency-Key: at-once\r\n");
    let answers: Vec<String> = std::thread::scope(|scope| {
        let post = || scope.spawn(|| server.post(&key, r#"{"data":1}"#).text().to_owned());
        let posts: Vec<_> = (0..16).map(|_| post()).collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(server.state()["last"], 1);
}

#[test]
fn every_fault_names_its_field() {
    let server = TestServer::with(&[("limits.batch_max", "3"), ("limits.rooms_max", "2")]);
    for (body, status, field) in [
        ("", 400, "body"),
        ("{", 400, "body"),
        ("null", 400, "body: expected a JSON object"),
        (r#"[["t",[],null,null,null,1]]"#, 400, "events[0].body: expected a JSON object"),
        ("[]", 400, "body: no event"),
        (r#"{"data":1}{"data":2}"#, 400, "body"),
        (r#"{"data":1,}"#, 400, "body"),
        (r#"{"data":01}"#, 400, "data: "),
        (r#"{"data":NaN}"#, 400, "data: "),
        (r#"{"data":'x'}"#, 400, "data: "),
        (r#"{"data":1,"colour":2}"#, 400, "body: unknown field `colour`"),
        (r#"{"data":1,"data":2}"#, 400, "body: duplicate field `data`"),
        (r#"{"type":"x"}"#, 400, "data: missing"),
        (r#"{"data":1,"type":"Order"}"#, 400, "type: "),
        (r#"{"data":1,"type":""}"#, 400, "type: "),
        (r#"{"data":1,"type":"a\nevent: b"}"#, 400, "type: "),
        (r#"{"data":1,"rooms":"a"}"#, 400, "rooms: invalid type"),
        (r#"{"data":1,"rooms":["a","a/b"]}"#, 400, "rooms[1]: "),
        (r#"{"data":1,"rooms":["a","b","c"]}"#, 400, "rooms: "),
        (r#"{"data":1,"key":""}"#, 400, "key: "),
        (r#"{"data":1,"key":"a\r\nid: x"}"#, 400, "key: "),
        (r#"{"data":1,"except":"me"}"#, 400, "except: "),
        (r#"{"data":1,"to":"s_"}"#, 400, "to: "),
        (r#"{"data":1,"to":"s_AAAAAAAAAAAAAAAAAAAAAA","rooms":["a"]}"#, 400, "to: "),
        (r#"[{"data":1},{"data":1},{"data":1},{"data":1}]"#, 413, "body: "),
    ] {
        let answer = server.post(JSON, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!((&problem["status"], problem["type"].is_string()), (&status.into(), true));
        let reason = if status == 413 { "too_large" } else { "bad_request" };
        assert_eq!(problem["reason"], reason, "{body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(field), "{body}: {detail}");
    }
    assert_eq!(server.state()["last"], 0, "nothing of it was appended");
}

#[test]
fn other_media_types_are_refused() {
    let server = TestServer::start();
    for media_type in
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/json2"]
    {
        let answer = server.post(&format!("Content-Type: {media_type}\r\n"), r#"{"data":1}"#);
        assert_eq!(
            (answer.status, answer.json()["reason"].as_str()),
            (415, Some("bad_request")),
            "{media_type}"
        );
    }
    for media_type in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(server.post(&format!("Content-Type: {media_type}\r\n"), r#"{"data":1}"#).status, 201);
    }
    let not_text = server.post(JSON, "{\"data\":\"\u{0}\"}");
    assert_eq!(not_text.status, 400, "a control character inside a JSON string");
}
