//! Latency histograms: three significant digits from one microsecond up, stored in HdrHistogram's V2 encoding as
//! base64, so that any HdrHistogram reader takes them. They are merged, never averaged.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};

/// The largest latency that is recorded exactly, microseconds; larger ones count as this.
const LATENCY_US_MAX: u64 = 120_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Recorded latencies in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency(Histogram<u64>);

/// A histogram as it stands in a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredHistogram {
    /// Number of recorded values, for readers without an HdrHistogram library.
    pub count: u64,
    /// V2 encoding (uncompressed), base64.
    pub v2: String,
}

impl Latency {
    /// An empty histogram.
    pub fn new() -> Self {
        let bounds = Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS);
        Self(
            bounds.expect(
                "a lower bound of 1, an upper bound of over twice that and 3 digits are always accepted",
            ),
        )
    }

    /// Records one latency in microseconds. Zero counts as the smallest unit.
    pub fn record(&mut self, us: u64) {
        self.0.saturating_record(us.max(1));
    }

    /// Adds all values of another histogram.
    pub fn merge(&mut self, other: &Self) {
        let merged = self.0.add(&other.0);
        merged.expect("all histograms of this type have the same bounds");
    }

    /// The number of recorded values.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value, in microseconds, that `quantile` (0 to 1) of the recorded ones do not exceed.
    pub fn at(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The largest recorded value, microseconds.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The number of recorded values above this one, microseconds, within the histogram's resolution.
    pub fn above(&self, us: u64) -> u64 {
        self.0.count_between(us.saturating_add(1), LATENCY_US_MAX)
    }

    /// Points of the distribution: quantile reached, value in microseconds, values up to there.
    pub fn steps(&self) -> Vec<(f64, u64, u64)> {
        let steps = self.0.iter_quantiles(5);
        let mut total = 0;
        let point = steps.map(|step| {
            total += step.count_since_last_iteration();
            (step.quantile_iterated_to(), step.value_iterated_to(), total)
        });
        point.collect()
    }

    /// The stored form.
    ///
    /// # Errors
    /// None in practice: writing goes to memory.
    pub fn store(&self) -> Result<StoredHistogram> {
        let mut bytes = Vec::new();
        let written = V2Serializer::new().serialize(&self.0, &mut bytes);
        written.map_err(|e| LabError::Render(format!("histogram: {e}")))?;
        Ok(StoredHistogram { count: self.count(), v2: STANDARD.encode(bytes) })
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl StoredHistogram {
    /// The histogram again.
    ///
    /// # Errors
    /// Text that is not base64, not a V2 histogram, or holds another number of values than it says.
    pub fn load(&self) -> Result<Latency> {
        let wrong = |detail: String| LabError::Render(format!("histogram: {detail}"));
        let bytes = STANDARD.decode(&self.v2).map_err(|e| wrong(e.to_string()))?;
        let read: Histogram<u64> =
            Deserializer::new().deserialize(&mut Cursor::new(bytes)).map_err(|e| wrong(e.to_string()))?;
        let mut latency = Latency::new();
        latency.0.add(&read).map_err(|e| wrong(e.to_string()))?;
        if latency.count() == self.count {
            Ok(latency)
        } else {
            Err(wrong("`count` does not match".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_equals_recording_together() {
        let (mut left, mut right, mut both) = (Latency::new(), Latency::new(), Latency::new());
        for us in 1..2000_u64 {
            if us % 3 == 0 {
                left.record(us * us);
            } else {
                right.record(us * us);
            }
            both.record(us * us);
        }
        left.merge(&right);
        assert_eq!(left, both);
        assert_eq!(left.at(0.5), both.at(0.5));
    }

    #[test]
    fn what_is_stored_is_what_was_recorded() {
        let mut latency = Latency::new();
        for us in [0, 1, 17, 400, 90_000, u64::MAX] {
            latency.record(us);
        }
        let stored = latency.store().unwrap();
        assert_eq!(stored.load().unwrap(), latency);
        let lying = StoredHistogram { count: 5, ..stored.clone() };
        assert!(lying.load().is_err());
        assert!(StoredHistogram { v2: "AAAA".to_owned(), ..stored }.load().is_err());
    }

    #[test]
    fn steps_rise_and_end_at_all_values() {
        let mut latency = Latency::new();
        (1..=10_000).for_each(|us| latency.record(us));
        let steps = latency.steps();
        assert!(steps.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert_eq!(steps.last().unwrap().2, 10_000);
    }
}
