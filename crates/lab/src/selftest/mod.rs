//! Is the laboratory honest? A server that is wrong in a known way must be reported as wrong in exactly that way, by each
//! transport and by both load engines: a delay, a loss, a duplicate, a swap, a stall, an end, refusals, late answers, events
//! in wrong rooms, and losses where streams break and come back. What it costs is known too: bytes that pad each delivery, and
//! CPU time that it burns for each event. A server that is right must come out clean.
//!
//! Counts and bytes have to be exact. Times have to be right within the histogram's resolution (three digits) and the band of
//! the machine, which is what the same server shows without any fault: its 99.9th percentile. CPU time is held against the
//! same server's without the burning.
//!
//! The engines are the real ones of `load` and `work`, driven as visits drive them.
//!
//! Start reading at [`self_test`].

mod case;
mod costs;
mod faults;
mod hub;
mod judge;
mod observe;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use self::costs::{CPU_LEAST_PERCENT, CPU_MOST_PERCENT};
pub(crate) use self::server::role as faulty_role;

use self::case::{Case, Shape};
use self::judge::Reference;
use self::observe::{Subject, observe};
use crate::error::Result;
use crate::machine::{PeerChild, Placement, Readiness};
use crate::result::Transport;

const PAYLOAD_BYTES: u32 = 100;
/// A case is made again at most so often, where a busy machine and not the server may be at fault.
const TRIES_MAX: u32 = 3;
/// A wider band would hide the injected delay, microseconds.
const BAND_US_MAX: u64 = 50_000;

/// What a self-test needs to know.
#[derive(Debug, Clone)]
pub struct SelfTestOptions {
    /// The `tricast` program, which takes the part of the faulty server.
    pub program: PathBuf,
    /// Where the server's log goes.
    pub log: PathBuf,
}

/// Which of the laboratory's engines makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadEngine {
    /// The one that compares the transports.
    Plain,
    /// The one of workloads and of servers that are not tricast.
    Workloads,
}

impl LoadEngine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Workloads];

    /// A word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Workloads => "workloads",
        }
    }
}

/// One fault, by one engine and transport: what was done, and what the laboratory said.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The engine.
    pub engine: LoadEngine,
    /// The transport.
    pub transport: Transport,
    /// The fault's name.
    pub case: &'static str,
    /// What the server did wrong.
    pub injected: String,
    /// What the laboratory reported.
    pub reported: String,
    /// What of it is not what was injected; empty where all is.
    pub wrong: Vec<String>,
    /// How often it was made; what came last counts.
    pub tries: u32,
    /// Whether all that is wrong may be the machine's fault, which was seen to be too busy.
    pub busy: bool,
}

/// Makes every case by every engine and transport; `told` gets each finding as it is made. It pins its thread to the load's
/// core.
///
/// # Errors
/// A server that does not start, or a load that cannot be made. A wrong report is a finding, not an error.
pub fn self_test(options: &SelfTestOptions, mut told: impl FnMut(&Finding)) -> Result<Vec<Finding>> {
    let place = Placement::choose()?;
    place.pin_load()?;
    let mut findings = Vec::new();
    for engine in LoadEngine::ALL {
        for transport in Transport::ALL {
            let bench = Bench { options, place, engine, transport };
            // The honest server comes first, and what it shows is the reference for the others.
            let mut honest = None;
            for case in case::all(Shape::WHOLE, engine) {
                let (finding, seen) = bench.one(&case, honest)?;
                honest.get_or_insert(seen);
                told(&finding);
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// What all cases of an engine and a transport have in common.
struct Bench<'a> {
    options: &'a SelfTestOptions,
    place: Placement,
    engine: LoadEngine,
    transport: Transport,
}

impl Bench<'_> {
    /// One case, again where the machine may be at fault: a wrong time, or a wrong count where the load itself was late. What
    /// is wrong with the laboratory is wrong every time.
    fn one(&self, case: &Case, honest: Option<Reference>) -> Result<(Finding, Reference)> {
        let Self { engine, transport, .. } = *self;
        let mut tries = 0;
        loop {
            tries += 1;
            let server = start(&self.options.program, self.place, case, &self.options.log)?;
            let subject = Subject { address: server.address, pid: Some(server.pid()) };
            let observed = observe(subject, case, engine, transport)?;
            let seen = Reference::of(transport, &observed);
            let reference = Some(honest.unwrap_or(seen));
            let mut verdict = judge::verdict(case, transport, &observed, reference);
            if honest.is_none() && seen.band_us > BAND_US_MAX {
                verdict.timed.push(format!(
                    "the band is {} µs wide, where {BAND_US_MAX} would tell: the machine is too busy",
                    seen.band_us
                ));
            }
            let excused = verdict.exact.is_empty() || observed.integrity.missed_ticks > 0 || case.is_race();
            let wrong = [verdict.exact, verdict.timed].concat();
            if wrong.is_empty() || !excused || tries == TRIES_MAX {
                let reported = judge::reported(case, transport, &observed, reference);
                let (case, injected) = (case.name, case.injected());
                let late = observed.integrity.missed_ticks > 0;
                let wide = reference.is_some_and(|honest| honest.band_us > BAND_US_MAX);
                let busy = !wrong.is_empty() && excused && (late || wide);
                let finding = Finding { engine, transport, case, injected, reported, wrong, tries, busy };
                return Ok((finding, seen));
            }
        }
    }
}

fn start(program: &Path, place: Placement, case: &Case, log: &Path) -> Result<PeerChild> {
    let mut command = Command::new(program);
    command.args(["lab", "role", "faulty"]).args(&case.arguments);
    PeerChild::start(&mut command, place, Readiness::Told, log)
}
