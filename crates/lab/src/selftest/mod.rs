//! Is the laboratory honest? A server that is wrong in a known way must be reported as wrong in exactly that way: a delay,
//! a loss, a duplicate, a swap, a stall, an end, refusals and late answers, each by every transport; and a server that
//! is right must come out clean.
//!
//! Counts have to be exact. Times have to be right within the histogram's resolution (three digits) and the band of
//! the machine, which is what the same server shows without any fault: its 99.9th percentile.
//!
//! The engine is the real one of `load`, driven as a visit drives it.
//!
//! Start reading at [`self_test`].

mod case;
mod faults;
mod hub;
mod judge;
mod server;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) use self::server::role as faulty_role;

use self::case::{Case, Shape};
use self::judge::Observed;
use crate::error::Result;
use crate::load::{Kind, Load, Plan};
use crate::machine::{PeerChild, Placement, Readiness};
use crate::result::Transport;

const NAMESPACE: &str = "lab-selftest";
const PAYLOAD_BYTES: u32 = 100;
/// A case is made again at most so often, where the load itself missed ticks that no fault explains.
const TRIES_MAX: u32 = 3;
/// A wider band would hide the injected delay, microseconds.
const BAND_US_MAX: u64 = 10_000;

/// What a self-test needs to know.
#[derive(Debug, Clone)]
pub struct SelfTestOptions {
    /// The `tricast` program, which takes the part of the faulty server.
    pub program: PathBuf,
    /// Where the server's log goes.
    pub log: PathBuf,
}

/// One fault, by one transport: what was done, and what the laboratory said.
#[derive(Debug, Clone)]
pub struct Finding {
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
}

/// Makes every case by every transport; `told` gets each finding as it is made. It pins its thread to the load's core.
///
/// # Errors
/// A server that does not start, or a load that cannot be made. A wrong report is a finding, not an error.
pub fn self_test(options: &SelfTestOptions, mut told: impl FnMut(&Finding)) -> Result<Vec<Finding>> {
    let place = Placement::choose()?;
    place.pin_load()?;
    let mut findings = Vec::new();
    for transport in Transport::ALL {
        // The honest server comes first, and what it shows is the band for the others.
        let mut band_us = None;
        for case in case::all(Shape::WHOLE) {
            let (finding, band) = one(options, place, &case, transport, band_us)?;
            band_us.get_or_insert(band);
            told(&finding);
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// One case, again where the machine and not the server was late. Also gives the 99.9th percentile.
fn one(
    options: &SelfTestOptions,
    place: Placement,
    case: &Case,
    transport: Transport,
    band_us: Option<u64>,
) -> Result<(Finding, u64)> {
    let mut tries = 0;
    loop {
        let server = start(&options.program, place, case, &options.log)?;
        let observed = observe(server.address, case, transport)?;
        tries += 1;
        let band = band_us.unwrap_or_else(|| observed.window.latency.at(0.999));
        let late = observed.integrity.missed_ticks > 0 && !case.holds_the_publisher();
        if (!late && band <= BAND_US_MAX) || tries == TRIES_MAX {
            let mut finding = judge::finding(case, transport, &observed, Some(band));
            if band_us.is_none() && band > BAND_US_MAX {
                finding.wrong.push(format!(
                    "the band is {band} µs wide, where {BAND_US_MAX} would tell: the machine is too busy"
                ));
            }
            return Ok((finding, band));
        }
    }
}

fn start(program: &Path, place: Placement, case: &Case, log: &Path) -> Result<PeerChild> {
    let mut command = Command::new(program);
    command.args(["lab", "role", "faulty"]).args(&case.arguments);
    PeerChild::start(&mut command, place, Readiness::Told, log)
}

/// Loads a server as an open-loop visit does.
fn observe(address: std::net::SocketAddr, case: &Case, transport: Transport) -> Result<Observed> {
    let shape = case.shape;
    let mut load = Load::new(address, Some(NAMESPACE), PAYLOAD_BYTES)?;
    load.settle_within(shape.settle);
    load.subscribe(address, Kind::Feed(transport), shape.subscribers)?;
    let duration = Duration::from_millis(u64::from(shape.events) * 1000 / u64::from(shape.rate));
    let plan = Plan { rate: shape.rate, warm_up: Duration::ZERO, duration };
    let window = load.open_loop(plan, |_| Ok(()));
    Ok(Observed { integrity: load.account(), late_us_max: load.late_us_max(), window: window? })
}
