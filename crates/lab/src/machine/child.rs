//! Child processes: the server under test, its peers, and the raw loops. All are pinned to the server's core, say on their
//! standard output where they listen, and are ended in bounded time, also when the laboratory gives up half-way.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Placement;
use crate::error::{LabError, Result};

const READY_MAX: Duration = Duration::from_secs(10);
const STOP_MAX: Duration = Duration::from_secs(3);
const STOP_POLL: Duration = Duration::from_millis(5);
/// Lines of a child's output that may come before the one that says where it listens.
const LINES_MAX: usize = 64;

/// A child that is told to stop, and then made to, when it goes out of scope.
#[derive(Debug)]
struct Stopping(Child);

impl Stopping {
    fn stop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // A child that is gone already is what is wanted.
            let _gone = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(STOP_POLL);
        }
        let _killed = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a child on the server's core, in a process group of its own, so that ^C in the terminal reaches the
/// laboratory alone, which then ends the child in its own time.
fn start(command: &mut Command, place: Placement) -> Result<(Stopping, ChildStdout)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let what = format!("start {}", command.get_program().display());
    let mut child = place.spawn_on_server_core(command).map_err(LabError::io(what))?;
    let stdout = child.stdout.take();
    let child = Stopping(child);
    let stdout = stdout.ok_or_else(|| LabError::Server("no standard output".to_owned()))?;
    Ok((child, stdout))
}

/// Waits for the line that starts with `listening ` and gives what follows, and the reader with what comes after.
fn listening(stdout: ChildStdout) -> Result<(String, mpsc::Receiver<String>)> {
    let (lines, received) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + READY_MAX;
    for _ in 0..LINES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = received.recv_timeout(left).map_err(|error| {
            LabError::Server(match error {
                mpsc::RecvTimeoutError::Timeout => {
                    format!("did not print `listening …` within {} s", READY_MAX.as_secs())
                }
                mpsc::RecvTimeoutError::Disconnected => {
                    "ended before it printed `listening …`; its log says why".to_owned()
                }
            })
        })?;
        if let Some(place) = line.strip_prefix("listening ") {
            return Ok((place.trim().to_owned(), received));
        }
    }
    Err(LabError::Server(format!("printed {LINES_MAX} lines without `listening …`")))
}

/// A running `tricast serve`.
#[derive(Debug)]
pub(crate) struct ServerChild {
    child: Stopping,
    pub(crate) address: SocketAddr,
}

impl ServerChild {
    /// Starts the server with one worker on a free loopback port and waits until it listens. Its log goes to a file.
    pub(crate) fn start(program: &Path, place: Placement, log: &Path) -> Result<Self> {
        Self::start_with(program, place, log, &[])
    }

    /// The same with settings of its own, each the name of an environment variable and its value.
    pub(crate) fn start_with(
        program: &Path,
        place: Placement,
        log: &Path,
        settings: &[(&str, u64)],
    ) -> Result<Self> {
        let log_file = File::options().create(true).append(true).open(log);
        let log_file = log_file.map_err(LabError::io(format!("open {}", log.display())))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--with-parent", "--listen", "127.0.0.1:0", "--workers", "1"])
            .stderr(log_file);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRICAST_") {
                command.env_remove(name);
            }
        }
        command.env("TRICAST_NAMESPACES__DYNAMIC", "true");
        // The load opens its connections before it needs them, and a busy machine may be long about it.
        command.env("TRICAST_SERVER__REQUEST_TIMEOUT_MS", "120000");
        command.envs(settings.iter().map(|(name, value)| (name, value.to_string())));
        let (child, stdout) = start(&mut command, place)?;
        let (url, _) = listening(stdout)?;
        Ok(Self { child, address: address_in(&url)? })
    }

    /// The same at an address of its own, with its history in a folder, so that another one can go on where it stopped.
    pub(crate) fn start_durable(
        program: &Path,
        place: Placement,
        log: &Path,
        listen: SocketAddr,
        store: &Path,
    ) -> Result<Self> {
        let log_file = File::options().create(true).append(true).open(log);
        let log_file = log_file.map_err(LabError::io(format!("open {}", log.display())))?;
        let mut command = Command::new(program);
        // Not `--with-parent`: the kernel takes the thread that starts a process for its parent, and a deploy's ends at once.
        command.args(["serve", "--workers", "1", "--listen", &listen.to_string(), "--set"]);
        command.arg(format!("store.path={}", store.display()));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRICAST_") {
                command.env_remove(name);
            }
        }
        command.stderr(log_file);
        let (child, stdout) = start(&mut command, place)?;
        let (url, _) = listening(stdout)?;
        Ok(Self { child, address: address_in(&url)? })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

/// A running raw send loop.
#[derive(Debug)]
pub(crate) struct RawChild {
    child: Stopping,
    lines: mpsc::Receiver<String>,
    pub(crate) address: SocketAddr,
}

impl RawChild {
    /// Starts the hidden role `raw` of the same program.
    pub(crate) fn start(program: &Path, place: Placement, payload: &Path, connections: u32) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["lab", "role", "raw", "--connections", &connections.to_string(), "--payload"])
            .arg(payload);
        let (child, stdout) = start(&mut command, place)?;
        let (address, lines) = listening(stdout)?;
        let address =
            address.parse().map_err(|_| LabError::Role(format!("cannot read the address `{address}`")))?;
        Ok(Self { child, lines, address })
    }

    /// The one line that the loop prints when its control connection closes.
    pub(crate) fn outcome(mut self) -> Result<String> {
        let line =
            self.lines.recv_timeout(STOP_MAX).map_err(|_| LabError::Role("raw gave no outcome".to_owned()));
        self.child.stop();
        line
    }
}

/// How a child says that it may be connected to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Readiness {
    /// It prints `listening ADDRESS`.
    Told,
    /// It accepts connections at this address.
    Accepts(SocketAddr),
}

/// A running server of any kind.
#[derive(Debug)]
pub(crate) struct PeerChild {
    child: Stopping,
    pub(crate) address: SocketAddr,
}

impl PeerChild {
    /// Starts a server and waits until it listens. Its errors go to a file.
    pub(crate) fn start(
        command: &mut Command,
        place: Placement,
        ready: Readiness,
        log: &Path,
    ) -> Result<Self> {
        let log_file = File::options().create(true).append(true).open(log);
        command.stderr(log_file.map_err(LabError::io(format!("open {}", log.display())))?);
        let (mut child, stdout) = start(command, place)?;
        let address = match ready {
            Readiness::Told => address_in(&listening(stdout)?.0)?,
            Readiness::Accepts(address) => accepting(&mut child, address)?,
        };
        Ok(Self { child, address })
    }

    /// The process id of the first process; it may have children.
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

/// The address in `http://ADDRESS/`, `https://ADDRESS/` or in `ADDRESS`.
fn address_in(text: &str) -> Result<SocketAddr> {
    let bare = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
    let address = bare.trim_end_matches('/').parse();
    address.map_err(|_| LabError::Server(format!("cannot read the address in `{text}`")))
}

/// Waits until a child accepts connections.
fn accepting(child: &mut Stopping, address: SocketAddr) -> Result<SocketAddr> {
    let deadline = Instant::now() + READY_MAX;
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return Ok(address);
        }
        if let Ok(Some(status)) = child.0.try_wait() {
            return Err(LabError::Server(format!(
                "ended before it accepted connections ({status}); its log says why"
            )));
        }
        thread::sleep(STOP_POLL);
    }
    Err(LabError::Server(format!("did not accept connections within {} s", READY_MAX.as_secs())))
}

/// What a program prints for `--version`, in one line.
pub(crate) fn version_of(program: &Path) -> String {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Runs git and gives its trimmed answer, or nothing where there is no git or no repository.
pub(crate) fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_at_once_is_told_with_its_status() {
        let folder = tempfile::tempdir().unwrap();
        // Nobody listens there any more.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "exit 7"]);
        let place = Placement::choose().unwrap();
        let ready = Readiness::Accepts(free);
        let error = PeerChild::start(&mut command, place, ready, &folder.path().join("log")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("ended before") && told.contains("exit status: 7"), "{told}");
    }
}
