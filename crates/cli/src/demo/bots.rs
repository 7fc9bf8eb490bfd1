//! The demo's end of its bots: it starts their process, says how many it wants, and keeps what they told last.
//!
//! The process is told by lines on its stdin and ends when that closes, which it also does when the demo dies. It tells one
//! line of JSON twice a second.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::value::RawValue;
use tricast_server::demo::{Bots, BotsState};

/// More bots than this are for the laboratory.
const BOTS_MAX: usize = 20_000;

/// Connections that stay for people while the bots are there.
const CONNECTIONS_BESIDE: usize = 200;

/// The longest line that is taken from the bots, in bytes; they tell less than half of it.
const LINE_BYTES_MAX: u64 = 256 * 1024;

/// The bots as the demo has them.
pub(super) struct Crowd {
    /// Where the server is, known once it is bound.
    pub(super) server: OnceLock<SocketAddr>,
    max: usize,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    wanted: usize,
    /// Counts processes, so that the end of an old one says nothing about its successor.
    generation: u64,
    stdin: Option<ChildStdin>,
    died: Option<String>,
    report: Option<Box<RawValue>>,
}

impl Crowd {
    /// Bots for a server that takes so many connections. Every third one polls, and a poll that is asked for before the
    /// connection of the last one is free again takes a second one.
    pub(super) fn new(connections_max: usize) -> Self {
        let max = (connections_max.saturating_sub(CONNECTIONS_BESIDE) * 3 / 4).min(BOTS_MAX);
        Self { server: OnceLock::new(), max, inner: Arc::default() }
    }

    fn start(&self, inner: &mut Inner) -> std::io::Result<()> {
        let unbound = || std::io::Error::other("the server is not bound yet");
        let server = self.server.get().ok_or_else(unbound)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["demo-bots", &format!("http://{server}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        inner.stdin = child.stdin.take();
        inner.generation += 1;
        let (generation, shared) = (inner.generation, Arc::clone(&self.inner));
        let stdout = child.stdout.take();
        std::thread::Builder::new()
            .name("bots".to_owned())
            .spawn(move || follow(&shared, generation, child, stdout))
            .map(drop)
    }
}

fn locked(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the latest line until the process ends, and says how it ended.
fn follow(shared: &Mutex<Inner>, generation: u64, mut child: Child, stdout: Option<ChildStdout>) {
    let mut lines = stdout.map(BufReader::new);
    while let Some(report) = lines.as_mut().and_then(next_report) {
        let mut inner = locked(shared);
        if inner.generation == generation && inner.stdin.is_some() {
            inner.report = Some(report);
        }
    }
    // A line that is no report is a broken process too.
    let _gone = child.kill();
    let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    let mut inner = locked(shared);
    if inner.generation == generation && inner.stdin.take().is_some() {
        inner.report = None;
        inner.died = Some(status);
    }
}

fn next_report(lines: &mut BufReader<ChildStdout>) -> Option<Box<RawValue>> {
    let mut line = Vec::new();
    let read = lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).ok()?;
    if read == 0 { None } else { serde_json::from_slice(&line).ok() }
}

impl Bots for Crowd {
    fn want(&self, count: usize) {
        let mut inner = locked(&self.inner);
        inner.wanted = count.min(self.max);
        inner.died = None;
        if inner.wanted == 0 {
            // Its end is the word to go.
            inner.stdin = None;
            inner.report = None;
            return;
        }
        let started = if inner.stdin.is_none() { self.start(&mut inner) } else { Ok(()) };
        let wanted = inner.wanted;
        let told = started.and_then(|()| match &mut inner.stdin {
            Some(stdin) => writeln!(stdin, "{wanted}"),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        });
        if let Err(error) = told {
            inner.stdin = None;
            inner.died = Some(error.to_string());
        }
    }

    fn state(&self) -> BotsState {
        let inner = locked(&self.inner);
        BotsState {
            wanted: inner.wanted,
            max: self.max,
            running: inner.stdin.is_some(),
            died: inner.died.clone(),
            report: inner.report.clone(),
        }
    }
}
