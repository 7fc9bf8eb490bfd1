//! Going on from a cursor: from every point, on any transport, and what is told where that cannot be.

use tricast_testkit::{Lane, Message, Opening, Subscriber, TestServer};

on_each_lane!(
    from_every_point,
    from_the_tip,
    a_foreign_epoch_is_a_reset,
    an_expired_cursor_tells_what_is_gone,
    a_future_cursor_starts_at_the_tip,
    cut_at_every_event,
    history_that_expires_while_it_is_away,
);

fn from_every_point(lane: Lane) {
    const LAST: usize = 24;
    let server = TestServer::start();
    let first = server.tip();
    let ids: Vec<String> = std::iter::once(first).chain(server.publish_all(1..=LAST)).collect();
    for (offset, cursor) in ids.iter().enumerate() {
        let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after(cursor));
        let sync = subscriber.sync();
        assert_eq!((sync.state.as_str(), sync.missed, &sync.cursor), ("resumed", Some(0), cursor));
        let got: Vec<String> = subscriber.events(LAST - offset).into_iter().map(|event| event.id).collect();
        assert_eq!(got, ids[offset + 1..]);
    }
}

fn from_the_tip(lane: Lane) {
    let server = TestServer::start();
    server.publish_all(1..=3);
    let openings = [
        |_: &str| Opening::new(),
        |_: &str| Opening::new().after("tip"),
        |tip: &str| Opening::new().after(tip),
    ];
    for opening in openings {
        let mut subscriber = Subscriber::open(&server, lane, &opening(&server.tip()));
        let ids = server.publish_all([4]);
        assert_eq!(subscriber.event().id, ids[0]);
    }
}

fn a_foreign_epoch_is_a_reset(lane: Lane) {
    let server = TestServer::start();
    let ids = server.publish_all(1..=3);
    // Nobody's epoch, of valid form: its chance to be this one is one in 2^40.
    let foreign = if server.tip().starts_with("zzzzzzzz") { "yyyyyyyy-2" } else { "zzzzzzzz-2" };
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after(foreign));
    let sync = subscriber.sync();
    assert_eq!((sync.state.as_str(), sync.missed), ("reset", None));
    assert!(sync.cursor.ends_with("-0"));
    let got: Vec<String> = subscriber.events(3).into_iter().map(|event| event.id).collect();
    assert_eq!(got, ids, "everything retained follows");
}

fn an_expired_cursor_tells_what_is_gone(lane: Lane) {
    let server = TestServer::with(&[("history.events", "5")]);
    let ids = server.publish_all(1..=12);
    // Retained are 8 to 12: a cursor of 7 misses nothing, one of 6 misses one.
    for (offset, state, missed) in [(7, "resumed", 0), (6, "reset", 1), (1, "reset", 6)] {
        let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after(&ids[offset - 1]));
        let sync = subscriber.sync();
        assert_eq!((sync.state.as_str(), sync.missed, &sync.cursor), (state, Some(missed), &ids[6]));
        assert_eq!(subscriber.data(5), ["8", "9", "10", "11", "12"]);
    }
}

fn a_future_cursor_starts_at_the_tip(lane: Lane) {
    let server = TestServer::start();
    let ids = server.publish_all(1..=3);
    let epoch = &ids[0][..8];
    for offset in ["4", "1000000", "18446744073709551615"] {
        let mut subscriber =
            Subscriber::open(&server, lane, &Opening::new().after(&format!("{epoch}-{offset}")));
        let sync = subscriber.sync();
        assert_eq!((sync.state.as_str(), sync.missed, &sync.cursor), ("reset", None, &server.tip()));
        let next = server.publish_all([4]);
        assert_eq!(subscriber.event().id, next[0], "nothing but what is new");
    }
}

/// Cut after each event of a history, and go on by another transport each time, with session and without.
fn cut_at_every_event(lane: Lane) {
    const LAST: usize = 18;
    let server = TestServer::start();
    let ids = server.publish_all(1..=LAST);
    let start = Lane::ALL.iter().position(|other| *other == lane).unwrap();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after("earliest"));
    let session = subscriber.session().to_owned();
    for (place, id) in ids.iter().enumerate() {
        assert_eq!(&subscriber.event().id, id);
        let next = Lane::ALL[(start + place + 1) % 3];
        let kept = subscriber.cut();
        subscriber =
            if place % 2 == 0 { kept.go_on(&server, next) } else { kept.go_on_afresh(&server, next) };
        assert_eq!((subscriber.sync().state.as_str(), subscriber.cursor()), ("resumed", id.as_str()));
        assert_eq!(subscriber.session() == kept.session, place % 2 == 0);
    }
    assert_ne!(subscriber.session(), session);
    server.publish_all([LAST + 1]);
    assert_eq!(subscriber.event().offset(), LAST as u64 + 1);
}

fn history_that_expires_while_it_is_away(lane: Lane) {
    let server = TestServer::with(&[("history.events", "10")]);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new());
    server.publish_all(1..=3);
    assert_eq!(subscriber.data(3), ["1", "2", "3"]);
    let kept = subscriber.cut();
    server.publish_all(4..=20);
    let mut again = kept.go_on(&server, lane);
    assert_eq!((again.sync().state.as_str(), again.sync().missed), ("reset", Some(7)));
    assert_eq!(again.data(10), (11..=20).map(|n| n.to_string()).collect::<Vec<_>>());
    // Nothing is told twice: the reset was the news, and no gap stands beside it.
    let next = server.publish_all([21]);
    assert!(matches!(again.next_news(), Message::Event(event) if event.id == next[0]));
}
