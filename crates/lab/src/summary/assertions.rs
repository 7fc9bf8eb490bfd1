//! The scenario's assertions against the figures.

use super::{Subject, figure, first_cell};
use crate::result::{Run, Transport};
use crate::scenario::{Assertion, Metric};

/// What came of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// There is no valid figure, which is not a pass.
    Void,
}

/// An assertion, for one transport, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// As written.
    pub assertion: Assertion,
    /// The transport that it was checked for.
    pub transport: Transport,
    /// The cell it was checked in, for a metric of latency.
    pub cell: String,
    /// Events in flight, for a metric of throughput or cost.
    pub in_flight: u32,
    /// The figure, if there is a valid one.
    pub value: Option<f64>,
    /// Whether it passes.
    pub outcome: Outcome,
}

pub(super) fn check(run: &Run) -> Vec<Checked> {
    run.scenario.assertions.iter().flat_map(|assertion| each_transport(run, assertion)).collect()
}

fn each_transport(run: &Run, assertion: &Assertion) -> Vec<Checked> {
    let asked = |transport: &&Transport| match assertion.transport {
        Some(one) => one == **transport,
        // Long polling has no raw ratio, so an assertion about every transport leaves it out.
        None => assertion.metric != Metric::RawRatio || **transport != Transport::Poll,
    };
    run.scenario.transports.iter().filter(asked).map(|transport| one(run, assertion, *transport)).collect()
}

fn one(run: &Run, assertion: &Assertion, transport: Transport) -> Checked {
    let cell = assertion.cell.as_deref().unwrap_or_else(|| first_cell(run)).to_owned();
    let in_flight = assertion.in_flight.unwrap_or(1);
    let subject = Subject { metric: assertion.metric, cell: &cell, in_flight };
    let value = figure(run, subject, transport).map(|figure| figure.value);
    let holds = |value: f64| {
        assertion.at_most.is_none_or(|most| value <= most)
            && assertion.at_least.is_none_or(|least| value >= least)
    };
    let outcome = match value {
        None => Outcome::Void,
        Some(value) if holds(value) => Outcome::Pass,
        Some(_) => Outcome::Fail,
    };
    Checked { assertion: assertion.clone(), transport, cell, in_flight, value, outcome }
}
