//! The engine against servers that follow a script: what they lose, repeat, break off and tell must be reported exactly so.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::target::Target;
use super::{Engine, Outcome, Plan, Spec};
use crate::result::{Publishing, Transport};

/// What a scripted server does instead of delivering the event of this number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    /// Nothing: the event is lost.
    Drop(u64),
    /// Delivers it twice.
    Repeat(u64),
    /// Delivers it after the next one.
    Swap(u64),
    /// Tells that it will not come.
    Tell(u64),
    /// Closes the stream in front of it.
    Break(u64),
    /// Delivers something else under its name.
    Garble(u64),
}

/// The number in an event that the engine published.
fn number(body: &str) -> u64 {
    let at = body.find("\"a\":").unwrap() + 4;
    body[at..].chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// Reads a request: its first line and headers, and its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

/// Accepts what is published, and hands it on.
fn publishing(events: Sender<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((_, body)) = request(&mut reader) {
            let data = body.strip_prefix("{\"data\":").unwrap().strip_suffix('}').unwrap();
            let _gone = events.send(data.to_owned());
            stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        }
    });
    address
}

fn frame(data: &str) -> String {
    let id = format!("abcdefgh-{}", number(data));
    format!("id: {id}\ndata: {{\"id\":\"{id}\",\"data\":{data}}}\n\n")
}

/// Serves one SSE subscriber by a script; gives the first lines of its requests.
fn streaming(events: Receiver<String>, script: Vec<Act>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut held: Option<String> = None;
        let mut script = script;
        'streams: while let Ok((mut stream, _)) = listener.accept() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let Some((head, _)) = request(&mut reader) else { return };
            let _gone = asked.send(head.lines().next().unwrap_or_default().to_owned());
            let sync = "event: sync\ndata: {\"session\":\"s_1\",\"cursor\":\"abcdefgh-0\"}\n\n";
            let opened = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{sync}");
            stream.write_all(opened.as_bytes()).unwrap();
            let mut late = String::new();
            while let Some(data) = held.take().or_else(|| events.recv().ok()) {
                let n = number(&data);
                let mut out = String::new();
                let act = script.iter().position(|act| {
                    matches!(act, Act::Drop(m) | Act::Repeat(m) | Act::Swap(m) | Act::Tell(m) | Act::Break(m) | Act::Garble(m) if *m == n)
                });
                match act.map(|at| script.remove(at)) {
                    None => out.push_str(&frame(&data)),
                    Some(Act::Drop(_)) => {}
                    Some(Act::Repeat(_)) => out = frame(&data).repeat(2),
                    Some(Act::Swap(_)) => {
                        late = frame(&data);
                        continue;
                    }
                    Some(Act::Tell(_)) => {
                        let told = format!(
                            "{{\"from\":{n},\"to\":{n},\"reason\":\"slow\",\"cursor\":\"abcdefgh-{n}\"}}"
                        );
                        write!(out, "event: gap\nid: abcdefgh-{n}\ndata: {told}\n\n").unwrap();
                    }
                    Some(Act::Garble(_)) => {
                        out = format!("id: abcdefgh-{n}\ndata: {{\"greeting\":\"hello\"}}\n\n");
                    }
                    Some(Act::Break(_)) => {
                        held = Some(data);
                        continue 'streams;
                    }
                }
                out.push_str(&std::mem::take(&mut late));
                if stream.write_all(out.as_bytes()).is_err() {
                    return;
                }
            }
            return;
        }
    });
    (address, requests)
}

/// Forty events to one SSE subscriber, by a script.
fn play(script: &[Act], breaks: bool) -> (Outcome, Vec<String>) {
    let target = Target::load("tricast").unwrap();
    let (sender, events) = mpsc::channel();
    let publish_at = publishing(sender);
    let (address, requests) = streaming(events, script.to_vec());
    let plan = Plan { rate: 100, burst: None, warm_up: Duration::ZERO, duration: Duration::from_millis(400) };
    let spec = Spec {
        target: &target,
        address,
        publish_at,
        transport: Transport::Sse,
        subscribers: 1,
        payload: 80,
        rooms: 0,
        slow: None,
        publishing: Publishing::Post,
        plan,
        breaks,
        seed: 1,
    };
    let outcome =
        Engine::new(spec).unwrap().settle_within(Duration::from_millis(700)).run(|_| Ok(())).unwrap();
    (outcome, requests.try_iter().collect())
}

/// Faults of the script; that this machine published late is none.
fn faults(outcome: &Outcome) -> Vec<&str> {
    outcome.faults.iter().map(String::as_str).filter(|fault| !fault.contains("ticks missed")).collect()
}

#[test]
fn an_honest_server_has_no_faults() {
    let (outcome, _) = play(&[], false);
    assert_eq!(faults(&outcome), Vec::<&str>::new());
    assert_eq!((outcome.integrity.published, outcome.deliveries), (40, 40));
    assert!(outcome.since_sent.max() <= outcome.latency.max());
}

#[test]
fn what_a_server_does_to_events_is_reported_exactly() {
    assert_eq!(faults(&play(&[Act::Drop(7), Act::Drop(8)], false).0), ["2 lost"]);
    assert_eq!(faults(&play(&[Act::Repeat(9)], false).0), ["1 duplicated"]);
    assert_eq!(faults(&play(&[Act::Swap(5)], false).0), ["1 out of order"]);
    assert_eq!(faults(&play(&[Act::Tell(5)], false).0), Vec::<&str>::new(), "what is told is not lost");
    let garbled = "an event that is none of the laboratory's: \"{\\\"greeting\\\":\\\"hello\\\"}\"";
    assert_eq!(
        faults(&play(&[Act::Garble(5)], false).0),
        ["1 lost", "1 unreadable or of another epoch", garbled]
    );
}

#[test]
fn a_broken_stream_is_gone_on_with_by_its_cursor() {
    let (outcome, requests) = play(&[Act::Break(11)], true);
    assert_eq!(faults(&outcome), Vec::<&str>::new());
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains("after=abcdefgh-10&session=s_1"), "{}", requests[1]);
    let recovery = outcome.recovery.unwrap();
    assert_eq!((recovery.breaks, recovery.attempts, recovery.told_lost), (1, 1, 0));
    assert_eq!(recovery.reconnect.unwrap().load().unwrap().count(), 1);
    let catch_up = recovery.catch_up.unwrap().load().unwrap();
    // The first pause is 50 to 100 ms, and in it events were missed.
    assert!(catch_up.max() >= 50_000 && recovery.made_up > 0, "{} {}", catch_up.max(), recovery.made_up);
}

#[test]
fn a_break_that_nobody_meant_is_a_fault() {
    let (outcome, _) = play(&[Act::Break(11)], false);
    assert!(faults(&outcome).contains(&"1 streams ended"), "{:?}", outcome.faults);
}

/// A server that answers every request with a page of something else.
fn mistaken() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            if request(&mut reader).is_some() {
                let page = "HTTP/1.1 404 Nothing Here\r\ncontent-length: 7\r\n\r\n<html>\n";
                let _gone = stream.write_all(page.as_bytes());
            }
        }
    });
    address
}

/// What the engine says of a server that does not speak the transport.
fn told_of_a_mistaken_server(transport: Transport) -> String {
    let target = Target::load("tricast").unwrap();
    let address = mistaken();
    let plan = Plan { rate: 50, burst: None, warm_up: Duration::ZERO, duration: Duration::from_millis(200) };
    let spec = Spec {
        target: &target,
        address,
        publish_at: address,
        transport,
        subscribers: 1,
        payload: 80,
        rooms: 0,
        slow: None,
        publishing: Publishing::Post,
        plan,
        breaks: false,
        seed: 1,
    };
    let engine = Engine::new(spec).unwrap().settle_within(Duration::from_millis(700));
    match engine.run(|_| Ok(())) {
        Ok(outcome) => outcome.faults.join("; "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_server_that_answers_wrongly_is_told_with_the_bytes_it_sent() {
    // At once, since the engine is patient with a server that may still be starting.
    let all = Transport::ALL.map(|transport| thread::spawn(move || told_of_a_mistaken_server(transport)));
    for (transport, told) in Transport::ALL.iter().zip(all) {
        let told = told.join().unwrap();
        assert!(
            told.contains(transport.key()) && told.contains("it sent \"HTTP/1.1 404 Nothing Here\\r\\n"),
            "{told}"
        );
    }
}
