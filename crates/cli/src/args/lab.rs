//! The flags of `tricast lab`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::key_and_value;

const LAB_HELP: &str = "\
The server under test runs in a process of its own on one core, the load on the other. ^C ends a
run early and keeps what is finished. The newest run that measured anything is also found under
target/tricast/runs/latest.

Exit codes: 0 measured, and every claim of the scenario holds or could not be checked; 3 one
does not hold, which is said once the report is written; 1 nothing was measured, or the run
could not go on.

Examples:
  tricast lab run
  tricast lab run --scenario full --seed 7
  tricast lab report target/tricast/runs/latest";

const CROWD_HELP: &str = "\
A crowd is spread over all transports. It needs two cores and some 20,000 open files, and takes
connections from 32 loopback addresses. ^C keeps what is finished, and a soak as far as it got.
A claim that does not hold ends with code 3.

Examples:
  tricast lab crowd crowd-brief                        everything in small, within two minutes
  tricast lab crowd stalled --at-most 2000 --seconds 5
  tricast lab crowd soak --seconds 3600";

const PROXIES_HELP: &str = "\
`make proxies` unpacks them from Debian's packages; those that are not there are told and left
out.

Examples:
  tricast lab proxies
  tricast lab proxies --quick --only nginx";

const PEERS_HELP: &str = "\
`make peers` installs the others under target/peers; one that is not there is left out and said
so. The server under test runs on one core, the load on the other. ^C ends a comparison early
and keeps what is finished.

Examples:
  tricast lab peers
  tricast lab peers --quick --only nchan,raw
  tricast lab peers --into target/tricast/runs/latest";

const COMPARE_HELP: &str = "\
A change counts where it is outside the noise of both runs and its 95 % interval leaves 1 out.
Absolute times of different machines are not compared; bytes, counts, memory and ratios are.

Exit codes: 0 nothing regressed, 3 something did, or a figure of the earlier run is missing in the
later one, or nothing could be compared, 1 a run that cannot be read.

Examples:
  tricast lab compare target/tricast/runs/20260101T000000Z-quick
  tricast lab compare old new --format html --out changes.html --no-fail";

const ADVISE_HELP: &str = "\
The figures are those of the run given, else of the newest one, else of the sample that the
program brings along.

Examples:
  tricast lab advise --clients 20000 --rate 0.2 --payload 300 --two-way no --proxies unknown
  tricast lab advise --clients 500 --rate 20 --two-way yes --json";

pub(crate) const LATEST_RUN: &str = "target/tricast/runs/latest";

#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Run a scenario and write its result and report.
    #[command(after_help = LAB_HELP)]
    Run(LabRunFlags),
    /// List the scenarios and the targets that come with the program.
    Scenarios,
    /// Measure crowds: many subscribers on all transports at once, stalled readers, churn over a long time.
    #[command(after_help = CROWD_HELP)]
    Crowd(LabCrowdFlags),
    /// Measure tricast beside other servers, where they are installed, and write the report.
    #[command(after_help = PEERS_HELP)]
    Peers(LabPeersFlags),
    /// Stand in front of a server as a network with delays, cuts, buffering proxies and other conditions.
    #[command(after_help = PROXY_HELP)]
    Proxy(LabProxyFlags),
    /// Measure nginx, HAProxy and Caddy in front of every transport, where they are installed, and write the report.
    #[command(after_help = PROXIES_HELP)]
    Proxies(LabProxiesFlags),
    /// Let a real Chromium open seven streams to one host, where node and Chromium are, and write the report.
    Browser(LabBrowserFlags),
    /// Lose packets between the server and its subscribers, where root and /dev/net/tun are, and write the report.
    Loss(LabFlags),
    /// Hold the laboratory against a server with known faults; ends with code 1 unless all are reported exactly.
    SelfTest,
    /// Render the report of a finished run again, or those of several machines side by side.
    Report(LabReportFlags),
    /// Compare a run with an earlier one; a regression ends with code 3.
    #[command(after_help = COMPARE_HELP)]
    Compare(LabCompareFlags),
    /// Recommend a transport for a case, and say what it would cost, from measured figures.
    #[command(after_help = ADVISE_HELP)]
    Advise(LabAdviseFlags),
    /// Take a hidden part in a run. The laboratory starts this by itself.
    #[command(hide = true)]
    Role {
        /// The role.
        name: String,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Stands for the newest run of the scenario.
pub(crate) const NEWEST: &str = "newest";

#[derive(Debug, Args)]
pub(crate) struct LabRunFlags {
    /// `quick`, `full`, the name of another scenario of the program, or a scenario file.
    #[arg(long, short, default_value = "quick")]
    pub(crate) scenario: String,
    /// Load this server instead of tricast: `nchan`, `socketio`, `centrifugo`, `mercure`, `tricast`, or a target file.
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// Look for other servers here.
    #[arg(long, value_name = "DIR", default_value = tricast_lab::INSTALLED)]
    pub(crate) installed: PathBuf,
    /// Go on with an earlier run: its folder, or `newest`, the default, for that of this scenario. What it has of the same
    /// program, machine, seed and cells is taken over, the rest is measured.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = NEWEST)]
    pub(crate) resume: Option<PathBuf>,
    /// Serve the report here while it fills; without an address on a free port of this machine.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub(crate) live: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) common: LabFlags,
}

#[derive(Debug, Args)]
pub(crate) struct LabCrowdFlags {
    /// `crowd`, `scale`, `stalled`, `soak`, all of them in small as `crowd-brief`, or a scenario file.
    #[arg(default_value = "crowd")]
    pub(crate) scenario: String,
    /// Let each crowd, each step, each round and the soak last so long, instead of what the scenario says.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// Open no more subscribers than this, whatever the scenario says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=19_000))]
    pub(crate) at_most: Option<u32>,
    #[command(flatten)]
    pub(crate) common: LabFlags,
}

#[derive(Debug, Args)]
pub(crate) struct LabFlags {
    /// Make the run's folder in this one.
    #[arg(long, value_name = "DIR", default_value = tricast_lab::OUT_ROOT)]
    pub(crate) out: PathBuf,
    /// Decides the order in which the transports are measured.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The language of the scorecard, and of the report that is named at the end; both are written.
    #[arg(long, value_enum, default_value_t = LanguageFlag::En)]
    pub(crate) lang: LanguageFlag,
}

const PROXY_HELP: &str = "\
Conditions, each for `up` (client to server) or `down`:
  up.latency_ms=60 up.jitter_ms=20 down.bytes_per_s=50000 down.stall=true down.vanish=true
  down.hold.bytes=16384 down.hold.ms=5000 (a proxy that buffers)
  down.close_after_bytes=1000 down.reset_after_bytes=1000
and for whole connections: idle_ms=60000 cut_every_ms=30000 refuse=true

They can be changed while it runs:
  curl -X PUT http://API/conditions -d '{\"down\":{\"latency_ms\":200}}'
  curl http://API/cut -d '{\"for_ms\":5000}'
  curl -X POST http://API/reset
  curl http://API/connections";

#[derive(Debug, Args)]
pub(crate) struct LabProxyFlags {
    /// Listen here; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The server behind it.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) upstream: SocketAddr,
    /// Be steered over HTTP here; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) api: Option<SocketAddr>,
    /// A condition to begin with; may be repeated.
    #[arg(long = "set", value_name = "CONDITION=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Decides its chances.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct LabPeersFlags {
    /// Compare with these alone: nchan, textbook, axum, socketioxide, ws, socket.io; raw for the raw loops.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Take a glance: fewer subscribers, shorter times, two rounds.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Visit every server this often; 3 unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,
    /// Saturate, and measure latency and memory, with this many subscribers; 5000 unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=18000))]
    pub(crate) subscribers: Option<u32>,
    /// Make the comparison's folder in this one.
    #[arg(long, value_name = "DIR", default_value = tricast_lab::OUT_ROOT)]
    pub(crate) out: PathBuf,
    /// Add the comparison to this finished run, and its section to that run's report.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub(crate) into: Option<PathBuf>,
    /// Look for the servers here.
    #[arg(long, value_name = "DIR", default_value = tricast_lab::INSTALLED)]
    pub(crate) installed: PathBuf,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The language of the figures, and of the report that is named at the end; both are written.
    #[arg(long, value_enum, default_value_t = LanguageFlag::En)]
    pub(crate) lang: LanguageFlag,
}

#[derive(Debug, Args)]
pub(crate) struct LabProxiesFlags {
    /// Take a glance: two minutes, without the time-outs of silent connections.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Start these alone: nginx, haproxy, caddy.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<ProxyFlag>,
    /// Look for the proxies here before the system's own.
    #[arg(long, value_name = "DIR", default_value = tricast_lab::INSTALLED)]
    pub(crate) installed: PathBuf,
    #[command(flatten)]
    pub(crate) common: LabFlags,
}

#[derive(Debug, Args)]
pub(crate) struct LabBrowserFlags {
    /// Look for the script that drives the browser, and its packages, here.
    #[arg(long, value_name = "DIR", default_value = tricast_lab::SCRIPTS)]
    pub(crate) scripts: PathBuf,
    #[command(flatten)]
    pub(crate) common: LabFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProxyFlag {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Caddy.
    Caddy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LanguageFlag {
    /// English.
    En,
    /// French.
    Fr,
}

#[derive(Debug, Args)]
pub(crate) struct LabReportFlags {
    /// The language of the scorecard, and of the report that is named at the end; both are written.
    #[arg(long, value_enum, default_value_t = LanguageFlag::En)]
    pub(crate) lang: LanguageFlag,
    /// Print the scorecard as a Markdown table and write nothing.
    #[arg(long)]
    pub(crate) table: bool,
    /// The run's folder, or the `run.json` in it; with `--merge`, those of all machines.
    #[arg(default_value = LATEST_RUN, num_args = 1..)]
    pub(crate) run: Vec<PathBuf>,
    /// Write one report of all the runs, side by side, into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "table")]
    pub(crate) merge: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LabCompareFlags {
    /// The run to compare with: its folder or its `run.json`.
    pub(crate) before: PathBuf,
    /// The run that is judged.
    #[arg(default_value = LATEST_RUN)]
    pub(crate) after: PathBuf,
    /// How the changes are told.
    #[arg(long, value_enum, default_value_t = ChangesFormat::Text)]
    pub(crate) format: ChangesFormat,
    /// Write them into this file, instead of to the standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// End with code 0 whatever was found.
    #[arg(long)]
    pub(crate) no_fail: bool,
    /// End with code 3 on a regression. This is what is done anyway; the flag says it for scripts.
    #[arg(long, conflicts_with = "no_fail")]
    pub(crate) fail_on_regression: bool,
    /// The language of the changes.
    #[arg(long, value_enum, default_value_t = LanguageFlag::En)]
    pub(crate) lang: LanguageFlag,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ChangesFormat {
    /// Lines for a terminal.
    Text,
    /// A table for a document.
    Markdown,
    /// For other tools.
    Json,
    /// One self-contained page.
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct LabAdviseFlags {
    /// Connected clients.
    #[arg(long, value_name = "N", default_value_t = 1000, allow_negative_numbers = true)]
    pub(crate) clients: u32,
    /// Events that each of them receives, a second; 0.2 is one in five seconds.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) rate: f64,
    /// Bytes of an event's data.
    #[arg(long, value_name = "BYTES", default_value_t = 300, allow_negative_numbers = true)]
    pub(crate) payload: u32,
    /// Whether clients send as well.
    #[arg(long, value_enum, default_value_t = TwoWayFlag::Unknown)]
    pub(crate) two_way: TwoWayFlag,
    /// What stands between clients and server.
    #[arg(long, value_enum, default_value_t = ProxiesFlag::Unknown)]
    pub(crate) proxies: ProxiesFlag,
    /// Take the figures of this run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Print the advice as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The language of the advice.
    #[arg(long, value_enum, default_value_t = LanguageFlag::En)]
    pub(crate) lang: LanguageFlag,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TwoWayFlag {
    /// They send often.
    Yes,
    /// They only receive.
    No,
    /// It is not known yet.
    Unknown,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProxiesFlag {
    /// Nothing.
    None,
    /// Proxies that one may configure.
    Known,
    /// One that holds answers back.
    Buffering,
    /// Whatever there may be.
    Unknown,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds, 0.1 to 86400".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "86401", "NaN", "1m"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
