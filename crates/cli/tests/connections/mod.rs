//! What a server as a process tells about its connections, and how it ends with many of them.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Running, tricast};

/// The address in the line that tells it.
fn address(server: &Running) -> String {
    loop {
        if let Some(address) = server.next_line().strip_prefix("listening http://") {
            return address.to_owned();
        }
    }
}

/// Reads log lines until one has this.
fn line_with(server: &Running, word: &str) -> String {
    loop {
        let line = server.next_line();
        if line.contains(word) {
            return line;
        }
    }
}

fn ask(address: &str, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    stream
}

/// The status line of an answer.
fn status(mut stream: &TcpStream) -> String {
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    String::from_utf8_lossy(&start).into_owned()
}

#[test]
fn a_full_house_is_told_once_in_a_while() {
    for way in ["owned", "body"] {
        let way = format!("fanout.way={way}");
        let flags = ["--set", "limits.connections_max=3", "--set", &way];
        let mut server = Running::serve_under("ulimit -n 200", &flags);
        let address = address(&server);
        let kept: Vec<TcpStream> = (0..3).map(|_| ask(&address, "/v1/feeds/default/sse")).collect();
        kept.iter().for_each(|stream| assert_eq!(status(stream), "HTTP/1.1 200"));
        for _ in 0..20 {
            assert_eq!(status(&ask(&address, "/healthz")), "HTTP/1.1 503");
        }
        let told = line_with(&server, "refusing connections");
        assert!(told.contains("WARN") && told.contains("limits.connections_max=3"), "{told}");
        drop(kept);
        terminate(&server);
        // Of twenty within a moment one was told, or two where that moment was long.
        let mut more = 0;
        while let Some(line) = server.line_before_the_end() {
            more += usize::from(line.contains("refusing connections"));
        }
        assert!(more <= 1, "{more} more");
        assert!(server.ended().success());
    }
}

/// Out of descriptors, the server says so, keeps serving those who are in, and takes others in when some have gone.
#[test]
fn a_pause_for_lack_of_descriptors_is_told() {
    for way in ["owned", "body"] {
        let way = format!("fanout.way={way}");
        let server =
            Running::serve_under("ulimit -n 64", &["--set", "limits.connections_max=1000", "--set", &way]);
        let address = address(&server);
        let mut all: Vec<TcpStream> = (0..100).map(|_| ask(&address, "/healthz")).collect();
        let told = line_with(&server, "Too many open files");
        assert!(told.contains("WARN") || told.contains("ERROR"), "{told}");
        assert!(told.contains("accept"), "{told}");
        assert_eq!(status(&all[0]), "HTTP/1.1 200");
        let last = all.pop().unwrap();
        drop(all);
        assert_eq!(status(&last), "HTTP/1.1 200");
    }
}

fn terminate(server: &Running) {
    let sent = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_ends_it_with_hundreds_of_connections() {
    for way in ["owned", "body"] {
        let way = format!("fanout.way={way}");
        let mut server = Running::start(&["serve", "--listen", "127.0.0.1:0", "--set", &way], 1);
        let address = server.told("listening http://").to_owned();
        let mut streams: Vec<TcpStream> = (0..200)
            .map(|n| ask(&address, ["/v1/feeds/default/sse", "/v1/feeds/default/poll"][n % 2]))
            .collect();
        streams.iter().step_by(2).for_each(|stream| assert_eq!(status(stream), "HTTP/1.1 200"));
        let start = Instant::now();
        terminate(&server);
        let ended = server.ended();
        assert!(ended.success(), "{way}: {ended}");
        // The drain's ten seconds, and what a machine with other work may add.
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        for (place, stream) in streams.iter_mut().enumerate() {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            assert!(rest.contains("draining"), "connection {place}: {rest}");
        }
    }
}

#[test]
fn tls_is_told_with_the_address_and_its_mistakes_with_the_file() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let setting = |name: &str, file: &str| format!("tls.{name}={}", path(file));
    let (certificate, key) = (setting("certificate", "certificate.pem"), setting("key", "key.pem"));
    let server = Running::start(&listening("serve", &certificate, &key), 1);
    assert!(server.lines[0].starts_with("listening https://127.0.0.1:"), "{}", server.lines[0]);
    let nowhere = setting("key", "nowhere.pem");
    let said = tricast(&listening("serve", &certificate, &nowhere));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains(&format!("tls.key: {}: ", path("nowhere.pem"))), "{}", said.stderr);
    let said = tricast(&listening("demo", &certificate, &key));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("tls.certificate and tls.key"), "{}", said.stderr);
}

/// A command that listens, with two settings.
fn listening<'a>(word: &'a str, one: &'a str, other: &'a str) -> [&'a str; 7] {
    [word, "--listen", "127.0.0.1:0", "--set", one, "--set", other]
}
