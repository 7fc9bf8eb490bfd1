//! tricast beside other servers: Nchan, Node's `ws` and Socket.IO, socketioxide, axum, the textbook actix server, and
//! the raw loops that nothing can be cheaper than, all in one run.
//!
//! Every server is visited by every transport that it has, in rounds: A B C, then C B A, and so on, so that a ratio is
//! one of neighbours in time. Ratios are taken within a round; their median is the figure, and what tricast shows
//! against itself is the band inside which there is no difference. A peer that is not installed is told and left out.
//!
//! What it is not: a test of the peers. Their configurations are ours, stand in the result, and are as small as they
//! can be: one worker, memory, no access log, no compression.

mod field;
#[cfg(test)]
pub(crate) mod fixture;
mod raw;
pub mod result;
pub mod summary;
mod target;
mod visit;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use self::result::{Cell, Extent, FORMAT, Peers, ServerRecord};
use self::target::{Line, Site, Target, UNAVAILABLE};
use self::visit::{LOAD_BUSY_MAX, Visit, scout};
use crate::error::{LabError, Result};
use crate::machine::{Placement, describe, utc_now};
use crate::result::{DoubtKind, Transport, raise};
use crate::run::{INSTALLED, OUT_ROOT, Progress, Reporter, Stop, Watch, point_latest};

/// The key by which the raw loops are asked for.
const RAW: &str = "raw";
/// The order of the transports in a round.
const TRANSPORTS: [Transport; 3] = [Transport::Websocket, Transport::Sse, Transport::Poll];

/// What a comparison needs to know.
#[derive(Debug, Clone)]
pub struct PeersOptions {
    /// How much is measured.
    pub extent: Extent,
    /// Keys of the servers to compare with, `raw` among them; empty for all.
    pub only: Vec<String>,
    /// The folder in which the comparison gets a folder of its own.
    pub out_root: PathBuf,
    /// A finished run's folder that the comparison joins instead.
    pub into: Option<PathBuf>,
    /// Where the peers are installed.
    pub installed: PathBuf,
    /// The `tricast` program: server under test, and the hidden roles.
    pub program: PathBuf,
    /// The allocator of that program, for the environment block.
    pub allocator: String,
    /// How progress is shown.
    pub progress: Progress,
    /// Shows no progress at all.
    pub quiet: bool,
}

impl PeersOptions {
    /// The whole comparison, into `target/tricast/runs`.
    pub fn new(program: PathBuf) -> Self {
        Self {
            extent: Extent::default(),
            only: Vec::new(),
            out_root: PathBuf::from(OUT_ROOT),
            into: None,
            installed: PathBuf::from(INSTALLED),
            program,
            allocator: "not told".to_owned(),
            progress: Progress::Auto,
            quiet: false,
        }
    }
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            rounds: 3,
            payload_bytes: wire::PAYLOAD_BYTES as u32,
            few: 1000,
            many: 5000,
            in_flight: 32,
            closed_s: 0.8,
            open_s: 1.5,
            raw: true,
        }
    }
}

impl Extent {
    /// A glance: fewer subscribers, shorter times, a way there and a way back.
    pub fn quick() -> Self {
        Self { rounds: 2, few: 300, many: 1200, closed_s: 0.25, open_s: 0.5, ..Self::default() }
    }
}

/// A finished comparison.
#[derive(Debug, Clone)]
pub struct PeersDir {
    /// The folder, with `peers.json` in it.
    pub path: PathBuf,
    /// What was observed.
    pub peers: Peers,
}

/// One server and one of its transports.
#[derive(Clone, Copy)]
struct Pair<'a> {
    target: &'a Target,
    line: &'a Line,
}

/// Runs the comparison. It blocks its thread, which it pins to the load's core; ^C ends it early, with what is finished
/// kept and marked as partial.
///
/// # Errors
/// An unknown key, a folder that cannot be written, a tricast that does not work at all. A peer that fails makes its
/// own cells void instead.
pub fn compare(mut options: PeersOptions) -> Result<PeersDir> {
    let place = Placement::choose()?;
    let table = target::table(&options.program);
    check_keys(&options.only, &table)?;
    options.extent.raw = options.only.is_empty() || options.only.iter().any(|key| key == RAW);
    let mut peers = empty(&options, place);
    let folder = options.into.clone().unwrap_or_else(|| options.out_root.join(&peers.id));
    fs::create_dir_all(&folder).map_err(LabError::io(format!("create {}", folder.display())))?;
    let stop = Stop::listen()?;
    place.pin_load()?;
    let site = Site { program: &options.program, installed: &options.installed, folder: &folder, place };
    let mut bench = Bench { site, options: &options, peers: &mut peers, stop };
    let present = bench.present(&table);
    bench.doubt_the_place();
    bench.all_rounds(&present)?;
    peers.finished = utc_now();
    peers.write(&folder)?;
    if options.into.is_none() {
        point_latest(&options.out_root, &peers.id)?;
    }
    Ok(PeersDir { path: folder, peers })
}

fn check_keys(only: &[String], table: &[Target]) -> Result<()> {
    let known = |key: &String| key == RAW || table.iter().any(|target| target.key == key);
    match only.iter().find(|key| !known(key)) {
        None => Ok(()),
        Some(key) => {
            let keys: Vec<_> = table.iter().map(|target| target.key).chain([RAW]).collect();
            Err(LabError::Server(format!("`{key}` is none of {}", keys.join(", "))))
        }
    }
}

fn empty(options: &PeersOptions, place: Placement) -> Peers {
    let started = utc_now();
    let stamp: String = started.chars().filter(char::is_ascii_alphanumeric).collect();
    Peers {
        format: FORMAT.to_owned(),
        id: format!("{stamp}-peers"),
        finished: started.clone(),
        started,
        partial: false,
        synthetic: false,
        extent: options.extent,
        environment: describe(&options.program, place, &options.allocator),
        servers: Vec::new(),
        cells: Vec::new(),
        doubts: Vec::new(),
    }
}

/// What the visits share.
struct Bench<'a> {
    site: Site<'a>,
    options: &'a PeersOptions,
    peers: &'a mut Peers,
    stop: Stop,
}

impl Bench<'_> {
    /// Enters every server of the table into the result, and gives those that take part.
    fn present<'t>(&mut self, table: &'t [Target]) -> Vec<&'t Target> {
        let mut present = Vec::new();
        for target in table {
            let absent = if self.wanted(target) {
                target.missing(self.site)
            } else {
                Some("not asked for".to_owned())
            };
            if absent.is_none() {
                present.push(target);
            }
            self.peers.servers.push(ServerRecord {
                key: target.key.to_owned(),
                name: target.name.to_owned(),
                transports: target.lines.iter().map(|line| line.transport).collect(),
                version: target.version(self.site),
                configuration: target.configuration(),
                absent,
            });
        }
        for (key, name, reason) in UNAVAILABLE {
            self.peers.servers.push(ServerRecord {
                key: key.to_owned(),
                name: name.to_owned(),
                transports: Vec::new(),
                version: String::new(),
                configuration: String::new(),
                absent: Some(reason.to_owned()),
            });
        }
        present
    }

    /// The subject and its second self always take part.
    fn wanted(&self, target: &Target) -> bool {
        let only = &self.options.only;
        only.is_empty()
            || [target::SUBJECT, target::AGAIN].contains(&target.key)
            || only.iter().any(|key| key == target.key)
    }

    fn doubt_the_place(&mut self) {
        let Peers { environment, doubts, .. } = &mut *self.peers;
        if !self.site.place.apart() {
            raise(doubts, DoubtKind::OneCore, "", f64::from(self.site.place.cores));
        }
        if environment.git_dirty == Some(true) {
            raise(doubts, DoubtKind::DirtyTree, "", 1.0);
        }
        if !environment.optimised {
            raise(doubts, DoubtKind::DebugBuild, "", 1.0);
        }
    }

    /// Scouts, then all rounds.
    fn all_rounds(&mut self, present: &[&Target]) -> Result<()> {
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        for transport in TRANSPORTS {
            for target in present {
                pairs.extend(
                    target
                        .lines
                        .iter()
                        .filter(|l| l.transport == transport)
                        .map(|line| Pair { target, line }),
                );
            }
        }
        let steps = pairs.len() as u64 * u64::from(self.peers.extent.rounds + 1);
        let mut reporter = Reporter::new(self.options.progress, self.options.quiet, steps);
        let rates = self.scout_all(&pairs, &mut reporter)?;
        for round in 0..self.peers.extent.rounds {
            for pair in &pairs {
                if self.stop.is_asked() {
                    self.peers.partial = true;
                    break;
                }
                self.visit(*pair, round, &rates, &mut reporter);
            }
            pairs.reverse();
        }
        if self.peers.partial {
            raise(&mut self.peers.doubts, DoubtKind::Partial, "", self.peers.cells.len() as f64);
        }
        reporter.finish();
        Ok(())
    }

    /// Half of the slowest rate of each transport, events a second with many subscribers.
    fn scout_all(&mut self, pairs: &[Pair<'_>], reporter: &mut Reporter) -> Result<BTreeMap<Transport, f64>> {
        let mut slowest: BTreeMap<Transport, f64> = BTreeMap::new();
        for Pair { target, line } in pairs.iter().filter(|_| !self.stop.is_asked()) {
            reporter.begin(&format!("scout {} {}", target.key, line.transport.key()));
            match scout(self.site, &self.peers.extent, target, line) {
                Ok(rate) => {
                    let known = slowest.entry(line.transport).or_insert(rate);
                    *known = known.min(rate);
                }
                Err(error) if target.key == target::SUBJECT => return Err(error),
                // Its visits will say the same, and their cells keep it.
                Err(_) => {}
            }
            reporter.end();
        }
        let many = f64::from(self.peers.extent.many);
        Ok(slowest.into_iter().map(|(transport, rate)| (transport, rate / 2.0 / many)).collect())
    }

    fn visit(
        &mut self,
        pair: Pair<'_>,
        round: u32,
        rates: &BTreeMap<Transport, f64>,
        reporter: &mut Reporter,
    ) {
        let Pair { target, line } = pair;
        let place = format!("{} {} {}", target.key, line.transport.key(), round + 1);
        reporter.begin(&place);
        let watch = Watch::start(std::process::id());
        let mut visit = Visit {
            site: self.site,
            extent: &self.options.extent,
            target,
            line,
            round,
            equal_rate: rates.get(&line.transport).copied(),
            cells: Vec::new(),
        };
        visit.make();
        let cells = visit.cells;
        watch.end(std::process::id(), &place, &mut self.peers.doubts);
        cells.iter().for_each(|cell| self.doubt(cell, &place));
        self.peers.cells.extend(cells);
        reporter.end();
    }

    fn doubt(&mut self, cell: &Cell, place: &str) {
        let place = format!("{place} {}", cell.measure.key());
        if cell.load_busy > LOAD_BUSY_MAX {
            raise(&mut self.peers.doubts, DoubtKind::LoadBusy, &place, cell.load_busy * 100.0);
        }
        if !cell.void.is_empty() {
            raise(&mut self.peers.doubts, DoubtKind::Void, &place, 1.0);
        }
    }
}
