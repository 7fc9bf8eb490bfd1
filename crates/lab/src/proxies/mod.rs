//! Real proxies in front of a real server: nginx, HAProxy and Caddy, each as its package leaves it and with the lines
//! that `docs/proxies.md` recommends.
//!
//! Three questions are asked of each proxy, configuration and transport. Does an event that was published beside the
//! proxy come through it, and when (`flow`)? What becomes of a connection on which nothing is said, and of one whose
//! proxy is reloaded or started again (`patience`)? What does it cost (`cost`)? All of it is seen at raw sockets.
//!
//! What it is not: a test of the proxies, or a ranking of them. Proxy and server share a core here.
//!
//! Invariants:
//! 1. A transport is said to work only where every event of a probe came through, once and in order.
//! 2. Every wait is bounded, and every program that was started is ended with its probe.

mod client;
mod cost;
mod flow;
mod patience;
mod poster;
mod program;
mod summary;
mod table;

pub(crate) use self::poster::Poster;
pub use self::summary::ProxyCost;
pub use self::table::matrix;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::client::Route;
use self::patience::Schedule;
use self::program::{Program, Proxy, text};
use crate::error::{LabError, Result};
use crate::machine::{Placement, ServerChild};
use crate::result::{
    Configuration, ConfigurationText, CostRound, Hold, ProxyAbsence, ProxyCell, ProxyExtent, ProxyKind,
    ProxyRecord, ProxyResults, Transport,
};

/// The wait of a usual poll, seconds, and the longest that the protocol allows.
const WAIT_USUAL_S: u32 = 25;
const WAIT_LONGEST_S: u32 = 60;
/// The rarest beat that the server can be told, seconds.
const BEAT_RAREST_S: u64 = 300;
/// How long a connection is watched before its proxy is disturbed.
const BEFORE: Duration = Duration::from_secs(1);
/// The pause between two looks at whether the run is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What of the matrix is to be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyPlan {
    /// How much of each cell.
    pub extent: ProxyExtent,
    /// The proxies; those that are not named are not started.
    pub proxies: Vec<ProxyKind>,
}

/// Where the matrix is measured.
pub(crate) struct Ground<'a> {
    /// The server's program.
    pub(crate) program: &'a Path,
    /// Where `make peers` put the proxies.
    pub(crate) installed: &'a Path,
    /// A folder for configurations and logs.
    pub(crate) folder: &'a Path,
    pub(crate) place: Placement,
    /// Whether the run is to stop.
    pub(crate) stop: &'a (dyn Fn() -> bool + Sync),
}

/// One proxy with one configuration.
#[derive(Debug, Clone)]
struct Pair {
    kind: ProxyKind,
    configuration: Configuration,
    program: Program,
}

/// How many steps a plan takes, for the progress bar: one a configuration, one for what takes its time.
pub(crate) fn steps(plan: &ProxyPlan) -> u64 {
    plan.proxies.len() as u64 * Configuration::ALL.len() as u64 + 1
}

/// Measures the matrix. A probe that fails is told in its cell.
pub(crate) fn measure(
    ground: &Ground<'_>,
    plan: &ProxyPlan,
    transports: &[Transport],
    begin: &mut dyn FnMut(&str),
) -> Result<ProxyResults> {
    let (proxies, pairs) = present(ground, plan);
    let mut results = ProxyResults { extent: plan.extent, proxies, ..ProxyResults::default() };
    for pair in &pairs {
        if (ground.stop)() {
            leave_out(&mut results, pair.kind, ProxyAbsence::Stopped);
            continue;
        }
        begin(&format!("{} {}", pair.kind.key(), pair.configuration.key()));
        let server = server(ground, false)?;
        match (Bench { ground, extent: &plan.extent, pair }).cells(&server, transports) {
            Ok(cells) => results.cells.extend(cells),
            Err(error) => {
                tracing::warn!(proxy = pair.kind.key(), %error, "a proxy does not start");
                leave_out(&mut results, pair.kind, ProxyAbsence::DoesNotStart);
            }
        }
    }
    begin("silence, reloads and restarts");
    if let Err(error) = wait_for_all(ground, &plan.extent, &pairs, &mut results) {
        // What was measured stands; the probes that are missing say so by their fields.
        results.cells.iter_mut().for_each(|cell| cell.faults.push(error.to_string()));
    }
    Ok(results)
}

/// Notes why a proxy has not all of its cells.
fn leave_out(results: &mut ProxyResults, proxy: ProxyKind, why: ProxyAbsence) {
    let record = results.proxies.iter_mut().find(|record| record.proxy == proxy);
    record.into_iter().for_each(|record| record.absent = Some(why));
}

/// The record of every known proxy, and the pairs that can be measured.
fn present(ground: &Ground<'_>, plan: &ProxyPlan) -> (Vec<ProxyRecord>, Vec<Pair>) {
    let (mut records, mut pairs) = (Vec::new(), Vec::new());
    for kind in ProxyKind::ALL {
        let program = Program::find(kind, ground.installed);
        let absent = match &program {
            _ if !plan.proxies.contains(&kind) => Some(ProxyAbsence::NotAsked),
            None => Some(ProxyAbsence::NotInstalled),
            Some(_) => None,
        };
        let texts = Configuration::ALL.map(|configuration| ConfigurationText {
            configuration,
            text: text(kind, configuration).to_owned(),
        });
        let version = program.as_ref().map(|program| program.version(kind)).unwrap_or_default();
        records.push(ProxyRecord { proxy: kind, version, absent, configurations: texts.to_vec() });
        if let (None, Some(program)) = (absent, program) {
            let pair = |configuration| Pair { kind, configuration, program: program.clone() };
            pairs.extend(Configuration::ALL.map(pair));
        }
    }
    (records, pairs)
}

/// Starts a server, with beats as rare as can be where asked for.
fn server(ground: &Ground<'_>, rare_beats: bool) -> Result<ServerChild> {
    let rare = [("TRICAST_STREAM__BEAT_SECS", BEAT_RAREST_S)];
    let settings: &[(&str, u64)] = if rare_beats { &rare } else { &[] };
    ServerChild::start_with(ground.program, ground.place, &ground.folder.join("proxied-server.log"), settings)
}

/// What the quick probes of one pair share.
struct Bench<'a> {
    ground: &'a Ground<'a>,
    extent: &'a ProxyExtent,
    pair: &'a Pair,
}

impl Bench<'_> {
    fn folder(&self, purpose: &str) -> PathBuf {
        folder(self.ground, self.pair, purpose)
    }

    fn cells(&self, server: &ServerChild, transports: &[Transport]) -> Result<Vec<ProxyCell>> {
        let Pair { kind, configuration, program } = self.pair;
        let place = self.ground.place;
        let proxy =
            Proxy::start(*kind, *configuration, program, &self.folder("flow"), server.address, place)?;
        Ok(transports.iter().map(|transport| self.cell(server, &proxy, *transport)).collect())
    }

    fn cell(&self, server: &ServerChild, proxy: &Proxy, transport: Transport) -> ProxyCell {
        let route = Route {
            address: proxy.address,
            namespace: format!("flow-{}", transport.key()),
            transport,
            wait_s: WAIT_USUAL_S,
            gzip: false,
        };
        let (opening, client) = flow::open(&route);
        let mut cell = ProxyCell {
            proxy: self.pair.kind,
            configuration: self.pair.configuration,
            transport,
            opening,
            flow: None,
            idle_with_beats: Hold::NotMeasured,
            idle_without_beats: Hold::NotMeasured,
            reload: None,
            restart: None,
            stood: None,
            cost: Vec::new(),
            faults: Vec::new(),
        };
        let Some(mut client) = client else { return cell };
        match flow::flow(server.address, &route, &mut client, self.extent) {
            Ok(flow) => cell.flow = Some(flow),
            Err(error) => cell.faults.push(error.to_string()),
        }
        drop(client);
        self.cost(server, proxy, &mut cell);
        self.crowd(&route, &mut cell);
        cell
    }

    /// Pairs of visits; which of the two is first changes from round to round.
    fn cost(&self, server: &ServerChild, proxy: &Proxy, cell: &mut ProxyCell) {
        for round in 0..self.extent.rounds {
            if (self.ground.stop)() {
                return;
            }
            let visit = |by, way: &str| {
                let namespace = format!("cost-{}-{way}-{round}", cell.transport.key());
                cost::visit(server, proxy, by, &namespace, cell.transport, self.extent)
            };
            let (direct, through) = if round % 2 == 0 {
                let direct = visit(server.address, "direct");
                (direct, visit(proxy.address, "through"))
            } else {
                let through = visit(proxy.address, "through");
                (visit(server.address, "direct"), through)
            };
            cell.cost.push(CostRound { round, direct, through });
        }
    }

    fn crowd(&self, route: &Route, cell: &mut ProxyCell) {
        if self.extent.streams > 0 && !(self.ground.stop)() {
            let route = Route { namespace: format!("{}-crowd", route.namespace), ..route.clone() };
            cell.stood = Some(flow::stood(&route, self.extent.streams));
        }
    }
}

fn folder(ground: &Ground<'_>, pair: &Pair, purpose: &str) -> PathBuf {
    let name = format!("{}-{}-{purpose}", pair.kind.key(), pair.configuration.key());
    ground.folder.join("proxies").join(name)
}

/// A cell that is to be watched: its pair and its place among the results.
struct Watched<'a> {
    pair: &'a Pair,
    cell: usize,
    transport: Transport,
}

/// What takes its time is watched for all cells together.
fn wait_for_all(
    ground: &Ground<'_>,
    extent: &ProxyExtent,
    pairs: &[Pair],
    results: &mut ProxyResults,
) -> Result<()> {
    let found = |cell: &ProxyCell| {
        pairs.iter().find(|pair| (pair.kind, pair.configuration) == (cell.proxy, cell.configuration))
    };
    let open = results.cells.iter().enumerate().filter(|(_, cell)| cell.opening.opened());
    let watched: Vec<Watched<'_>> = open
        .filter_map(|(index, cell)| {
            Some(Watched { pair: found(cell)?, cell: index, transport: cell.transport })
        })
        .collect();
    if extent.idle_s > 0.0 {
        for (index, rare, hold) in idle_all(ground, extent, pairs, &watched)? {
            let cell = &mut results.cells[index];
            *(if rare { &mut cell.idle_without_beats } else { &mut cell.idle_with_beats }) = hold;
        }
    }
    if extent.disturbance_s > 0.0 {
        for restart in [false, true] {
            disturb_all(ground, extent, pairs, &watched, restart, results)?;
        }
    }
    Ok(())
}

/// Watches silent connections of all cells at once, with usual and with rare beats.
fn idle_all(
    ground: &Ground<'_>,
    extent: &ProxyExtent,
    pairs: &[Pair],
    watched: &[Watched<'_>],
) -> Result<Vec<(usize, bool, Hold)>> {
    let servers = [server(ground, false)?, server(ground, true)?];
    let time = Duration::from_secs_f64(extent.idle_s);
    let stopped = AtomicBool::new(false);
    let mut proxies = Vec::new();
    for pair in pairs {
        for (server, rare) in servers.iter().zip([false, true]) {
            let folder = folder(ground, pair, if rare { "rare" } else { "idle" });
            let proxy = Proxy::start(
                pair.kind,
                pair.configuration,
                &pair.program,
                &folder,
                server.address,
                ground.place,
            )?;
            proxies.push((pair, rare, server.address, proxy));
        }
    }
    thread::scope(|scope| {
        let mut waits = Vec::new();
        for (pair, rare, server, proxy) in &proxies {
            for one in watched.iter().filter(|one| std::ptr::eq(one.pair, *pair)) {
                let route = Route {
                    address: proxy.address,
                    namespace: format!("idle-{}-{}", one.cell, rare),
                    transport: one.transport,
                    wait_s: if *rare { WAIT_LONGEST_S } else { WAIT_USUAL_S },
                    gzip: false,
                };
                let stopped = &stopped;
                let wait = scope.spawn(move || patience::idle(*server, &route, time, stopped));
                waits.push((one.cell, *rare, wait));
            }
        }
        while !waits.iter().all(|(_, _, wait)| wait.is_finished()) {
            thread::sleep(LOOK);
            stopped.store((ground.stop)(), Ordering::Relaxed);
        }
        let joined = waits
            .into_iter()
            .map(|(cell, rare, wait)| (cell, rare, wait.join().unwrap_or(Hold::NotMeasured)));
        Ok(joined.collect())
    })
}

/// Reloads, or restarts, all proxies at once under a client of each transport.
fn disturb_all(
    ground: &Ground<'_>,
    extent: &ProxyExtent,
    pairs: &[Pair],
    watched: &[Watched<'_>],
    restart: bool,
    results: &mut ProxyResults,
) -> Result<()> {
    if (ground.stop)() {
        return Ok(());
    }
    let server = server(ground, false)?;
    let mut proxies = Vec::new();
    for pair in pairs {
        let folder = folder(ground, pair, if restart { "restart" } else { "reload" });
        let proxy = Proxy::start(
            pair.kind,
            pair.configuration,
            &pair.program,
            &folder,
            server.address,
            ground.place,
        )?;
        proxies.push((pair, proxy));
    }
    let schedule = Schedule {
        start: Instant::now(),
        before: BEFORE,
        whole: BEFORE + Duration::from_secs_f64(extent.disturbance_s),
    };
    let (address, schedule) = (server.address, &schedule);
    let told = thread::scope(|scope| {
        let mut clients = Vec::new();
        let mut disturbances = Vec::new();
        for (pair, proxy) in &mut proxies {
            for one in watched.iter().filter(|one| std::ptr::eq(one.pair, *pair)) {
                let route = Route {
                    address: proxy.address,
                    namespace: format!("disturbed-{}", one.cell),
                    transport: one.transport,
                    wait_s: WAIT_USUAL_S,
                    gzip: false,
                };
                let client = scope.spawn(move || patience::disturbed(address, &route, schedule));
                clients.push((one.cell, client));
            }
            disturbances.push(scope.spawn(move || {
                thread::sleep((schedule.start + schedule.before).saturating_duration_since(Instant::now()));
                if restart { proxy.restart() } else { proxy.reload() }
            }));
        }
        let told: Vec<_> = clients.into_iter().map(|(cell, client)| (cell, joined(client.join()))).collect();
        disturbances.into_iter().try_for_each(|done| joined(done.join())).map(|()| told)
    })?;
    for (index, disturbance) in told {
        let cell = &mut results.cells[index];
        match disturbance {
            Ok(told) if restart => cell.restart = Some(told),
            Ok(told) => cell.reload = Some(told),
            Err(error) => cell.faults.push(error.to_string()),
        }
    }
    Ok(())
}

/// What a thread came to, where a panic is an error like another.
fn joined<T>(done: thread::Result<Result<T>>) -> Result<T> {
    done.unwrap_or_else(|_| Err(LabError::Server("a probe panicked".to_owned())))
}
