//! One direction's queue: what is on its way, and when it may leave. Pure but for the instants that it is given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::answers::Answers;
use super::{HELD_BYTES_MAX, Hold, OneWay};

/// Pieces of a slow line: about a segment, so that its bytes trickle instead of jumping.
const TRICKLE_BYTES: usize = 1448;

/// Bytes that are on their way together.
#[derive(Debug)]
struct Piece {
    came: Instant,
    /// Its share of the jitter, 0 to 1.
    chance: f64,
    leaves: Instant,
    bytes: Vec<u8>,
}

/// The terms that decide when a piece leaves.
type Timing = (u64, u64, Option<u64>);

fn timing(terms: &OneWay) -> Timing {
    (terms.latency_ms, terms.jitter_ms, terms.bytes_per_s)
}

/// Bytes on their way.
#[derive(Debug)]
pub(super) struct Line {
    on_the_way: VecDeque<Piece>,
    /// The terms that the pieces' times were reckoned by.
    reckoned_by: Timing,
    /// Held back by a [`Hold`], and since when.
    held: Vec<u8>,
    held_since: Option<Instant>,
    bytes: u64,
    /// When the line is free for the next byte, where its rate is limited.
    free_at: Option<Instant>,
    last_leaves: Option<Instant>,
    chance: fastrand::Rng,
    answers: Option<Answers>,
}

impl Line {
    /// An empty line. One that carries HTTP answers lets whole ones through a [`Hold`].
    pub(super) fn new(seed: u64, carries_answers: bool) -> Self {
        Self {
            on_the_way: VecDeque::new(),
            reckoned_by: timing(&OneWay::default()),
            held: Vec::new(),
            held_since: None,
            bytes: 0,
            free_at: None,
            last_leaves: None,
            chance: fastrand::Rng::with_seed(seed),
            answers: carries_answers.then(Answers::default),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether it takes another piece.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < HELD_BYTES_MAX
    }

    /// A piece has come.
    pub(super) fn push(&mut self, now: Instant, piece: &[u8], terms: &OneWay) {
        self.reckon_again(now, terms);
        self.bytes += piece.len() as u64;
        let is_whole = self.answers.as_mut().is_some_and(|answers| answers.take(piece));
        if terms.hold.is_some() {
            self.held.extend_from_slice(piece);
            self.held_since.get_or_insert(now);
            if is_whole {
                self.let_go(now, terms);
            }
        } else {
            self.let_go(now, terms);
            self.send(now, piece, terms);
        }
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self, now: Instant, terms: &OneWay) {
        self.let_go(now, terms);
    }

    /// Puts what was held on its way.
    fn let_go(&mut self, now: Instant, terms: &OneWay) {
        let held = std::mem::take(&mut self.held);
        self.held_since = None;
        self.send(now, &held, terms);
    }

    fn send(&mut self, now: Instant, bytes: &[u8], terms: &OneWay) {
        let step = if terms.bytes_per_s.is_some() { TRICKLE_BYTES } else { bytes.len().max(1) };
        for bytes in bytes.chunks(step) {
            let chance = if terms.jitter_ms == 0 { 0.0 } else { self.chance.f64() };
            let mut piece = Piece { came: now, chance, leaves: now, bytes: bytes.to_vec() };
            piece.leaves = self.leaves(&piece, terms);
            self.on_the_way.push_back(piece);
        }
    }

    /// When a piece leaves: never before the one in front of it.
    fn leaves(&mut self, piece: &Piece, terms: &OneWay) -> Instant {
        let jitter = piece.chance * terms.jitter_ms as f64;
        let mut leaves =
            piece.came + Duration::from_millis(terms.latency_ms) + Duration::from_secs_f64(jitter / 1e3);
        if let Some(rate) = terms.bytes_per_s {
            let begins = self.free_at.map_or(piece.came, |free| free.max(piece.came));
            let free = begins + Duration::from_secs_f64(piece.bytes.len() as f64 / rate as f64);
            self.free_at = Some(free);
            leaves += free - piece.came;
        }
        let leaves = self.last_leaves.map_or(leaves, |last| leaves.max(last));
        self.last_leaves = Some(leaves);
        leaves
    }

    /// Where the terms have changed, reckons anew when the pieces leave that are on their way. What was eased frees them,
    /// and nothing leaves later than it would have.
    fn reckon_again(&mut self, now: Instant, terms: &OneWay) {
        if self.reckoned_by == timing(terms) {
            return;
        }
        self.reckoned_by = timing(terms);
        self.last_leaves = None;
        // What has left has had its time: the line is free for the first of those that wait.
        let was_free_at = self.free_at.replace(now);
        let mut waiting = std::mem::take(&mut self.on_the_way);
        for piece in &mut waiting {
            piece.leaves = piece.leaves.min(self.leaves(piece, terms));
        }
        self.on_the_way = waiting;
        self.last_leaves = self.on_the_way.back().map(|piece| piece.leaves);
        self.free_at = was_free_at.zip(self.free_at).map(|(was, is)| was.min(is));
    }

    /// The next piece whose time has come. It counts as gone.
    pub(super) fn due(&mut self, now: Instant, terms: &OneWay) -> Option<Vec<u8>> {
        self.reckon_again(now, terms);
        if self.held_is_due(now, terms.hold) {
            self.let_go(now, terms);
        }
        self.on_the_way.front().filter(|piece| piece.leaves <= now)?;
        let piece = self.on_the_way.pop_front()?;
        self.bytes -= piece.bytes.len() as u64;
        Some(piece.bytes)
    }

    fn held_is_due(&self, now: Instant, hold: Option<Hold>) -> bool {
        let Some(since) = self.held_since else { return false };
        hold.is_none_or(|hold| {
            self.held.len() as u64 >= hold.bytes || now >= since + Duration::from_millis(hold.ms)
        })
    }

    /// When there may be something to do; `None` where only a new piece can change that.
    pub(super) fn next_at(&self, terms: &OneWay) -> Option<Instant> {
        let front = self.on_the_way.front().map(|piece| piece.leaves);
        let held =
            self.held_since.zip(terms.hold).map(|(since, hold)| since + Duration::from_millis(hold.ms));
        front.into_iter().chain(held).min()
    }

    /// Forgets everything that is on its way.
    pub(super) fn lose(&mut self) {
        self.on_the_way.clear();
        self.held.clear();
        (self.held_since, self.bytes) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn all_due(line: &mut Line, now: Instant, terms: &OneWay) -> Vec<u8> {
        std::iter::from_fn(|| line.due(now, terms)).flatten().collect()
    }

    #[test]
    fn a_delay_is_one_delay_and_not_one_a_piece() {
        let (start, terms) = (Instant::now(), OneWay { latency_ms: 200, ..OneWay::default() });
        let mut line = Line::new(1, false);
        for ms in 0..10 {
            line.push(at(start, ms), b"x", &terms);
        }
        assert_eq!(line.next_at(&terms), Some(at(start, 200)));
        assert_eq!(all_due(&mut line, at(start, 199), &terms), b"");
        assert_eq!(all_due(&mut line, at(start, 204), &terms).len(), 5);
        assert_eq!(all_due(&mut line, at(start, 209), &terms).len(), 5);
        assert!(line.is_empty());
    }

    #[test]
    fn jitter_keeps_the_order_and_its_bound() {
        let (start, terms) = (Instant::now(), OneWay { latency_ms: 10, jitter_ms: 50, ..OneWay::default() });
        let mut line = Line::new(7, false);
        (0..100_u8).for_each(|n| line.push(at(start, u64::from(n)), &[n], &terms));
        let leaves: Vec<Instant> = line.on_the_way.iter().map(|piece| piece.leaves).collect();
        assert!(leaves.is_sorted());
        let delays = || leaves.iter().zip(0..).map(|(leaves, n)| *leaves - at(start, n));
        assert!(delays().all(|delay| (10..=60).contains(&delay.as_millis())), "{:?}", delays().max());
        assert!(delays().any(|delay| delay.as_millis() > 40), "there is no chance in it");
        assert_eq!(all_due(&mut line, at(start, 1000), &terms), (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn a_rate_holds_over_time() {
        let (start, terms) = (Instant::now(), OneWay { bytes_per_s: Some(10_000), ..OneWay::default() });
        let mut line = Line::new(1, false);
        line.push(start, &[0; 20_000], &terms);
        let half = all_due(&mut line, at(start, 1000), &terms).len();
        assert!((8_000..=10_000).contains(&half), "{half}");
        assert_eq!(all_due(&mut line, at(start, 2000), &terms).len(), 20_000 - half);
    }

    #[test]
    fn what_is_eased_frees_what_waits() {
        let slow = OneWay { bytes_per_s: Some(1000), ..OneWay::default() };
        let (start, plain) = (Instant::now(), OneWay::default());
        let mut line = Line::new(1, false);
        line.push(start, &[0; 20_000], &slow);
        assert_eq!(all_due(&mut line, at(start, 100), &slow), b"");
        let faster = OneWay { bytes_per_s: Some(10_000), ..plain };
        let second = all_due(&mut line, at(start, 1100), &faster).len();
        assert!(second <= TRICKLE_BYTES, "a rate is not made up for: {second}");
        let later = second + all_due(&mut line, at(start, 2100), &faster).len();
        assert!((8_000..=10_000 + TRICKLE_BYTES).contains(&later), "{later}");
        assert_eq!(later + all_due(&mut line, at(start, 2100), &plain).len(), 20_000);
        let far = OneWay { latency_ms: 600_000, jitter_ms: 100, ..plain };
        line.push(at(start, 3000), b"far", &far);
        let near = OneWay { latency_ms: 50, ..plain };
        assert_eq!(all_due(&mut line, at(start, 3049), &near), b"");
        assert_eq!(all_due(&mut line, at(start, 3050), &near), b"far");
        line.push(at(start, 4000), b"far", &far);
        assert_eq!(all_due(&mut line, at(start, 4000), &plain), b"far");
    }

    #[test]
    fn what_is_made_worse_holds_for_what_comes_later() {
        let (start, plain) = (Instant::now(), OneWay { latency_ms: 100, ..OneWay::default() });
        let mut line = Line::new(1, false);
        line.push(start, b"1", &plain);
        let far = OneWay { latency_ms: 500, ..plain };
        line.push(at(start, 10), b"2", &far);
        assert_eq!(all_due(&mut line, at(start, 100), &far), b"1");
        assert_eq!(all_due(&mut line, at(start, 509), &far), b"");
        assert_eq!(all_due(&mut line, at(start, 510), &far), b"2");
    }

    #[test]
    fn a_hold_ends_by_size_or_by_time_or_with_the_connection() {
        let hold = Some(Hold { bytes: 10, ms: 1000 });
        let (start, terms) = (Instant::now(), OneWay { hold, ..OneWay::default() });
        let mut line = Line::new(1, false);
        line.push(start, b"12345", &terms);
        assert_eq!(all_due(&mut line, at(start, 999), &terms), b"");
        assert_eq!(line.next_at(&terms), Some(at(start, 1000)));
        line.push(at(start, 999), b"67890", &terms);
        assert_eq!(all_due(&mut line, at(start, 999), &terms), b"1234567890");
        line.push(at(start, 1000), b"a", &terms);
        assert_eq!(all_due(&mut line, at(start, 1999), &terms), b"");
        assert_eq!(all_due(&mut line, at(start, 2000), &terms), b"a");
        line.push(at(start, 2000), b"b", &terms);
        line.end(at(start, 2001), &terms);
        assert_eq!(all_due(&mut line, at(start, 2001), &terms), b"b");
    }

    #[test]
    fn a_hold_lets_whole_answers_and_tunnels_through() {
        let hold = Some(Hold { bytes: 10_000, ms: 10_000 });
        let (now, terms) = (Instant::now(), OneWay { hold, ..OneWay::default() });
        let mut line = Line::new(1, true);
        line.push(now, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", &terms);
        assert_eq!(all_due(&mut line, now, &terms), b"", "half an answer");
        line.push(now, b"cd", &terms);
        assert!(all_due(&mut line, now, &terms).ends_with(b"abcd"));
        line.push(now, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", &terms);
        assert_eq!(all_due(&mut line, now, &terms), b"", "a stream");
        let mut tunnel = Line::new(1, true);
        tunnel.push(now, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", &terms);
        tunnel.push(now, b"\x81\x01x", &terms);
        assert!(all_due(&mut tunnel, now, &terms).ends_with(b"x"));
    }
}
