//! What a namespace asks for itself: types that may be published, a schema for their data, history of its own.

use serde_json::json;
use tricast_testkit::{Lane, Opening, Subscriber, TestServer};

on_each_lane!(what_does_not_fit_is_never_seen);

const SCHEMA: &str = r#"{"type":"object","required":["order"],"properties":
    {"order":{"type":"object","properties":{"total":{"type":"number","minimum":0}}}}}"#;

/// A server with a namespace `orders` that has types and a schema; `default` has none.
fn orders() -> (TestServer, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("order.json");
    std::fs::write(&file, SCHEMA).unwrap();
    let flags = [
        ("namespace.orders.types", "order.*, note"),
        ("namespace.orders.schema", file.to_str().unwrap()),
        ("namespace.orders.history.events", "2"),
    ];
    (TestServer::with(&flags), dir)
}

/// Refusals of a single publish and of a batch, with the path of the fault. The parts are `data` and `type`.
const REFUSED: [(&str, &str); 6] = [
    (r#""data":{"order":{"total":-1}},"type":"order.paid""#, "data/order/total: "),
    (r#""data":{"order":{"total":"1"}},"type":"note""#, "data/order/total: "),
    (r#""data":{},"type":"note""#, "data: \"order\" is a required property"),
    (r#""data":{"order":{},"order":{"total":-1}},"type":"note""#, "data: the name \"order\" stands twice"),
    (r#""data":{"order":{}}"#, "type: message is not published here, only order.*, note"),
    (r#""data":{"order":{}},"type":"tricast.join""#, "type: what begins with tricast. is reserved"),
];

const GOOD: &str = r#""data":{"order":{"total":1}},"type":"order.paid""#;

fn what_does_not_fit_is_never_seen(lane: Lane) {
    let (server, _dir) = orders();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().namespace("orders"));
    let post = |body: &str| server.request("POST", "/v1/feeds/orders/events", "", body);
    for (event, detail) in REFUSED {
        let batch = format!("[{{{GOOD}}},{{{GOOD}}},{{{event}}}]");
        for (body, detail) in
            [(format!("{{{event}}}"), detail.to_owned()), (batch, format!("events[2].{detail}"))]
        {
            let answer = post(&body);
            let problem = answer.json();
            assert_eq!((answer.status, &problem["reason"]), (400, &json!("bad_request")), "{body}");
            assert!(problem["detail"].as_str().unwrap().starts_with(&detail), "{detail}: {problem}");
        }
    }
    assert_eq!(post(&format!("[{{{GOOD}}}]")).status, 201);
    let event = subscriber.event();
    assert!(event.id.ends_with("-1"), "nothing of the refused batches was appended: {}", event.id);
    assert_eq!((event.kind.as_str(), event.data.as_str()), ("order.paid", r#"{"order":{"total":1}}"#));
}

#[test]
fn a_socket_is_told_the_same() {
    let (server, _dir) = orders();
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new().namespace("orders"));
    for (event, detail) in REFUSED {
        let answer = subscriber.command(&format!("{{\"op\":\"publish\",{event}}}"));
        assert_eq!((&answer["ok"], &answer["reason"]), (&json!(false), &json!("bad_request")), "{event}");
        assert!(answer["detail"].as_str().unwrap().starts_with(detail), "{detail}: {answer}");
    }
    let answer = subscriber.command(&format!("{{\"op\":\"publish\",{GOOD}}}"));
    assert_eq!(answer["ok"], json!(true), "{answer}");
    assert!(subscriber.event().id.ends_with("-1"));
}

#[test]
fn others_are_not_asked() {
    let (server, _dir) = orders();
    server.publish(r#"{"data":{"order":{"order":1}},"type":"any"}"#);
    server.publish_all([1, 2, 3]);
    assert_eq!(server.state()["events"], 4);
    for _ in 0..4 {
        let answer = server.request("POST", "/v1/feeds/orders/events", "", &format!("{{{GOOD}}}"));
        assert_eq!(answer.status, 201);
    }
    assert_eq!(server.get("/v1/feeds/orders").json()["events"], 2, "history of its own");
}

#[test]
fn a_namespace_made_on_first_use_follows_the_settings_of_all() {
    let flags = [("namespaces.dynamic", "true"), ("types", "note"), ("namespace.open.types", "")];
    let server = TestServer::with(&flags);
    for (namespace, status) in [("fresh", 400), ("default", 400), ("open", 201)] {
        let path = format!("/v1/feeds/{namespace}/events");
        assert_eq!(server.request("POST", &path, "", r#"{"data":1}"#).status, status, "{namespace}");
        assert_eq!(server.request("POST", &path, "", r#"{"data":1,"type":"note"}"#).status, 201);
    }
}
