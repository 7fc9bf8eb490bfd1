//! The advisor: which transport for a case, and what it would cost, computed from the measured rows of a run.
//!
//! It is a pure function of a stored run and a question. It shows the rows that it rests on, names every step from
//! them to the answer as an assumption, and knows two answers beside a name: that the differences do not matter for
//! this case, and that the run has no figure to tell from.
//!
//! The rule: a transport falls behind another by a criterion where it is measurably worse (outside the noise, with
//! intervals apart) and the difference, at the size of the question, is more than [`MATTERS`] says anybody minds. Who
//! is behind by the fewest criteria leads; what cannot work at all comes last.

mod answer;
mod measured;
#[cfg(test)]
mod tests;
mod words;

pub use self::answer::{
    Advice, Assumption, AssumptionKind, Basis, Behind, Choice, Criterion, Estimate, MeasuredRow, Standing,
    Unfit,
};
pub use self::words::{AdviceText, OptionText, RowText, in_words};

use serde::{Deserialize, Serialize};

use self::measured::Measured;
use crate::result::{Run, Transport};

/// A case to be advised on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Connected clients.
    pub clients: u32,
    /// Events that each client receives, a second; below 1 for rarer ones.
    pub rate: f64,
    /// Bytes of an event's `data`.
    pub payload: u32,
    /// Whether clients send as well.
    #[serde(default)]
    pub two_way: TwoWay,
    /// What stands between clients and server.
    #[serde(default)]
    pub proxies: Proxies,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            clients: 1000,
            rate: 1.0,
            payload: 300,
            two_way: TwoWay::default(),
            proxies: Proxies::default(),
        }
    }
}

/// Whether clients send as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TwoWay {
    /// They send often.
    Yes,
    /// They only receive, or send so rarely that a request of its own does not matter.
    No,
    /// It is not known yet.
    #[default]
    Unknown,
}

/// What stands between clients and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proxies {
    /// Nothing.
    None,
    /// Proxies that one may configure.
    Known,
    /// One that holds answers back until they end or are large.
    Buffering,
    /// Whatever there may be.
    #[default]
    Unknown,
}

/// Differences that somebody minds; smaller ones decide nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matters {
    /// Cores of a server.
    pub cores: f64,
    /// GiB of a server's memory.
    pub gib: f64,
    /// Mbit a second.
    pub mbit_s: f64,
    /// Milliseconds of latency at the 99th percentile.
    pub p99_ms: f64,
    /// Milliseconds until half of the clients are back after a break.
    pub back_ms: f64,
    /// Share of the best, whatever is measured: for very many clients every difference passes the numbers above, and what
    /// is extrapolated so far is no more exact than this.
    pub share: f64,
}

/// What the advisor takes for a difference that matters: one that passes both the number and the share.
pub const MATTERS: Matters =
    Matters { cores: 0.1, gib: 0.5, mbit_s: 5.0, p99_ms: 10.0, back_ms: 500.0, share: 0.1 };

/// The largest number of clients that a question may have.
pub const CLIENTS_MAX: u32 = 100_000_000;
/// The largest rate that a question may have, events a second for each client.
pub const RATE_MAX: f64 = 1_000_000.0;
/// The largest payload that a question may have, bytes.
pub const PAYLOAD_MAX: u32 = 16 << 20;

impl Question {
    /// What is wrong with it, by the name of the field; `None` where it can be answered.
    pub fn fault(&self) -> Option<String> {
        if !(1..=CLIENTS_MAX).contains(&self.clients) {
            return Some(format!("`clients` is {}, and must be 1 to {CLIENTS_MAX}", self.clients));
        }
        if !(self.rate > 0.0 && self.rate <= RATE_MAX) {
            return Some(format!("`rate` is {:?}, and must be above 0 and at most {RATE_MAX}", self.rate));
        }
        (self.payload > PAYLOAD_MAX)
            .then(|| format!("`payload` is {}, and must be at most {PAYLOAD_MAX}", self.payload))
    }

    /// Deliveries a second to all clients together.
    pub fn deliveries(&self) -> f64 {
        f64::from(self.clients) * self.rate
    }
}

/// The newest stored result that the program brings along: the sample report's run.
///
/// # Errors
/// A sample of another format, which a test excludes.
pub fn sample() -> crate::Result<Run> {
    let text = include_str!("../../../../docs/report/run.json");
    serde_json::from_str(text).map_err(|e| crate::LabError::Render(format!("the embedded sample: {e}")))
}

/// Advises on a question, from the measured rows of a run. A question with a [fault](Question::fault) gets figures
/// that mean nothing; ask first.
pub fn advise(run: &Run, question: &Question) -> Advice {
    let measured: Vec<Measured> =
        run.scenario.transports.iter().map(|t| Measured::of(run, question, *t)).collect();
    let mut choices: Vec<Choice> = measured.iter().map(|one| one.choice(&measured, question)).collect();
    let preference = |t: Transport| preferred(question).iter().position(|p| *p == t);
    choices.sort_by_key(|c| {
        (c.unfit.is_some(), c.estimate.is_unknown(), c.behind.len(), preference(c.transport))
    });
    let (standing, recommended) = standing(&choices);
    let mut assumptions: Vec<Assumption> = Vec::new();
    for assumption in measured.iter().flat_map(|one| &one.assumptions).chain(&general(run, question)) {
        if !assumptions.iter().any(|known| known.kind == assumption.kind) {
            assumptions.push(*assumption);
        }
    }
    Advice {
        question: *question,
        basis: Basis {
            run: run.id.clone(),
            started: run.started.clone(),
            cpu: run.environment.cpu.clone().unwrap_or_default(),
            scenario: run.scenario.name.clone(),
            repetitions: run.scenario.repetitions,
            partial: run.partial,
            synthetic: run.synthetic,
        },
        standing,
        recommended,
        choices,
        rows: measured.into_iter().flat_map(|one| one.rows).collect(),
        assumptions,
    }
}

/// Among transports that the figures cannot tell apart: a WebSocket where clients send too, since it carries both
/// ways; else SSE, which a browser reconnects by itself.
fn preferred(question: &Question) -> [Transport; 3] {
    match question.two_way {
        TwoWay::Yes => [Transport::Websocket, Transport::Sse, Transport::Poll],
        TwoWay::No | TwoWay::Unknown => [Transport::Sse, Transport::Websocket, Transport::Poll],
    }
}

fn standing(choices: &[Choice]) -> (Standing, Vec<Transport>) {
    let known: Vec<&Choice> =
        choices.iter().filter(|c| c.unfit.is_none() && !c.estimate.is_unknown()).collect();
    let Some(first) = known.first() else { return (Standing::Unknown, Vec::new()) };
    let lead: Vec<Transport> =
        known.iter().filter(|c| c.behind.len() == first.behind.len()).map(|c| c.transport).collect();
    match lead.len() {
        1 => (Standing::Best, lead),
        all if all == choices.len() => (Standing::NoDifference, lead),
        _ => (Standing::Tied, lead),
    }
}

/// Assumptions that hold whatever the figures are.
fn general(run: &Run, question: &Question) -> Vec<Assumption> {
    let mut all =
        vec![Assumption { kind: AssumptionKind::ThisMachine, value: f64::from(run.environment.cores) }];
    if question.two_way == TwoWay::Unknown {
        all.push(Assumption { kind: AssumptionKind::TwoWayUnknown, value: 0.0 });
    }
    all.push(Assumption { kind: AssumptionKind::Matters, value: MATTERS.share * 100.0 });
    all.push(Assumption { kind: AssumptionKind::TieBreak, value: 0.0 });
    all
}
