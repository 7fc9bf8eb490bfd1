//! A small server that speaks tricast's wire well enough for the laboratory's readers, and is wrong as it is told. One
//! thread a connection: it is to be understood, not fast.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::faults::Faults;
use super::hub::{Asked, Due, Event, Hub, Written};
use super::wire;
use crate::error::{LabError, Result};

/// Connections over the server's life at most.
const CONNECTIONS_MAX: usize = 1000;
const BODY_BYTES_MAX: usize = 1 << 20;
const HEAD_LINES_MAX: usize = 64;
/// Answers of a connection that are held back at most.
const ANSWERS_MAX: usize = 1024;

/// A running faulty server, ended when it goes out of scope.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) address: SocketAddr,
    hub: Arc<Hub>,
}

impl Faulty {
    /// Serves in threads of this process.
    #[cfg(test)]
    pub(super) fn start(faults: Faults) -> Result<Self> {
        let (listener, server) = Self::listen(faults)?;
        let hub = Arc::clone(&server.hub);
        thread::spawn(move || serve(&listener, &hub));
        Ok(server)
    }

    fn listen(faults: Faults) -> Result<(TcpListener, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(LabError::io("listen"))?;
        let address = listener.local_addr().map_err(LabError::io("listen"))?;
        Ok((listener, Self { address, hub: Arc::new(Hub::new(faults)) }))
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.hub.close();
        // Wakes whoever accepts; if nobody does, that is as good.
        let _woken = TcpStream::connect(self.address);
    }
}

/// The hidden role `faulty`: says where it listens and serves until it is ended.
pub(crate) fn role(arguments: &[OsString], out: &mut dyn Write) -> Result<()> {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let faults = Faults::read(words.iter().map(AsRef::as_ref))?;
    let (listener, server) = Faulty::listen(faults)?;
    let told = writeln!(out, "listening {}", server.address).and_then(|()| out.flush());
    told.map_err(LabError::io("say where it listens"))?;
    serve(&listener, &server.hub);
    Ok(())
}

fn serve(listener: &TcpListener, hub: &Arc<Hub>) {
    for stream in listener.incoming().take(CONNECTIONS_MAX).map_while(std::io::Result::ok) {
        if hub.is_closing() {
            break;
        }
        let hub = Arc::clone(hub);
        // A connection that breaks is its client's affair: the laboratory will say what it missed.
        thread::spawn(move || drop(connection(stream, &hub)));
    }
}

/// A request: the last part of its path, its query, and its body.
struct Request {
    what: String,
    asked: Asked,
    body: Vec<u8>,
}

fn connection(stream: TcpStream, hub: &Hub) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut late = None;
    let mut poll = None;
    while let Some(request) = read(&mut reader)? {
        match request.what.as_str() {
            "events" => answer_publish(&mut stream, &mut late, hub, &request.body)?,
            "sse" => return stream_sse(&mut stream, hub, request.asked),
            "ws" => return stream_ws(&mut stream, hub, request.asked),
            "poll" => match poll {
                Some(subscriber) if !answer_poll(&mut stream, hub, subscriber)? => return Ok(()),
                Some(_) => {}
                None => poll = Some(first_poll(&mut stream, hub, request.asked)?),
            },
            _ => stream.write_all(wire::answer("404 Not Found", 0, "{}").as_bytes())?,
        }
    }
    Ok(())
}

/// The next request; `None` where the client has gone.
fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (what, asked) = (path.rsplit('/').next().unwrap_or_default().to_owned(), asked(query));
    let mut length = 0_usize;
    for _ in 0..HEAD_LINES_MAX {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length.min(BODY_BYTES_MAX)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { what, asked, body }))
}

fn asked(query: &str) -> Asked {
    let value =
        |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name);
    Asked {
        after: value("after").and_then(|(_, id)| wire::number(id)),
        room: value("rooms").map(|(_, room)| room.to_owned()),
    }
}

/// Answers held back, each with the time when it leaves.
type Late = SyncSender<(Instant, String)>;

fn answer_publish(
    stream: &mut TcpStream,
    late: &mut Option<Late>,
    hub: &Hub,
    body: &[u8],
) -> std::io::Result<()> {
    let answer = publish(hub, body);
    if hub.faults.answer_ms == 0 {
        return stream.write_all(answer.as_bytes());
    }
    let late = match late {
        Some(late) => late,
        none => {
            let (sender, answers) = sync_channel(ANSWERS_MAX);
            let stream = stream.try_clone()?;
            // The next request is read meanwhile: only the answer is late, not the event.
            thread::spawn(move || write_late(stream, &answers));
            none.insert(sender)
        }
    };
    let due = Instant::now() + Duration::from_millis(hub.faults.answer_ms);
    late.send((due, answer)).map_err(|_| ErrorKind::BrokenPipe.into())
}

fn write_late(mut stream: TcpStream, answers: &Receiver<(Instant, String)>) {
    for (due, answer) in answers {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stream.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
}

/// Publishes the events of a body, and gives the answer.
fn publish(hub: &Hub, body: &[u8]) -> String {
    let many = body.starts_with(b"[");
    let one = || serde_json::from_slice::<Written>(body).map(|one| vec![one]);
    let written = if many { serde_json::from_slice::<Vec<Written>>(body) } else { one() };
    let Ok(written) = written else { return wire::answer("400 Bad Request", 0, "{}") };
    if hub.publish(written) {
        wire::answer("201 Created", 0, "{\"events\":[]}")
    } else {
        wire::answer("503 Service Unavailable", 0, "{\"error\":\"refused as told\"}")
    }
}

fn first_poll(stream: &mut TcpStream, hub: &Hub, asked: Asked) -> std::io::Result<usize> {
    let place = hub.subscribe(asked);
    stream.write_all(wire::poll_opening(&place).as_bytes())?;
    Ok(place.subscriber)
}

/// Answers a poll once there is something; whether the connection goes on.
fn answer_poll(stream: &mut TcpStream, hub: &Hub, subscriber: usize) -> std::io::Result<bool> {
    let due = hub.next(subscriber);
    let events: Vec<_> = due.iter().map_while(Due::event).cloned().collect();
    let goes_on = events.len() == due.len() && !due.is_empty();
    if let Some(last) = events.last() {
        stream.write_all(wire::poll(&events, &last.id, padding(hub)).as_bytes())?;
    }
    Ok(goes_on)
}

fn stream_sse(stream: &mut TcpStream, hub: &Hub, asked: Asked) -> std::io::Result<()> {
    let place = hub.subscribe(asked);
    stream.write_all(wire::sse_opening(&place).as_bytes())?;
    each(hub, place.subscriber, |event| {
        stream.write_all(wire::sse(&event.id, &event.json, padding(hub)).as_bytes())
    })
}

fn stream_ws(stream: &mut TcpStream, hub: &Hub, asked: Asked) -> std::io::Result<()> {
    let place = hub.subscribe(asked);
    stream.write_all(&wire::websocket_opening(&place))?;
    each(hub, place.subscriber, |event| stream.write_all(&wire::websocket(&event.json, padding(hub))))
}

fn padding(hub: &Hub) -> usize {
    hub.faults.pad_bytes as usize
}

/// Writes every event of a subscriber, to its end.
fn each(
    hub: &Hub,
    subscriber: usize,
    mut write: impl FnMut(&Event) -> std::io::Result<()>,
) -> std::io::Result<()> {
    loop {
        let due = hub.next(subscriber);
        for one in &due {
            let Some(event) = one.event() else { return Ok(()) };
            write(event)?;
        }
        if due.is_empty() {
            return Ok(());
        }
    }
}
