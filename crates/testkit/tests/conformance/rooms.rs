//! Who gets what: rooms, broadcasts, and events for or without one session.

use tricast_testkit::{Lane, Opening, Subscriber, TestServer};

on_each_lane!(
    its_rooms_and_the_broadcasts,
    several_rooms_bring_an_event_once,
    rooms_hold_on_resume_and_in_history,
    join_and_leave,
    a_late_join_starts_at_the_tip,
    put_replaces_the_rooms,
    a_refused_change_changes_nothing,
    a_join_at_the_moment_of_opening,
    except_leaves_one_out,
    to_reaches_one_alone,
);

const MARK: &str = "\"mark\"";

/// What came before the next mark. A mark is a broadcast, so that nothing has to be waited for that does not come.
#[track_caller]
fn until_mark(server: &TestServer, subscriber: &mut Subscriber) -> Vec<String> {
    server.publish_all([MARK]);
    let next = std::iter::from_fn(|| Some(subscriber.event().data).filter(|data| data != MARK));
    next.collect()
}

fn its_rooms_and_the_broadcasts(lane: Lane) {
    let server = TestServer::start();
    let mut without = Subscriber::open(&server, lane, &Opening::new());
    let mut in_a = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    let mut in_both = Subscriber::open(&server, lane, &Opening::new().rooms("a,b"));
    server.publish_to("a", 1);
    server.publish_to("b", 2);
    server.publish_all([3]);
    server.publish_to("c", 4);
    assert_eq!(until_mark(&server, &mut without), ["3"]);
    server.publish_to("b", 5);
    assert_eq!(in_a.data(3), ["1", "3", MARK]);
    assert_eq!(until_mark(&server, &mut in_a), [""; 0]);
    assert_eq!(in_both.data(5), ["1", "2", "3", MARK, "5"]);
}

fn several_rooms_bring_an_event_once(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a,b,c"));
    server.publish_to("b,c,x", 1);
    server.publish_to("a,b,c", 2);
    assert_eq!(until_mark(&server, &mut subscriber), ["1", "2"]);
    // The same from the log.
    let mut late = Subscriber::open(&server, lane, &Opening::new().rooms("c,a,b").after("earliest"));
    assert_eq!(late.data(3), ["1", "2", MARK]);
}

fn rooms_hold_on_resume_and_in_history(lane: Lane) {
    let server = TestServer::start();
    let ids: Vec<String> =
        ["a", "b", "a", "b,a", "c"].iter().zip(1..).map(|(rooms, n)| server.publish_to(rooms, n)).collect();
    for (rooms, expected) in [("a", vec!["3", "4"]), ("b", vec!["2", "4"]), ("c", vec!["5"]), ("x", vec![])] {
        let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms(rooms).after(&ids[0]));
        assert_eq!(until_mark(&server, &mut subscriber), expected, "{rooms}");
    }
}

fn join_and_leave(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    assert_eq!(subscriber.join(&["b", "c"]), ["a", "b", "c"]);
    server.publish_to("b", 1);
    server.publish_to("a", 2);
    assert_eq!(subscriber.data(2), ["1", "2"]);
    assert_eq!(subscriber.leave(&["a", "c", "never"]), ["b"]);
    server.publish_to("a", 3);
    server.publish_to("b", 4);
    server.publish_to("c", 5);
    assert_eq!(until_mark(&server, &mut subscriber), ["4"]);
    // A parked poll, or an open stream, has it at once; so has what goes on after it.
    let mut again = subscriber.cut().go_on(&server, lane);
    server.publish_to("a", 6);
    server.publish_to("b", 7);
    assert_eq!(until_mark(&server, &mut again), ["7"]);
}

fn a_late_join_starts_at_the_tip(lane: Lane) {
    let server = TestServer::start();
    server.publish_to("b", 1);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after("earliest"));
    let (start, session) = (subscriber.cursor().to_owned(), subscriber.session().to_owned());
    server.publish_to("b", 2);
    subscriber.join(&["b"]);
    server.publish_to("b", 3);
    assert_eq!(until_mark(&server, &mut subscriber), ["3"]);
    // Also where the session goes on from before it joined.
    let _ = subscriber.cut();
    let mut again = Subscriber::open(&server, lane, &Opening::new().after(&start).session(&session));
    assert_eq!(again.data(2), ["3", MARK]);
}

fn put_replaces_the_rooms(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a,b"));
    let answer = subscriber.change_rooms("PUT", r#"{"rooms":["b","c"]}"#);
    assert_eq!((answer.status, answer.text()), (200, r#"{"rooms":["b","c"]}"#));
    server.publish_to("a", 1);
    server.publish_to("b", 2);
    server.publish_to("c", 3);
    assert_eq!(until_mark(&server, &mut subscriber), ["2", "3"]);
}

fn a_refused_change_changes_nothing(lane: Lane) {
    let server = TestServer::with(&[("limits.rooms_max", "3")]);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a,b"));
    for (body, field) in [
        (r#"{"join":["c","/"]}"#, "join[1]"),
        (r#"{"join":["c","d"]}"#, "rooms"),
        (r#"{"leave":["a"],"join":"c"}"#, "join: invalid type"),
        (r#"{"leave":["a"],"rooms":["c"]}"#, "body: unknown field `rooms`"),
        (r#"{"leave":["a"]"#, "body"),
    ] {
        let answer = subscriber.change_rooms("PATCH", body);
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (400, Some("bad_request")), "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(field), "{body}: {detail}");
    }
    server.publish_to("c", 1);
    server.publish_to("a", 2);
    assert_eq!(until_mark(&server, &mut subscriber), ["2"]);
}

/// A join that is answered while its session is being opened again, by another worker, holds for that opening too.
fn a_join_at_the_moment_of_opening(lane: Lane) {
    const ROUNDS: usize = 400;
    let server = TestServer::start();
    let first = Subscriber::open(&server, Lane::Poll, &Opening::new());
    let session = first.cut().session;
    let target = format!("/v1/feeds/default/sessions/{session}/rooms");
    for round in 0..ROUNDS {
        let room = format!("room-{round}");
        let opening = Opening::new().session(&session).after(&server.tip());
        let join = format!("{{\"join\":[\"{room}\"],\"leave\":[\"room-{}\"]}}", round.wrapping_sub(1));
        let mut subscriber = std::thread::scope(|scope| {
            let joining = scope.spawn(|| server.request("PATCH", &target, "", &join).status);
            let subscriber = Subscriber::open(&server, lane, &opening);
            assert_eq!(joining.join().unwrap(), 200);
            subscriber
        });
        server.publish_to(&room, round);
        assert_eq!(until_mark(&server, &mut subscriber), [round.to_string()], "round {round}");
        let _ = subscriber.cut();
    }
}

/// `except` and `to` hold live, when its session goes on, and for a stranger who reads the history.
fn except_leaves_one_out(lane: Lane) {
    let server = TestServer::start();
    let opening = Opening::new().rooms("a");
    let mut left_out = Subscriber::open(&server, lane, &opening);
    let mut another = Subscriber::open(&server, lane, &opening);
    let start = left_out.cursor().to_owned();
    let session = left_out.session().to_owned();
    server.publish(&format!(r#"{{"data":1,"rooms":["a"],"except":"{session}"}}"#));
    server.publish(&format!(r#"{{"data":2,"except":"{session}"}}"#));
    server.publish_to("a", 3);
    assert_eq!(left_out.data(1), ["3"]);
    assert_eq!(another.data(3), ["1", "2", "3"]);
    drop(left_out);
    let mut again = Subscriber::open(&server, lane, &opening.clone().after(&start).session(&session));
    assert_eq!(until_mark(&server, &mut again), ["3"]);
    let mut stranger = Subscriber::open(&server, lane, &opening.after(&start));
    assert_eq!(stranger.data(3), ["1", "2", "3"]);
}

fn to_reaches_one_alone(lane: Lane) {
    let server = TestServer::start();
    let mut addressee = Subscriber::open(&server, lane, &Opening::new());
    let mut another = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    let start = addressee.cursor().to_owned();
    let session = addressee.session().to_owned();
    let ids = server.publish(&format!(r#"[{{"data":1,"to":"{session}"}},{{"data":2}}]"#));
    let events = addressee.events(2);
    assert_eq!(events.iter().map(|event| &event.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(!events[0].json.contains(&session), "the event does not tell whom it was for");
    assert_eq!(another.data(1), ["2"]);
    drop(addressee);
    let mut again = Subscriber::open(&server, lane, &Opening::new().after(&start).session(&session));
    assert_eq!(again.data(2), ["1", "2"]);
    let mut stranger = Subscriber::open(&server, lane, &Opening::new().after(&start));
    assert_eq!(stranger.data(1), ["2"]);
    let page = server.get("/v1/feeds/default/events").json();
    assert_eq!(page["events"].as_array().unwrap().len(), 1, "history shows none of one session's own");
}
