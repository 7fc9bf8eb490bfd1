//! Commands on a WebSocket and their answers.

use serde_json::json;
use tricast_testkit::{Frame, Lane, Opening, Subscriber, TestServer, WsPeer, patience};

#[test]
fn commands_are_answered() {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new().rooms("a"));
    assert_eq!(subscriber.command(r#"{"op":"ping"}"#), json!({"reply": 1, "ok": true}));
    let joined = subscriber.command(r#"{"op":"join","rooms":["b","a"]}"#);
    assert_eq!(joined, json!({"reply": 2, "ok": true, "rooms": ["a", "b"]}));
    let left = subscriber.command(r#"{"op":"leave","rooms":["a"]}"#);
    assert_eq!(left, json!({"reply": 3, "ok": true, "rooms": ["b"]}));
    let published =
        subscriber.command(r#"{"op":"publish","data":{"n":1},"type":"t","rooms":["b"],"key":"k"}"#);
    let id = server.tip();
    assert_eq!(published, json!({"reply": 4, "ok": true, "events": [{"id": id}]}));
    let event = subscriber.event();
    assert_eq!((event.id, event.kind, event.key), (id, "t".to_owned(), Some("k".to_owned())));
    assert_eq!((event.rooms, event.from.as_deref()), (vec!["b".to_owned()], Some(subscriber.member())));
}

#[test]
fn refusals_name_reason_field_and_ref() {
    let server = TestServer::with(&[("limits.rooms_max", "3")]);
    let mut peer = WsPeer::open(&server, "/v1/feeds/default/ws").unwrap();
    for (text, reply, detail) in [
        ("", json!(null), "message: "),
        ("hello", json!(null), "message: "),
        ("[]", json!(null), "message: "),
        (r#"{"ref":1}"#, json!(1), "op: missing"),
        (r#"{"op":"jump","ref":"x"}"#, json!("x"), "op: "),
        (r#"{"op":"ping","ref":{}}"#, json!(null), "ref: "),
        (r#"{"op":"ping","ref":2,"more":1}"#, json!(2), "message: unknown field `more`"),
        (r#"{"op":"join","ref":3,"rooms":["a","/"]}"#, json!(3), "rooms[1]: "),
        (r#"{"op":"join","ref":4,"rooms":["a","b","c","d"]}"#, json!(4), "rooms: "),
        (r#"{"op":"join","ref":5}"#, json!(5), "message: missing field `rooms`"),
        (r#"{"op":"publish","ref":6}"#, json!(6), "data: missing"),
        (r#"{"op":"publish","ref":7,"data":1,"colour":2}"#, json!(7), "message: unknown field `colour`"),
        (r#"{"op":"publish","ref":8,"data":"\ud800"}"#, json!(8), "data: "),
        (r#"{"op":"publish","ref":9,"data":1,"to":"me"}"#, json!(9), "to: "),
        (r#"{"op":"publish","ref":10,"data":1,"data":2}"#, json!(10), "message: duplicate field `data`"),
        (
            r#"{"op":"join","ref":11,"rooms":["a"],"rooms":["b"]}"#,
            json!(11),
            "message: duplicate field `rooms`",
        ),
        (r#"{"op":"publish","ref":12,"data":1,"idempotency_key":""}"#, json!(12), "idempotency_key: "),
        (r#"{"op":"publish","ref":13,"data":1,"idempotency_key":"a b"}"#, json!(13), "idempotency_key: "),
        (r#"{"op":"publish","ref":14,"data":1,"idempotency_key":[]}"#, json!(14), "idempotency_key: "),
    ] {
        peer.say(text).unwrap();
        let answer = reply_of(&mut peer);
        assert_eq!((&answer["reply"], &answer["ok"]), (&reply, &json!(false)), "{text}: {answer}");
        assert_eq!(answer["reason"], "bad_request", "{text}");
        assert!(answer["detail"].as_str().unwrap().starts_with(detail), "{text}: {answer}");
    }
    assert_eq!(server.state()["last"], 0);
    peer.say(r#"{"op":"ping"}"#).unwrap();
    assert_eq!(reply_of(&mut peer), json!({"reply": null, "ok": true}), "the socket lives on");
}

/// A key means the same on a socket and over HTTP, and belongs to the namespace.
#[test]
fn an_idempotency_key_gives_the_first_answer_again() {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new().rooms("a"));
    let mut other = Subscriber::open(&server, Lane::Ws, &Opening::new());
    let body = r#""data":{"n":1},"rooms":["a"]"#;
    let command = |key: &str| format!(r#"{{"op":"publish",{body},"idempotency_key":"{key}"}}"#);
    let first = subscriber.command(&command("k"));
    assert_eq!(first["ok"], json!(true), "{first}");
    assert!(first["events"][0]["id"].as_str().unwrap().ends_with("-1"));
    for again in [subscriber.command(&command("k")), other.command(&command("k"))] {
        assert_eq!((&again["ok"], &again["events"]), (&json!(true), &first["events"]));
    }
    let over_http =
        |key: &str, body: &str| server.post(&format!("Idempotency-Key: {key}\r\n"), &format!("{{{body}}}"));
    let again = over_http("k", body);
    assert_eq!((again.status, &again.json()["events"]), (201, &first["events"]));
    // And the other way round.
    let second = over_http("l", body).json();
    assert_eq!(subscriber.command(&command("l"))["events"], second["events"]);
    assert_eq!(server.state()["last"], 2, "one event for each key");
    let reused = subscriber.command(r#"{"op":"publish","data":2,"idempotency_key":"k"}"#);
    assert_eq!((&reused["ok"], &reused["reason"]), (&json!(false), &json!("bad_request")));
    assert!(reused["detail"].as_str().unwrap().starts_with("idempotency_key: "), "{reused}");
    assert_eq!(server.state()["last"], 2);
    let mut elsewhere = Subscriber::open(&server, Lane::Ws, &Opening::new().namespace("other"));
    assert_eq!(elsewhere.command(r#"{"op":"publish","data":2,"idempotency_key":"k"}"#)["ok"], json!(true));
    assert_eq!(subscriber.data(2), [r#"{"n":1}"#, r#"{"n":1}"#]);
}

fn reply_of(peer: &mut WsPeer) -> serde_json::Value {
    loop {
        match peer.next(patience()).unwrap().expect("the socket is open") {
            Frame::Text(text) if text.starts_with("{\"reply\"") => {
                return serde_json::from_str(&text).unwrap();
            }
            Frame::Close(code, reason) => panic!("closed: {code} {reason}"),
            _ => {}
        }
    }
}

/// Five thousand publishes written without reading an answer: each is answered in order and appended once.
#[test]
fn a_flood_of_publishes_is_answered_in_order() {
    const COUNT: u64 = 5000;
    let server = TestServer::plain(&[]);
    let mut witness = Subscriber::open(&server, Lane::Sse, &Opening::new().rooms("flood"));
    let mut peer = WsPeer::open(&server, "/v1/feeds/default/ws").unwrap();
    let mut sender = peer.connection.sender().unwrap();
    let sending = std::thread::spawn(move || {
        use std::io::Write as _;
        let text = |n| format!(r#"{{"op":"publish","rooms":["flood"],"data":{n},"ref":{n}}}"#);
        let frame = |n| tricast_testkit::client_frame(0x81, text(n).as_bytes(), [n as u8, 7, 9, 11]);
        let frames: Vec<u8> = (0..COUNT).flat_map(frame).collect();
        sender.write_all(&frames)
    });
    for n in 0..COUNT {
        let answer = reply_of(&mut peer);
        assert_eq!((&answer["reply"], &answer["ok"]), (&json!(n), &json!(true)));
        let id = answer["events"][0]["id"].as_str().unwrap();
        assert!(id.ends_with(&format!("-{}", n + 1)), "{id}");
    }
    sending.join().unwrap().unwrap();
    for n in 0..COUNT {
        assert_eq!(witness.event().data, n.to_string());
    }
}
