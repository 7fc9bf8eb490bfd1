//! Members, presence, turns, and what is said about single events.

use tricast_testkit::{Lane, Opening, Subscriber, TestServer, WsPeer, eventually};

on_each_lane!(
    a_member_name_addresses_and_opens_nothing,
    comings_and_goings_are_told,
    a_late_request_takes_nothing_over,
    every_event_has_its_reason,
);

fn a_member_name_addresses_and_opens_nothing(lane: Lane) {
    let server = TestServer::start();
    let mut one = Subscriber::open(&server, lane, &Opening::new());
    let mut other = Subscriber::open(&server, lane, &Opening::new());
    server.publish(&format!(r#"{{"to":"{}","data":1}}"#, one.member()));
    server.publish(&format!(r#"{{"except":"{}","data":2}}"#, one.member()));
    server.publish(r#"{"data":3}"#);
    assert_eq!(one.data(2), ["1", "3"]);
    assert_eq!(other.data(2), ["2", "3"]);
    let target = format!("/v1/feeds/default/{lane}?session={}", one.member());
    let refused = server.get(&target);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("session: not a session"), "{}", refused.text());
}

fn comings_and_goings_are_told(lane: Lane) {
    let server = TestServer::with(&[("presence", "told"), ("session.grace_secs", "1")]);
    let mut watcher = Subscriber::open(&server, Lane::Ws, &Opening::new().rooms("a"));
    let mut told = |count: usize| -> Vec<(String, String, u64)> {
        let tell = |event: tricast_testkit::Event| {
            let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            (event.kind, data["member"].as_str().unwrap().to_owned(), data["count"].as_u64().unwrap())
        };
        watcher.events(count).into_iter().map(tell).collect()
    };
    told(1);
    let mut guest = Subscriber::open(&server, lane, &Opening::new().rooms("b"));
    let member = guest.member().to_owned();
    guest.join(&["a"]);
    assert_eq!(told(1), [("tricast.join".to_owned(), member.clone(), 2)]);
    let there = server.get("/v1/feeds/default/presence?room=a").json();
    assert_eq!(there["count"], 2);
    let names: Vec<&str> =
        there["members"].as_array().unwrap().iter().filter_map(|found| found["member"].as_str()).collect();
    assert!(names.contains(&member.as_str()), "{there}");
    assert_eq!(server.get("/v1/feeds/default/presence?room=a&limit=0").json()["count"], 2);
    drop(guest);
    assert_eq!(told(1), [("tricast.leave".to_owned(), member, 1)]);
    eventually("it is no longer there", || server.get("/v1/feeds/default/presence").json()["count"] == 1);
    let forged =
        server.request("POST", "/v1/feeds/default/events", "", r#"{"type":"tricast.join","data":1}"#);
    assert_eq!(forged.status, 400, "{}", forged.text());
}

/// A request that was held up on its way comes after the one that the client made next.
fn a_late_request_takes_nothing_over(lane: Lane) {
    let server = TestServer::start();
    let first = Subscriber::open(&server, lane, &Opening::new().with("turn", "1"));
    let session = first.session().to_owned();
    let mut current =
        Subscriber::open(&server, Lane::Ws, &Opening::new().session(&session).with("turn", "2"));
    for late in Lane::ALL {
        let target = Opening::new().session(&session).with("turn", "1").target(late);
        if late == Lane::Ws {
            let refused = WsPeer::open(&server, &target).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains("409") && refused.contains("replaced"), "{refused}");
        } else {
            let answer = server.get(&target);
            assert_eq!((answer.status, answer.json()["reason"].as_str()), (409, Some("replaced")), "{late}");
        }
    }
    server.publish(r#"{"data":1}"#);
    assert_eq!(current.data(1), ["1"]);
    drop(first);
}

fn every_event_has_its_reason(lane: Lane) {
    let server = TestServer::with(&[("history.events", "7")]);
    let before = server.publish_to("a", 0);
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a"));
    let member = subscriber.member().to_owned();
    let delivered = server.publish_to("a", 1);
    let never = server.publish_to("c", 2);
    let excluded = server.publish(&format!(r#"{{"except":"{member}","data":3}}"#));
    let to = r#"{"to":"p_AAAAAAAAAAAAAAAAAAAAAA","data":4}"#;
    let other = server.publish(to);
    assert_eq!(subscriber.data(1), ["1"]);
    let session = subscriber.session().to_owned();
    let verdict = |id: &str, session: &str| {
        let answer = server.get(&format!("/v1/feeds/default/events/{id}?debug={session}"));
        answer.json()["verdict"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    };
    assert_eq!(verdict(&before, &member), "started_later");
    assert_eq!(verdict(&delivered, &session), "delivered");
    // It has had an event, so it is live, and a pass gives it the next one.
    let live = server.publish_to("a", 6);
    assert_eq!(subscriber.data(1), ["6"]);
    if lane != Lane::Poll {
        let live = server.get(&format!("/v1/feeds/default/events/{live}?debug={session}")).json();
        assert_eq!((live["transport"].as_str(), live["at"].is_string()), (Some(lane.name()), true), "{live}");
    }
    assert_eq!(verdict(&never, &member), "never_joined");
    assert_eq!(verdict(&excluded[0], &member), "excluded");
    assert_eq!(verdict(&other[0], &member), "not_addressed");
    assert_eq!(verdict(&other[0], "p_AAAAAAAAAAAAAAAAAAAAAA"), "no_session");
    subscriber.leave(&["a"]);
    assert_eq!(verdict(&delivered, &member), "forgotten", "its rooms were others then");
    assert_eq!(verdict(&excluded[0], &member), "excluded");
    subscriber.join(&["b"]);
    let kept = subscriber.cut();
    // Until its server has seen the cut, an event is handed to the socket: delivered, as far as a server can know.
    server.wait_for_subscribers(0);
    let pending = server.publish_to("b", 5);
    assert_eq!(verdict(&pending, &member), "pending");
    (0..8).for_each(|n| drop(server.publish_to("b", n)));
    let mut again = kept.go_on(&server, lane);
    assert_eq!(again.sync().state, "reset");
    assert_eq!(again.data(1).len(), 1);
    assert_eq!(verdict(&before, &member), "expired", "nobody knows any more whom it was for");
    let missing = server.get(&format!("/v1/feeds/default/events/{}-99?debug={member}", &before[..8]));
    assert_eq!(missing.status, 404);
}
