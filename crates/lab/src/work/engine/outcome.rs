//! What a visit came to.

use super::Engine;
use crate::error::Result;
use crate::result::{Bytes, Integrity, Latency, Publishing, Recovery, Slice, Tcp};
use crate::work::subscriber::Shared;

/// Length of a slice of time.
const SLICE_US: u64 = 250_000;
const SLICES_MAX: u64 = 4096;

/// What a visit came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) integrity: Integrity,
    pub(crate) faults: Vec<String>,
    pub(crate) latency: Latency,
    pub(crate) since_sent: Latency,
    pub(crate) slices: Vec<Slice>,
    pub(crate) deliveries: u64,
    pub(crate) answers: u64,
    pub(crate) bytes: Bytes,
    pub(crate) busy_ns: u64,
    pub(crate) late_us_max: u64,
    pub(crate) silence_us: u64,
    pub(crate) tcp: Option<Tcp>,
    pub(crate) recovery: Option<Recovery>,
}

impl Engine<'_> {
    fn account(&self) -> Integrity {
        let published = self.publisher.accepted + self.in_band;
        let mut account = Integrity {
            published,
            refused: self.publisher.refused + self.publisher.unanswered(),
            missed_ticks: self.missed_ticks,
            ..Integrity::default()
        };
        let ordered = self.spec.publishing == Publishing::Post;
        for one in &self.subscribers {
            one.ledger.add_to(&mut account, one.due(published), ordered);
        }
        account
    }

    pub(super) fn outcome(mut self, busy_ns: u64, tcp: Option<Tcp>) -> Result<Outcome> {
        let integrity = self.account();
        let mut faults = integrity.faults();
        if !self.spec.breaks && self.shared.breaks > 0 {
            faults.push(format!("{} streams ended", self.shared.breaks));
        }
        if !faults.is_empty() {
            faults.extend(self.publisher.refusal.clone());
            faults.extend(self.shared.fault.clone());
        }
        let told_lost = self.subscribers.iter().map(|one| one.ledger.told_lost).sum();
        let recovery = (self.spec.breaks || self.spec.slow.is_some()).then(|| -> Result<Recovery> {
            let stored = |latency: &Latency| (latency.count() > 0).then(|| latency.store()).transpose();
            Ok(Recovery {
                breaks: self.shared.breaks,
                attempts: self.shared.attempts,
                reconnect: stored(&self.shared.reconnect)?,
                catch_up: stored(&self.shared.catch_up)?,
                told_lost,
                made_up: self.shared.made_up,
            })
        });
        let slices = slices(std::mem::take(&mut self.shared.samples));
        let Shared { latency, since_sent, deliveries, answers, bytes, read_bytes, silence_us, .. } =
            self.shared;
        let known = bytes.payload + bytes.envelope + bytes.head_down;
        Ok(Outcome {
            integrity,
            faults,
            latency,
            since_sent,
            slices,
            deliveries,
            answers,
            bytes: Bytes { framing: read_bytes.saturating_sub(known), ..bytes },
            busy_ns,
            late_us_max: self.late_ns_max / 1000,
            silence_us,
            tcp,
            recovery: recovery.transpose()?,
        })
    }
}

/// Latency over time.
fn slices(mut samples: Vec<(u64, u64)>) -> Vec<Slice> {
    let slice_of = |at_us: u64| (at_us / SLICE_US).min(SLICES_MAX - 1);
    samples.sort_unstable_by_key(|(at_us, us)| (slice_of(*at_us), *us));
    let of_slice = samples.chunk_by(|a, b| slice_of(a.0) == slice_of(b.0));
    let slice = |samples: &[(u64, u64)]| {
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize].1;
        let at_ms = u32::try_from(slice_of(samples[0].0) * SLICE_US / 1000).unwrap_or(u32::MAX);
        Slice { at_ms, p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
    };
    of_slice.map(slice).collect()
}
