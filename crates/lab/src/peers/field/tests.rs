//! A field against a scripted server that speaks the textbook's SSE, whole and with faults, and against the raw
//! answering loop itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::*;
use crate::load::Dialect;
use crate::peers::wire::Standing;

const SHORT: Duration = Duration::from_millis(60);

/// What the scripted server does wrong, from its fourth event on, so that the sounding passes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Doubles,
    Refuses,
    HangsUp,
}

type Streams = Arc<Mutex<Vec<TcpStream>>>;

/// Starts the server on a thread of its own, which ends with the test's process.
fn scripted(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Streams::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let streams = Arc::clone(&streams);
            thread::spawn(move || serve(stream, &streams, fault));
        }
    });
    address
}

fn serve(stream: TcpStream, streams: &Streams, fault: Fault) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut stream, mut events) = (stream, 0);
    while let Some((line, body)) = request(&mut reader) {
        if line.starts_with("GET /sse") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").unwrap();
            streams.lock().unwrap().push(stream.try_clone().unwrap());
            continue;
        }
        events += 1;
        let fault = if events > 3 { fault } else { Fault::None };
        let copies = if fault == Fault::Doubles { 2 } else { 1 };
        let event = format!("data: {body}\n\n").repeat(copies);
        for one in streams.lock().unwrap().iter_mut() {
            if fault == Fault::HangsUp {
                one.shutdown(std::net::Shutdown::Both).unwrap();
            } else {
                let _gone = one.write_all(event.as_bytes());
            }
        }
        let status = if fault == Fault::Refuses { 503 } else { 204 };
        stream.write_all(format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
    }
}

/// The next request's first line and body; `None` at the end.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
        if first.is_empty() {
            first = line.to_owned();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8(body).unwrap()))
}

fn field(fault: Fault) -> Field {
    let wire = Wire::Sse("/sse", Standing::AtHead);
    let mut field = Field::open(scripted(fault), wire, Publishing::Plain("/publish")).unwrap();
    field.subscribe(5).unwrap();
    field.sound().unwrap();
    field
}

#[test]
fn what_arrives_everywhere_once_and_in_order_is_counted() {
    let mut field = field(Fault::None);
    for in_flight in [1, 8] {
        assert!(field.keep_in_flight(in_flight, SHORT).unwrap() > 0);
    }
    let (pass, _) = field.sample().unwrap();
    assert!(pass.starts_with(b"data: {\"a\":") && pass.ends_with(b"\"}\n\n"));
    let latency = field.open_loop(200.0, SHORT).unwrap().unwrap();
    assert_eq!(latency.count(), 12 * 5);
    assert_eq!(field.open_loop(1e9, SHORT).unwrap(), None, "nobody keeps this rate");
    field.subscribe(7).unwrap();
    field.sound().unwrap();
    field.keep_in_flight(1, SHORT).unwrap();
    let account = field.account();
    assert_eq!(account.faults(), Vec::<String>::new());
    assert!(account.received == account.expected && account.received > 5 * 12);
}

#[test]
fn faults_are_seen_and_told() {
    for (fault, told) in [(Fault::Doubles, "doubled or out of order"), (Fault::Refuses, "events refused")] {
        let mut field = field(fault);
        field.keep_in_flight(1, SHORT).unwrap();
        field.idle(SHORT).unwrap();
        let faults = field.account().faults();
        assert!(faults.len() == 1 && faults[0].ends_with(told), "{fault:?}: {faults:?}");
    }
    let mut field = field(Fault::HangsUp);
    let error = field.keep_in_flight(1, SHORT).unwrap_err();
    assert!(error.to_string().contains("closed a subscriber's connection"), "{error}");
    assert_eq!(field.account().ended, 1);
}

#[test]
fn a_server_that_does_not_know_the_path_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Answers what is asked: the publisher's connection, over which nothing is, stays open.
            thread::spawn(move || {
                if stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    let _gone = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                }
            });
        }
    });
    let wire = Wire::Websocket("/ws", Dialect::Plain);
    let error = Field::open(address, wire, Publishing::Plain("/publish")).unwrap().subscribe(1).unwrap_err();
    assert!(error.to_string().contains("status 404"), "{error}");
}

/// What a role writes, line by line.
struct Lines(std::sync::mpsc::Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The test reads no more than the first line.
        let _gone = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_raw_answering_loop_answers_each_request_once() {
    let folder = tempfile::tempdir().unwrap();
    let (file, answer) = (folder.path().join("answer"), b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    std::fs::write(&file, answer).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let role = thread::spawn(move || {
        let arguments = ["--connections".into(), "3".into(), "--payload".into(), file.into_os_string()];
        crate::run::raw_poll_role(&arguments, &mut Lines(tell))
    });
    let mut said = Vec::new();
    while !said.ends_with(b"\n") {
        said.extend(told.recv_timeout(Duration::from_secs(5)).unwrap());
    }
    let said = String::from_utf8(said).unwrap();
    let address = said.trim().strip_prefix("listening ").unwrap().parse().unwrap();
    let wire = Wire::RawPoll(b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), answer.len());
    let mut field = Field::open(address, wire, Publishing::Control).unwrap();
    field.subscribe(3).unwrap();
    let events = field.keep_in_flight(1, SHORT).unwrap();
    assert_eq!((field.account().faults(), field.answers()), (Vec::<String>::new(), events * 3));
    drop(field);
    assert!(role.join().unwrap().is_ok());
}

#[test]
fn the_raw_answering_loop_refuses_what_it_does_not_know() {
    for arguments in [&["--connections", "1"][..], &["--connections", "99999999", "--payload", "x"]] {
        let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
        assert!(crate::run::raw_poll_role(&arguments, &mut Vec::new()).is_err());
    }
}
