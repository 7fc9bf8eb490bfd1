//! Visits of a transport: a fresh server, and every cell of the scenario in a namespace of its own.

use std::fs;
use std::time::Duration;

use super::doubts::Watch;
use super::{Bench, work};
use crate::error::{LabError, Result};
use crate::load::{Kind, Load, Plan, QUIET};
use crate::machine::{ServerChild, cpu_seconds, now_ns, pss_kib};
use crate::result::{Bytes, Integrity, LatencyVisit, SaturationVisit, Transport};
use crate::scenario::{Cell, Saturation};
use crate::work::tcp;

/// Unrecorded time before a closed loop.
const SATURATION_WARM_UP: Duration = Duration::from_millis(200);
/// Where the server's log goes, inside the run's folder.
pub(super) const SERVER_LOG: &str = "server.log";

/// Clock, server CPU and useful load time, at one edge of a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edge {
    pub(super) ns: u64,
    pub(super) cpu_s: f64,
}

impl Edge {
    pub(super) fn now(pid: u32) -> Result<Self> {
        Ok(Self { ns: now_ns(), cpu_s: cpu_seconds(pid)? })
    }
}

impl Bench {
    /// Starts a server in the run's way.
    pub(super) fn start_server(&self) -> Result<ServerChild> {
        ServerChild::start(&self.options.server_program, self.place, &self.folder.join(SERVER_LOG))
    }

    /// A server that was started before, or a new one.
    fn at_hand<'a>(&self, server: &'a mut Option<ServerChild>) -> Result<&'a ServerChild> {
        match server {
            Some(server) => Ok(server),
            none => Ok(none.insert(self.start_server()?)),
        }
    }

    /// All cells of one transport, once.
    pub(super) fn visit_feed(&mut self, transport: Transport, repetition: u32, half: u32) -> Result<()> {
        // Started for the first cell that needs it.
        let mut server = None;
        let cells = self.scenario.cells.iter().filter(|cell| repetition < cell.repetitions);
        for cell in cells.cloned().collect::<Vec<_>>() {
            if cell
                .workload
                .sweep
                .as_ref()
                .is_some_and(|s| !s.transports.is_empty() && !s.transports.contains(&transport))
            {
                continue;
            }
            if self.takes_latency(&cell, transport, repetition, half) {
                continue;
            }
            if self.target.is_some() || !work::is_plain(&cell) {
                self.visit_work(&cell, transport, repetition, half)?;
                continue;
            }
            let server = self.at_hand(&mut server)?;
            let place = format!("{} {} {}/{}", cell.name, transport.key(), repetition + 1, half + 1);
            self.watched(&place, server.pid(), |bench| {
                let visit = LatencyVisit::empty(&cell, transport, repetition, half);
                let visit = latency(server, &cell, bench.scenario.warm_up, visit);
                bench.doubt_latency(&place, &visit);
                bench.run.latency.push(visit);
                Ok(())
            })?;
        }
        for cell in self.scenario.saturations.clone() {
            if self.takes_saturation(&cell, transport, repetition, half) {
                continue;
            }
            let server = self.at_hand(&mut server)?;
            let place =
                format!("in flight {} {} {}/{}", cell.in_flight, transport.key(), repetition + 1, half + 1);
            self.watched(&place, server.pid(), |bench| {
                let visit = SaturationVisit::empty(&cell, transport, repetition, half);
                let (visit, pass) = saturation(server, &cell, visit);
                bench.keep_pass(transport, cell.in_flight, &pass)?;
                bench.doubt_saturation(&place, &visit);
                bench.run.saturation.push(visit);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Runs one visit, unless the run is to stop, with progress shown and the machine watched.
    pub(super) fn watched(
        &mut self,
        place: &str,
        server: u32,
        visit: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.stop.is_asked() {
            return Ok(());
        }
        self.reporter.begin(place);
        self.show(place);
        let watch = Watch::start(server);
        visit(self)?;
        watch.end(server, place, &mut self.run.doubts);
        self.reporter.end();
        self.save()
    }

    /// Keeps the bytes of a pass for the raw loop, the first time that they are seen.
    fn keep_pass(&self, transport: Transport, in_flight: u32, pass: &[u8]) -> Result<()> {
        let file = self.pass_file(transport, in_flight);
        if pass.is_empty() || file.exists() {
            return Ok(());
        }
        fs::write(&file, pass).map_err(LabError::io(format!("write {}", file.display())))
    }

    /// The file with the bytes of a pass.
    pub(super) fn pass_file(&self, transport: Transport, in_flight: u32) -> std::path::PathBuf {
        self.folder.join(format!("pass-{}-{in_flight}.bin", transport.key()))
    }
}

/// A namespace for each visit: a cell's name, reduced to what a namespace may hold.
fn namespace(name: &str) -> String {
    let word: String =
        name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("lab-{word}")
}

/// One open-loop visit. Whatever goes wrong makes it void.
fn latency(server: &ServerChild, cell: &Cell, warm_up: Duration, mut visit: LatencyVisit) -> LatencyVisit {
    if let Err(error) = load_latency(server, cell, warm_up, &mut visit) {
        visit.void.push(error.to_string());
    }
    if !visit.void.is_empty() {
        visit.latency = None;
        visit.since_sent = None;
        visit.slices.clear();
    }
    visit
}

fn load_latency(
    server: &ServerChild,
    cell: &Cell,
    warm_up: Duration,
    visit: &mut LatencyVisit,
) -> Result<()> {
    let mut load = Load::new(server.address, Some(&namespace(&cell.name)), cell.payload)?;
    load.subscribe(server.address, Kind::Feed(visit.transport), cell.subscribers)?;
    let (mut edges, mut busy, mut segments) = (Vec::new(), Vec::new(), Vec::new());
    let plan = Plan { rate: cell.rate, warm_up, duration: cell.duration };
    // Segments are counted outside of what the edges enclose.
    let outcome = load.open_loop(plan, |busy_ns| {
        let opens = edges.is_empty();
        if opens {
            segments.push(tcp::counts(server.address.port()));
        }
        edges.push(Edge::now(server.pid())?);
        busy.push(busy_ns);
        if !opens {
            segments.push(tcp::counts(server.address.port()));
        }
        Ok(())
    });
    visit.integrity = load.account();
    visit.void = visit.integrity.faults();
    visit.void.extend(load.refusal().map(str::to_owned));
    let mut window = outcome?;
    if let (&[from, to], &[busy_from, busy_to]) = (edges.as_slice(), busy.as_slice()) {
        visit.wall_s = (to.ns - from.ns) as f64 / 1e9;
        visit.server_cpu_s = to.cpu_s - from.cpu_s;
        visit.load_busy = (busy_to - busy_from) as f64 / (to.ns - from.ns).max(1) as f64;
        visit.client_cpu_s = Some((busy_to - busy_from) as f64 / 1e9);
    }
    if let &[Some(before), Some(after)] = segments.as_slice() {
        visit.tcp = Some(tcp::between(before, after));
    }
    visit.client_pss_kib = pss_kib(std::process::id()).ok();
    visit.late_us_max = load.late_us_max();
    visit.deliveries = window.deliveries;
    visit.answers = window.answers;
    visit.bytes = window.bytes();
    visit.slices = window.slices();
    visit.since_sent = Some(window.since_sent.store()?);
    visit.latency = Some(window.latency.store()?);
    Ok(())
}

/// One closed-loop visit, and the bytes of its last pass.
fn saturation(
    server: &ServerChild,
    cell: &Saturation,
    mut visit: SaturationVisit,
) -> (SaturationVisit, Vec<u8>) {
    match load_saturation(server, cell, &mut visit) {
        Ok(pass) => (visit, pass),
        Err(error) => {
            visit.void.push(error.to_string());
            (visit, Vec::new())
        }
    }
}

fn load_saturation(server: &ServerChild, cell: &Saturation, visit: &mut SaturationVisit) -> Result<Vec<u8>> {
    let mut load = Load::new(server.address, Some(&format!("lab-flight-{}", cell.in_flight)), cell.payload)?;
    load.subscribe(server.address, Kind::Feed(visit.transport), cell.subscribers)?;
    load.saturate(cell.in_flight, SATURATION_WARM_UP)?;
    let (from, busy) = (Edge::now(server.pid())?, load.busy_ns());
    let done = load.saturate(cell.in_flight, cell.duration);
    let to = Edge::now(server.pid())?;
    let busy = load.busy_ns() - busy;
    load.idle(QUIET)?;
    visit.integrity = load.account();
    visit.void = visit.integrity.faults();
    visit.void.extend(load.refusal().map(str::to_owned));
    visit.deliveries = done?.deliveries;
    visit.wall_s = (to.ns - from.ns) as f64 / 1e9;
    visit.server_cpu_s = to.cpu_s - from.cpu_s;
    visit.load_busy = busy as f64 / (to.ns - from.ns).max(1) as f64;
    Ok(load.last_pass().to_vec())
}

impl LatencyVisit {
    pub(super) fn empty(cell: &Cell, transport: Transport, repetition: u32, half: u32) -> Self {
        Self {
            cell: cell.name.clone(),
            transport,
            repetition,
            half,
            void: Vec::new(),
            integrity: Integrity::default(),
            latency: None,
            since_sent: None,
            slices: Vec::new(),
            deliveries: 0,
            wall_s: 0.0,
            server_cpu_s: 0.0,
            load_busy: 0.0,
            late_us_max: 0,
            answers: 0,
            bytes: Bytes::default(),
            client_cpu_s: None,
            client_pss_kib: None,
            tcp: None,
            recovery: None,
            silence_us_max: None,
        }
    }
}

impl SaturationVisit {
    fn empty(cell: &Saturation, transport: Transport, repetition: u32, half: u32) -> Self {
        Self {
            in_flight: cell.in_flight,
            subscribers: cell.subscribers,
            transport,
            repetition,
            half,
            void: Vec::new(),
            integrity: Integrity::default(),
            deliveries: 0,
            wall_s: 0.0,
            server_cpu_s: 0.0,
            load_busy: 0.0,
        }
    }
}
