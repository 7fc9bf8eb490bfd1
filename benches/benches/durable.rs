//! What keeping history on disk costs: the same load on a server that keeps it in memory, under `async` and under
//! `sync`, in turns, so that the machine is the same for all three.
//!
//! Server and load share this process; the server's processor time is that of its own threads. `DURABLE_STORE` names
//! the folder to use, where it should be on another disk than the system's temporary files.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tricast_benches::PAYLOAD_BYTES;
use tricast_server::{Server, Settings, SettingsSource, Stopper};

const MODES: [&str; 3] = ["memory", "async", "sync"];

/// Turns that each mode has; the best one counts, since what else the machine does can only make one worse.
const ROUNDS: usize = 5;

/// How long a turn is measured.
const TURN: Duration = Duration::from_secs(2);

/// How long it runs before.
const WARM_UP: Duration = Duration::from_millis(300);

/// A load: so many publishers, each with at most one publish under way, and so many streams that everything goes to.
#[derive(Debug, Clone, Copy)]
struct Load {
    publishers: usize,
    subscribers: usize,
    /// Events a second of all publishers; as fast as they are answered where there is none. At one pace for all, a pass
    /// serves about as many events in each mode, and processor times can be compared.
    rate: Option<f64>,
}

const LOADS: [Load; 4] = [
    Load { publishers: 32, subscribers: 10, rate: Some(2000.0) },
    Load { publishers: 32, subscribers: 100, rate: Some(1000.0) },
    Load { publishers: 128, subscribers: 0, rate: None },
    Load { publishers: 512, subscribers: 0, rate: None },
];

/// What a turn came to, a second.
#[derive(Debug, Clone, Copy, Default)]
struct Came {
    acknowledged: f64,
    delivered: f64,
    cpu: f64,
}

/// A server with threads of its own.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    threads: HashSet<String>,
    thread: std::thread::JoinHandle<()>,
    _store: tempfile::TempDir,
}

/// The threads of this process by their numbers.
fn threads() -> HashSet<String> {
    let listed = std::fs::read_dir("/proc/self/task").expect("the process has threads");
    listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// Seconds of processor time that threads have used, from `schedstat`, which counts nanoseconds.
fn cpu_seconds(threads: &HashSet<String>) -> f64 {
    let used = |thread: &String| {
        let told = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        told.split(' ').next()?.parse::<f64>().ok()
    };
    threads.iter().filter_map(used).sum::<f64>() / 1e9
}

fn start(mode: &str) -> Running {
    let folder = std::env::var_os("DURABLE_STORE").map_or_else(std::env::temp_dir, PathBuf::from);
    let store = tempfile::tempdir_in(folder).expect("there is a place for the store");
    let path = store.path().to_string_lossy().into_owned();
    let mut flags = vec![("server.listen", "127.0.0.1:0"), ("server.workers", "1"), ("log.level", "error")];
    if mode != "memory" {
        flags.extend([("store.path", path.as_str()), ("store.durability", mode)]);
    }
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let source = SettingsSource { flags, ..SettingsSource::default() };
    let settings = Settings::load(&source).expect("the settings are good");
    let before = threads();
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        tricast_server::block_on(async {
            let server = Server::bind(settings, None).expect("loopback has a free port");
            tell.send((server.local_addr(), server.stopper())).expect("somebody listens");
            server.run().await.expect("the server runs");
        });
    });
    let (address, stopper) = told.recv().expect("the server starts");
    // Its workers are there once it answers.
    let mut first = Connection::open(address);
    first.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while first.answers() == 0 {
        std::thread::yield_now();
    }
    let threads = threads().difference(&before).cloned().collect();
    Running { address, stopper, threads, thread, _store: store }
}

impl Running {
    fn stop(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime starts").block_on(self.stopper.stop());
        self.thread.join().expect("the server ends");
    }
}

/// A connection that never waits.
struct Connection {
    stream: TcpStream,
    /// The end of what came last, where a mark may be cut in two.
    rest: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has the option");
        stream.set_nonblocking(true).expect("a socket has the option");
        Self { stream, rest: Vec::new() }
    }

    fn ask(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("a request fits into the socket's buffer");
    }

    /// How often this stands in what came since.
    fn count(&mut self, mark: &[u8]) -> u64 {
        let mut buffer = [0; 65_536];
        let mut count = 0;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the server has closed"),
                Ok(length) => {
                    self.rest.extend_from_slice(&buffer[..length]);
                    count += self.rest.windows(mark.len()).filter(|window| *window == mark).count() as u64;
                    let keep = self.rest.len().min(mark.len() - 1);
                    self.rest.drain(..self.rest.len() - keep);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn answers(&mut self) -> u64 {
        self.count(b"HTTP/1.1 20")
    }
}

fn publish_request() -> Vec<u8> {
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES - 2));
    let head =
        "POST /v1/feeds/default/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Runs a load on a server for a turn.
fn turn(running: &Running, load: Load) -> Came {
    let (acknowledged, delivered) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| publish(running.address, load, &acknowledged, &is_over));
        scope.spawn(|| subscribe(running.address, load.subscribers, &delivered, &is_over));
        std::thread::sleep(WARM_UP);
        let look = || {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
            (count(&acknowledged), count(&delivered), cpu_seconds(&running.threads))
        };
        let (start, before) = (Instant::now(), look());
        std::thread::sleep(TURN);
        let (seconds, after) = (start.elapsed().as_secs_f64(), look());
        is_over.store(true, Ordering::Relaxed);
        Came {
            acknowledged: (after.0 - before.0) / seconds,
            delivered: (after.1 - before.1) / seconds,
            cpu: (after.2 - before.2) / seconds,
        }
    })
}

fn publish(address: SocketAddr, load: Load, acknowledged: &AtomicU64, is_over: &AtomicBool) {
    let request = publish_request();
    let mut connections: Vec<Connection> = (0..load.publishers).map(|_| Connection::open(address)).collect();
    let mut is_free = vec![true; connections.len()];
    let (start, mut sent) = (Instant::now(), 0_u64);
    while !is_over.load(Ordering::Relaxed) {
        let mut came = 0;
        for (connection, is_free) in connections.iter_mut().zip(&mut is_free) {
            if !*is_free && connection.answers() > 0 {
                came += 1;
                *is_free = true;
            }
            let is_due = load.rate.is_none_or(|rate| (sent as f64) < rate * start.elapsed().as_secs_f64());
            if *is_free && is_due {
                connection.ask(&request);
                *is_free = false;
                sent += 1;
            }
        }
        acknowledged.fetch_add(came, Ordering::Relaxed);
        if came == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

fn subscribe(address: SocketAddr, subscribers: usize, delivered: &AtomicU64, is_over: &AtomicBool) {
    let request = b"GET /v1/feeds/default/sse HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut connections: Vec<Connection> = (0..subscribers).map(|_| Connection::open(address)).collect();
    connections.iter_mut().for_each(|connection| connection.ask(request));
    while !is_over.load(Ordering::Relaxed) {
        let came = connections.iter_mut().map(|connection| connection.count(b"\ndata: {\"id\"")).sum();
        delivered.fetch_add(came, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn most(came: &[Came], of: impl Fn(&Came) -> f64) -> f64 {
    came.iter().map(of).fold(0.0, f64::max)
}

fn measure(load: Load) -> String {
    let mut came = [const { Vec::new() }; MODES.len()];
    for _ in 0..ROUNDS {
        for (place, mode) in MODES.iter().enumerate() {
            let running = start(mode);
            came[place].push(turn(&running, load));
            running.stop();
        }
    }
    let Load { publishers, subscribers, rate } = load;
    let pace = rate.map_or_else(|| "as fast as they can".to_owned(), |rate| format!("{rate} events/s"));
    let mut table = format!("{publishers} publishers, {pace}, {subscribers} subscribers\n");
    for (mode, came) in MODES.iter().zip(&came) {
        let acknowledged = most(came, |came| came.acknowledged);
        let delivered = most(came, |came| came.delivered);
        let per_cpu = most(came, |came| came.delivered / came.cpu);
        let cpu = 1e6 / most(came, |came| came.acknowledged / came.cpu);
        // Writing to a text cannot fail.
        let _ = write!(table, "  {mode:<7} {acknowledged:>8.0} acknowledged/s {cpu:>8.1} us CPU/event");
        let _ = match subscribers {
            0 => writeln!(table),
            _ => writeln!(table, " {delivered:>9.0} deliveries/s {per_cpu:>9.0} deliveries/CPU second"),
        };
    }
    table
}

fn main() {
    // Whoever only wants to know that it builds does not want to wait.
    if !std::env::args().any(|word| word == "--bench") {
        return;
    }
    let mut stdout = std::io::stdout();
    for load in LOADS {
        // A reader that has gone needs no table.
        let _ = writeln!(stdout, "{}", measure(load));
    }
}
