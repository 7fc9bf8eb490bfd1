//! The demo's server goes away at the page's word and comes back; a signal meanwhile ends everything.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::Running;

/// What a restart is waited for at most.
const PATIENCE: Duration = Duration::from_secs(60);

fn demo() -> (Running, String) {
    let demo = Running::start(&["demo", "--listen", "127.0.0.1:0", "--workers", "1"], 7);
    let address = demo.told("page").trim_start_matches("http://").trim_end_matches('/').to_owned();
    (demo, address)
}

/// The answer to a request through the tap; nothing where the server behind it is away.
fn asked(address: &str, request: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = "host: localhost\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{request} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

fn epoch(address: &str) -> Option<String> {
    let answer = asked(address, "GET /v1/feeds/default", "")?;
    Some(answer.split_once("\"epoch\":\"")?.1.split('"').next()?.to_owned())
}

/// Has it restarted, and waits until it is away.
fn restart(address: &str, away_ms: u32) {
    let answer = asked(address, "POST /demo/restart", &format!("{{\"ms\":{away_ms}}}")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let start = Instant::now();
    while epoch(address).is_some() {
        assert!(start.elapsed() < PATIENCE, "the server did not go away");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_demos_server_goes_away_and_comes_back_on_the_same_address() {
    let (_demo, address) = demo();
    let mut lives = vec![epoch(&address).unwrap()];
    for _ in 0..2 {
        restart(&address, 300);
        let start = Instant::now();
        let next = loop {
            if let Some(next) = epoch(&address) {
                break next;
            }
            assert!(start.elapsed() < PATIENCE, "the server did not come back");
            sleep(Duration::from_millis(10));
        };
        assert!(!lives.contains(&next), "without a store each life is another one: {lives:?}");
        lives.push(next);
    }
    assert!(asked(&address, "GET /v1/feeds/brief", "").unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_signal_ends_the_demo_while_its_server_is_away() {
    let (mut demo, address) = demo();
    restart(&address, 30_000);
    let sent = Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(demo.ended().success());
}
