//! A deploy: all clients come back at once, each with a hundred events to catch up on, while a few others must go on
//! getting live events in time.
//!
//! `make bench-deploy`, or `cargo bench --package tricast-benches --bench deploy -- [CLIENTS] [MISSED]`. The server is a
//! process of its own with one worker on the first core; the clients are on the others. A third of them come by each
//! transport. What it prints is a figure of this machine at this moment and no test: nothing here fails for being slow,
//! only for an event that did not come.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::thread::{CpuSet, sched_setaffinity};
use tricast_server::{Server, Settings, SettingsSource};

const CLIENTS: usize = 10_000;
const MISSED: usize = 100;

/// Bytes of an event's `data`.
const PAYLOAD_BYTES: usize = 100;

/// Connections that are being made at once: as many as a listening socket queues, without a lost handshake.
const CONNECTING_MAX: usize = 512;

/// Subscribers of the live room, and the time between two events of it.
const WATCHERS: usize = 50;
const TICK: Duration = Duration::from_millis(5);

/// The wait for anything; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The role of the child process.
const SERVE: &str = "--serve-for-the-deploy";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == SERVE) {
        return serve();
    }
    let number =
        |place: usize, default| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (clients, missed) = (number(0, CLIENTS), number(1, MISSED));
    stay_on(&(1..cores()).collect::<Vec<_>>())?;
    let mut process = Process::start()?;
    let told = deploy(&process, clients, missed);
    process.end()?;
    told
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps this thread, and those that it starts, on these cores.
fn stay_on(cores: &[usize]) -> Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}

/// The server, until its input ends.
fn serve() -> Result<()> {
    stay_on(&[0])?;
    let flags = [
        ("server.listen", "127.0.0.1:0"),
        ("server.workers", "1"),
        ("log.level", "error"),
        ("history.events", "100000"),
        ("history.bytes", "268435456"),
    ];
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let settings = Settings::load(&SettingsSource { flags, ..SettingsSource::default() });
    let settings = settings.map_err(|mistakes| std::io::Error::other(format!("{mistakes:?}")))?;
    tricast_server::block_on(async {
        let server = Server::bind(settings, None)?;
        writeln!(std::io::stdout(), "{}", server.local_addr())?;
        server.run().await
    })
}

/// The server's process.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).arg(SERVE).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| std::io::Error::other("the server does not start"))?;
        Ok(Self { child, address })
    }

    /// The processor time that it has used.
    fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 =
            rest.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
        // The unit is USER_HZ, which is 100 wherever Linux runs.
        Ok(Duration::from_millis(ticks * 10))
    }

    fn end(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

fn deploy(process: &Process, clients: usize, missed: usize) -> Result<()> {
    let address = process.address;
    let data = "x".repeat(PAYLOAD_BYTES - 2);
    publish(address, "crowd", &format!("\"{data}\""), 1)?;
    let cursor = cursor(address)?;
    for first in (0..missed).step_by(100) {
        publish(address, "crowd", &format!("\"{data}\""), 100.min(missed - first))?;
    }

    let phase = Arc::new(AtomicUsize::new(0));
    let watching = {
        let phase = Arc::clone(&phase);
        std::thread::spawn(move || watch(address, &phase))
    };
    std::thread::sleep(Duration::from_secs(3));
    phase.store(1, Ordering::Relaxed);
    let (before, start) = (process.cpu()?, Instant::now());
    let (connected, all) = come_back(address, &cursor, clients, missed)?;
    let took = start.elapsed();
    let cpu = process.cpu()?.saturating_sub(before);
    phase.store(2, Ordering::Relaxed);
    drop(all);
    std::thread::sleep(Duration::from_secs(1));
    phase.store(PHASES.len(), Ordering::Relaxed);
    let delays = watching.join().map_err(|_| std::io::Error::other("the watchers failed"))??;

    let out = &mut std::io::stdout();
    writeln!(out, "{clients} clients resume {missed} missed events each, one server core")?;
    writeln!(
        out,
        "  all have everything after {:.2} s (all connected after {:.2} s)",
        took.as_secs_f64(),
        connected.as_secs_f64()
    )?;
    writeln!(
        out,
        "  server CPU {:.2} s, {:.0} events/s",
        cpu.as_secs_f64(),
        (clients * missed) as f64 / took.as_secs_f64()
    )?;
    let shown =
        PHASES.iter().zip(&delays).map(|(phase, delays)| format!("  live events {phase}: {}", shown(delays)));
    writeln!(out, "{}", shown.collect::<Vec<_>>().join("\n"))
}

/// Percentiles of delays, each from the intended time of publishing.
fn shown(delays: &[Duration]) -> String {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    let at = |part: f64| {
        let place = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(place).map_or(f64::NAN, |delay| delay.as_secs_f64() * 1000.0)
    };
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}", at(0.5), at(0.99), at(1.0), sorted.len())
}

fn request(address: SocketAddr, head: &str, body: &str) -> Result<String> {
    let mut socket = Blocking::connect(address)?;
    let length = body.len();
    write!(
        socket,
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

fn publish(address: SocketAddr, room: &str, data: &str, count: usize) -> Result<()> {
    let event = format!("{{\"rooms\":[\"{room}\"],\"data\":{data}}}");
    let answer =
        request(address, "POST /v1/feeds/default/events", &format!("[{}]", vec![event; count].join(",")))?;
    if answer.starts_with("HTTP/1.1 201") { Ok(()) } else { Err(std::io::Error::other(answer)) }
}

fn cursor(address: SocketAddr) -> Result<String> {
    let state = request(address, "GET /v1/feeds/default", "")?;
    let cursor = state.split("\"cursor\":\"").nth(1).and_then(|rest| rest.split('"').next());
    cursor.map(str::to_owned).ok_or_else(|| std::io::Error::other(state))
}

/// One client that comes back.
struct Client {
    socket: TcpStream,
    is_connected: bool,
    got: usize,
    /// The last bytes, where the start of an event may have been cut.
    tail: Vec<u8>,
}

/// How an event begins on every transport, after whatever frames it.
const EVENT: &[u8] = b"{\"id\":\"";

/// All clients come back at once. Gives when the last one was connected, and all of them, when each has all that it
/// missed.
fn come_back(
    address: SocketAddr,
    cursor: &str,
    clients: usize,
    missed: usize,
) -> Result<(Duration, Vec<Option<Client>>)> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(4096));
    let start = Instant::now();
    let mut waiting: VecDeque<usize> = (0..clients).collect();
    let mut all: Vec<Option<Client>> = (0..clients).map(|_| None).collect();
    let (mut connecting, mut done, mut connected_after) = (0, 0, Duration::ZERO);
    let finder = memmem::Finder::new(EVENT);
    let mut piece = vec![0; 256 << 10];
    while done < clients {
        if start.elapsed() > PATIENCE {
            return Err(std::io::Error::other(format!("{done} of {clients} have what they missed")));
        }
        while connecting < CONNECTING_MAX
            && let Some(next) = waiting.pop_front()
        {
            let mut socket = TcpStream::connect(address)?;
            poll.registry().register(&mut socket, Token(next), Interest::WRITABLE)?;
            all[next] = Some(Client { socket, is_connected: false, got: 0, tail: Vec::new() });
            connecting += 1;
        }
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let Token(place) = event.token();
            let Some(client) = &mut all[place] else { continue };
            if !client.is_connected {
                client.socket.set_nodelay(true)?;
                client.socket.write_all(asked(place, cursor).as_bytes())?;
                poll.registry().reregister(&mut client.socket, event.token(), Interest::READABLE)?;
                client.is_connected = true;
                connecting -= 1;
                connected_after = start.elapsed();
            }
            let before = client.got;
            read(client, &finder, &mut piece)?;
            done += usize::from(before < missed && client.got >= missed);
        }
    }
    let wrong = all.iter().flatten().filter(|client| client.got != missed).count();
    if wrong > 0 {
        return Err(std::io::Error::other(format!("{wrong} clients have more than they missed")));
    }
    Ok((connected_after, all))
}

/// A third comes by each transport.
fn asked(place: usize, cursor: &str) -> String {
    let (way, headers) = match place % 3 {
        0 => ("poll", ""),
        1 => ("sse", ""),
        _ => (
            "ws",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJpY2FzdC1kZXBsb3ktLQ==\r\n",
        ),
    };
    format!(
        "GET /v1/feeds/default/{way}?rooms=crowd&after={cursor} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"
    )
}

/// Reads what has come and counts the events in it.
fn read(client: &mut Client, finder: &memmem::Finder<'_>, piece: &mut [u8]) -> Result<()> {
    loop {
        match client.socket.read(piece) {
            Ok(0) => {
                let last = client.tail.escape_ascii();
                return Err(std::io::Error::other(format!("the server ended a connection after {last}")));
            }
            Ok(len) => {
                client.tail.extend_from_slice(&piece[..len]);
                client.got += finder.find_iter(&client.tail).count();
                let kept = client.tail.len().saturating_sub(EVENT.len() - 1);
                client.tail.drain(..kept);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// What goes on while live events come.
const PHASES: [&str; 3] = ["before", "while all come back", "while all leave at once"];

/// Delays by phase.
type Delays = [Vec<Duration>; PHASES.len()];

/// Publishes to the live room on a schedule, and reads its subscribers, until it last phase is over.
fn watch(address: SocketAddr, phase: &AtomicUsize) -> Result<Delays> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut watchers = Vec::new();
    for place in 0..WATCHERS {
        let mut socket = Blocking::connect(address)?;
        write!(socket, "GET /v1/feeds/default/sse?rooms=live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(place), Interest::READABLE)?;
        watchers.push((socket, Vec::<u8>::new()));
    }
    let mut publisher = Blocking::connect(address)?;
    publisher.set_nodelay(true)?;
    publisher.set_nonblocking(true)?;
    let origin = Instant::now();
    let (mut delays, mut sent, mut piece) = (Delays::default(), 0_u32, vec![0; 64 << 10]);
    while phase.load(Ordering::Relaxed) < PHASES.len() {
        while origin.elapsed() >= TICK * sent {
            let body = format!("{{\"rooms\":[\"live\"],\"data\":{{\"tick\":{sent}}}}}");
            let head =
                "POST /v1/feeds/default/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json";
            write!(publisher, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            sent += 1;
        }
        // The answers are of no interest, but must not pile up.
        while matches!(publisher.read(&mut piece), Ok(len) if len > 0) {}
        poll.poll(&mut events, Some(Duration::from_millis(1)))?;
        for event in &events {
            let (socket, text) = &mut watchers[event.token().0];
            while let Ok(len) = socket.read(&mut piece) {
                text.extend_from_slice(&piece[..len]);
                if len == 0 {
                    return Err(std::io::Error::other("the server ended a watcher"));
                }
            }
            let now = origin.elapsed();
            for tick in ticks(text) {
                let delay = now.saturating_sub(TICK * tick);
                if let Some(delays) = delays.get_mut(phase.load(Ordering::Relaxed)) {
                    delays.push(delay);
                }
            }
        }
    }
    Ok(delays)
}

/// Takes the whole events out of a stream, and gives their numbers.
fn ticks(text: &mut Vec<u8>) -> Vec<u32> {
    const MARK: &[u8] = b"{\"tick\":";
    let mut found = Vec::new();
    let mut upto = 0;
    for at in memmem::find_iter(text, MARK) {
        let digits: Vec<u8> =
            text[at + MARK.len()..].iter().copied().take_while(u8::is_ascii_digit).collect();
        if text.get(at + MARK.len() + digits.len()) == Some(&b'}') {
            found.extend(std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<u32>().ok()));
            upto = at + MARK.len() + digits.len();
        }
    }
    let kept = upto.max(text.len().saturating_sub(64));
    text.drain(..kept);
    found
}
