//! Servers under test, described by a file: how one is started, how its subscribers speak, and how an event is published.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::{LabError, Result};
use crate::load::Dialect;
use crate::machine::{PeerChild, Placement, Readiness};
use crate::peers::wire::{Standing, Wire};
use crate::result::{TargetRecord, Transport};

/// The targets that come with the program, by name.
pub const EMBEDDED: [(&str, &str); 5] = [
    ("tricast", include_str!("../../../../benches/targets/tricast.toml")),
    ("nchan", include_str!("../../../../benches/targets/nchan.toml")),
    ("socketio", include_str!("../../../../benches/targets/socketio.toml")),
    ("centrifugo", include_str!("../../../../benches/targets/centrifugo.toml")),
    ("mercure", include_str!("../../../../benches/targets/mercure.toml")),
];
/// Files that embedded targets start their servers with.
const FILES: [(&str, &str); 2] = [
    ("nchan.conf", include_str!("../../../../benches/peers/nchan.conf")),
    ("socketio.cjs", include_str!("../../../../benches/peers/socketio.cjs")),
];

/// A server under test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in the report.
    pub name: String,
    /// Where its cursor is, in words; absent where a subscriber cannot go on after a break.
    pub cursor: Option<String>,
    /// What is known of it that the figures do not show.
    pub note: Option<String>,
    /// How it is started; absent where it runs already.
    pub start: Option<Start>,
    /// Where it runs already.
    pub address: Option<SocketAddr>,
    /// Messages that are no event of ours may come, and mean nothing.
    #[serde(default)]
    pub strangers: bool,
    /// How an event is published.
    pub publish: Publish,
    /// Its long polling.
    pub poll: Option<Poll>,
    /// Its Server-Sent Events.
    pub sse: Option<Sse>,
    /// Its WebSocket.
    pub websocket: Option<Websocket>,
    /// The file's text.
    #[serde(skip)]
    pub text: String,
    /// The file's folder, where files beside it are looked for.
    #[serde(skip)]
    folder: PathBuf,
}

/// How a server is started. In `command` and `environment` `@PROGRAM@` is this program, `@INSTALLED@` the folder of `make peers`,
/// `@DIR@` the run's folder, `@PORT@` a free port, and `@FILE@` the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables, each `NAME=value`.
    #[serde(default)]
    pub environment: Vec<String>,
    /// A file that it needs, with the same words filled in.
    pub file: Option<String>,
    /// It is ready when it prints `listening ADDRESS` (`told`), or when it accepts connections at `@PORT@` (`accepts`).
    pub ready: Ready,
}

/// When a started server is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// It prints `listening ADDRESS`.
    Told,
    /// It accepts connections.
    Accepts,
}

/// How an event is published: one POST each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The path.
    pub path: String,
    /// The body, with the event's JSON at `@DATA@`, and the room's name at `@ROOM@` in `room_body`.
    pub body: String,
    /// The body of an event for a room; absent where there are none.
    pub room_body: Option<String>,
    /// Its content type.
    #[serde(default = "json")]
    pub content_type: String,
    /// Further header lines.
    #[serde(default)]
    pub headers: Vec<String>,
    /// A request that is repeated with the same `Idempotency-Key` publishes nothing new.
    #[serde(default)]
    pub repeats: bool,
}

fn json() -> String {
    "application/json".to_owned()
}

/// A long poll.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// How its answers go on.
    pub kind: PollKind,
    /// The path; tricast's is known.
    #[serde(default)]
    pub path: String,
}

/// How a long poll's answers say where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollKind {
    /// tricast's JSON: `cursor` and `session`.
    Tricast,
    /// `Last-Modified` and `Etag`, one message an answer or one a line.
    Headers,
    /// JSON with `last` and `events`, and `after` in the next request.
    After,
}

/// An SSE stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sse {
    /// The path.
    pub path: String,
    /// When the stream stands.
    #[serde(default)]
    pub stands: Stands,
    /// How it goes on after a break.
    #[serde(default)]
    pub resume: Resume,
    /// Further header lines of the request.
    #[serde(default)]
    pub headers: Vec<String>,
}

/// A WebSocket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Websocket {
    /// The path.
    pub path: String,
    /// What its text messages mean.
    pub dialect: WrittenDialect,
    /// How it goes on after a break.
    #[serde(default)]
    pub resume: Resume,
    /// Messages that are sent first.
    #[serde(default)]
    pub first: Vec<String>,
    /// Further header lines of the handshake.
    #[serde(default)]
    pub headers: Vec<String>,
}

/// When a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// With its head.
    #[default]
    Head,
    /// With tricast's `sync`.
    Sync,
}

/// How a stream goes on after a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// It does not.
    #[default]
    None,
    /// By `after` and `session` in the address.
    Query,
    /// By the header `Last-Event-ID`.
    LastEventId,
}

/// What text messages mean on a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenDialect {
    /// tricast's.
    Tricast,
    /// Each is an event.
    Plain,
    /// Socket.IO's.
    SocketIo,
    /// Centrifugo's JSON protocol.
    Centrifugo,
}

impl Publish {
    /// What stands before and after the event in a body.
    pub(super) fn around(&self, room: Option<u64>) -> (String, String) {
        let body = match (room, &self.room_body) {
            (Some(room), Some(body)) => body.replace("@ROOM@", &room_name(room)),
            _ => self.body.clone(),
        };
        let (before, after) = body.split_once("@DATA@").unwrap_or((&body, ""));
        (before.to_owned(), after.to_owned())
    }

    pub(super) fn header_lines(&self) -> String {
        self.headers.iter().map(|line| format!("{line}\r\n")).collect()
    }
}

/// A room's name by its number.
pub(super) fn room_name(room: u64) -> String {
    format!("r{room}")
}

/// Paths live as long as the program: a target is read once, and its readers are many.
fn kept(path: &str) -> &'static str {
    Box::leak(path.to_owned().into_boxed_str())
}

impl Target {
    /// Reads an embedded target by its name, or the file at a path.
    ///
    /// # Errors
    /// A file that cannot be read, and mistakes in it, with their lines.
    pub fn load(name: &str) -> Result<Self> {
        let embedded = EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let text = embedded.map_or_else(|| fs::read_to_string(name), Ok).map_err(|source| {
            let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
            let detail = format!("neither one of {} nor a readable file ({source})", names.join(", "));
            LabError::Target { name: name.to_owned(), detail }
        })?;
        let folder = Path::new(name).parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(name, &text, folder)
    }

    /// Reads a target from TOML.
    ///
    /// # Errors
    /// Mistakes, with their lines where they have one.
    pub fn parse(name: &str, text: &str, folder: PathBuf) -> Result<Self> {
        let error = |detail: String| LabError::Target { name: name.to_owned(), detail };
        let mut target: Self =
            toml::from_str(text).map_err(|e| error(e.to_string().trim_end().to_owned()))?;
        target.text = text.to_owned();
        target.folder = folder;
        let line = |key: &str| {
            let at = text.lines().position(|line| line.trim_start().starts_with(key));
            at.map_or_else(String::new, |at| format!("line {}: ", at + 1))
        };
        if target.start.is_some() == target.address.is_some() {
            return Err(error(format!("{}either `[start]` or `address`", line("address"))));
        }
        if !target.publish.body.contains("@DATA@") {
            return Err(error(format!("{}`body` has no @DATA@", line("body"))));
        }
        if target.transports().is_empty() {
            return Err(error("a target needs `[poll]`, `[sse]` or `[websocket]`".to_owned()));
        }
        Ok(target)
    }

    /// The transports that it has.
    pub fn transports(&self) -> Vec<Transport> {
        let has = |transport: &Transport| match transport {
            Transport::Poll => self.poll.is_some(),
            Transport::Sse => self.sse.is_some(),
            Transport::Websocket => self.websocket.is_some(),
        };
        Transport::ALL.into_iter().filter(has).collect()
    }

    /// What a result keeps of it.
    pub fn record(&self, version: String) -> TargetRecord {
        let (name, text) = (self.name.clone(), self.text.clone());
        TargetRecord { name, version, text, cursor: self.cursor.clone() }
    }

    /// How subscribers of a transport speak.
    pub(super) fn wire(&self, transport: Transport) -> Option<Wire> {
        Some(match transport {
            Transport::Poll => {
                let poll = self.poll.as_ref()?;
                match poll.kind {
                    PollKind::Tricast => Wire::TricastPoll,
                    PollKind::Headers => Wire::NchanPoll(kept(&poll.path)),
                    PollKind::After => Wire::TextbookPoll(kept(&poll.path)),
                }
            }
            Transport::Sse => {
                let sse = self.sse.as_ref()?;
                let standing = if sse.stands == Stands::Sync { Standing::AtSync } else { Standing::AtHead };
                Wire::Sse(kept(&sse.path), standing)
            }
            Transport::Websocket => {
                let websocket = self.websocket.as_ref()?;
                let dialect = match websocket.dialect {
                    WrittenDialect::Tricast => Dialect::Tricast,
                    WrittenDialect::Plain => Dialect::Plain,
                    WrittenDialect::SocketIo => Dialect::SocketIo,
                    WrittenDialect::Centrifugo => Dialect::Centrifugo,
                };
                Wire::Websocket(kept(&websocket.path), dialect)
            }
        })
    }

    /// Whether subscribers can be in rooms.
    pub fn has_rooms(&self) -> bool {
        self.publish.room_body.is_some()
    }
}

/// Where a target's words point to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) program: &'a Path,
    pub(crate) installed: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) place: Placement,
}

/// A target that was started, or one that ran already.
#[derive(Debug)]
pub(crate) enum Started {
    Child(PeerChild),
    Runs(SocketAddr),
}

impl Started {
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Child(child) => child.address,
            Self::Runs(address) => *address,
        }
    }

    /// The process whose CPU counts; none where the laboratory did not start it.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Child(child) => Some(child.pid()),
            Self::Runs(_) => None,
        }
    }
}

impl Target {
    /// Starts it, if it does not run already.
    pub(crate) fn start(&self, site: Site<'_>) -> Result<Started> {
        let Some(start) = &self.start else {
            let address = self.address.ok_or_else(|| LabError::Server("no address".to_owned()))?;
            return Ok(Started::Runs(address));
        };
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(LabError::io("look for a free port"))?.port();
        let folder = absolute(site.folder)?;
        let installed = absolute(site.installed).unwrap_or_else(|_| site.installed.to_owned());
        let fill = |text: &str| {
            text.replace("@PROGRAM@", &site.program.to_string_lossy())
                .replace("@INSTALLED@", &installed.to_string_lossy())
                .replace(
                    "@MODULE@",
                    &installed.join("root/usr/lib/nginx/modules/ngx_nchan_module.so").to_string_lossy(),
                )
                .replace("@DIR@", &folder.to_string_lossy())
                .replace("@PORT@", &port.to_string())
        };
        let file = start.file.as_deref().map(|name| self.file(name, &folder, &fill)).transpose()?;
        let file = file.map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        let mut words = start.command.iter().map(|word| fill(word).replace("@FILE@", &file));
        let program = words.next().ok_or_else(|| LabError::Server("`command` is empty".to_owned()))?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        for (name, value) in start.environment.iter().filter_map(|line| line.split_once('=')) {
            command.env(name, fill(value));
        }
        let ready = match start.ready {
            Ready::Told => Readiness::Told,
            Ready::Accepts => Readiness::Accepts(SocketAddr::from(([127, 0, 0, 1], port))),
        };
        PeerChild::start(&mut command, site.place, ready, &folder.join("target.log")).map(Started::Child)
    }

    /// Writes the server's file into the run's folder, with its words filled in.
    fn file(&self, name: &str, folder: &Path, fill: &impl Fn(&str) -> String) -> Result<PathBuf> {
        let embedded = FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let beside = self.folder.join(name);
        let text = embedded.map_or_else(|| fs::read_to_string(&beside), Ok);
        let text = text.map_err(LabError::io(format!("read {}", beside.display())))?;
        let place = folder.join(Path::new(name).file_name().unwrap_or_default());
        fs::write(&place, fill(&text)).map_err(LabError::io(format!("write {}", place.display())))?;
        Ok(place)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(LabError::io(format!("find {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_targets_are_good() {
        for (name, _) in EMBEDDED {
            let target = Target::load(name).unwrap();
            for transport in target.transports() {
                assert!(target.wire(transport).is_some(), "{name}");
            }
        }
        assert_eq!(Target::load("tricast").unwrap().transports(), Transport::ALL);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let good = EMBEDDED[0].1;
        for (from, to, told) in [
            ("[publish]", "[publich]", "publich"),
            ("@DATA@", "DATA", "has no @DATA@"),
            ("ready = \"told\"", "ready = \"soon\"", "soon"),
            ("name = ", "nam = ", "nam"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Target::parse("t", &good.replace(from, to), PathBuf::new()).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("line "), "{error}");
        }
        assert!(Target::load("nobody").unwrap_err().to_string().contains("nchan"));
    }
}
