//! The flags: one table for the parser, `--help` and the completions. Those of `tricast lab` stand in `lab`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tricast_client::After;

use crate::version::VERSION;

mod lab;

pub(crate) use lab::*;

const EXAMPLES: &str = "\
Examples:
  tricast demo                                         everything at once: open the page it names
  tricast serve --listen 127.0.0.1:8080                the server alone
  tricast subscribe http://127.0.0.1:8080 --transport sse --room room-123
  tricast publish http://127.0.0.1:8080 --room room-123 --type order.shipped '{\"order\":42}'
  curl -N 'http://127.0.0.1:8080/v1/feeds/default/sse?after=earliest'
  tricast lab run --scenario quick                     measure the three on this machine

Exit codes: 0 success, 1 failure, 2 wrong use, 3 a regression that `lab compare` found or a
claim of a scenario that does not hold, 78 wrong configuration.";

const SERVE_HELP: &str = "\
Settings come from the file, then from TRICAST_* variables, then from flags; the last one wins.
TRICAST_SERVER__LISTEN, --listen and --set server.listen=… name the same setting. The log goes
to stderr. `tricast config check` shows what is meant, or every mistake at once.

Examples:
  tricast serve
  tricast serve --config tricast.toml --workers 2
  tricast serve --listen 127.0.0.1:0 --set session.grace_secs=10";

const DEMO_HELP: &str = "\
A tap stands in front of the server, so that the page can cut its own connections and show their
bytes.

Examples:
  tricast demo
  tricast demo --listen 127.0.0.1:0 --rate 50 --payload 1024
  tricast demo --set store.path=history    (then a restart from the page loses nothing)";

const SUBSCRIBE_HELP: &str = "\
Events go to stdout, one a line; everything about the connection goes to stderr. The command
comes back by itself after a failure and goes on where it stood, so each event is printed once.

Examples:
  tricast subscribe http://127.0.0.1:8080
  tricast subscribe http://127.0.0.1:8080 --transport poll --room room-123 --json | jq .data
  tricast subscribe http://127.0.0.1:8080 --after earliest --count 10";

const PUBLISH_HELP: &str = "\
DATA is one JSON value, so a text needs its quotes: '\"hello\"'. Without DATA, or with -,
payloads are read from stdin, one a line; the flags hold for each of them. The ids of the events
are printed in order.

Examples:
  tricast publish http://127.0.0.1:8080 '\"hello\"'
  tricast publish http://127.0.0.1:8080 --room room-123 --type order.shipped '{\"order\":42}'
  seq 1000 | tricast publish http://127.0.0.1:8080 -";

/// One notification feed over long polling, Server-Sent Events and WebSocket.
#[derive(Debug, Parser)]
#[command(name = "tricast", version = VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server alone.
    #[command(after_help = SERVE_HELP)]
    Serve(ServeFlags),
    /// Run the server with its demo page and a generator of events, and print what is where.
    #[command(after_help = DEMO_HELP)]
    Demo(DemoFlags),
    /// The demo's bots; the demo starts it.
    #[command(hide = true)]
    DemoBots {
        /// The server.
        url: String,
    },
    /// Print the events of a feed as they come, by any of the three transports.
    #[command(after_help = SUBSCRIBE_HELP)]
    Subscribe(SubscribeFlags),
    /// Publish events to a feed.
    #[command(after_help = PUBLISH_HELP)]
    Publish(PublishFlags),
    /// Measure the three transports on this machine and write the report.
    Lab {
        #[command(subcommand)]
        command: LabCommand,
    },
    /// Look at a store of durable history, or move it. No server may use it meanwhile.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Where settings come from.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct ServeFlags {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen on this address and port; port 0 takes a free one. Loopback unless told otherwise.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Use this many workers.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<String>,
    /// Listen also where others can reach it, although there is no authentication.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Set any setting by its name; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// End at once when the process that started this one ends, so that a laboratory that is killed leaves no server behind.
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
    /// Generate this many events a second, 0 to 5000; the page can change it.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 2.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Generate the same events again with the same seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Make each payload this long, in bytes, 64 to 65536; the page can change it.
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=65536))]
    pub(crate) payload: u32,
}

#[derive(Debug, Args)]
pub(crate) struct SubscribeFlags {
    /// The server's base, for example http://127.0.0.1:8080.
    pub(crate) url: String,
    /// How the events shall travel.
    #[arg(long, short, value_enum, default_value_t = TransportFlag::Auto)]
    pub(crate) transport: TransportFlag,
    /// The feed.
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    /// Join this room; may be given several times. Broadcasts always come.
    #[arg(long = "room", short, value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// Start after this cursor, or at `earliest` or `tip`.
    #[arg(long, short, value_name = "CURSOR", default_value = "tip", value_parser = after)]
    pub(crate) after: After,
    /// Stop after this many events.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Print each event as one line of JSON.
    #[arg(long, short)]
    pub(crate) json: bool,
    /// Say nothing about the connection.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// A name for the server's tools and logs.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Give up at this many failures in a row; never unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) give_up_after: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TransportFlag {
    /// The first that works: WebSocket, then SSE, then long polling.
    Auto,
    /// Long polling.
    Poll,
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    Ws,
}

#[derive(Debug, Args)]
pub(crate) struct PublishFlags {
    /// The server's base, for example http://127.0.0.1:8080.
    pub(crate) url: String,
    /// The payload: one JSON value, or - for one a line from stdin.
    #[arg(allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// The feed.
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    /// The type of the events; `message` unless given.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// For this room; may be given several times. Without any it is a broadcast.
    #[arg(long = "room", short, value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// The conflation key.
    #[arg(long, short)]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the settings that are meant, or every mistake at once.
    Check(ServeFlags),
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Read all of a store and tell what it holds. Fails where a part of it is damaged.
    Check {
        /// The folder that store.path names.
        path: PathBuf,
    },
    /// Print a store, one JSON object a line: namespaces, events, idempotency keys.
    Export {
        /// The folder that store.path names.
        path: PathBuf,
    },
    /// Fill an empty store with an export from stdin.
    Import {
        /// The folder, which is made where there is none.
        path: PathBuf,
    },
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, for example server.workers=2".to_owned()),
    }
}

fn after(text: &str) -> Result<After, String> {
    match text {
        "tip" => Ok(After::Tip),
        "earliest" => Ok(After::Earliest),
        cursor => tricast_client::parse_cursor(cursor)
            .map(After::Cursor)
            .map_err(|fault| format!("neither earliest nor tip, and {fault}")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=5000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number of events a second, 0 to 5000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_table_of_flags_is_sound() {
        Cli::command().debug_assert();
    }

    /// Columns at which clap breaks lines that are longer.
    const COLUMNS: usize = 100;

    #[test]
    fn no_line_of_help_is_broken_in_its_middle() {
        let mut all = vec![Cli::command()];
        while let Some(command) = all.pop() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let long: Vec<&str> = after.lines().filter(|line| line.chars().count() > COLUMNS).collect();
            assert!(long.is_empty(), "{}: {long:?}", command.get_name());
            all.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn a_setting_is_a_key_and_a_value() {
        assert_eq!(key_and_value("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert!(key_and_value("a.b").is_err() && key_and_value("=c").is_err());
    }

    #[test]
    fn a_start_is_a_cursor_or_a_word() {
        assert_eq!(after("tip"), Ok(After::Tip));
        assert!(matches!(after("k3f4a2bq-7"), Ok(After::Cursor(_))));
        assert!(after("yesterday").unwrap_err().contains("not a cursor"));
    }

    #[test]
    fn a_rate_is_a_number_that_events_can_have() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for bad in ["", "-1", "5001", "inf", "NaN", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
