//! The limit of open files, as a process meets it that was started under a low one.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::process::Running;

/// The soft limit of the server under test, and more connections than it allows.
const SOFT: u64 = 256;
const CONNECTIONS: usize = 400;

/// The log up to the line that tells the address, and that line.
fn first_words(server: &Running) -> (String, String) {
    let mut log = String::new();
    loop {
        let line = server.next_line();
        match line.strip_prefix("listening http://") {
            Some(address) => return (log, address.to_owned()),
            None => log = log + &line + "\n",
        }
    }
}

fn is_served(mut stream: &TcpStream) -> bool {
    let mut start = [0; 15];
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    stream.read_exact(&mut start).is_ok() && start == *b"HTTP/1.1 200 OK"
}

#[test]
fn the_soft_limit_is_no_limit() {
    let server =
        Running::serve_under(&format!("ulimit -Sn {SOFT}"), &["--set", "limits.connections_max=600"]);
    let (log, address) = first_words(&server);
    assert!(log.contains(&format!("limit of open files before={SOFT} now=")), "{log}");
    assert!(!log.contains("WARN"), "{log}");
    let open: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for (place, stream) in open.iter().enumerate() {
        assert!(is_served(stream), "connection {place} of {CONNECTIONS}");
    }
}

#[test]
fn a_setting_beyond_the_hard_limit_is_told() {
    let limits = format!("ulimit -Sn {SOFT}; ulimit -Hn 300");
    for (connections_max, is_told) in [("300", false), ("301", true)] {
        let setting = format!("limits.connections_max={connections_max}");
        let server = Running::serve_under(&limits, &["--set", &setting]);
        let (log, _) = first_words(&server);
        assert!(log.contains("before=256 now=300"), "{log}");
        let told =
            log.lines().any(|line| line.contains("WARN") && line.contains("limits.connections_max is"));
        assert_eq!(told, is_told, "{log}");
    }
}

#[test]
fn the_default_follows_the_hard_limit() {
    let server = Running::serve_under("ulimit -Sn 256; ulimit -Hn 300", &[]);
    let (log, _) = first_words(&server);
    assert!(log.contains("limits.connections_max=200") && !log.contains("WARN"), "{log}");
}

/// The demo is a server, too.
#[test]
fn the_demo_raises_it_as_well() {
    let flags = ["--set", "limits.connections_max=300"];
    let demo = Running::under("ulimit -Sn 256; ulimit -Hn 300", "demo", &flags);
    assert!(demo.next_line().contains("limit of open files before=256 now=300"));
}
