//! One visit: a fresh server, one transport, and every measure in turn, from few subscribers to many. The raw loops run
//! with the bytes that were seen, right after the measure that they are held against.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::raw;
use super::result::{Cell, Extent, Measure};
use super::target::{Line, SUBJECT, Site, Target};
use crate::error::{LabError, Result};
use crate::machine::{PeerChild, cpu_seconds, descendants, now_ns, pss_kib};
use crate::result::{MemoryPoint, Transport};

/// Time for a server's children to start.
const CHILDREN: Duration = Duration::from_millis(100);
/// Unrecorded time before a closed loop.
const WARM_UP: Duration = Duration::from_millis(150);
/// A server is still when it used less than this in a step, and is not waited for beyond so many steps.
const STILL_CPU_S: f64 = 0.000_3;
const STILL_STEP: Duration = Duration::from_millis(30);
const STILL_STEPS_MAX: u32 = 60;
/// The load counts as a possible bottleneck above this share of its core.
pub(super) const LOAD_BUSY_MAX: f64 = 0.70;
/// How often the rate of an open loop is halved where the load is the bottleneck.
const STEPS_DOWN_MAX: u32 = 4;

/// A started server, with all its processes.
struct Running {
    child: PeerChild,
    pids: Vec<u32>,
}

/// Clock, CPU and useful load time at one edge of a cell.
#[derive(Debug, Clone, Copy)]
struct Edge {
    ns: u64,
    cpu_s: f64,
    busy_ns: u64,
    answers: u64,
}

/// One visit and what came of it.
pub(super) struct Visit<'a> {
    pub(super) site: Site<'a>,
    pub(super) extent: &'a Extent,
    pub(super) target: &'a Target,
    pub(super) line: &'a Line,
    pub(super) round: u32,
    /// Events a second for the comparison at an equal rate.
    pub(super) equal_rate: Option<f64>,
    pub(super) cells: Vec<Cell>,
}

impl Running {
    fn start(target: &Target, site: Site<'_>) -> Result<Self> {
        let child = target.start(site)?;
        std::thread::sleep(CHILDREN);
        let pids = descendants(child.pid());
        Ok(Self { child, pids })
    }

    fn cpu_s(&self) -> Result<f64> {
        self.pids.iter().map(|pid| cpu_seconds(*pid)).sum()
    }

    fn pss_kib(&self) -> Result<u64> {
        self.pids.iter().map(|pid| pss_kib(*pid)).sum()
    }

    fn edge(&self, field: &Field) -> Result<Edge> {
        Ok(Edge { ns: now_ns(), cpu_s: self.cpu_s()?, busy_ns: field.busy_ns(), answers: field.answers() })
    }

    /// Waits until the server does nothing more on its own.
    fn still(&self, field: &mut Field) -> Result<()> {
        let mut before = self.cpu_s()?;
        for _ in 0..STILL_STEPS_MAX {
            field.idle(STILL_STEP)?;
            let now = self.cpu_s()?;
            if now - before < STILL_CPU_S {
                break;
            }
            before = now;
        }
        Ok(())
    }
}

/// How fast a server is by a transport, roughly: deliveries a second with few subscribers. It finds the rate that all
/// can keep, and what does not work at all.
pub(super) fn scout(site: Site<'_>, extent: &Extent, target: &Target, line: &Line) -> Result<f64> {
    let server = Running::start(target, site)?;
    let mut field = Field::open(server.child.address, line.wire.clone(), target.publishing)?;
    field.subscribe(extent.few)?;
    field.sound()?;
    let from = now_ns();
    let events = field.keep_in_flight(u64::from(extent.in_flight), WARM_UP * 2)?;
    let faults = field.account().faults();
    if !faults.is_empty() {
        return Err(LabError::Protocol(faults.join(", ")));
    }
    Ok((events * u64::from(extent.few)) as f64 / ((now_ns() - from) as f64 / 1e9))
}

impl Visit<'_> {
    /// Makes every measure; what fails makes its own cell void and ends the visit.
    pub(super) fn make(&mut self) {
        let opened = Running::start(self.target, self.site).and_then(|server| {
            let wire = self.line.wire.clone();
            let field = Field::open(server.child.address, wire, self.target.publishing)?;
            Ok((field, server))
        });
        match opened {
            // Where a measure cannot go on, its cell has said why.
            Ok((mut field, server)) => drop(self.load(&server, &mut field)),
            Err(error) => self.push(self.empty(Measure::Connects), Err(error)),
        }
    }

    /// All measures of a server, until one cannot go on.
    fn load(&mut self, server: &Running, field: &mut Field) -> Option<()> {
        let (few, in_flight) = (self.extent.few, u64::from(self.extent.in_flight));
        let closed = self.extent.closed();
        self.measure(Measure::Connects, server, field, |field, _| {
            field.subscribe(few)?;
            server.still(field)?;
            Ok(u64::from(few))
        })?;
        let mut seen = None;
        self.measure(Measure::Single, server, field, |field, cell| {
            field.sound()?;
            field.keep_in_flight(1, WARM_UP)?;
            seen = Some(field.sample()?);
            closed_loop(server, field, cell, 1, closed)
        })?;
        if let Some((pass, request)) = seen.filter(|_| self.extent.raw) {
            self.raw(&pass, request);
        }
        self.measure(Measure::Memory, server, field, |field, cell| fill(server, field, cell))?;
        self.measure(Measure::Saturated, server, field, |field, cell| {
            field.keep_in_flight(in_flight, WARM_UP)?;
            closed_loop(server, field, cell, in_flight, closed)
        })?;
        let saturated = self.cells.last()?;
        let own = saturated.units as f64 / saturated.wall_s / f64::from(saturated.subscribers) / 2.0;
        let open = Duration::from_secs_f64(self.extent.open_s);
        self.measure(Measure::HalfRate, server, field, |field, cell| {
            open_loop(server, field, cell, own, open, STEPS_DOWN_MAX)
        })?;
        let equal = self.equal_rate?;
        self.measure(Measure::EqualRate, server, field, |field, cell| {
            open_loop(server, field, cell, equal, open, 0)
        })
    }

    /// The raw loops with the bytes of one event, while the server rests: next to the measure that they are held
    /// against.
    fn raw(&mut self, pass: &[u8], request: Vec<u8>) {
        let (site, extent) = (self.site, self.extent);
        let cell = self.empty(Measure::Raw);
        let raw = self.kept("pass", pass).and_then(|file| match self.line.transport {
            Transport::Poll => raw::answers(site, extent, &file, (request, pass.len()), cell.clone()),
            _ => raw::sends(site, &file, extent.few, extent.closed(), cell.clone()),
        });
        self.push(cell, raw);
        if self.target.key == SUBJECT && self.line.transport != Transport::Poll {
            let cell = self.empty(Measure::RawJoined);
            let joined = pass.repeat(extent.in_flight as usize);
            let raw = self.kept("joined", &joined).and_then(|file| {
                let cell = raw::sends(site, &file, extent.many, extent.closed(), cell.clone())?;
                Ok(Cell { units: cell.units * u64::from(extent.in_flight), ..cell })
            });
            self.push(cell, raw);
        }
    }

    /// One cell: its edges, what it counts, and whether everything arrived. `None` where the visit cannot go on.
    fn measure(
        &mut self,
        measure: Measure,
        server: &Running,
        field: &mut Field,
        work: impl FnOnce(&mut Field, &mut Cell) -> Result<u64>,
    ) -> Option<()> {
        let mut cell = self.empty(measure);
        cell.subscribers = match measure {
            Measure::Connects | Measure::Single => self.extent.few,
            _ => self.extent.many,
        };
        let outcome = server.edge(field).and_then(|from| {
            cell.units = work(field, &mut cell)?;
            if cell.wall_s == 0.0 {
                cell.close(from, server.edge(field)?);
            }
            Ok(())
        });
        cell.account = field.account();
        cell.void = cell.account.faults();
        cell.void.extend(outcome.err().map(|error| error.to_string()));
        let goes_on = cell.void.is_empty().then_some(());
        self.cells.push(cell);
        goes_on
    }

    fn empty(&self, measure: Measure) -> Cell {
        Cell::empty(self.target.key, self.line.transport, measure, self.round)
    }

    fn push(&mut self, mut cell: Cell, outcome: Result<Cell>) {
        match outcome {
            Ok(cell) => self.cells.push(cell),
            Err(error) => {
                cell.void.push(error.to_string());
                self.cells.push(cell);
            }
        }
    }

    /// Keeps bytes for a raw loop, which is another process.
    fn kept(&self, what: &str, bytes: &[u8]) -> Result<PathBuf> {
        let name = format!("{}-{}-{what}.bin", self.target.key, self.line.transport.key());
        let file = self.site.folder.join(name);
        fs::write(&file, bytes).map_err(LabError::io(format!("write {}", file.display())))?;
        Ok(file)
    }
}

impl Extent {
    pub(super) fn closed(&self) -> Duration {
        Duration::from_secs_f64(self.closed_s)
    }
}

impl Cell {
    fn close(&mut self, from: Edge, to: Edge) {
        self.wall_s = (to.ns - from.ns) as f64 / 1e9;
        self.cpu_s = to.cpu_s - from.cpu_s;
        self.load_busy = (to.busy_ns - from.busy_ns) as f64 / (to.ns - from.ns).max(1) as f64;
        self.answers = to.answers - from.answers;
    }
}

/// A closed loop with edges of its own, after the warm-up; gives its deliveries.
fn closed_loop(
    server: &Running,
    field: &mut Field,
    cell: &mut Cell,
    in_flight: u64,
    time: Duration,
) -> Result<u64> {
    let from = server.edge(field)?;
    let events = field.keep_in_flight(in_flight, time)?;
    cell.close(from, server.edge(field)?);
    Ok(events * u64::from(cell.subscribers))
}

/// An open loop at a rate; gives its deliveries. Where the load itself could not keep up, the rate is halved and tried
/// again, so that the figure is of the server: what a server joins when it is saturated comes one by one at half of that
/// rate, which is more work for whoever reads.
fn open_loop(
    server: &Running,
    field: &mut Field,
    cell: &mut Cell,
    mut rate: f64,
    time: Duration,
    steps_down: u32,
) -> Result<u64> {
    for left in (0..=steps_down).rev() {
        let from = server.edge(field)?;
        let latency = field.open_loop(rate, time)?;
        cell.close(from, server.edge(field)?);
        cell.rate = rate;
        match latency {
            Some(latency) if cell.load_busy <= LOAD_BUSY_MAX || left == 0 => {
                cell.latency = Some(latency.store()?);
                return Ok(latency.count());
            }
            _ => rate /= 2.0,
        }
    }
    Err(LabError::Protocol(format!("{} events a second could not be kept", cell.rate.round())))
}

/// Adds idle subscribers step by step and reads memory; every one of them has had one event.
fn fill(server: &Running, field: &mut Field, cell: &mut Cell) -> Result<u64> {
    let (few, many) = (field.subscribers(), cell.subscribers);
    for subscribers in [few, few.midpoint(many), many] {
        if subscribers > field.subscribers() {
            field.subscribe(subscribers)?;
            field.sound()?;
        }
        server.still(field)?;
        cell.memory.push(MemoryPoint { subscribers, pss_kib: server.pss_kib()?, kernel_kib: None });
    }
    Ok(u64::from(many))
}
