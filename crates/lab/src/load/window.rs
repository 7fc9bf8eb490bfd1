//! The measured window of a visit: what arrives while it is open.

use super::event::Sighting;
use crate::result::{Bytes, Latency, Slice};

/// Length of a slice of time, for latency over time.
const SLICE_US: u64 = 250_000;
/// Slices of a window at most; later ones join the last.
const SLICES_MAX: usize = 4096;

/// Figures gathered over all subscribers while the window is open.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Intended time of the window's first event; earlier ones are warm-up and are not recorded.
    pub(crate) from_us: u64,
    pub(crate) latency: Latency,
    /// The same from the time at which the request left.
    pub(crate) since_sent: Latency,
    pub(crate) deliveries: u64,
    pub(crate) answers: u64,
    pub(crate) bytes: Bytes,
    /// All bytes read, of which [`Self::bytes`] knows the events and the heads; the rest is framing.
    pub(crate) read: u64,
    slices: Vec<Vec<u32>>,
}

impl Window {
    /// An empty window of the events intended for this time and later.
    pub(crate) fn open(from_us: u64) -> Self {
        Self { from_us, ..Self::default() }
    }

    /// Enters one delivery of an event of `event_bytes`, with `payload` of them `data`.
    pub(crate) fn delivery(&mut self, seen: &Sighting, now_us: u64, event_bytes: usize, payload: usize) {
        let intended_us = seen.intended_us;
        if intended_us < self.from_us {
            return;
        }
        let us = now_us.saturating_sub(intended_us);
        self.latency.record(us);
        self.since_sent.record(now_us.saturating_sub(seen.sent_us));
        self.deliveries += 1;
        self.bytes.payload += payload as u64;
        self.bytes.envelope += event_bytes.saturating_sub(payload) as u64;
        let slice = usize::try_from((intended_us - self.from_us) / SLICE_US).unwrap_or(usize::MAX);
        let slice = slice.min(SLICES_MAX - 1);
        if self.slices.len() <= slice {
            self.slices.resize_with(slice + 1, Vec::new);
        }
        self.slices[slice].push(u32::try_from(us).unwrap_or(u32::MAX));
    }

    /// The window's bytes, framing filled in.
    pub(crate) fn bytes(&self) -> Bytes {
        let known = self.bytes.payload + self.bytes.envelope + self.bytes.head_down;
        Bytes { framing: self.read.saturating_sub(known), ..self.bytes }
    }

    /// Latency over time.
    pub(crate) fn slices(&mut self) -> Vec<Slice> {
        let filled = self.slices.iter_mut().enumerate().filter(|(_, samples)| !samples.is_empty());
        filled.map(|(index, samples)| slice(index, samples)).collect()
    }
}

fn slice(index: usize, samples: &mut [u32]) -> Slice {
    samples.sort_unstable();
    let at = |share: f64| u64::from(samples[((samples.len() - 1) as f64 * share).round() as usize]);
    let at_ms = u32::try_from(index as u64 * SLICE_US / 1000).unwrap_or(u32::MAX);
    Slice { at_ms, p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_left_out_and_the_rest_is_split() {
        let mut window = Window { from_us: 1000, read: 500, ..Window::default() };
        let seen = |intended_us| Sighting {
            epoch: *b"abcdefgh",
            offset: 1,
            intended_us,
            sent_us: intended_us + 100,
        };
        window.delivery(&seen(999), 1500, 120, 100);
        window.delivery(&seen(1000), 1500, 120, 100);
        window.delivery(&seen(1000 + SLICE_US), 1700 + SLICE_US, 120, 100);
        assert_eq!((window.since_sent.count(), window.since_sent.max()), (2, 600));
        assert_eq!((window.deliveries, window.latency.count(), window.latency.max()), (2, 2, 700));
        let bytes = window.bytes();
        assert_eq!((bytes.payload, bytes.envelope, bytes.framing, bytes.total()), (200, 40, 260, 500));
        let slices = window.slices();
        assert_eq!(slices.iter().map(|s| (s.at_ms, s.max_us)).collect::<Vec<_>>(), [(0, 500), (250, 700)]);
    }
}
