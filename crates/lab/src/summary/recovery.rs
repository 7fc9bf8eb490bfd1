//! What breaks did to the subscribers of a cell.

use super::values::merge;
use crate::result::{Latency, LatencyVisit, Run, Transport};

/// The breaks of one cell and transport, over all valid visits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecoveryFigure {
    /// Connections that broke.
    pub breaks: u64,
    /// Attempts to come back.
    pub attempts: u64,
    /// From a break to a stream that stands again, microseconds.
    pub reconnect: Option<Latency>,
    /// From a break to the last missed event, microseconds.
    pub catch_up: Option<Latency>,
    /// Events of which the server said that they will not come.
    pub told_lost: u64,
    /// Events missed meanwhile that came later.
    pub made_up: u64,
    /// The longest time in which a subscriber got nothing although something was due, microseconds.
    pub silence_us: Option<u64>,
}

/// The breaks of one cell and transport; `None` where none were recorded.
pub fn recovery(run: &Run, cell: &str, transport: Transport) -> Option<RecoveryFigure> {
    let visits: Vec<&LatencyVisit> = super::valid(run, cell, transport).collect();
    let known = || visits.iter().filter_map(|v| v.recovery.as_ref());
    let silence_us = visits.iter().filter_map(|v| v.silence_us_max).max();
    if known().next().is_none() && silence_us.is_none() {
        return None;
    }
    Some(RecoveryFigure {
        breaks: known().map(|r| r.breaks).sum(),
        attempts: known().map(|r| r.attempts).sum(),
        reconnect: merge(known().filter_map(|r| r.reconnect.as_ref())),
        catch_up: merge(known().filter_map(|r| r.catch_up.as_ref())),
        told_lost: known().map(|r| r.told_lost).sum(),
        made_up: known().map(|r| r.made_up).sum(),
        silence_us,
    })
}
