//! Pages of history, the state of a namespace, and the two questions after health.

use serde_json::{Value, json};
use tricast_testkit::{Lane, Opening, Subscriber, TestServer};

fn page(server: &TestServer, query: &str) -> Value {
    let answer = server.get(&format!("/v1/feeds/default/events?{query}"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{query}");
    answer.json()
}

fn data(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["data"].as_u64().unwrap()).collect()
}

#[test]
fn pages_follow_each_other() {
    let server = TestServer::start();
    server.publish_all(1..=25);
    let (mut after, mut got, mut mores) = ("earliest".to_owned(), Vec::new(), Vec::new());
    loop {
        let page = page(&server, &format!("after={after}&limit=10"));
        assert_eq!(page.get("sync"), None);
        got.push(data(&page));
        mores.push(page["more"].as_bool().unwrap());
        after = page["cursor"].as_str().unwrap().to_owned();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(got.concat(), (1..=25).collect::<Vec<_>>());
    assert_eq!(mores, [true, true, false]);
    assert_eq!(after, server.tip());
    assert_eq!(page(&server, &format!("after={after}"))["events"], json!([]));
}

#[test]
fn a_hundred_unless_it_is_said() {
    let server = TestServer::start();
    server.publish_all(1..=150);
    let first = page(&server, "");
    assert_eq!((data(&first).len(), &first["more"]), (100, &json!(true)));
    assert_eq!(data(&page(&server, "limit=1000")).len(), 150);
    for bad in ["limit=0", "limit=1001", "limit=x", "after=1", "wait=1", "rooms=/"] {
        assert_eq!(server.get(&format!("/v1/feeds/default/events?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn rooms_pick_and_nothing_is_everything() {
    let server = TestServer::start();
    for (rooms, n) in [("a", 1), ("b", 2), ("a,b", 3)] {
        server.publish_to(rooms, n);
    }
    server.publish_all([4]);
    server.publish(r#"{"data":5,"to":"s_AAAAAAAAAAAAAAAAAAAAAA"}"#);
    server.publish(r#"{"data":6,"except":"s_AAAAAAAAAAAAAAAAAAAAAA"}"#);
    for (query, expected) in [
        ("", vec![1, 2, 3, 4, 6]),
        ("rooms=a", vec![1, 3, 4, 6]),
        ("rooms=b", vec![2, 3, 4, 6]),
        ("rooms=", vec![4, 6]),
    ] {
        let page = page(&server, query);
        assert_eq!(data(&page), expected, "{query}");
        assert_eq!((&page["more"], page["cursor"].as_str()), (&json!(false), Some(&*server.tip())));
    }
}

#[test]
fn a_cursor_that_is_not_honoured_is_told() {
    let server = TestServer::with(&[("history.events", "4")]);
    let ids = server.publish_all(1..=10);
    let expired = page(&server, &format!("after={}", ids[1]));
    assert_eq!((&expired["sync"]["state"], &expired["sync"]["missed"]), (&json!("reset"), &json!(4)));
    assert_eq!(data(&expired), [7, 8, 9, 10]);
    let future = page(&server, &format!("after={}-11", &ids[0][..8]));
    assert_eq!((&future["sync"]["state"], &future["events"]), (&json!("reset"), &json!([])));
    assert_eq!(page(&server, &format!("after={}", ids[5])).get("sync"), None);
}

#[test]
fn the_state_of_a_namespace() {
    let server = TestServer::with(&[("history.events", "3")]);
    let empty = server.state();
    assert_eq!((&empty["first"], &empty["last"], &empty["events"]), (&json!(1), &json!(0), &json!(0)));
    server.publish_all(1..=5);
    let _subscribers: Vec<Subscriber> = [Lane::Sse, Lane::Ws, Lane::Ws]
        .iter()
        .map(|lane| Subscriber::open(&server, *lane, &Opening::new()))
        .collect();
    let state = server.state();
    let epoch = empty["epoch"].as_str().unwrap();
    assert!(
        epoch.len() == 8 && epoch.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')),
        "{epoch}"
    );
    assert!(state["bytes"].as_u64().unwrap() > 0);
    let expected = json!({
        "namespace": "default", "epoch": epoch, "first": 3, "last": 5, "cursor": format!("{epoch}-5"),
        "events": 3, "bytes": state["bytes"], "subscribers": {"poll": 0, "sse": 1, "ws": 2},
    });
    assert_eq!(state, expected);
}

#[test]
fn it_lives_and_is_ready() {
    let server = TestServer::start();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}
