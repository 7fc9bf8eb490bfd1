//! One store over several lives of its server: what goes on, what a full disk does, and what damage does.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Peer, Server, tricast};

const SYNC: &str = "store.durability=sync";

fn segments(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    found.sort();
    found
}

/// The ids and the data of the events that follow a cursor on a stream.
fn streamed(server: &Server, after: &str, count: usize) -> Vec<String> {
    let mut peer = Peer::connect(server.address).unwrap();
    peer.stream(after).unwrap();
    let mut lines = Vec::new();
    while lines.len() < count {
        let line = peer.line().unwrap();
        let wanted = line.strip_prefix("data: ").filter(|json| !json.contains("\"beat\":"));
        lines.extend(wanted.map(str::to_owned));
    }
    lines
}

#[test]
fn a_publish_tells_how_far_it_is_kept() {
    for (settings, told) in [(vec![], "async"), (vec![SYNC], "sync")] {
        let store = tempfile::tempdir().unwrap();
        let server = Server::start(&store.path().join("new/folder"), &settings);
        let answer = server.post("{\"data\":1}").json();
        assert_eq!(answer["durability"], told, "{answer}");
        assert!(answer["events"][0]["id"].as_str().unwrap().ends_with("-1"));
    }
}

#[test]
fn a_stop_leaves_no_gap_and_what_follows_is_numbered_on() {
    for settings in [vec![], vec![SYNC]] {
        let store = tempfile::tempdir().unwrap();
        let server = Server::start(store.path(), &settings);
        let first = server.post("{\"data\":1,\"rooms\":[\"a\"],\"key\":\"k\",\"type\":\"x.y\"}").json();
        server.post("[{\"data\":2},{\"data\":3}]");
        let before = server.history("earliest");
        let log = server.stop();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
        let server = Server::start(store.path(), &settings);
        assert_eq!(server.history("earliest"), before);
        assert_eq!(before.0.len(), 3);
        let cursor = first["events"][0]["id"].as_str().unwrap();
        server.post("{\"data\":4}");
        let got = streamed(&server, cursor, 3);
        assert!(got[2].contains("\"data\":4") && got[2].contains("-4\""), "{got:?}");
    }
}

#[test]
fn a_reader_is_told_the_range_that_a_kill_took() {
    let store = tempfile::tempdir().unwrap();
    // So long that nothing but the first ceiling is on disk.
    let server = Server::start(store.path(), &["store.flush_ms=10000"]);
    let mut cursor = String::new();
    for number in 1..=5 {
        let answer = server.post(&format!("{{\"data\":{number}}}")).json();
        if number == 3 {
            answer["events"][0]["id"].as_str().unwrap().clone_into(&mut cursor);
        }
    }
    server.kill();
    let server = Server::start(store.path(), &[]);
    let (events, gaps) = server.history(&cursor);
    assert!(events.is_empty() && gaps.len() == 1, "{events:?} {gaps:?}");
    assert_eq!((gaps[0]["from"].as_u64(), &gaps[0]["reason"]), (Some(4), &"engine".into()));
    let last = gaps[0]["to"].as_u64().unwrap();
    let next = server.post("{\"data\":\"next\"}").json();
    assert!(next["events"][0]["id"].as_str().unwrap().ends_with(&format!("-{}", last + 1)));
    let told = streamed(&server, &cursor, 2);
    assert!(
        told[0].contains("\"reason\":\"engine\"") && told[0].contains(&format!("\"to\":{last},")),
        "{told:?}"
    );
    assert!(told[1].contains("\"next\""), "{told:?}");
}

#[test]
fn a_torn_tail_is_cut_and_told() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::start(store.path(), &[SYNC]);
    (1..=5).for_each(|number| assert_eq!(server.post(&format!("{{\"data\":{number}}}")).status, 201));
    server.kill();
    let newest = segments(store.path()).pop().unwrap();
    let length = fs::metadata(&newest).unwrap().len();
    OpenOptions::new().write(true).open(&newest).unwrap().set_len(length - 3).unwrap();
    let server = Server::start(store.path(), &[SYNC]);
    let (events, gaps) = server.history("earliest");
    assert_eq!((events.len(), gaps.len()), (4, 1), "{gaps:?}");
    assert_eq!(gaps[0]["from"], 5);
    let next = server.post("{\"data\":6}").json();
    let next = next["events"][0]["id"].as_str().unwrap().rsplit_once('-').unwrap().1.to_owned();
    assert_eq!(next.parse::<u64>().ok(), gaps[0]["to"].as_u64().map(|to| to + 1), "5 names no other event");
    let log = server.stop();
    assert!(log.contains("an unfinished end") && log.contains("cut off"), "{log}");
}

/// A file system of so many bytes, for as long as this lives.
struct Small(tempfile::TempDir);

impl Small {
    /// `None`, with a word why, where nothing may be mounted.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir.path());
        match mount.output() {
            Ok(done) if done.status.success() => Some(Self(dir)),
            other => {
                eprintln!("skipped: a small file system cannot be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What is left mounted is left to whoever runs the tests.
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn full_disk(settings: &[&str]) {
    let Some(small) = Small::mount("3m") else { return };
    let store = small.0.path().join("store");
    let server = Server::start(&store, settings);
    // Takes most of what is there, so that the store meets the end in the middle of a segment.
    let filler = small.0.path().join("filler");
    fs::write(&filler, vec![0; 2 << 20]).unwrap();
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(50_000));
    let mut acknowledged = 0_u64;
    eventually("the disk is full", || {
        let answer = server.post(&body);
        acknowledged += u64::from(answer.status == 201);
        answer.status == 503 && answer.body.contains("degraded") && answer.body.contains("No space left")
    });
    let ready = server.get("/readyz");
    assert!(ready.status == 503 && ready.body.contains("store.path"), "{ready:?}");
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.history("earliest").0.len() as u64 >= acknowledged, "what is there is served");
    fs::remove_file(&filler).unwrap();
    eventually("it recovers by itself", || server.get("/readyz").status == 200);
    let answer = server.post(&body);
    assert_eq!(answer.status, 201, "{answer:?}");
    let before = server.history("earliest");
    assert_eq!(before.0.len() as u64, acknowledged + 1, "what was refused is not there");
    server.stop();
    let server = Server::start(&store, settings);
    assert_eq!(server.history("earliest"), before, "nothing that was acknowledged is lost");
    assert_eq!(before.1.len(), 0, "{:?}", before.1);
    drop(server);
}

#[test]
fn a_full_disk_refuses_publishes_and_loses_nothing_under_sync() {
    full_disk(&[SYNC]);
}

#[test]
fn a_full_disk_refuses_publishes_and_loses_nothing_under_async() {
    full_disk(&[]);
}

/// What a server says that cannot use its store.
fn refused(path: &Path) -> String {
    let mut command = tricast();
    command.args(["serve", "--listen", "127.0.0.1:0", "--set"]).arg(format!("store.path={}", path.display()));
    let said = command.output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    String::from_utf8(said.stderr).unwrap()
}

#[test]
fn a_store_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let server = Server::start(&store, &[SYNC]);
    let told = refused(&store);
    assert!(told.contains("store.path: ") && told.contains("is used by another process"), "{told}");
    server.stop();
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(refused(&dir.path().join("file")).contains("is no folder"));
    assert!(refused(dir.path()).contains("holds something else"));
    fs::write(store.join("tricast-store"), "tricast-store 2\n").unwrap();
    assert!(refused(&store).contains("holds format 2; this program reads format 1"));
    if let Some(small) = Small::mount("1m") {
        let path = small.0.path();
        let mut mount = Command::new("mount");
        assert!(mount.args(["-o", "remount,ro"]).arg(path).status().unwrap().success());
        let told = refused(&path.join("store"));
        assert!(told.contains("store.path: ") && told.contains("Read-only file system"), "{told}");
    }
}
