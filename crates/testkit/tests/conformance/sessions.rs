//! A session over reconnects, and two openings of one.

use tricast_testkit::{Lane, Opening, Subscriber, TestServer, eventually};

on_each_lane!(
    it_goes_on_with_its_rooms,
    rooms_that_are_given_replace_its_own,
    an_unknown_name_gets_a_new_session,
    it_expires_after_its_grace,
    a_session_is_of_one_namespace,
    it_replaces_an_older_stream,
);

fn it_goes_on_with_its_rooms(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    subscriber.join(&["b"]);
    let session = subscriber.session().to_owned();
    for next in Lane::ALL {
        let kept = subscriber.cut();
        server.publish_to("a", 1);
        server.publish_to("c", 2);
        server.publish_to("b", 3);
        subscriber = kept.go_on(&server, next);
        assert_eq!((subscriber.session(), subscriber.sync().state.as_str()), (session.as_str(), "resumed"));
        assert_eq!(subscriber.data(2), ["1", "3"], "{next}");
    }
}

fn rooms_that_are_given_replace_its_own(lane: Lane) {
    let server = TestServer::start();
    let subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a,b"));
    let session = subscriber.session().to_owned();
    drop(subscriber);
    let mut again = Subscriber::open(&server, lane, &Opening::new().rooms("b,c").session(&session));
    assert_eq!(again.session(), session);
    server.publish_to("a", 1);
    server.publish_to("b", 2);
    server.publish_to("c", 3);
    assert_eq!(again.data(2), ["2", "3"]);
    assert_eq!(again.join(&["d"]), ["b", "c", "d"]);
}

fn an_unknown_name_gets_a_new_session(lane: Lane) {
    let server = TestServer::start();
    let unknown = "s_AAAAAAAAAAAAAAAAAAAAAA";
    let subscriber = Subscriber::open(&server, lane, &Opening::new().session(unknown).rooms("a"));
    assert_ne!(subscriber.session(), unknown);
    assert_eq!(subscriber.sync().state, "new");
    // Also where the cursor is honoured: the client must learn its name.
    let opening = Opening::new().session(unknown).after(&server.tip());
    let subscriber = Subscriber::open(&server, lane, &opening);
    assert_ne!(subscriber.session(), unknown);
    assert_eq!(subscriber.sync().state, "resumed");
}

fn it_expires_after_its_grace(lane: Lane) {
    let server = TestServer::with(&[("session.grace_secs", "1")]);
    let subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    let session = subscriber.session().to_owned();
    drop(subscriber);
    let target = format!("/v1/feeds/default/sessions/{session}/rooms");
    eventually("the session has expired", || {
        server.request("PUT", &target, "", r#"{"rooms":["b"]}"#).status == 404
    });
    let again = Subscriber::open(&server, lane, &Opening::new().session(&session));
    assert_ne!(again.session(), session);
}

fn a_session_is_of_one_namespace(lane: Lane) {
    let server = TestServer::start();
    let here = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    let there = Subscriber::open(&server, lane, &Opening::new().namespace("other").session(here.session()));
    assert_ne!(here.session(), there.session());
    let target = format!("/v1/feeds/other/sessions/{}/rooms", here.session());
    let answer = server.request("PUT", &target, "", r#"{"rooms":[]}"#);
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (404, Some("not_found")));
}

/// The older stream ends with `replaced`; the newer opening, of whatever transport, has session and rooms.
fn it_replaces_an_older_stream(lane: Lane) {
    for older in [Lane::Sse, Lane::Ws] {
        let server = TestServer::start();
        let mut older = Subscriber::open(&server, older, &Opening::new().rooms("a"));
        let mut current = Subscriber::open(&server, lane, &Opening::new().session(older.session()));
        let (close, code) = older.ending();
        assert_eq!((close.reason.as_str(), close.retry.as_str()), ("replaced", "no"));
        assert_eq!(code, (older.lane() == Lane::Ws).then_some(4409));
        server.publish_to("a", 1);
        assert_eq!(current.data(1), ["1"]);
        assert_eq!(current.session(), older.session());
        drop(older);
        server.wait_for_subscribers(1);
        // The session is still its own: the older one, gone from another worker, has not taken it along.
        assert_eq!(current.join(&["b"]), ["a", "b"]);
        server.publish_to("b", 2);
        assert_eq!(current.data(1), ["2"]);
    }
}
