//! The raw limit: a process that does nothing but `send()` the bytes of one pass to every socket, on the server's core.
//! No server can deliver more events a CPU second without joining events into one send.
//!
//! Only the send loop itself is timed, by the CPU clock of its thread; waiting to be asked for a pass is not.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Bench;
use crate::error::{LabError, Result};
use crate::load::{Kind, Load};
use crate::machine::{Placement, RawChild, now_ns, thread_cpu_ns};
use crate::result::{RawVisit, Transport};
use crate::scenario::Saturation;

const WARM_UP: Duration = Duration::from_millis(100);
const CONNECTIONS_MAX: u32 = 18_000;
const PAYLOAD_BYTES_MAX: u64 = 4 << 20;

/// Whether a delivery of a transport is one send, so that the raw loop says something about it. A poll answer is not:
/// it belongs to a request.
pub(super) fn sends(transport: Transport) -> bool {
    transport != Transport::Poll
}

/// What the raw loop prints when it ends: the passes it made and the CPU time they took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    passes: u64,
    cpu_ns: u64,
}

impl Bench {
    /// The raw loop with the bytes of every streaming transport, once for each closed-loop cell.
    pub(super) fn visit_raw(&mut self, order: &[Transport], repetition: u32) -> Result<()> {
        for transport in order.iter().copied().filter(|transport| sends(*transport)) {
            for cell in self.scenario.saturations.clone() {
                if self.takes_raw(&cell, transport, repetition) {
                    continue;
                }
                let place = format!("raw {} {} {}", cell.in_flight, transport.key(), repetition + 1);
                self.watched(&place, std::process::id(), |bench| {
                    let visit = bench.raw_visit(&cell, transport, repetition);
                    bench.doubt_load(&place, visit.load_busy, &visit.void);
                    bench.run.raw.push(visit);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    fn raw_visit(&self, cell: &Saturation, transport: Transport, repetition: u32) -> RawVisit {
        let mut visit = RawVisit {
            transport,
            joined: cell.in_flight,
            subscribers: cell.subscribers,
            repetition,
            void: Vec::new(),
            send_bytes: 0,
            deliveries: 0,
            cpu_s: 0.0,
            load_busy: 0.0,
        };
        if let Err(error) = self.load_raw(cell, &mut visit) {
            visit.void.push(error.to_string());
        }
        visit
    }

    fn load_raw(&self, cell: &Saturation, visit: &mut RawVisit) -> Result<()> {
        let file = self.pass_file(visit.transport, cell.in_flight);
        let bytes = fs::metadata(&file)
            .map_err(|_| LabError::Role("no pass of this transport was seen".to_owned()))?;
        visit.send_bytes = bytes.len();
        let cost = measure(&self.options.server_program, self.place, &file, cell.subscribers, cell.duration)?;
        visit.load_busy = cost.load_busy;
        visit.deliveries = cost.sends * u64::from(cell.in_flight);
        visit.cpu_s = cost.cpu_s;
        Ok(())
    }
}

/// What the raw loop's sends cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawCost {
    /// Sends of the whole payload.
    pub(crate) sends: u64,
    /// CPU seconds in the send loop.
    pub(crate) cpu_s: f64,
    /// Share of the time in which the load did useful work, 0 to 1.
    pub(crate) load_busy: f64,
}

/// Runs the raw loop with the bytes of a file to so many sockets for a time.
///
/// # Errors
/// A loop that does not start, or that fails on the way.
pub(crate) fn measure(
    program: &Path,
    place: Placement,
    payload: &Path,
    sockets: u32,
    time: Duration,
) -> Result<RawCost> {
    let bytes = fs::metadata(payload).map_err(LabError::io(format!("read {}", payload.display())))?.len();
    let child = RawChild::start(program, place, payload, sockets)?;
    let control =
        TcpStream::connect(child.address).map_err(LabError::io("connect the raw loop's control"))?;
    control.set_nodelay(true).map_err(LabError::io("prepare the raw loop's control"))?;
    let mut load = Load::new(child.address, None, 0)?;
    load.subscribe(child.address, Kind::Raw, sockets)?;
    load.saturate_raw(&control, bytes, WARM_UP)?;
    let (from, busy) = (now_ns(), load.busy_ns());
    load.saturate_raw(&control, bytes, time)?;
    let load_busy = (load.busy_ns() - busy) as f64 / (now_ns() - from).max(1) as f64;
    drop(control);
    let line = child.outcome()?;
    let outcome: Outcome = serde_json::from_str(&line).map_err(|e| LabError::Role(e.to_string()))?;
    let sends = outcome.passes * u64::from(sockets);
    Ok(RawCost { sends, cpu_s: outcome.cpu_ns as f64 / 1e9, load_busy })
}

/// The hidden role: listens, takes one control connection and then the sockets, and makes a pass for every byte that
/// comes on the control connection. Everything it says goes to `out`.
///
/// # Errors
/// Arguments it does not know, a payload it cannot read, a socket that fails.
pub(crate) fn role(arguments: &[OsString], out: &mut dyn Write) -> Result<()> {
    let (connections, payload) = options(arguments)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LabError::io("listen"))?;
    let address = listener.local_addr().map_err(LabError::io("listen"))?;
    writeln!(out, "listening {address}").and_then(|()| out.flush()).map_err(LabError::io("say where"))?;
    let accept = || listener.accept().map(|(stream, _)| stream).map_err(LabError::io("accept"));
    let mut control = accept()?;
    let mut sockets = (0..connections).map(|_| accept()).collect::<Result<Vec<_>>>()?;
    for socket in &sockets {
        socket.set_nodelay(true).map_err(LabError::io("prepare a socket"))?;
    }
    let outcome = passes(&mut control, &mut sockets, &payload)?;
    let line = serde_json::to_string(&outcome).map_err(|e| LabError::Role(e.to_string()))?;
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(LabError::io("say the outcome"))
}

fn passes(control: &mut TcpStream, sockets: &mut [TcpStream], payload: &[u8]) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut asked = [0];
    while control.read(&mut asked).map_err(LabError::io("read the control"))? == 1 {
        let before = thread_cpu_ns();
        for socket in &mut *sockets {
            socket.write_all(payload).map_err(LabError::io("send"))?;
        }
        outcome.cpu_ns += thread_cpu_ns() - before;
        outcome.passes += 1;
    }
    Ok(outcome)
}

/// `--connections N --payload FILE`, in this order.
fn options(arguments: &[OsString]) -> Result<(u32, Vec<u8>)> {
    let [first, connections, second, file] = arguments else {
        return Err(LabError::Role("raw wants --connections N --payload FILE".to_owned()));
    };
    let connections =
        connections.to_str().and_then(|text| text.parse().ok()).filter(|n| *n <= CONNECTIONS_MAX);
    let (Some(connections), true, true) = (connections, first == "--connections", second == "--payload")
    else {
        return Err(LabError::Role(format!(
            "raw wants --connections N --payload FILE, N at most {CONNECTIONS_MAX}"
        )));
    };
    let file = Path::new(file);
    let bytes = fs::metadata(file).map_err(LabError::io(format!("read {}", file.display())))?.len();
    if bytes == 0 || bytes > PAYLOAD_BYTES_MAX {
        return Err(LabError::Role(format!("payload of {bytes} bytes")));
    }
    let payload = fs::read(file).map_err(LabError::io(format!("read {}", file.display())))?;
    Ok((connections, payload))
}
