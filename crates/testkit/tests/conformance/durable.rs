//! History that outlives its server: going on over a restart, and what is told where something was lost.

use std::path::Path;

use tempfile::TempDir;
use tricast_testkit::{Lane, Message, Opening, Subscriber, TestServer};

on_each_lane!(goes_on_after_a_restart, is_told_what_the_engine_has_lost);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"))
}

fn over(store: &Path, settings: &[(&str, &str)]) -> TestServer {
    let path = store.to_string_lossy();
    let settings: Vec<_> = settings.iter().copied().chain([("store.path", &*path)]).collect();
    TestServer::with(&settings)
}

fn goes_on_after_a_restart(lane: Lane) {
    for durability in ["async", "sync"] {
        let store = folder();
        let settings = [("store.durability", durability)];
        let server = over(store.path(), &settings);
        server.publish_to("a", 1);
        server.publish_to("b", 2);
        server.publish_all([3, 4]);
        let mut subscriber = Subscriber::open(&server, lane, &Opening::new().rooms("a").after("earliest"));
        assert_eq!(subscriber.data(2), ["1", "3"]);
        let kept = subscriber.cut();
        server.begin_to_stop();
        server.wait_for_end();
        let server = over(store.path(), &settings);
        server.publish_to("a", 5);
        // Sessions are not kept, so the rooms are named again.
        let opening = Opening::new().rooms("a").after(&kept.cursor).session(&kept.session);
        let mut subscriber = Subscriber::open(&server, lane, &opening);
        let sync = subscriber.sync();
        assert_eq!((sync.state.as_str(), sync.missed, &sync.cursor), ("resumed", Some(0), &kept.cursor));
        // A poll may have brought the fourth already.
        let rest = if kept.cursor.ends_with("-4") { vec!["5"] } else { vec!["4", "5"] };
        assert_eq!(subscriber.data(rest.len()), rest);
        server.publish_all([6]);
        assert_eq!(subscriber.data(1), ["6"]);
    }
}

fn is_told_what_the_engine_has_lost(lane: Lane) {
    let (store, copy) = (folder(), folder());
    let server = over(store.path(), &[("store.flush_ms", "10000")]);
    let ids = server.publish_all([1, 2]);
    // A copy of the files is what a killed process would leave.
    for entry in std::fs::read_dir(store.path()).unwrap_or_else(|error| panic!("{error}")) {
        let entry = entry.unwrap_or_else(|error| panic!("{error}"));
        std::fs::copy(entry.path(), copy.path().join(entry.file_name()))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let server = over(copy.path(), &[]);
    let last: u64 = server.state()["last"].as_u64().unwrap_or_default();
    let next = server.publish_all([3]).remove(0);
    assert!(last >= 2 && next.ends_with(&format!("-{}", last + 1)), "{next} follows {last}");
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new().after(&ids[0]));
    assert_eq!(subscriber.sync().state, "resumed");
    match subscriber.message() {
        Message::Gap(gap) => {
            assert_eq!((gap.from, gap.to, gap.reason.as_str()), (2, last, "engine"));
            assert!(gap.cursor.ends_with(&format!("-{last}")));
        }
        other => panic!("{lane}: {other:?}"),
    }
    assert_eq!(subscriber.event().id, next);
}

#[test]
fn a_reply_on_a_websocket_tells_how_far_it_is_kept() {
    for (settings, told) in [(vec![], "async"), (vec![("store.durability", "sync")], "sync")] {
        let store = folder();
        let server = over(store.path(), &settings);
        let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new());
        let reply = subscriber.command(r#"{"op":"publish","data":1}"#);
        assert_eq!((&reply["ok"], &reply["durability"]), (&true.into(), &told.into()), "{reply}");
    }
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new());
    let reply = subscriber.command(r#"{"op":"publish","data":1}"#);
    assert!(reply["ok"] == true && reply.get("durability").is_none(), "in memory nothing is said: {reply}");
}
