//! A small server that speaks tricast's wire well enough for the laboratory's readers, and is wrong as it is told. One
//! thread a connection: it is to be understood, not fast.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::faults::Faults;
use super::hub::{Due, Hub};
use crate::error::{LabError, Result};

/// Connections over the server's life at most.
const CONNECTIONS_MAX: usize = 1000;
const BODY_BYTES_MAX: usize = 1 << 20;
const HEAD_LINES_MAX: usize = 64;
/// What an unsigned 16-bit length can tell in a frame's head.
const FRAME_BYTES_MAX: usize = 65_535;
const WS_HEAD: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

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

/// A request: the path with its query, and the body.
struct Request {
    path: String,
    body: Vec<u8>,
}

fn connection(stream: TcpStream, hub: &Hub) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut poll = None;
    while let Some(request) = read(&mut reader)? {
        let path = request.path.split('?').next().unwrap_or_default();
        match path.rsplit('/').next() {
            Some("events") => publish(&mut stream, hub, &request.body)?,
            Some("sse") => return stream_sse(&mut stream, hub),
            Some("ws") => return stream_ws(&mut stream, hub),
            Some("poll") => match poll {
                Some(subscriber) if !answer_poll(&mut stream, hub, subscriber)? => return Ok(()),
                Some(_) => {}
                None => poll = Some(first_poll(&mut stream, hub)?),
            },
            _ => answer(&mut stream, "404 Not Found", "{}")?,
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
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
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
    Ok(Some(Request { path, body }))
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes())
}

#[derive(Deserialize)]
struct Written {
    data: Box<RawValue>,
}

fn publish(stream: &mut TcpStream, hub: &Hub, body: &[u8]) -> std::io::Result<()> {
    let many = body.starts_with(b"[");
    let one = || serde_json::from_slice::<Written>(body).map(|one| vec![one]);
    let written = if many { serde_json::from_slice::<Vec<Written>>(body) } else { one() };
    let Ok(written) = written else { return answer(stream, "400 Bad Request", "{}") };
    let data: Vec<String> = written.iter().map(|one| one.data.get().to_owned()).collect();
    let accepted = hub.publish(&data);
    thread::sleep(Duration::from_millis(hub.faults.answer_ms));
    if accepted {
        answer(stream, "201 Created", "{\"events\":[]}")
    } else {
        answer(stream, "503 Service Unavailable", "{\"error\":\"refused as told\"}")
    }
}

fn first_poll(stream: &mut TcpStream, hub: &Hub) -> std::io::Result<usize> {
    let (subscriber, cursor) = hub.subscribe();
    let body = format!(
        "{{\"sync\":{{\"session\":\"s_{subscriber}\"}},\"events\":[],\"notices\":[],\"cursor\":\"{cursor}\"}}"
    );
    answer(stream, "200 OK", &body)?;
    Ok(subscriber)
}

/// Answers a poll once there is something; whether the connection goes on.
fn answer_poll(stream: &mut TcpStream, hub: &Hub, subscriber: usize) -> std::io::Result<bool> {
    let due = hub.next(subscriber);
    let events: Vec<_> = due.iter().map_while(Due::event).collect();
    let goes_on = events.len() == due.len() && !due.is_empty();
    if let Some((cursor, _)) = events.last() {
        let all: Vec<_> = events.iter().map(|(_, json)| json.as_str()).collect();
        let body = format!("{{\"events\":[{}],\"notices\":[],\"cursor\":\"{cursor}\"}}", all.join(","));
        answer(stream, "200 OK", &body)?;
    }
    Ok(goes_on)
}

fn stream_sse(stream: &mut TcpStream, hub: &Hub) -> std::io::Result<()> {
    let (subscriber, cursor) = hub.subscribe();
    let head = format!(
        "{SSE_HEAD}event: sync\nid: {cursor}\ndata: {{\"session\":\"s_{subscriber}\",\"cursor\":\"{cursor}\"}}\n\n"
    );
    stream.write_all(head.as_bytes())?;
    each(hub, subscriber, |id, json| stream.write_all(format!("id: {id}\ndata: {json}\n\n").as_bytes()))
}

fn stream_ws(stream: &mut TcpStream, hub: &Hub) -> std::io::Result<()> {
    let (subscriber, cursor) = hub.subscribe();
    stream.write_all(WS_HEAD.as_bytes())?;
    let sync = format!("{{\"notice\":\"sync\",\"session\":\"s_{subscriber}\",\"cursor\":\"{cursor}\"}}");
    stream.write_all(&frame(&sync))?;
    each(hub, subscriber, |_, json| stream.write_all(&frame(json)))
}

/// Writes every event of a subscriber, to its end.
fn each(
    hub: &Hub,
    subscriber: usize,
    mut write: impl FnMut(&str, &str) -> std::io::Result<()>,
) -> std::io::Result<()> {
    loop {
        let due = hub.next(subscriber);
        for one in &due {
            let Some((id, json)) = one.event() else { return Ok(()) };
            write(id, json)?;
        }
        if due.is_empty() {
            return Ok(());
        }
    }
}

/// A text frame of the server.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend_from_slice(&(long.min(FRAME_BYTES_MAX) as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&text.as_bytes()[..text.len().min(FRAME_BYTES_MAX)]);
    frame
}

impl Due {
    fn event(&self) -> Option<&(String, String)> {
        match self {
            Self::Event(_, event) => Some(event),
            Self::End => None,
        }
    }
}
