//! Subscribers that lag further than their namespace allows, and those that ask for less; the same on each transport.

use tricast_testkit::{Lane, Message, Opening, Subscriber, TestServer};

on_each_lane!(who_lags_skips, who_lags_gets_the_newest_of_each_key, the_past_is_given_whole, a_rate_gathers);

/// A server with this policy and one worker, so that what one of its subscribers has seen, all of them may have.
fn one_worker(policy: &str) -> TestServer {
    TestServer::with(&[("slow.policy", policy), ("slow.events_max", "2"), ("server.workers", "1")])
}

/// A session that was away for longer than it may lag. The bound is the same whether its stream stood or it was away.
fn away(server: &TestServer, lane: Lane, keys: &[&str]) -> Subscriber {
    let mut witness = Subscriber::open(server, Lane::Ws, &Opening::new());
    let subscriber = Subscriber::open(server, lane, &Opening::new());
    server.publish(r#"{"data":"seen"}"#);
    let kept = {
        let mut subscriber = subscriber;
        assert_eq!(subscriber.data(1), ["\"seen\""]);
        subscriber.cut()
    };
    for (place, key) in keys.iter().enumerate() {
        server.publish(&format!(r#"{{"key":"{key}","data":{place}}}"#));
    }
    // What was published is behind the session only once its worker has been over it. A witness on a busy machine may
    // lag too.
    let last = server.state()["last"].as_u64();
    let reached = |message: &Message| match message {
        Message::Event(event) => Some(event.offset()) >= last,
        Message::Gap(gap) => Some(gap.to) >= last,
        _ => false,
    };
    while !reached(&witness.next_news()) {}
    kept.go_on(server, lane)
}

fn who_lags_skips(lane: Lane) {
    let server = one_worker("skip");
    let mut subscriber = away(&server, lane, &["a", "b", "c"]);
    let Message::Gap(gap) = subscriber.message() else { panic!("no gap") };
    assert_eq!((gap.from, gap.to, gap.reason.as_str()), (2, 4, "slow"));
    server.publish(r#"{"data":"next"}"#);
    assert_eq!(subscriber.data(1), ["\"next\""]);
    let mut near = away(&server, lane, &["a", "b"]);
    assert_eq!(near.data(2), ["0", "1"], "two behind is allowed");
    assert_eq!(imbalance(&server), 0);
}

fn who_lags_gets_the_newest_of_each_key(lane: Lane) {
    let server = one_worker("conflate");
    let mut subscriber = away(&server, lane, &["a", "b", "a", "b", "a"]);
    let mut told = Vec::new();
    while told.len() < 3 {
        match subscriber.message() {
            Message::Gap(gap) => told.push(format!("{}..{} {}", gap.from, gap.to, gap.reason)),
            Message::Event(event) => told.push(event.data),
            Message::Sync(_) | Message::Beat(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, ["2..4 conflated", "3", "4"]);
    assert_eq!(imbalance(&server), 0);
}

fn the_past_is_given_whole(lane: Lane) {
    let server = TestServer::with(&[("slow.policy", "skip"), ("slow.events_max", "1")]);
    (0..5).for_each(|n| drop(server.publish(&format!(r#"{{"data":{n}}}"#))));
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after("earliest"));
    assert_eq!(subscriber.data(5), ["0", "1", "2", "3", "4"]);
}

fn a_rate_gathers(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().with("rate", "2"));
    (0..20).for_each(|n| drop(server.publish(&format!(r#"{{"data":{n}}}"#))));
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(subscriber.data(20), expected, "nothing falls away");
    for bad in ["0", "101", "x"] {
        let answer = server.get(&format!("/v1/feeds/default/sse?rate={bad}"));
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("rate"), "{}", answer.text());
    }
    assert_eq!(imbalance(&server), 0);
}

fn imbalance(server: &TestServer) -> u64 {
    server.get("/v1/feeds/default/balance").json()["imbalance"].as_u64().unwrap()
}
