//! One direction of a link: what happens to a packet, and when it comes out. Pure but for the instants that it is given.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Packets that are on their way at most; one more is dropped.
pub(super) const HELD_PACKETS_MAX: usize = 16_384;

/// What a path does to packets. Without anything set they pass as they come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Terms {
    pub(super) delay: Duration,
    /// Up to so much more, by chance; the order stays.
    pub(super) jitter: Duration,
    /// Of 100 packets so many are lost, by chance, each for itself.
    pub(super) loss_percent: f64,
    /// Of 100 packets so many are overtaken by those of the next [`Terms::late`].
    pub(super) reorder_percent: f64,
    pub(super) late: Duration,
    /// Lets no more through than this.
    pub(super) bytes_per_s: Option<u64>,
    /// Bytes that wait for the line at most where its rate is limited; what comes on top is dropped.
    pub(super) queue_bytes: u64,
}

/// What has happened to packets so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) lost: u64,
    /// Found the queue full.
    pub(super) dropped: u64,
    pub(super) overtaken: u64,
}

/// A packet on its way: when it comes out, its place among those of the same time, and its bytes.
type Held = Reverse<(Instant, u64, Vec<u8>)>;

/// The packets of one direction.
#[derive(Debug)]
pub(super) struct Path {
    terms: Terms,
    chance: fastrand::Rng,
    on_the_way: BinaryHeap<Held>,
    came: u64,
    /// When the line is free for the next packet, where its rate is limited.
    free_at: Option<Instant>,
    last_out: Option<Instant>,
    pub(super) counts: Counts,
}

impl Path {
    pub(super) fn new(terms: Terms, seed: u64) -> Self {
        Self {
            terms,
            chance: fastrand::Rng::with_seed(seed),
            on_the_way: BinaryHeap::new(),
            came: 0,
            free_at: None,
            last_out: None,
            counts: Counts::default(),
        }
    }

    fn happens(&mut self, percent: f64) -> bool {
        percent > 0.0 && self.chance.f64() * 100.0 < percent
    }

    /// A packet has come.
    pub(super) fn take(&mut self, now: Instant, packet: &[u8]) {
        self.came += 1;
        // The queue comes before the way on which packets are lost, so a lost one has used the line all the same.
        let Some(sent) = self.sent(now, packet.len()).filter(|_| self.on_the_way.len() < HELD_PACKETS_MAX)
        else {
            self.counts.dropped += 1;
            return;
        };
        if self.happens(self.terms.loss_percent) {
            self.counts.lost += 1;
            return;
        }
        let jitter = if self.terms.jitter.is_zero() { 0.0 } else { self.chance.f64() };
        let out = sent + self.terms.delay + self.terms.jitter.mul_f64(jitter);
        let mut out = self.last_out.map_or(out, |last| out.max(last));
        if self.happens(self.terms.reorder_percent) {
            self.counts.overtaken += 1;
            out += self.terms.late;
        } else {
            self.last_out = Some(out);
        }
        self.on_the_way.push(Reverse((out, self.came, packet.to_vec())));
    }

    /// When the last bit of a packet is on the line; `None` where it finds no room to wait for it.
    fn sent(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.terms.bytes_per_s else { return Some(now) };
        let begins = self.free_at.map_or(now, |free| free.max(now));
        let waiting = (begins - now).as_secs_f64() * rate as f64;
        if waiting + bytes as f64 > self.terms.queue_bytes as f64 {
            return None;
        }
        let free = begins + Duration::from_secs_f64(bytes as f64 / rate as f64);
        self.free_at = Some(free);
        Some(free)
    }

    /// The next packet whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.next_at().filter(|out| *out <= now)?;
        let Reverse((_, _, packet)) = self.on_the_way.pop()?;
        self.counts.passed += 1;
        Some(packet)
    }

    /// When the next packet comes out.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.on_the_way.peek().map(|Reverse((out, _, _))| *out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn out(path: &mut Path, now: Instant) -> Vec<u8> {
        std::iter::from_fn(|| path.due(now)).map(|packet| packet[0]).collect()
    }

    #[test]
    fn packets_come_out_late_and_in_order() {
        let start = Instant::now();
        let mut path = Path::new(Terms { delay: 20 * MS, jitter: 30 * MS, ..Terms::default() }, 1);
        (0..100_u8).for_each(|n| path.take(start + MS * u32::from(n), &[n]));
        assert_eq!(out(&mut path, start + 19 * MS), b"");
        let early = out(&mut path, start + 60 * MS);
        assert!(!early.is_empty() && early.len() <= 41, "{early:?}");
        let late = out(&mut path, start + 149 * MS);
        assert_eq!([early, late].concat(), (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn as_many_are_lost_as_was_asked_for_and_the_same_with_the_same_seed() {
        let survivors = |seed| {
            let (mut path, now) =
                (Path::new(Terms { loss_percent: 10.0, ..Terms::default() }, seed), Instant::now());
            (0..10_000_u32).for_each(|n| path.take(now, &[n as u8]));
            let counts = path.counts;
            (out(&mut path, now), counts.lost)
        };
        let (left, lost) = survivors(3);
        assert!((850..1150).contains(&lost), "{lost}");
        assert_eq!(left.len() as u64 + lost, 10_000);
        assert!(survivors(3).0 == left && survivors(4).0 != left);
    }

    #[test]
    fn a_packet_that_is_late_is_overtaken() {
        let now = Instant::now();
        let terms = Terms { delay: 10 * MS, reorder_percent: 20.0, late: 5 * MS, ..Terms::default() };
        let mut path = Path::new(terms, 1);
        (0..100_u8).for_each(|n| path.take(now + MS * u32::from(n), &[n]));
        let order = out(&mut path, now + 200 * MS);
        assert!(!order.is_sorted());
        assert!((5..40).contains(&path.counts.overtaken), "{:?}", path.counts);
        let mut all = order;
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn a_line_takes_its_time_and_its_queue_is_bounded() {
        let now = Instant::now();
        let terms = Terms { bytes_per_s: Some(100_000), queue_bytes: 5000, ..Terms::default() };
        let mut path = Path::new(terms, 1);
        (0..10_u8).for_each(|n| path.take(now, &[n; 1000]));
        assert_eq!(path.counts.dropped, 5);
        assert_eq!(out(&mut path, now + 25 * MS), [0, 1]);
        assert_eq!(out(&mut path, now + 50 * MS), [2, 3, 4]);
    }
}
