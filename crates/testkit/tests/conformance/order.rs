//! One order for everybody, and the same bytes.

use std::thread;

use tricast_testkit::{Event, Lane, Opening, Subscriber, TestServer};

/// Two publishers at once, six subscribers on three transports and two workers: all see one order without holes, and
/// each event in the same bytes.
#[test]
fn two_publishers_one_order() {
    const EACH: usize = 150;
    let server = TestServer::start();
    let mut subscribers: Vec<Subscriber> = Lane::ALL
        .iter()
        .flat_map(|lane| [*lane; 2])
        .map(|lane| Subscriber::open(&server, lane, &Opening::new().rooms("a,b")))
        .collect();
    let ids: Vec<Vec<String>> = thread::scope(|scope| {
        let publish = |name: &'static str| {
            let server = &server;
            move || (0..EACH).map(|n| server.publish_to(name, format!("\"{name}{n}\""))).collect()
        };
        let publishers = [scope.spawn(publish("a")), scope.spawn(publish("b"))];
        publishers.map(|publisher| publisher.join().unwrap()).into()
    });
    let seen: Vec<Vec<Event>> =
        subscribers.iter_mut().map(|subscriber| subscriber.events(2 * EACH)).collect();
    let order = &seen[0];
    check_dense(order, 1);
    for (subscriber, events) in subscribers.iter().zip(&seen) {
        assert_eq!(events, order, "{}", subscriber.lane());
    }
    // Each publisher's own order holds, and the ids that it was told are the events that it sent.
    for (name, ids) in ["a", "b"].iter().zip(&ids) {
        let own: Vec<&Event> = order.iter().filter(|event| event.rooms == [*name]).collect();
        assert_eq!(own.iter().map(|event| &event.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
        let data: Vec<String> = (0..EACH).map(|n| format!("\"{name}{n}\"")).collect();
        assert_eq!(own.iter().map(|event| event.data.clone()).collect::<Vec<_>>(), data);
    }
    assert!(order.windows(2).all(|pair| pair[0].time <= pair[1].time), "time runs backwards");
}

/// What was seen live is what history holds, byte for byte.
#[test]
fn history_holds_the_bytes_that_were_delivered() {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new().rooms("r"));
    server
        .publish(r#"{"type":"order.shipped","rooms":["r","s"],"key":"k\" \\","data":{"b":1,"a":[1.10,-0]}}"#);
    assert_eq!(subscriber.command(r#"{"op":"publish","data":"from me"}"#)["ok"], true);
    let events = subscriber.events(2);
    assert_eq!((events[0].kind.as_str(), events[0].key.as_deref()), ("order.shipped", Some("k\" \\")));
    assert_eq!(events[0].rooms, ["r", "s"]);
    assert_eq!(events[0].data, r#"{"b":1,"a":[1.10,-0]}"#);
    assert_eq!(events[1].from.as_deref(), Some(subscriber.member()));
    let page = server.get("/v1/feeds/default/events");
    for event in events {
        assert!(page.text().contains(&event.json), "{}", page.text());
    }
}

fn check_dense(events: &[Event], first: u64) {
    let offsets: Vec<u64> = events.iter().map(Event::offset).collect();
    assert_eq!(offsets, (first..first + events.len() as u64).collect::<Vec<_>>());
    let epochs: std::collections::BTreeSet<&str> = events.iter().map(|event| &event.id[..8]).collect();
    assert_eq!(epochs.len(), 1);
}
