//! What the whole process holds and uses. One test at a time, and none of another file beside it: the figures are of
//! everything that runs here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tricast_testkit::{
    Connection, Kept, Lane, Opening, Subscriber, TestServer, WsPeer, cpu_time, eventually, memory,
    open_files, patience,
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
    let before = files_after_the_first_guests(&server);
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
            let mut connection = server.connect().unwrap();
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

/// What every connection of a kind does first, and whether it then is a subscriber.
const GUESTS: [(&str, bool); 4] = [("sse", true), ("ws", true), ("poll", true), ("poll?wait=0", false)];

fn guest(server: &TestServer, kind: usize) -> std::io::Result<Connection> {
    let (what, is_subscriber) = GUESTS[kind % GUESTS.len()];
    let path = format!("/v1/feeds/default/{what}");
    let mut connection = server.connect()?;
    connection.send(match what {
        "ws" => WsPeer::request(&path, ""),
        _ => format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"),
    })?;
    if what == "poll" {
        return Ok(connection);
    }
    let status = if is_subscriber { connection.head(patience())? } else { connection.response(patience())? };
    match status.status {
        101 | 200 => Ok(connection),
        _ => Err(std::io::Error::other(format!("{status:?}"))),
    }
}

/// Streams, parked polls and connections that rest after one all have a place, and one too many is told so. A place
/// is free again when its connection goes, and all of them are at the end.
#[test]
fn connections_have_places() {
    const PLACES: usize = 40;
    let _alone = alone();
    for way in ["owned", "body"] {
        let flags = [("limits.connections_max", "40"), ("fanout.way", way)];
        let server = TestServer::with(&flags);
        for _ in 0..3 {
            let mut all: Vec<Connection> = (0..PLACES).map(|kind| guest(&server, kind).unwrap()).collect();
            let refused = || {
                let mut further = server.connect().unwrap();
                // It is told before it asks.
                let answer = further.response(patience()).unwrap();
                assert!(further.is_ended(patience()).unwrap());
                answer
            };
            let answer = refused();
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{way}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert!(
                answer.json()["detail"].as_str().unwrap().contains("limits.connections_max"),
                "{answer:?}"
            );
            // Each kind gives its place to another.
            for _ in GUESTS {
                drop(all.remove(0));
                eventually("a place is free", || guest(&server, 3).map(|found| all.push(found)).is_ok());
            }
            assert_eq!(refused().status, 503, "{way}");
            drop(all);
            eventually("every place is free", || {
                let again: Vec<Connection> = (0..PLACES).map_while(|_| guest(&server, 3).ok()).collect();
                again.len() == PLACES
            });
            eventually("those are gone too", || guest(&server, 3).is_ok());
        }
    }
}

/// Whatever stands, rests or has half asked: everybody is told who waits for something, and nobody is waited for.
#[test]
fn draining_has_an_end_for_every_connection() {
    let _alone = alone();
    for way in ["owned", "body"] {
        let server = TestServer::with(&[("fanout.way", way), ("drain.max_secs", "5")]);
        let mut subscribers: Vec<Subscriber> =
            (0..30).map(|n| Subscriber::open(&server, Lane::ALL[n % 3], &Opening::new())).collect();
        let mut parked: Vec<Connection> = (0..10).map(|_| guest(&server, 2).unwrap()).collect();
        let resting: Vec<Connection> = (0..10).map(|_| guest(&server, 3).unwrap()).collect();
        let halves: Vec<Connection> = (0..30)
            .map(|n| {
                // On a fresh connection, after a poll, and after what actix answers.
                let mut connection =
                    if n % 3 == 0 { server.connect().unwrap() } else { guest(&server, 3).unwrap() };
                if n % 3 == 1 {
                    connection.exchange("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
                }
                connection.send("GET /v1/feeds/default/po").unwrap();
                connection
            })
            .collect();
        server.wait_for_subscribers(40);
        server.begin_to_stop();
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.ending().0.reason, "draining", "{way}: {}", subscriber.lane());
        }
        for poll in &mut parked {
            let told = poll.response(patience()).unwrap().json();
            assert_eq!(told["notices"][0]["reason"], "draining", "{way}: {told}");
        }
        // Within the drain and what requests may take, and what a machine with other work may add.
        let took = server.wait_for_end();
        assert!(took < Duration::from_secs(12), "{way}: {took:?}");
        drop((resting, halves));
    }
}

/// How many files are open once that number has not changed for a second.
fn settled_files() -> usize {
    let (mut files, mut since) = (open_files(), Instant::now());
    eventually("the number of open files rests", || {
        let now = open_files();
        if now != files {
            (files, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(1)
    });
    files
}

/// A hundred guests of a kind come, and go once all are there.
fn come_and_go(server: &TestServer, kind: usize) {
    let all: Result<Vec<Connection>, _> = (0..100).map(|_| guest(server, kind)).collect();
    drop(all.expect("a hundred guests are let in"));
}

/// The files that a server holds once every worker has seen every kind of guest, and what the runtime opens for itself,
/// when it likes, is there.
fn files_after_the_first_guests(server: &TestServer) -> usize {
    for kind in 0..GUESTS.len() {
        come_and_go(server, kind);
    }
    server.wait_for_subscribers(0);
    settled_files()
}

/// Two thousand connections of each kind come and go, by the hundred, and leave no file open.
#[test]
fn no_file_is_left_open() {
    const ROUNDS: usize = 20;
    let _alone = alone();
    for way in ["owned", "body"] {
        let server = TestServer::with(&[("fanout.way", way), ("session.grace_secs", "1")]);
        let before = files_after_the_first_guests(&server);
        for kind in 0..GUESTS.len() {
            for _ in 0..ROUNDS {
                come_and_go(&server, kind);
            }
            server.wait_for_subscribers(0);
            eventually("all files are closed", || open_files() <= before);
        }
    }
}

/// Who stands at the beginning of a long history does not hold up the worker, and the server keeps no copy of it.
#[test]
fn a_hundred_thousand_events_flow() {
    const EVENTS: u64 = 100_000;
    let _alone = alone();
    let server = TestServer::with(&[
        ("history.events", "200000"),
        ("history.bytes", "1000000000"),
        ("server.workers", "1"),
    ]);
    for batch in 0..EVENTS / 1000 {
        server.publish_all(batch * 1000..(batch + 1) * 1000);
    }
    let mut other = Subscriber::open(&server, Lane::Ws, &Opening::new());
    let before = memory();
    let open = |n: usize| Subscriber::open(&server, Lane::ALL[n % 3], &Opening::new().after("earliest"));
    let readers: Vec<Subscriber> = (0..12).map(open).collect();
    server.publish_all([EVENTS]);
    assert_eq!(other.data(1), [EVENTS.to_string()], "while others stand at the beginning");
    let grown = memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for twelve that stand at the beginning of {before} bytes");
    for mut reader in readers.into_iter().take(3) {
        for expected in 0..=EVENTS {
            assert_eq!(reader.event().data, expected.to_string(), "{}", reader.lane());
        }
    }
}
