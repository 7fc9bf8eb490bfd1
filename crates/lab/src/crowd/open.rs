//! A crowd under an open loop: latency by transport, and the length of a pass.

use std::time::Duration;

use super::engine::{Crowd, Schedule};
use super::publisher::Post;
use super::seat::{NAMESPACE, Seat};
use super::{Edge, Ground};
use crate::error::{LabError, Result};
use crate::machine::pss_kib;
use crate::result::{CrowdVisit, Integrity, ShareLatency, Transport};
use crate::scenario::CrowdCell;

/// Time for the server to come to rest after everybody stands.
const SETTLE: Duration = Duration::from_millis(300);

/// One visit. Whatever goes wrong makes it void; stopping before everybody stands leaves no visit.
pub(crate) fn visit(
    ground: &Ground<'_>,
    cell: &CrowdCell,
    transports: &[Transport],
    warm_up: Duration,
    repetition: u32,
) -> Result<CrowdVisit> {
    let mut visit = CrowdVisit::empty(cell, repetition);
    match measure(ground, cell, transports, warm_up, &mut visit) {
        Err(LabError::Stopped) => return Err(LabError::Stopped),
        Err(error) => visit.void.push(error.to_string()),
        Ok(()) => {}
    }
    if !visit.void.is_empty() {
        visit.latency.clear();
        visit.pass = None;
    }
    Ok(visit)
}

fn measure(
    ground: &Ground<'_>,
    cell: &CrowdCell,
    transports: &[Transport],
    warm_up: Duration,
    visit: &mut CrowdVisit,
) -> Result<()> {
    let server = ground.server(&[])?;
    let mut crowd = Crowd::new(server.address, cell.payload, ground.stop)?;
    let start = Edge::now(&server, 0)?;
    crowd.invite((0..cell.subscribers).map(|index| Seat::plain(index, transports)).collect())?;
    let connected = start.to(Edge::now(&server, 0)?);
    (visit.connect_s, visit.connect_cpu_s) = (connected.wall_s, connected.cpu_s);
    crowd.idle(SETTLE)?;
    let post = Post::broadcast(NAMESPACE, u64::from(cell.subscribers));
    crowd.open_loop(Schedule { rate: cell.rate, time: warm_up, recorded: false }, &post, |_, _| Ok(()))?;
    crowd.go_on()?;
    let from = Edge::now(&server, crowd.busy_ns())?;
    let recorded = Schedule { rate: cell.rate, time: cell.duration, recorded: true };
    crowd.open_loop(recorded, &post, |_, _| Ok(()))?;
    let span = from.to(Edge::now(&server, crowd.busy_ns())?);
    (visit.wall_s, visit.server_cpu_s, visit.load_busy) = (span.wall_s, span.cpu_s, span.busy);
    visit.pss_kib = pss_kib(server.pid())?;
    visit.late_us_max = crowd.late_us_max();
    visit.integrity = crowd.account();
    visit.void = crowd.faults(&visit.integrity);
    keep(&mut crowd, transports, visit)
}

/// Stores what the window holds.
fn keep(crowd: &mut Crowd<'_>, transports: &[Transport], visit: &mut CrowdVisit) -> Result<()> {
    let Some(window) = crowd.window() else { return Ok(()) };
    visit.deliveries = window.deliveries;
    visit.pass = Some(window.passes(u64::from(visit.subscribers)).store()?);
    let seats = transports.len() as u32;
    for (index, transport) in transports.iter().enumerate() {
        let subscribers = (visit.subscribers + seats - 1 - index as u32) / seats;
        let latency = window.of(*transport).store()?;
        visit.latency.push(ShareLatency { transport: *transport, subscribers, latency });
    }
    Ok(())
}

impl CrowdVisit {
    fn empty(cell: &CrowdCell, repetition: u32) -> Self {
        Self {
            cell: cell.name.clone(),
            subscribers: cell.subscribers,
            rate: cell.rate,
            payload: cell.payload,
            repetition,
            void: Vec::new(),
            integrity: Integrity::default(),
            latency: Vec::new(),
            pass: None,
            p99_passes_at_most: cell.p99_passes_at_most,
            deliveries: 0,
            wall_s: 0.0,
            connect_s: 0.0,
            connect_cpu_s: 0.0,
            server_cpu_s: 0.0,
            load_busy: 0.0,
            late_us_max: 0,
            pss_kib: 0,
        }
    }
}
