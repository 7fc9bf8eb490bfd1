//! The one table of settings: key, default, and what it means. Help, checks and documents come from it.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// Its default, as it would be written in TOML.
    pub default: &'static str,
    /// What it means, with the unit and the range.
    pub meaning: &'static str,
}

macro_rules! keys {
    ($($name:literal = $default:literal : $meaning:literal;)*) => {
        &[$(Key { name: $name, default: $default, meaning: $meaning }),*]
    };
}

/// Settings that a namespace may have for itself, as `namespace.<name>.<setting>`. Without, it has those of all.
pub(crate) const OF_NAMESPACE: [&str; 10] = [
    "history.events",
    "history.bytes",
    "history.age_secs",
    "slow.policy",
    "slow.events_max",
    "slow.bytes_max",
    "slow.age_secs",
    "presence",
    "types",
    "schema",
];

/// All settings.
#[must_use]
pub fn keys() -> &'static [Key] {
    keys! {
        "server.listen" = "\"127.0.0.1:8080\"" : "address and port; port 0 takes a free one";
        "server.workers" = "0" : "worker threads, 1 to 256; 0 is one a core";
        "server.insecure" = "false" : "allows an address that others can reach although there is no authentication";
        "server.request_timeout_ms" = "5000" : "how long a client may take to send a request head, in milliseconds, 100 to 600000";
        "server.hosts" = "[]" : "names beside localhost under which a server on a loopback address may be asked, such as those that a proxy passes on; \"*\" is any";
        "tls.certificate" = "\"\"" : "file with the server's certificate and those that vouch for it, PEM; given, the server speaks TLS 1.2 and 1.3 only";
        "tls.key" = "\"\"" : "file with the certificate's private key, PEM";
        "admin.token_file" = "\"\"" : "file with the token that the console asks for, 16 to 256 visible ASCII characters; without one the console answers this machine alone";
        "origins.allowed" = "[]" : "origins beside the server's own that may use it from a browser, such as \"https://app.example\"; \"*\" is any";
        "namespaces.declared" = "[]" : "namespaces beside `default`";
        "namespaces.dynamic" = "false" : "whether a namespace is made on first use";
        "namespaces.max" = "1000" : "namespaces at once, 1 to 100000";
        "history.events" = "10000" : "events that a namespace retains, 1 to 10000000";
        "history.bytes" = "16777216" : "bytes of memory that a namespace's events take, 1024 or more";
        "history.age_secs" = "3600" : "seconds that an event is retained; 0 keeps events of any age";
        "slow.policy" = "\"skip\"" : "what is done for a subscriber that lags further than the three bounds below allow: close, skip or conflate";
        "slow.events_max" = "0" : "events that a subscriber may lag behind; 0 is no bound";
        "slow.bytes_max" = "0" : "bytes that a subscriber may lag behind; 0 is no bound";
        "slow.age_secs" = "0" : "seconds that the oldest event may wait for its subscriber; 0 is no bound";
        "presence" = "\"off\"" : "off, listed or told: whether it may be asked who is there, and whether comings and goings are published";
        "types" = "[]" : "types of events that may be published, each a type or its beginning and a *; none is any type";
        "schema" = "\"\"" : "file with a JSON Schema that `data` must fit, at most 1 MiB";
        "session.grace_secs" = "30" : "seconds that a session outlives its last subscriber, 0 to 86400";
        "session.max" = "200000" : "sessions at once, 1 or more";
        "stream.beat_secs" = "15" : "seconds between beats, 1 to 300";
        "stream.retry_ms" = "1000" : "what a client is told to wait before it comes back, in milliseconds, 0 to 600000";
        "store.path" = "\"\"" : "folder that keeps history over restarts, made where there is none; without it history is in memory alone";
        "store.durability" = "\"async\"" : "async or sync: whether a publish is answered before or after it is on disk";
        "store.flush_ms" = "20" : "how long publishes are gathered under async before they are written together, in milliseconds, 1 to 10000";
        "store.queue_bytes" = "33554432" : "bytes of publishes that may wait to be written; further ones wait; 65536 to 1073741824";
        "publish.idempotency_window_secs" = "300" : "seconds that an idempotency key is remembered, 1 to 86400";
        "publish.idempotency_keys_max" = "100000" : "idempotency keys remembered in a namespace, 1 or more";
        "limits.body_bytes" = "1048576" : "bytes of a publish body, 1024 or more";
        "limits.message_bytes" = "65536" : "bytes of a message on a WebSocket, 128 or more";
        "limits.batch_max" = "1000" : "events in one publish, 1 to 100000";
        "limits.depth_max" = "64" : "depth of nesting in `data`, 1 to 1000";
        "limits.rooms_max" = "64" : "rooms of one subscriber, and of one event, 1 to 1000";
        "limits.subscribers_max" = "100000" : "open streams and parked polls at once, 1 or more";
        "limits.connections_max" = "25000" : "connections at once; a further one is answered 503; 1 or more. The default follows a lower limit of open files";
        "limits.stall_secs" = "60" : "seconds that a stream may stand with bytes that its client does not take, 1 to 3600";
        "limits.replies_max" = "64" : "answers that wait to be written on one WebSocket, 1 to 10000";
        "limits.pass_events_max" = "1024" : "events that one fan-out pass joins, 1 to 100000";
        "limits.pass_bytes_max" = "1048576" : "bytes that one fan-out pass takes from the log, 1024 or more";
        "limits.read_bytes_max" = "65536" : "bytes that a subscriber who is behind reads from the log at once, 1024 or more";
        "limits.answer_bytes_max" = "4194304" : "bytes of the log that one answer to a poll takes; the rest comes with the next one; 1024 or more";
        "fanout.way" = "\"owned\"" : "owned or body: whether the hub writes to connections itself, or streams are bodies of actix's responses";
        "socket.unsent_max" = "16384" : "bytes that the kernel takes ahead for a client that does not read, 1024 to 4194304";
        "drain.rate" = "2000" : "streams ended a second when the server stops, 1 or more";
        "drain.max_secs" = "10" : "the longest that stopping may take, in seconds, 1 to 600";
        "report.dir" = "\"target/tricast/runs\"" : "where the runs are whose newest report is shown at /report/";
        "log.level" = "\"info,actix_server=warn,actix_http=off\"" : "error, warn, info, debug or trace; or a filter such as \"info,tricast_hub=debug\"";
        "log.format" = "\"text\"" : "text or json, on standard error";
    }
}
