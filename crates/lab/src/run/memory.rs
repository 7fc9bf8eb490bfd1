//! Memory: a fresh server for each transport, idle subscribers added step by step, and its proportional set size read
//! at each. What counts is the slope, so that the server's own size does not.

use std::time::Duration;

use super::Bench;
use crate::error::Result;
use crate::load::{Kind, Load};
use crate::machine::{ServerChild, pss_kib, tcp_kib};
use crate::result::{DoubtKind, MemoryPoint, MemoryVisit, Transport, raise};
use crate::summary::fit;

/// Time for the server to come to rest before memory is read.
const SETTLE: Duration = Duration::from_millis(300);
/// A line that explains less than this of the readings raises a doubt.
const R_SQUARED_MIN: f64 = 0.98;
const NAMESPACE: &str = "lab-idle";
const PAYLOAD_BYTES: u32 = 100;

impl Bench {
    /// Reads memory for every transport, once.
    pub(super) fn visit_memory(&mut self, order: &[Transport], repetition: u32) -> Result<()> {
        if self.scenario.memory_at.is_empty() {
            return Ok(());
        }
        for transport in order.iter().copied() {
            if self.stop.is_asked() {
                break;
            }
            if self.takes_memory(transport, repetition) {
                continue;
            }
            let server = self.start_server()?;
            let place = format!("memory {} {}", transport.key(), repetition + 1);
            self.watched(&place, server.pid(), |bench| {
                let mut visit = MemoryVisit { transport, repetition, void: Vec::new(), points: Vec::new() };
                if let Err(error) = fill(&server, &bench.scenario.memory_at, &mut visit) {
                    visit.void.push(error.to_string());
                }
                bench.doubt_load(&place, 0.0, &visit.void);
                let line = fit(visit.points.iter().map(|p| (f64::from(p.subscribers), p.pss_kib as f64)));
                if let Some(line) = line.filter(|line| line.r_squared < R_SQUARED_MIN) {
                    raise(&mut bench.run.doubts, DoubtKind::MemoryFit, &place, line.r_squared);
                }
                bench.run.memory.push(visit);
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn fill(server: &ServerChild, at: &[u32], visit: &mut MemoryVisit) -> Result<()> {
    let mut load = Load::new(server.address, Some(NAMESPACE), PAYLOAD_BYTES)?;
    for subscribers in at {
        load.subscribe(server.address, Kind::Feed(visit.transport), *subscribers)?;
        load.idle(SETTLE)?;
        visit.points.push(MemoryPoint {
            subscribers: *subscribers,
            pss_kib: pss_kib(server.pid())?,
            kernel_kib: Some(tcp_kib()),
        });
    }
    Ok(())
}
