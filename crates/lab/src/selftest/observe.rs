//! Drives the two load engines against a server as the laboratory's visits do, and gathers what they report.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::case::Case;
use super::judge::Observed;
use super::{LoadEngine, PAYLOAD_BYTES};
use crate::error::Result;
use crate::load::{Kind, Load, Plan};
use crate::machine::cpu_seconds;
use crate::result::{Publishing, Transport};
use crate::work::target::Target;
use crate::work::{Engine, Moment, Plan as Schedule, Spec};

const NAMESPACE: &str = "lab-selftest";
const SEED: u64 = 1;
/// The faulty server, as a target's file would describe it.
const TARGET: &str = r#"
name = "faulty"

[publish]
path = "/v1/feeds/default/events"
body = '{"data":@DATA@}'
room_body = '{"rooms":["@ROOM@"],"data":@DATA@}'

[poll]
kind = "tricast"

[sse]
path = "/v1/feeds/default/sse"
stands = "sync"
resume = "query"

[websocket]
path = "/v1/feeds/default/ws"
dialect = "tricast"
resume = "query"
"#;

/// A server that is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) address: SocketAddr,
    /// Its process, where it has one of its own.
    pub(super) pid: Option<u32>,
}

/// Loads a server by an engine.
pub(super) fn observe(
    subject: Subject,
    case: &Case,
    engine: LoadEngine,
    transport: Transport,
) -> Result<Observed> {
    match engine {
        LoadEngine::Plain => plain(subject, case, transport),
        LoadEngine::Workloads => workloads(subject, case, transport),
    }
}

fn plain(subject: Subject, case: &Case, transport: Transport) -> Result<Observed> {
    let shape = case.shape;
    let mut load = Load::new(subject.address, Some(NAMESPACE), PAYLOAD_BYTES)?;
    load.settle_within(shape.settle);
    load.subscribe(subject.address, Kind::Feed(transport), shape.subscribers)?;
    let plan = Plan { rate: shape.rate, warm_up: Duration::ZERO, duration: shape.duration() };
    let mut meter = Meter::of(subject.pid);
    let window = load.open_loop(plan, |_| meter.read())?;
    Ok(Observed {
        integrity: load.account(),
        late_us_max: load.late_us_max(),
        deliveries: window.deliveries,
        answers: window.answers,
        bytes: window.bytes(),
        cpu_s: meter.spent(),
        recovery: None,
        latency: window.latency,
    })
}

fn workloads(subject: Subject, case: &Case, transport: Transport) -> Result<Observed> {
    let (shape, beside) = (case.shape, case.beside);
    let text = format!("address = \"{}\"\n{TARGET}", subject.address);
    let target = Target::parse("faulty", &text, PathBuf::new())?;
    let spec = Spec {
        target: &target,
        address: subject.address,
        publish_at: subject.address,
        transport,
        subscribers: shape.subscribers,
        payload: PAYLOAD_BYTES as usize,
        rooms: beside.rooms,
        slow: None,
        publishing: Publishing::Post,
        plan: Schedule {
            rate: shape.rate,
            burst: beside.burst,
            warm_up: Duration::ZERO,
            duration: shape.duration(),
        },
        breaks: beside.returns,
        seed: SEED,
    };
    let mut meter = Meter::of(subject.pid);
    let outcome = Engine::new(spec)?.settle_within(shape.settle).run(|moment| match moment {
        Moment::Opens | Moment::Closes => meter.read(),
        Moment::Within(_) => Ok(()),
    })?;
    Ok(Observed {
        integrity: outcome.integrity,
        late_us_max: outcome.late_us_max,
        deliveries: outcome.deliveries,
        answers: outcome.answers,
        bytes: outcome.bytes,
        cpu_s: meter.spent(),
        recovery: outcome.recovery,
        latency: outcome.latency,
    })
}

/// Reads the server's CPU time at both edges of the window.
struct Meter {
    pid: Option<u32>,
    read: Vec<f64>,
}

impl Meter {
    fn of(pid: Option<u32>) -> Self {
        Self { pid, read: Vec::new() }
    }

    fn read(&mut self) -> Result<()> {
        self.read.extend(self.pid.map(cpu_seconds).transpose()?);
        Ok(())
    }

    fn spent(&self) -> Option<f64> {
        match self.read[..] {
            [from, to] => Some(to - from),
            _ => None,
        }
    }
}
