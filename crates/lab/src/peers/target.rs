//! The servers under comparison, as one table: where each is, how it is started, and how its subscribers speak.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::wire::{Publishing, Standing, Wire};
use crate::error::{LabError, Result};
use crate::load::Dialect;
use crate::machine::{PeerChild, Placement, Readiness, version_of};
use crate::result::Transport;

const NCHAN: &str = include_str!("../../../../benches/peers/nchan.conf");
const WS: &str = include_str!("../../../../benches/peers/ws.cjs");
const SOCKET_IO: &str = include_str!("../../../../benches/peers/socketio.cjs");
const TEXTBOOK: &str = include_str!("../../../../benches/peers/servers/src/bin/textbook.rs");
const AXUM: &str = include_str!("../../../../benches/peers/servers/src/bin/axum.rs");
const SOCKETIOXIDE: &str = include_str!("../../../../benches/peers/servers/src/bin/socketioxide.rs");

/// The server that the others are compared with.
pub(super) const SUBJECT: &str = "tricast";
/// The subject once more: what it shows against itself is the band of the noise.
pub(super) const AGAIN: &str = "tricast_again";
/// The peer that serves all three transports from one channel.
pub(super) const NCHAN_KEY: &str = "nchan";

const EVENTS: &str = "/v1/feeds/default/events";
const TRICAST: &[Line] = &[
    Line::new(Transport::Websocket, Wire::Websocket("/v1/feeds/default/ws", Dialect::Tricast)),
    Line::new(Transport::Sse, Wire::Sse("/v1/feeds/default/sse", Standing::AtSync)),
    Line::new(Transport::Poll, Wire::TricastPoll),
];
/// The settings of the ways out, where this tricast knows them; the first is the subject's.
const OWNED: &[(&str, &str)] = &[("fanout.way", "owned")];
const BODY: &[(&str, &str)] = &[("fanout.way", "body")];
/// Settings of every tricast. The publisher's connection may stand for longer than a usual client's.
const ALWAYS: [(&str, &str); 3] =
    [("server.listen", "127.0.0.1:0"), ("server.workers", "1"), ("server.request_timeout_ms", "120000")];

/// How the subscribers of a transport speak.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) transport: Transport,
    pub(super) wire: Wire,
}

/// How a server is started.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// The program under test with these settings.
    Tricast(&'static [(&'static str, &'static str)]),
    /// nginx with a configuration.
    Nginx(&'static str),
    /// A script that node runs: its file name and text.
    Node(&'static str, &'static str),
    /// A program of ours: its name and its source.
    Program(&'static str, &'static str),
}

/// One server of the table.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) lines: &'static [Line],
    pub(super) publishing: Publishing,
    start: Start,
}

impl Line {
    const fn new(transport: Transport, wire: Wire) -> Self {
        Self { transport, wire }
    }
}

/// Where things are, and where they may write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// The `tricast` program.
    pub(super) program: &'a Path,
    /// The folder that `make peers` fills.
    pub(super) installed: &'a Path,
    /// The run's folder.
    pub(super) folder: &'a Path,
    pub(super) place: Placement,
}

/// The table, for a program that knows the ways out or not.
pub(super) fn table(program: &Path) -> Vec<Target> {
    let tricast = |key, name, settings| Target {
        key,
        name,
        lines: TRICAST,
        publishing: Publishing::Wrapped(EVENTS),
        start: Start::Tricast(settings),
    };
    let mut table = if knows(program, OWNED) {
        vec![
            tricast(SUBJECT, "tricast", OWNED),
            tricast("tricast_body", "tricast, body way", BODY),
            tricast(AGAIN, "tricast again", OWNED),
        ]
    } else {
        vec![tricast(SUBJECT, "tricast", &[]), tricast(AGAIN, "tricast again", &[])]
    };
    table.extend(peers());
    table
}

fn peers() -> [Target; 7] {
    const NCHAN_LINES: &[Line] = &[
        Line::new(Transport::Websocket, Wire::Websocket("/subscribe", Dialect::Plain)),
        Line::new(Transport::Sse, Wire::Sse("/subscribe", Standing::AtHead)),
        Line::new(Transport::Poll, Wire::NchanPoll("/subscribe")),
    ];
    const JOINED: &[Line] = &[Line::new(Transport::Poll, Wire::NchanPoll("/pending"))];
    const PLAIN_WS: &[Line] = &[Line::new(Transport::Websocket, Wire::Websocket("/", Dialect::Plain))];
    const AXUM_LINES: &[Line] = &[
        Line::new(Transport::Websocket, Wire::Websocket("/ws", Dialect::Plain)),
        Line::new(Transport::Sse, Wire::Sse("/sse", Standing::AtHead)),
    ];
    const TEXTBOOK_LINES: &[Line] = &[
        Line::new(Transport::Websocket, Wire::Websocket("/ws", Dialect::Plain)),
        Line::new(Transport::Sse, Wire::Sse("/sse", Standing::AtHead)),
        Line::new(Transport::Poll, Wire::TextbookPoll("/poll")),
    ];
    const ENGINE_IO: &str = "/socket.io/?EIO=4&transport=websocket";
    const SOCKET_IO_LINES: &[Line] =
        &[Line::new(Transport::Websocket, Wire::Websocket(ENGINE_IO, Dialect::SocketIo))];
    let peer = |key, name, lines, start| Target {
        key,
        name,
        lines,
        publishing: Publishing::Plain("/publish"),
        start,
    };
    [
        peer(NCHAN_KEY, "Nchan", NCHAN_LINES, Start::Nginx(NCHAN)),
        peer("nchan_joined", "Nchan, all pending in one answer", JOINED, Start::Nginx(NCHAN)),
        peer("textbook", "textbook (actix-ws)", TEXTBOOK_LINES, Start::Program("textbook", TEXTBOOK)),
        peer("axum", "axum", AXUM_LINES, Start::Program("axum", AXUM)),
        peer("socketioxide", "socketioxide", SOCKET_IO_LINES, Start::Program("socketioxide", SOCKETIOXIDE)),
        peer("ws", "ws (Node)", PLAIN_WS, Start::Node("ws", WS)),
        peer("socket.io", "Socket.IO (Node)", SOCKET_IO_LINES, Start::Node("socket.io", SOCKET_IO)),
    ]
}

/// Peers that would belong here and cannot be had, each with the reason.
pub(super) const UNAVAILABLE: [(&str, &str, &str); 1] =
    [("uwebsockets", "uWebSockets.js", "the npm registry does not have it")];

/// Whether a program accepts settings.
fn knows(program: &Path, settings: &[(&str, &str)]) -> bool {
    let mut command = Command::new(program);
    command.args(["config", "check"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    set(&mut command, settings);
    command.status().is_ok_and(|status| status.success())
}

fn set(command: &mut Command, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        command.args(["--set", &format!("{key}={value}")]);
    }
    // Whatever the environment sets would be a setting that the result does not tell.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRICAST_")) {
        command.env_remove(name);
    }
}

impl Target {
    /// Why the server cannot be started here; `None` where all it needs is there.
    pub(super) fn missing(&self, site: Site<'_>) -> Option<String> {
        let needed = match self.start {
            Start::Tricast(_) => vec![site.program.to_owned()],
            Start::Nginx(_) => vec![nginx(site), module(site)],
            Start::Node(package, _) => vec![site.installed.join("node_modules").join(package)],
            Start::Program(name, _) => vec![site.installed.join("bin").join(name)],
        };
        let absent = needed.iter().find(|path| !path.exists())?;
        let name = absent.strip_prefix(site.installed).unwrap_or(absent);
        Some(format!("{} is not installed (`make peers`)", name.display()))
    }

    /// What it is made of, each part with its version.
    pub(super) fn version(&self, site: Site<'_>) -> String {
        if let Start::Tricast(_) = self.start {
            return version_of(site.program);
        }
        let text = fs::read_to_string(site.installed.join("versions.txt")).unwrap_or_default();
        let key = if self.key == "nchan_joined" { NCHAN_KEY } else { self.key };
        let of = |line: &str| line.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
        text.lines().filter_map(of).collect::<Vec<_>>().join(", ")
    }

    /// Its settings, or its whole source where there are no others.
    pub(super) fn configuration(&self) -> String {
        match self.start {
            Start::Tricast(settings) => {
                let all = ALWAYS.iter().chain(settings);
                all.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
            }
            Start::Nginx(text) | Start::Node(_, text) | Start::Program(_, text) => text.to_owned(),
        }
    }

    /// Starts the server on its core and waits until it listens.
    pub(super) fn start(&self, site: Site<'_>) -> Result<PeerChild> {
        let log = site.folder.join(format!("{}.log", self.key));
        let (mut command, ready) = self.command(site)?;
        PeerChild::start(&mut command, site.place, ready, &log)
    }

    fn command(&self, site: Site<'_>) -> Result<(Command, Readiness)> {
        let mut command = match self.start {
            Start::Tricast(settings) => {
                let mut command = Command::new(site.program);
                command.arg("serve");
                set(&mut command, &ALWAYS);
                set(&mut command, settings);
                command
            }
            Start::Nginx(text) => return nginx_command(text, site),
            Start::Node(name, text) => {
                let script = write(site.folder, &format!("{name}.cjs"), text)?;
                let mut command = Command::new("node");
                command.arg(script).env("NODE_ENV", "production");
                command.env("NODE_PATH", absolute(&site.installed.join("node_modules"))?);
                command
            }
            Start::Program(name, _) => Command::new(site.installed.join("bin").join(name)),
        };
        command.stdin(Stdio::null());
        Ok((command, Readiness::Told))
    }
}

fn nginx(site: Site<'_>) -> PathBuf {
    site.installed.join("root/usr/sbin/nginx")
}

fn module(site: Site<'_>) -> PathBuf {
    site.installed.join("root/usr/lib/nginx/modules/ngx_nchan_module.so")
}

/// nginx cannot take a free port by itself, so one is looked for here.
fn nginx_command(text: &str, site: Site<'_>) -> Result<(Command, Readiness)> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address: SocketAddr = free.map_err(LabError::io("look for a free port"))?;
    let module = absolute(&module(site))?;
    let text = text.replace("@MODULE@", &module.to_string_lossy());
    let text = text.replace("@PORT@", &address.port().to_string());
    let folder = absolute(site.folder)?;
    let file = write(&folder, "nchan.conf", &text)?;
    let mut command = Command::new(nginx(site));
    command.arg("-p").arg(&folder).arg("-c").arg(file).arg("-e").arg(folder.join("nchan.log"));
    Ok((command, Readiness::Accepts(address)))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    fs::write(&file, text).map_err(LabError::io(format!("write {}", file.display())))?;
    Ok(file)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(LabError::io(format!("find {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site<'a>(installed: &'a Path, folder: &'a Path) -> Site<'a> {
        let place = Placement { server: 0, load: 0, cores: 1 };
        Site { program: Path::new("/nowhere/tricast"), installed, folder, place }
    }

    #[test]
    fn what_is_not_installed_says_so_and_what_is_does_not() {
        let root = tempfile::tempdir().unwrap();
        let site = site(root.path(), root.path());
        for target in peers() {
            let missing = target.missing(site).expect(target.key);
            assert!(missing.contains("is not installed") && !missing.contains("tmp"), "{missing}");
        }
        fs::create_dir_all(root.path().join("bin")).unwrap();
        fs::write(root.path().join("bin/textbook"), "").unwrap();
        let there = peers().iter().filter(|target| target.missing(site).is_none()).count();
        assert_eq!(there, 1);
    }

    #[test]
    fn keys_are_there_once_and_every_peer_has_a_configuration() {
        let all = table(Path::new("/nowhere/tricast"));
        let mut keys: Vec<_> = all.iter().map(|target| target.key).collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
        assert!(all.iter().all(|target| !target.configuration().is_empty() && !target.lines.is_empty()));
    }

    #[test]
    fn versions_are_read_from_what_was_installed() {
        let root = tempfile::tempdir().unwrap();
        let text = "ws ws 8.23.0, node 20\nnchan nginx 1.22\nnchan libnginx-mod-nchan 1.3\nwsx no\n";
        fs::write(root.path().join("versions.txt"), text).unwrap();
        let site = site(root.path(), root.path());
        let version = |key| peers().iter().find(|peer| peer.key == key).unwrap().version(site);
        assert_eq!(version("ws"), "ws 8.23.0, node 20");
        assert_eq!(version("nchan"), "nginx 1.22, libnginx-mod-nchan 1.3");
        assert_eq!(version("textbook"), "");
    }
}
