//! What the whole process holds and uses. One test at a time, and none of another file beside it: the figures are of
//! everything that runs here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tricast_testkit::{
    Connection, Kept, Lane, Opening, Subscriber, TestServer, WsPeer, cpu_time, eventually, open_files,
    patience,
};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thousand connects and drops leave nothing: no subscriber, no file, no session.
#[test]
fn nothing_leaks() {
    const CONNECTS: usize = 1000;
    let _alone = alone();
    let server = TestServer::with(&[("session.grace_secs", "1")]);
    // Threads and pools that are made on first use are there before the count.
    Lane::ALL.iter().for_each(|lane| drop(Subscriber::open(&server, *lane, &Opening::new())));
    server.wait_for_subscribers(0);
    let before = open_files();
    let kept: Vec<Kept> = (0..CONNECTS)
        .map(|n| {
            let opening = Opening::new().rooms(&format!("room-{n}"));
            let mut subscriber = Subscriber::open(&server, Lane::ALL[n % 3], &opening);
            // Some go in the middle of what they are sent, and some before it.
            let id = server.publish_to(&format!("room-{n}"), n);
            if n % 2 == 0 {
                assert_eq!(subscriber.event().id, id);
            }
            subscriber.cut()
        })
        .collect();
    server.wait_for_subscribers(0);
    eventually("all files are closed", || open_files() <= before);
    for kept in kept.iter().step_by(97).chain(kept.last()) {
        let target = format!("/v1/feeds/default/sessions/{}/rooms", kept.session);
        let is_gone = || server.request("PATCH", &target, "", "{\"join\":[]}").status == 404;
        eventually("the session has expired", is_gone);
    }
    // And it still works.
    let mut subscriber = Subscriber::open(&server, Lane::Ws, &Opening::new());
    server.publish_all([1]);
    assert_eq!(subscriber.data(1), ["1"]);
}

/// Requests that are pipelined behind an answer that does not end wait, and cost nothing meanwhile.
#[test]
fn what_waits_behind_a_stream_does_not_spin() {
    let _alone = alone();
    let server = TestServer::start();
    let behind = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n".repeat(20);
    let connections: Vec<Connection> = Lane::ALL
        .iter()
        .flat_map(|lane| [*lane; 3])
        .map(|lane| {
            let mut connection = Connection::open(server.address()).unwrap();
            let path = format!("/v1/feeds/default/{lane}");
            let request = match lane {
                Lane::Ws => WsPeer::request(&path, ""),
                Lane::Poll | Lane::Sse => format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"),
            };
            connection.send(format!("{request}{behind}")).unwrap();
            connection
        })
        .collect();
    // On a WebSocket that is no frame and ends it. The others are there.
    eventually("they are open", || server.subscribers() == 6);
    let before = cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = cpu_time().saturating_sub(before);
    // A loop that spins takes a whole second of a core, or two of them.
    assert!(used < Duration::from_millis(500), "{used:?} of processor time in a second of nothing");
    // A poll that is answered lets what waits behind it go on.
    server.publish_all([1]);
    let mut poll = connections.into_iter().next().unwrap();
    assert_eq!(poll.response(patience()).unwrap().json()["events"][0]["data"], 1);
    for _ in 0..20 {
        assert_eq!(poll.response(patience()).unwrap().status, 200);
    }
}

/// Streams to which nothing happens use next to no processor time.
#[test]
fn idle_streams_are_idle() {
    let _alone = alone();
    let server = TestServer::start();
    let _open: Vec<Subscriber> =
        (0..90).map(|n| Subscriber::open(&server, Lane::ALL[n % 3], &Opening::new())).collect();
    server.wait_for_subscribers(90);
    let before = cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = cpu_time().saturating_sub(before);
    assert!(used < Duration::from_millis(300), "{used:?} of processor time in a second of nothing");
}
