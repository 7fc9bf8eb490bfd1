//! A server process that can be killed, and as much HTTP as it takes to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here may hang the suite.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `tricast serve`.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// A `tricast` that sees none of the settings in the environment.
pub(crate) fn tricast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tricast"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRICAST_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

impl Server {
    /// Starts a server over a store. Its log goes where this process's does.
    pub(crate) fn start(store: &Path, settings: &[&str]) -> Self {
        let mut command = tricast();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "1",
            "--set",
            "limits.connections_max=1000",
        ]);
        command.arg("--set").arg(format!("store.path={}", store.display()));
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening http://") else {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("it does not start: {line}{told}");
        };
        Self { address: address.parse().unwrap(), child }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator does, and gives what it logged.
    pub(crate) fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        told
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        Peer::connect(self.address).unwrap().ask("GET", target, "", "").unwrap()
    }

    pub(crate) fn post(&self, body: &str) -> Answer {
        Peer::connect(self.address).unwrap().publish("", body).unwrap()
    }

    /// The whole history after a cursor: the events, and the gaps.
    pub(crate) fn history(&self, after: &str) -> (Vec<Value>, Vec<Value>) {
        let mut peer = Peer::connect(self.address).unwrap();
        let (mut events, mut gaps, mut after) = (vec![], vec![], after.to_owned());
        loop {
            let target = format!("/v1/feeds/default/events?limit=1000&after={after}");
            let page = peer.ask("GET", &target, "", "").unwrap().json();
            assert!(page["sync"].is_null(), "the cursor is honoured: {page}");
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            gaps.extend(page["notices"].as_array().into_iter().flatten().cloned());
            if page["more"] == false {
                return (events, gaps);
            }
            page["cursor"].as_str().unwrap().clone_into(&mut after);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection.
pub(crate) struct Peer(BufReader<TcpStream>);

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn publish(&mut self, headers: &str, body: &str) -> std::io::Result<Answer> {
        self.ask("POST", "/v1/feeds/default/events", headers, body)
    }

    /// Sends a request and reads its answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> std::io::Result<Answer> {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Asks for a stream of events, and leaves what comes to [`Peer::line`].
    pub(crate) fn stream(&mut self, after: &str) -> std::io::Result<()> {
        let request = format!("GET /v1/feeds/default/sse?after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
