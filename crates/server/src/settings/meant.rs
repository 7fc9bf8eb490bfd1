//! Settings as they are meant: checked, with every default filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;
use tricast_feed::{Millis, Namespace, Retention};
use tricast_hub::Limits;
use tricast_wire::publish::PublishLimits;

use crate::settings::written::{Entry, Mistake, Written};
use crate::settings::{SettingsSource, keys};

/// Who writes to the connections of streams and polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanoutWay {
    /// The hub, which owns their sockets.
    Owned,
    /// actix, as bodies of responses.
    Body,
}

/// What TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
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
    /// Origins beside its own.
    pub origins: Vec<String>,
    /// Namespaces, `default` among them.
    pub namespaces: Vec<Namespace>,
    /// Whether a namespace is made on first use.
    pub is_dynamic: bool,
    /// Namespaces at once.
    pub namespaces_max: usize,
    /// How much history a namespace keeps.
    pub retention: Retention,
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
    pub rows: Vec<(&'static str, String)>,
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
        Self {
            listen,
            workers: if workers == 0 { cores } else { workers },
            request_timeout: Duration::from_millis(reader.number("server.request_timeout_ms", 100, 600_000)),
            hosts: reader.list("server.hosts"),
            tls: reader.tls(),
            origins: reader.origins(),
            namespaces: reader.namespaces(),
            is_dynamic: reader.flag("namespaces.dynamic"),
            namespaces_max: reader.number("namespaces.max", 1, 100_000),
            retention: reader.retention(),
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
            log_level: reader.text("log.level"),
            log_is_json: reader.choice("log.format", &["text", "json"]) == "json",
            rows: reader.rows(),
        }
    }
}

/// Reads one key after the other and collects what is wrong.
struct Reader {
    entries: BTreeMap<&'static str, Entry>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    /// Lays what was written over the defaults; keys that the table does not have are mistakes.
    fn new(written: Written) -> Self {
        let mut mistakes = written.mistakes;
        let mut entries: BTreeMap<&'static str, Entry> = keys()
            .iter()
            .map(|key| {
                (key.name, Entry { value: default_value(key.default), origin: "the default".to_owned() })
            })
            .collect();
        for (name, entry) in written.entries {
            match keys().iter().find(|key| key.name == name) {
                Some(key) => {
                    entries.insert(key.name, entry);
                }
                None => mistakes.push(Mistake {
                    place: format!("{name} (from {})", entry.origin),
                    detail: nearest(&name).map_or_else(
                        || "there is no such setting".to_owned(),
                        |near| format!("there is no such setting; did you mean {near}?"),
                    ),
                }),
            }
        }
        Self { entries, mistakes }
    }

    fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        let origin = self.entries.get(name).map_or("nowhere", |entry| entry.origin.as_str());
        self.mistakes.push(Mistake { place: format!("{name} (from {origin})"), detail: detail.into() });
    }

    fn value(&self, name: &'static str) -> Value {
        self.entries.get(name).map_or(Value::Boolean(false), |entry| entry.value.clone())
    }

    fn number<T: TryFrom<u64> + Default>(&mut self, name: &'static str, least: u64, most: u64) -> T {
        let number = match self.value(name) {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::String(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        };
        let found = number
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok());
        found.unwrap_or_else(|| {
            let range = if most == usize::MAX as u64 {
                format!("{least} or more")
            } else {
                format!("{least} to {most}")
            };
            self.wrong(name, format!("expected a whole number, {range}"));
            T::default()
        })
    }

    fn flag(&mut self, name: &'static str) -> bool {
        match self.value(name) {
            Value::Boolean(flag) => return flag,
            Value::String(text) if text == "true" => return true,
            Value::String(text) if text == "false" => return false,
            _ => self.wrong(name, "expected true or false"),
        }
        false
    }

    fn text(&mut self, name: &'static str) -> String {
        match self.value(name) {
            Value::String(text) if !text.is_empty() => text,
            _ => {
                self.wrong(name, "expected a text");
                String::new()
            }
        }
    }

    fn choice(&mut self, name: &'static str, choices: &[&str]) -> String {
        let text = self.text(name);
        if !choices.contains(&text.as_str()) {
            self.wrong(name, format!("expected one of {}", choices.join(", ")));
        }
        text
    }

    /// An array of texts; from the environment and from flags a text with commas.
    fn list(&mut self, name: &'static str) -> Vec<String> {
        match self.value(name) {
            Value::String(text) => {
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
            Value::Array(items) => {
                let texts: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.unwrap_or_else(|| {
                    self.wrong(name, "expected an array of texts");
                    Vec::new()
                })
            }
            _ => {
                self.wrong(name, "expected an array of texts");
                Vec::new()
            }
        }
    }

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
        let [certificate, key] = ["tls.certificate", "tls.key"].map(|name| match self.value(name) {
            Value::String(text) => text,
            _ => {
                self.wrong(name, "expected the name of a file");
                String::new()
            }
        });
        match (certificate.is_empty(), key.is_empty()) {
            (true, true) => return None,
            (true, false) => self.wrong("tls.certificate", "missing: it goes with tls.key"),
            (false, true) => self.wrong("tls.key", "missing: it goes with tls.certificate"),
            (false, false) => {}
        }
        Some(TlsFiles { certificate: certificate.into(), key: key.into() })
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

    fn namespaces(&mut self) -> Vec<Namespace> {
        let mut names = self.list("namespaces.declared");
        names.insert(0, "default".to_owned());
        names.dedup();
        let mut namespaces = Vec::new();
        for name in names {
            match Namespace::new(&name) {
                Ok(namespace) => namespaces.push(namespace),
                Err(error) => self.wrong("namespaces.declared", format!("{name:?} is {error}")),
            }
        }
        namespaces
    }

    fn retention(&mut self) -> Retention {
        let age_secs: u64 = self.number("history.age_secs", 0, 1 << 40);
        Retention {
            events_max: self.number("history.events", 1, 10_000_000),
            bytes_max: self.number("history.bytes", 1024, usize::MAX as u64),
            age_max: (age_secs > 0).then_some(Millis(age_secs * 1000)),
        }
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

    fn rows(&self) -> Vec<(&'static str, String)> {
        keys().iter().map(|key| (key.name, self.value(key.name).to_string())).collect()
    }
}

/// The table's defaults are TOML that a test reads.
fn default_value(text: &str) -> Value {
    let table: Result<toml::Table, _> = format!("value = {text}").parse();
    table.ok().and_then(|mut table| table.remove("value")).unwrap_or(Value::Boolean(false))
}

/// A key whose last part is the same, or that begins alike: a likely meaning of a misspelt one.
fn nearest(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let section = name.split('.').next().unwrap_or(name);
    let by_last = keys().iter().find(|key| key.name.rsplit('.').next() == Some(last));
    let by_front = || {
        keys().iter().find(|key| {
            let (front, rest) = key.name.split_once('.').unwrap_or((key.name, ""));
            front == section && (rest.starts_with(last) || last.starts_with(rest))
        })
    };
    by_last.or_else(by_front).map(|key| key.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
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
        assert_eq!(settings.retention, Retention::default());
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
        assert_eq!(settings.retention.events_max, 5);
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
    fn a_file_that_is_missing_or_broken_is_a_mistake() {
        let broken = load("[server\n", &[], &[]).unwrap_err();
        assert!(broken[0].contains("tricast.toml") && broken[0].contains("line 1"), "{broken:?}");
        let source =
            SettingsSource { file: Some("/nonexistent/tricast.toml".into()), ..SettingsSource::default() };
        assert_eq!(Settings::load(&source).unwrap_err().len(), 1);
    }
}
