//! Settings as they are meant: checked, with every default filled in.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tricast_feed::Namespace;
use tricast_hub::{Durability, Limits, Options};
use tricast_store::QUEUE_BYTES_MAX;
use tricast_wire::publish::PublishLimits;

use crate::settings::SettingsSource;
use crate::settings::reader::Reader;
use crate::settings::written::{Mistake, Written};

/// How long the console's token is, in characters.
const ADMIN_TOKEN_CHARS: RangeInclusive<usize> = 16..=256;

/// Who writes to the connections of streams and polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanoutWay {
    /// The hub, which owns their sockets.
    Owned,
    /// actix, as bodies of responses.
    Body,
}

/// The token of the console. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// Whether a client's is the same. It takes as long for any of this length.
    pub(crate) fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken")
    }
}

/// What TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How history is kept over restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The folder.
    pub path: PathBuf,
    /// When a publish is answered.
    pub durability: Durability,
    /// How long publishes are gathered.
    pub flush: Duration,
    /// Bytes of publishes that may wait to be written.
    pub queue_bytes_max: usize,
}

/// Everything that a server is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// How long a client may take to send a request head.
    pub request_timeout: Duration,
    /// Names under which a server on a loopback address may be asked.
    pub hosts: Vec<String>,
    /// The files of the certificate and of its key, where the server speaks TLS.
    pub tls: Option<TlsFiles>,
    /// What the console asks for.
    pub admin_token: Option<AdminToken>,
    /// Origins beside its own.
    pub origins: Vec<String>,
    /// Namespaces and the options of each, `default` among them.
    pub namespaces: Vec<(Namespace, Options)>,
    /// The options of a namespace that has none of its own.
    pub options: Options,
    /// Whether a namespace is made on first use.
    pub is_dynamic: bool,
    /// Namespaces at once.
    pub namespaces_max: usize,
    /// Where history is kept over restarts, if anywhere.
    pub store: Option<StoreSettings>,
    /// The hub's bounds.
    pub hub: Limits,
    /// Bounds of what may be published.
    pub publish: PublishLimits,
    /// Bytes of a publish body.
    pub body_bytes_max: usize,
    /// Bytes of a message on a WebSocket.
    pub message_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Who writes to connections.
    pub fanout: FanoutWay,
    /// Bytes that the kernel takes ahead for a client that does not read.
    pub unsent_max: u32,
    /// Where the newest report is looked for.
    pub report_dir: PathBuf,
    /// The log's filter.
    pub log_level: String,
    /// Whether the log is JSON.
    pub log_is_json: bool,
    /// Every key with the value that counts, for `config check`.
    pub rows: Vec<(String, String)>,
}

impl Settings {
    /// Gathers and checks.
    ///
    /// # Errors
    /// Every mistake there is, not only the first.
    pub fn load(source: &SettingsSource) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader::new(Written::gather(source));
        let settings = Self::read(&mut reader);
        reader.mistakes.is_empty().then_some(settings).ok_or(reader.mistakes)
    }

    fn read(reader: &mut Reader) -> Self {
        let listen = reader.listen();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = reader.number("server.workers", 0, 256);
        let namespaces = reader.namespaces();
        Self {
            listen,
            workers: if workers == 0 { cores } else { workers },
            request_timeout: Duration::from_millis(reader.number("server.request_timeout_ms", 100, 600_000)),
            hosts: reader.list("server.hosts"),
            tls: reader.tls(),
            admin_token: reader.admin_token(),
            origins: reader.origins(),
            options: reader.options(),
            is_dynamic: reader.flag("namespaces.dynamic"),
            namespaces_max: reader.namespaces_max(namespaces.len()),
            namespaces,
            store: reader.store(),
            hub: reader.hub_limits(),
            publish: PublishLimits {
                batch_max: reader.number("limits.batch_max", 1, 100_000),
                rooms_max: reader.number("limits.rooms_max", 1, 1000),
                depth_max: reader.number("limits.depth_max", 1, 1000),
            },
            body_bytes_max: reader.number("limits.body_bytes", 1024, usize::MAX as u64),
            message_bytes_max: reader.number("limits.message_bytes", 128, usize::MAX as u64),
            connections_max: reader.number("limits.connections_max", 1, usize::MAX as u64),
            fanout: match reader.choice("fanout.way", &["owned", "body"]).as_str() {
                "body" => FanoutWay::Body,
                _ => FanoutWay::Owned,
            },
            unsent_max: reader.number("socket.unsent_max", 1024, 4 << 20),
            report_dir: PathBuf::from(reader.text("report.dir")),
            log_level: reader.log_level(),
            log_is_json: reader.choice("log.format", &["text", "json"]) == "json",
            rows: reader.rows(),
        }
    }
}

impl Reader {
    fn listen(&mut self) -> SocketAddr {
        let text = self.text("server.listen");
        let insecure = self.flag("server.insecure");
        let Ok(address) = text.parse::<SocketAddr>() else {
            self.wrong("server.listen", "expected an address and a port, such as 127.0.0.1:8080 or [::1]:0");
            return SocketAddr::from(([127, 0, 0, 1], 0));
        };
        if !address.ip().is_loopback() && !insecure {
            self.wrong(
                "server.listen",
                format!(
                    "{} can be reached by others and there is no authentication; listen on a loopback address, \
                     or accept the risk with server.insecure = true (--insecure)",
                    address.ip()
                ),
            );
        }
        address
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        let [certificate, key] = ["tls.certificate", "tls.key"].map(|name| self.file(name));
        match (certificate.is_empty(), key.is_empty()) {
            (true, true) => return None,
            (true, false) => self.wrong("tls.certificate", "missing: it goes with tls.key"),
            (false, true) => self.wrong("tls.key", "missing: it goes with tls.certificate"),
            (false, false) => {}
        }
        Some(TlsFiles { certificate: certificate.into(), key: key.into() })
    }

    fn admin_token(&mut self) -> Option<AdminToken> {
        let path = self.file("admin.token_file");
        if path.is_empty() {
            return None;
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                self.wrong("admin.token_file", format!("{path}: {error}"));
                return None;
            }
        };
        let token = text.trim();
        if !ADMIN_TOKEN_CHARS.contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = "expected 16 to 256 visible ASCII characters in one line";
            self.wrong("admin.token_file", format!("{path}: {detail}"));
            return None;
        }
        Some(AdminToken(token.to_owned()))
    }

    fn origins(&mut self) -> Vec<String> {
        let origins = self.list("origins.allowed");
        for origin in &origins {
            let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            let good = origin == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains('/'));
            if !good {
                self.wrong(
                    "origins.allowed",
                    format!("{origin:?} is no origin: expected scheme://host[:port], or *"),
                );
            }
        }
        origins
    }

    /// A word alone is a level: the log's own reader would take any other for the name of a part of the program, and
    /// then nothing else is logged.
    fn log_level(&mut self) -> String {
        let text = self.text("log.level");
        let is_level = |word: &str| word.contains(['=', '[']) || word.parse::<LevelFilter>().is_ok();
        let stray = text.split(',').map(str::trim).find(|word| !is_level(word));
        if let Some(stray) = stray.filter(|_| !text.is_empty()) {
            let detail = "expected off, error, warn, info, debug, trace, or part=level";
            self.wrong("log.level", format!("{stray:?} is no level: {detail}"));
        } else if let Err(error) = EnvFilter::try_new(&text) {
            self.wrong("log.level", error.to_string());
        }
        text
    }

    fn store(&mut self) -> Option<StoreSettings> {
        let path = self.file("store.path");
        let durability = match self.choice("store.durability", &["async", "sync"]).as_str() {
            "sync" => Durability::Sync,
            _ => Durability::Async,
        };
        let flush = Duration::from_millis(self.number("store.flush_ms", 1, 10_000));
        let queue_bytes_max = self.number("store.queue_bytes", 65_536, QUEUE_BYTES_MAX as u64);
        (!path.is_empty()).then(|| StoreSettings { path: path.into(), durability, flush, queue_bytes_max })
    }

    fn seconds(&mut self, name: &'static str, least: u64, most: u64) -> Duration {
        Duration::from_secs(self.number(name, least, most))
    }

    fn hub_limits(&mut self) -> Limits {
        let most = usize::MAX as u64;
        Limits {
            beat_secs: self.number("stream.beat_secs", 1, 300),
            grace: self.seconds("session.grace_secs", 0, 86_400),
            sessions_max: self.number("session.max", 1, most),
            subscribers_max: self.number("limits.subscribers_max", 1, most),
            stall_secs: self.number("limits.stall_secs", 1, 3600),
            retry_ms: self.number("stream.retry_ms", 0, 600_000),
            pass_events_max: self.number("limits.pass_events_max", 1, 100_000),
            pass_bytes_max: self.number("limits.pass_bytes_max", 1024, most),
            read_bytes_max: self.number("limits.read_bytes_max", 1024, most),
            answer_bytes_max: self.number("limits.answer_bytes_max", 1024, most),
            replies_max: self.number("limits.replies_max", 1, 10_000),
            idempotency_window: self.seconds("publish.idempotency_window_secs", 1, 86_400),
            idempotency_keys_max: self.number("publish.idempotency_keys_max", 1, most),
            drain_rate: self.number("drain.rate", 1, u64::from(u32::MAX)),
            drain_max: self.seconds("drain.max_secs", 1, 600),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tricast_feed::Retention;

    use super::*;

    pub(in crate::settings) fn load(
        file: &str,
        env: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Settings, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tricast.toml");
        std::fs::write(&path, file).unwrap();
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let source = SettingsSource { file: Some(path), env: owned(env), flags: owned(flags) };
        Settings::load(&source).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_defaults_are_the_hubs_own() {
        let settings = load("", &[], &[]).unwrap();
        assert_eq!(settings.hub, Limits::default());
        assert_eq!(settings.options.retention, Retention::default());
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.namespaces.len(), 1);
    }

    #[test]
    fn flags_go_before_environment_before_file() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 1\n[history]\nevents = 5\n";
        let env = [
            ("TRICAST_SERVER__LISTEN", "127.0.0.1:2"),
            ("TRICAST_SERVER__WORKERS", "2"),
            ("TRICAST_URL", "x"),
        ];
        let settings = load(file, &env, &[("server.listen", "127.0.0.1:3")]).unwrap();
        assert_eq!(settings.listen.port(), 3);
        assert_eq!(settings.workers, 2);
        assert_eq!(settings.options.retention.events_max, 5);
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let file = "[server]\nlisten = \"0.0.0.0:80\"\ncolour = 1\n[history]\nevents = -1\n";
        let env = [("TRICAST_STREAM__BEAT_SECS", "soon"), ("TRICAST_NAMESPACES__DECLARED", "ok,Not Ok")];
        let mistakes = load(file, &env, &[("log.format", "xml"), ("events", "7")]).unwrap_err();
        let text = mistakes.join("\n");
        assert_eq!(mistakes.len(), 7, "{text}");
        for part in [
            "server.colour (from /",
            "history.events (from /",
            "0.0.0.0 can be reached by others",
            "stream.beat_secs (from TRICAST_STREAM__BEAT_SECS): expected a whole number, 1 to 300",
            "namespaces.declared (from TRICAST_NAMESPACES__DECLARED): \"Not Ok\"",
            "log.format (from a flag): expected one of text, json",
            "did you mean history.events?",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn the_consoles_token_is_read_from_a_file_and_shown_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let read = |token: &str| {
            let path = dir.path().join("token");
            std::fs::write(&path, token).unwrap();
            load("", &[], &[("admin.token_file", path.to_str().unwrap())])
        };
        let settings = read("correct-horse-battery\n").unwrap();
        let token = settings.admin_token.as_ref().unwrap();
        assert!(token.is("correct-horse-battery") && !token.is("correct-horse-batterx") && !token.is(""));
        assert!(!format!("{settings:?}").contains("correct"));
        for bad in
            ["short", "", &"x".repeat(257), "correct horse battery staple", "correct-horse-b\u{e9}ttery"]
        {
            let told = read(bad).unwrap_err();
            assert!(
                told[0].starts_with("admin.token_file (from a flag): ") && !told[0].contains("correct"),
                "{told:?}"
            );
        }
        let missing = load("", &[], &[("admin.token_file", "/nonexistent/token")]).unwrap_err();
        assert!(missing[0].contains("/nonexistent/token: No such file"), "{missing:?}");
        assert!(load("", &[], &[]).unwrap().admin_token.is_none());
    }

    #[test]
    fn a_level_is_a_level() {
        for good in ["info", "WARN", "off", "info,tricast_hub=debug", "tricast_server[draining]=trace"] {
            assert_eq!(load("", &[], &[("log.level", good)]).unwrap().log_level, good);
        }
        for bad in ["garbage", "inof", "info,tricast_hub=loud", ""] {
            let told = load("", &[], &[("log.level", bad)]).unwrap_err();
            assert!(told.len() == 1 && told[0].starts_with("log.level (from a flag): "), "{bad}: {told:?}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_broken_is_a_mistake() {
        let broken = load("[server\n", &[], &[]).unwrap_err();
        assert!(broken[0].contains("tricast.toml") && broken[0].contains("line 1"), "{broken:?}");
        let source =
            SettingsSource { file: Some("/nonexistent/tricast.toml".into()), ..SettingsSource::default() };
        assert_eq!(Settings::load(&source).unwrap_err().len(), 1);
    }
}
