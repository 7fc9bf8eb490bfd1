//! What the raw loops cost with a server's own bytes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::field::Field;
use super::result::{Cell, Extent};
use super::target::Site;
use super::wire::{Publishing, Wire};
use crate::error::Result;
use crate::machine::{PeerChild, Readiness, cpu_seconds, now_ns};
use crate::run::measure_raw;

const WARM_UP: Duration = Duration::from_millis(150);

/// The raw send loop: the bytes of a file to so many sockets.
pub(super) fn sends(
    site: Site<'_>,
    file: &Path,
    sockets: u32,
    time: Duration,
    mut cell: Cell,
) -> Result<Cell> {
    let started = now_ns();
    let cost = measure_raw(site.program, site.place, file, sockets, time)?;
    cell.subscribers = sockets;
    cell.units = cost.sends;
    cell.cpu_s = cost.cpu_s;
    cell.wall_s = (now_ns() - started) as f64 / 1e9;
    cell.load_busy = cost.load_busy;
    cell.send_bytes = file.metadata().map(|data| data.len()).unwrap_or_default();
    Ok(cell)
}

/// The raw answering loop: `poll` is a request and the length of the answer in the file.
pub(super) fn answers(
    site: Site<'_>,
    extent: &Extent,
    file: &Path,
    poll: (Vec<u8>, usize),
    mut cell: Cell,
) -> Result<Cell> {
    let mut command = Command::new(site.program);
    command
        .args(["lab", "role", "raw-poll", "--connections", &extent.few.to_string(), "--payload"])
        .arg(file);
    let log = site.folder.join("raw-poll.log");
    let child = PeerChild::start(&mut command, site.place, Readiness::Told, &log)?;
    let (request, bytes) = poll;
    let mut field = Field::open(child.address, Wire::RawPoll(request, bytes), Publishing::Control)?;
    field.subscribe(extent.few)?;
    field.keep_in_flight(1, WARM_UP)?;
    let (from, cpu_s, busy_ns) = (now_ns(), cpu_seconds(child.pid())?, field.busy_ns());
    let events = field.keep_in_flight(1, extent.closed())?;
    cell.cpu_s = cpu_seconds(child.pid())? - cpu_s;
    cell.wall_s = (now_ns() - from) as f64 / 1e9;
    cell.load_busy = (field.busy_ns() - busy_ns) as f64 / 1e9 / cell.wall_s;
    cell.account = field.account();
    cell.void = cell.account.faults();
    cell.subscribers = extent.few;
    cell.units = events * u64::from(extent.few);
    cell.answers = cell.units;
    cell.send_bytes = bytes as u64;
    Ok(cell)
}
