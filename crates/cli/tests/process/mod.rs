//! Runs the built command: to its end, or as a server that is ended with the test.

#![expect(clippy::unwrap_used, reason = "a process that cannot be run fails its test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// No command of these tests may hang the suite.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many lines wait to be looked at.
const LINES_MAX: usize = 1024;

fn command(arguments: &[&str]) -> Command {
    let mut command = cleared(env!("CARGO_BIN_EXE_tricast"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that sees none of the settings that are in the environment.
fn cleared(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRICAST_")) {
        command.env_remove(name);
    }
    command
}

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command that ends by itself.
pub(crate) fn tricast(arguments: &[&str]) -> Said {
    with_input(command(arguments), "")
}

/// The same with these variables.
pub(crate) fn tricast_in(environment: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = command(arguments);
    command.envs(environment.iter().copied());
    with_input(command, "")
}

/// The same with this on its stdin.
pub(crate) fn tricast_fed(input: &str, arguments: &[&str]) -> Said {
    with_input(command(arguments), input)
}

fn with_input(mut command: Command, input: &str) -> Said {
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let output: Output = ended.recv_timeout(PATIENCE).expect("the command did not end in time").unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A command that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    told: mpsc::Receiver<String>,
    /// The lines that it printed at the start.
    pub(crate) lines: Vec<String>,
}

impl Running {
    /// Starts a command and waits for its first lines.
    pub(crate) fn start(arguments: &[&str], lines: usize) -> Self {
        let mut command = command(arguments);
        command.stderr(Stdio::null());
        let mut running = Self::of(command);
        running.lines = (0..lines).map(|_| running.next_line()).collect();
        running
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, told) = mpsc::sync_channel(LINES_MAX);
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, told, lines: Vec::new() }
    }

    /// The next line that it prints.
    pub(crate) fn next_line(&self) -> String {
        self.told.recv_timeout(PATIENCE).expect("the command said nothing in time")
    }

    /// The next line of a command that ends; none when it has.
    pub(crate) fn line_before_the_end(&self) -> Option<String> {
        match self.told.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the command did not end in time"),
        }
    }

    /// A server on a free port.
    pub(crate) fn server() -> Self {
        Self::server_at("127.0.0.1:0")
    }

    /// A server on this address.
    pub(crate) fn server_at(address: &str) -> Self {
        Self::start(&["serve", "--listen", address, "--workers", "1"], 1)
    }

    /// A server on a free port, started by a shell that has set its own limits by `limits`. Its log is among its
    /// lines, none of which is read yet.
    pub(crate) fn serve_under(limits: &str, flags: &[&str]) -> Self {
        Self::under(limits, "serve", flags)
    }

    /// The same with another command that listens.
    pub(crate) fn under(limits: &str, word: &str, flags: &[&str]) -> Self {
        let script = format!("{limits}; exec \"$0\" \"$@\" 2>&1");
        let mut shell = cleared("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tricast"), word]);
        shell.args(["--listen", "127.0.0.1:0", "--workers", "1"]).args(flags).stdout(Stdio::piped());
        Self::of(shell)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and tells how it ended.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        let start = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the command did not end in time");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What follows this word at the start of a line.
    pub(crate) fn told(&self, word: &str) -> &str {
        let found = self.lines.iter().find_map(|line| line.strip_prefix(word));
        found.unwrap_or_else(|| panic!("no line {word:?} in {:?}", self.lines)).trim_start()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The start of the answer to a plain request.
pub(crate) fn answer(url: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).unwrap();
    String::from_utf8_lossy(&start).into_owned()
}
