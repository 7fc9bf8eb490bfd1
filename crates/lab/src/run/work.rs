//! Visits of workloads: a fresh server for each, or another server than tricast, with a network in between where the cell
//! asks for one.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Bench;
use super::visit::{Edge, SERVER_LOG};
use crate::conditions::FaultProxy;
use crate::error::{LabError, Result};
use crate::machine::{Placement, ServerChild, pss_kib};
use crate::result::{Deploy, FILE, LatencyVisit, Omission, Publishing, Transport};
use crate::scenario::{Cell, Scenario, breaks};
use crate::work::target::{Site, Start, Started, Target};
use crate::work::{Engine, Moment, Outcome, Plan, Spec};

/// How long a server may take to go and to come back, beside what the cell asks for.
const RETURN_MAX: Duration = Duration::from_secs(30);
/// How long a server that should run already may take to accept a connection.
const ACCEPT_MAX: Duration = Duration::from_secs(5);
/// Where a started target's log goes, inside the run's folder.
const TARGET_LOG: &str = "target.log";
/// Stands in a target file for the folder that `make peers` fills.
const INSTALLED: &str = "@INSTALLED@";
/// Events that a slow reader may lag behind before the server skips them for it, and says so.
const SLOW_EVENTS_MAX: u64 = 50;

/// Whether the engine that compares the transports can do a cell.
pub(super) fn is_plain(cell: &Cell) -> bool {
    let workload = &cell.workload;
    workload.sweep.is_some() || workload.is_plain()
}

/// Takes out of a scenario what a target cannot do, and says so.
pub(super) fn suit(scenario: &mut Scenario, target: &Target, omitted: &mut Vec<Omission>) {
    let mut omit = |part: String, reason: &str| omitted.push(Omission { part, reason: reason.to_owned() });
    let known = target.transports();
    for transport in scenario.transports.iter().filter(|transport| !known.contains(transport)) {
        omit(transport.key().to_owned(), "the target file does not describe it");
    }
    scenario.transports.retain(|transport| known.contains(transport));
    let cannot = |cell: &Cell| {
        let workload = &cell.workload;
        if workload.rooms.is_some() && !target.has_rooms() {
            Some("the target file has no `room_body`")
        } else if workload.deploy.is_some() {
            Some("only tricast is stopped and started within a visit")
        } else if workload.publishing == Publishing::Subscribers {
            Some("publishing in band is described for tricast alone")
        } else if workload.slow.is_some() && !target.has_rooms() {
            Some("nothing is known of how the target tells losses")
        } else {
            None
        }
    };
    scenario
        .cells
        .iter()
        .filter_map(|cell| Some((cell.name.clone(), cannot(cell)?)))
        .for_each(|(n, why)| omit(n, why));
    scenario.cells.retain(|cell| cannot(cell).is_none());
    if !scenario.saturations.is_empty() || !scenario.memory_at.is_empty() || !scenario.crowd.is_empty() {
        omit(
            "saturate, memory, crowd".to_owned(),
            "these are measured with tricast and by `tricast lab peers`",
        );
    }
    scenario.saturations.clear();
    scenario.memory_at.clear();
    scenario.crowd = Default::default();
}

/// The server of a visit.
enum Server {
    Ours(ServerChild),
    Theirs(Started),
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(child) => child.address,
            Self::Theirs(started) => started.address(),
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Ours(child) => Some(child.pid()),
            Self::Theirs(started) => started.pid(),
        }
    }
}

impl Bench {
    /// One cell of one transport, once.
    pub(super) fn visit_work(
        &mut self,
        cell: &Cell,
        transport: Transport,
        repetition: u32,
        half: u32,
    ) -> Result<()> {
        self.try_target()?;
        let place = format!("{} {} {}/{}", cell.name, transport.key(), repetition + 1, half + 1);
        let cell = cell.clone();
        self.watched(&place, std::process::id(), |bench| {
            let mut visit = LatencyVisit::empty(&cell, transport, repetition, half);
            if let Err(error) = bench.work(&cell, &mut visit) {
                visit.void.push(error.to_string());
            }
            if !visit.void.is_empty() {
                visit.latency = None;
                visit.since_sent = None;
                visit.slices.clear();
            }
            bench.doubt_latency(&place, &visit);
            bench.run.latency.push(visit);
            Ok(())
        })
    }

    fn site(&self) -> Site<'_> {
        Site {
            program: &self.options.server_program,
            installed: &self.options.installed,
            folder: &self.folder,
            place: self.place,
        }
    }

    /// Starts another server before its first visit. Where that fails, all visits would fail in the same way, one by one.
    fn try_target(&mut self) -> Result<()> {
        let Some(target) = self.target.as_ref().filter(|_| !self.tried) else { return Ok(()) };
        let tried = target.start(self.site()).and_then(|started| match started {
            Started::Child(_) => Ok(()),
            Started::Runs(address) => TcpStream::connect_timeout(&address, ACCEPT_MAX)
                .map(drop)
                .map_err(LabError::io(format!("nothing accepts connections at {address}"))),
        });
        tried.map_err(|error| {
            let told = has_written(&self.folder);
            if !told && !self.folder.join(FILE).exists() {
                // Nothing is in it that anybody would look for.
                let _left = fs::remove_dir_all(&self.folder);
            }
            let detail = format!("{error}{}", hint(target, told, &self.options.installed, &self.folder));
            LabError::Target { name: target.name.clone(), detail }
        })?;
        self.tried = true;
        Ok(())
    }

    fn start_for(&self, cell: &Cell, store: &Path) -> Result<Server> {
        if let Some(target) = &self.target {
            return target.start(self.site()).map(Server::Theirs);
        }
        if cell.workload.deploy.is_some() {
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            return Durable::of(self, store).start(free).map(Server::Ours);
        }
        if cell.workload.slow.is_some() {
            return self.start_bounded().map(Server::Ours);
        }
        self.start_server().map(Server::Ours)
    }

    /// A server that lets nobody lag far behind: without a bound, slow readers would get everything in the end.
    fn start_bounded(&self) -> Result<ServerChild> {
        let settings = [("TRICAST_SLOW__EVENTS_MAX", SLOW_EVENTS_MAX)];
        let log = self.folder.join(SERVER_LOG);
        ServerChild::start_with(&self.options.server_program, self.place, &log, &settings)
    }

    fn work(&self, cell: &Cell, visit: &mut LatencyVisit) -> Result<()> {
        // Each visit has one of its own: what another one left would be restored.
        let name = format!(".store-{}-{}-{}", visit.transport.key(), visit.repetition, visit.half);
        let store = self.folder.join(name);
        let _stale = fs::remove_dir_all(&store);
        let server = self.start_for(cell, &store)?;
        let upstream = server.address();
        let conditions = cell.workload.network.as_ref().and_then(|name| self.scenario.networks.get(name));
        let seed = self.options.seed ^ u64::from(visit.repetition) << 8 ^ u64::from(visit.half);
        let network = conditions
            .map(|conditions| self.place.on_server_core(|| FaultProxy::before(upstream, *conditions, seed)))
            .transpose()?;
        let tricast;
        let target = match &self.target {
            Some(target) => target,
            None => {
                tricast = Target::load("tricast")?;
                &tricast
            }
        };
        let workload = &cell.workload;
        let cuts = conditions.is_some_and(breaks);
        let spec = Spec {
            target,
            address: network.as_ref().map_or(upstream, FaultProxy::address),
            publish_at: upstream,
            transport: visit.transport,
            subscribers: cell.subscribers,
            payload: cell.payload as usize,
            rooms: workload.rooms.unwrap_or(0),
            slow: workload.slow,
            publishing: workload.publishing,
            plan: Plan {
                rate: cell.rate,
                burst: workload.burst,
                warm_up: self.scenario.warm_up,
                duration: cell.duration,
            },
            breaks: cuts || workload.deploy.is_some(),
            seed,
        };
        let mut stage = Stage {
            durable: Durable::of(self, &store),
            server: Some(server),
            away: None,
            spent_s: 0.0,
            edges: Vec::new(),
        };
        let outcome = Engine::new(spec)?.run(|moment| stage.at(moment, workload.deploy));
        stage.end();
        let _removed = fs::remove_dir_all(&store);
        enter(visit, outcome?, &stage.edges)
    }
}

/// Whether a target wrote anything into its log.
fn has_written(folder: &Path) -> bool {
    fs::metadata(folder.join(TARGET_LOG)).is_ok_and(|log| log.len() > 0)
}

/// What to do about a server that does not start: read its log, where it wrote one, and install it, where that is ours to do.
fn hint(target: &Target, told: bool, installed: &Path, folder: &Path) -> String {
    let mut hint = String::new();
    if told {
        hint.push_str(&format!("; it wrote {}", folder.join(TARGET_LOG).display()));
    }
    let names = |start: &Start| start.command.iter().chain(&start.environment).any(|w| w.contains(INSTALLED));
    if target.start.as_ref().is_some_and(names) {
        hint.push_str(&format!("; `make peers` installs it under {}", installed.display()));
    }
    hint
}

/// How the durable server of a deploy is started, and started again.
#[derive(Debug, Clone)]
struct Durable {
    program: std::path::PathBuf,
    place: Placement,
    log: std::path::PathBuf,
    store: std::path::PathBuf,
}

impl Durable {
    fn of(bench: &Bench, store: &Path) -> Self {
        Self {
            program: bench.options.server_program.clone(),
            place: bench.place,
            log: bench.folder.join(SERVER_LOG),
            store: store.to_owned(),
        }
    }

    fn start(&self, listen: SocketAddr) -> Result<ServerChild> {
        ServerChild::start_durable(&self.program, self.place, &self.log, listen, &self.store)
    }
}

/// What happens to the server while a visit goes on.
struct Stage {
    durable: Durable,
    server: Option<Server>,
    /// Comes back with the server that took its place.
    away: Option<mpsc::Receiver<Result<ServerChild>>>,
    /// CPU seconds of the server that went, up to then. What it spends on draining is not counted.
    spent_s: f64,
    edges: Vec<Edge>,
}

impl Stage {
    fn at(&mut self, moment: Moment, deploy: Option<Deploy>) -> Result<()> {
        match moment {
            Moment::Opens | Moment::Closes => {
                let pid = self.server.as_ref().and_then(Server::pid);
                let edge = pid.map_or(Ok(Edge::default()), Edge::now)?;
                self.edges.push(Edge { cpu_s: edge.cpu_s + self.spent_s, ..edge });
                Ok(())
            }
            Moment::Within(since) => {
                if let Some(deploy) = deploy.filter(|deploy| since.as_secs_f64() >= deploy.at_s) {
                    self.deploy(deploy);
                }
                self.returned()
            }
        }
    }

    /// Sends the server away, once, on a thread of its own: the load goes on meanwhile.
    fn deploy(&mut self, deploy: Deploy) {
        if self.away.is_some() {
            return;
        }
        let Some(Server::Ours(child)) = self.server.take() else { return };
        self.spent_s = Edge::now(child.pid()).map_or(0.0, |edge| edge.cpu_s);
        let (durable, (back, away)) = (self.durable.clone(), mpsc::channel());
        self.away = Some(away);
        thread::spawn(move || {
            let address = child.address;
            drop(child);
            thread::sleep(Duration::from_secs_f64(deploy.away_s));
            // Whoever waits may have given up; the child ends with the value then.
            let _given_up = back.send(durable.start(address));
        });
    }

    fn returned(&mut self) -> Result<()> {
        if self.server.is_none()
            && let Some(away) = &self.away
            && let Ok(child) = away.try_recv()
        {
            self.server = Some(Server::Ours(child?));
        }
        Ok(())
    }

    /// Waits for a server that is still away, so that nothing is left behind.
    fn end(&mut self) {
        if let (None, Some(away)) = (&self.server, &self.away) {
            let _child = away.recv_timeout(RETURN_MAX);
        }
        self.server = None;
    }
}

fn enter(visit: &mut LatencyVisit, outcome: Outcome, edges: &[Edge]) -> Result<()> {
    visit.void = outcome.faults;
    visit.integrity = outcome.integrity;
    if let &[from, to] = edges {
        visit.wall_s = to.ns.saturating_sub(from.ns) as f64 / 1e9;
        visit.server_cpu_s = to.cpu_s - from.cpu_s;
        if visit.wall_s > 0.0 {
            visit.load_busy = outcome.busy_ns as f64 / 1e9 / visit.wall_s;
        }
    }
    visit.client_cpu_s = Some(outcome.busy_ns as f64 / 1e9);
    visit.client_pss_kib = pss_kib(std::process::id()).ok();
    visit.late_us_max = outcome.late_us_max;
    visit.deliveries = outcome.deliveries;
    visit.answers = outcome.answers;
    visit.bytes = outcome.bytes;
    visit.slices = outcome.slices;
    visit.silence_us_max = Some(outcome.silence_us);
    visit.tcp = outcome.tcp;
    visit.recovery = outcome.recovery;
    visit.since_sent = Some(outcome.since_sent.store()?);
    visit.latency = Some(outcome.latency.store()?);
    if outcome.deliveries == 0 && visit.void.is_empty() {
        return Err(LabError::Protocol("nothing was delivered in the window".to_owned()));
    }
    Ok(())
}
