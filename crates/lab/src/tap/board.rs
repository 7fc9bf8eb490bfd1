//! Who is on which lane, what passed there, and which lanes are cut. Pure: the time is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::Notify;

use super::label::Label;
use super::ring::{Direction, Piece, Ring};
use crate::conditions::Conditions;

/// The most lanes that are remembered. Beyond it the least recently used goes, an empty one before one in use.
pub const LANES_MAX: usize = 256;

/// How many lanes a connection remembers having been on, for the count of a lane's connections.
const VISITED_MAX: usize = 64;

/// What a lane has carried since it was first seen. Bytes are those of the TCP stream, HTTP heads included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes from clients to the server.
    pub in_bytes: u64,
    /// Bytes from the server to clients.
    pub out_bytes: u64,
    /// Requests.
    pub requests: u64,
    /// TCP connections that carried at least one of the requests.
    pub connections: u64,
}

/// What passed on a lane after a given piece.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The number of the lane's latest piece: what to ask `since` next time.
    pub next: u64,
    /// How many pieces after `since` have already left the ring.
    pub skipped: u64,
    /// What the lane has carried in all.
    pub totals: Totals,
    /// The retained pieces, oldest first, both directions together.
    pub pieces: Vec<Piece>,
}

/// Names a connection on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionId(u64);

impl ConnectionId {
    /// What decides the connection's chances.
    pub(super) fn seed(self) -> u64 {
        self.0 << 1
    }
}

#[derive(Debug)]
struct Lane {
    /// Tells a lane from an earlier one of the same label.
    birth: u64,
    used: u64,
    totals: Totals,
    last_seq: u64,
    rings: [Ring; 2],
    cut_until: Option<Instant>,
    conditions: Conditions,
}

#[derive(Debug)]
struct Seat {
    label: Option<Label>,
    severed: Arc<Notify>,
    /// The births of lanes that already counted this connection.
    visited: Vec<u64>,
}

/// All lanes and all connections of a tap.
#[derive(Debug, Default)]
pub(super) struct Board {
    lanes: HashMap<Label, Lane>,
    seats: HashMap<ConnectionId, Seat>,
    /// Counts uses, births and connections; none is ever reused.
    ticks: u64,
}

impl Board {
    /// Seats a new connection, on no lane yet. The notification tells it to end at once.
    pub(super) fn open(&mut self) -> (ConnectionId, Arc<Notify>) {
        let id = ConnectionId(self.tick());
        let severed = Arc::new(Notify::new());
        self.seats.insert(id, Seat { label: None, severed: Arc::clone(&severed), visited: Vec::new() });
        (id, severed)
    }

    /// Forgets a connection.
    pub(super) fn close(&mut self, id: ConnectionId) {
        self.seats.remove(&id);
    }

    /// A request of this connection names a lane, or none. Answers whether it may pass: not while the lane is cut.
    pub(super) fn steer(&mut self, id: ConnectionId, label: Option<Label>, now: Instant) -> bool {
        if let Some(label) = &label {
            let visited = self.seats.get(&id).map(|seat| seat.visited.clone()).unwrap_or_default();
            let lane = self.lane(label);
            if lane.cut_until.is_some_and(|until| now < until) {
                return false;
            }
            let birth = lane.birth;
            let first = !visited.contains(&birth);
            lane.totals.requests += 1;
            lane.totals.connections += u64::from(first);
            self.remember(id, first.then_some(birth));
        }
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.label = label;
        }
        true
    }

    fn remember(&mut self, id: ConnectionId, birth: Option<u64>) {
        let (Some(birth), Some(seat)) = (birth, self.seats.get_mut(&id)) else { return };
        if seat.visited.len() == VISITED_MAX {
            seat.visited.remove(0);
        }
        seat.visited.push(birth);
    }

    /// Bytes of this connection passed. They count for the lane that it is on, if any.
    pub(super) fn record(&mut self, id: ConnectionId, direction: Direction, bytes: &[u8], at: SystemTime) {
        let Some(label) = self.seats.get(&id).and_then(|seat| seat.label.as_ref()) else { return };
        let Some(lane) = self.lanes.get_mut(label) else { return };
        let (total, ring) = match direction {
            Direction::In => (&mut lane.totals.in_bytes, &mut lane.rings[0]),
            Direction::Out => (&mut lane.totals.out_bytes, &mut lane.rings[1]),
        };
        *total += bytes.len() as u64;
        lane.last_seq += 1;
        ring.push(Piece { seq: lane.last_seq, direction, at, bytes: Bytes::copy_from_slice(bytes) });
    }

    /// Severs the lane's connections, and refuses its requests until the deadline. The last call holds.
    pub(super) fn cut(&mut self, label: &Label, now: Instant, length: Duration) {
        self.lane(label).cut_until = now.checked_add(length);
        self.kill(label);
    }

    /// Severs the lane's connections.
    pub(super) fn kill(&self, label: &Label) {
        for seat in self.seats.values().filter(|seat| seat.label.as_ref() == Some(label)) {
            seat.severed.notify_one();
        }
    }

    /// Puts a lane under conditions.
    pub(super) fn set(&mut self, label: &Label, conditions: Conditions) {
        self.lane(label).conditions = conditions;
    }

    /// The conditions of a lane; none for one that is not known.
    pub(super) fn conditions(&self, label: &Label) -> Conditions {
        self.lanes.get(label).map(|lane| lane.conditions).unwrap_or_default()
    }

    /// The conditions of the lane that a connection is on.
    pub(super) fn terms(&self, id: ConnectionId) -> Conditions {
        let label = self.seats.get(&id).and_then(|seat| seat.label.as_ref());
        label.map(|label| self.conditions(label)).unwrap_or_default()
    }

    /// What passed after `since`; `None` for a lane that is not known. A `since` from the future, as a client may
    /// have kept from before the lane was forgotten, gives everything.
    pub(super) fn wire(&mut self, label: &Label, since: u64) -> Option<Wire> {
        let used = self.tick();
        let lane = self.lanes.get_mut(label)?;
        lane.used = used;
        let since = if since > lane.last_seq { 0 } else { since };
        let mut pieces: Vec<Piece> = lane.rings.iter().flat_map(|ring| ring.after(since)).cloned().collect();
        pieces.sort_unstable_by_key(|piece| piece.seq);
        let skipped = lane.last_seq - since - pieces.len() as u64;
        Some(Wire { next: lane.last_seq, skipped, totals: lane.totals, pieces })
    }

    /// The lane of this label, made on first use.
    fn lane(&mut self, label: &Label) -> &mut Lane {
        let used = self.tick();
        if !self.lanes.contains_key(label) && self.lanes.len() >= LANES_MAX {
            self.forget_one();
        }
        let fresh = || Lane {
            birth: used,
            used,
            totals: Totals::default(),
            last_seq: 0,
            rings: [Ring::default(), Ring::default()],
            cut_until: None,
            conditions: Conditions::default(),
        };
        let lane = self.lanes.entry(label.clone()).or_insert_with(fresh);
        lane.used = used;
        lane
    }

    fn forget_one(&mut self) {
        let in_use = |label: &Label| self.seats.values().any(|seat| seat.label.as_ref() == Some(label));
        let oldest = self.lanes.iter().min_by_key(|(label, lane)| (in_use(label), lane.used));
        if let Some(label) = oldest.map(|(label, _)| label.clone()) {
            self.lanes.remove(&label);
        }
    }

    fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::ring::RING_BYTES_MAX;

    fn label(text: &str) -> Label {
        Label::new(text).unwrap()
    }

    fn totals(board: &mut Board, text: &str) -> Totals {
        board.wire(&label(text), 0).unwrap().totals
    }

    #[test]
    fn bytes_count_for_the_lane_of_the_latest_request() {
        let (mut board, now, at) = (Board::default(), Instant::now(), SystemTime::UNIX_EPOCH);
        let (id, _severed) = board.open();
        board.record(id, Direction::In, b"nobody's", at);
        for text in ["a", "b", "a"] {
            assert!(board.steer(id, Some(label(text)), now));
            board.record(id, Direction::In, b"12345", at);
            board.record(id, Direction::Out, b"123", at);
        }
        board.steer(id, None, now);
        board.record(id, Direction::Out, b"nobody's", at);
        let expected = Totals { in_bytes: 10, out_bytes: 6, requests: 2, connections: 1 };
        assert_eq!(totals(&mut board, "a"), expected);
        assert_eq!(
            totals(&mut board, "b"),
            Totals { in_bytes: 5, out_bytes: 3, requests: 1, connections: 1 }
        );
    }

    #[test]
    fn a_wrapped_ring_tells_what_it_skipped() {
        let (mut board, at) = (Board::default(), SystemTime::UNIX_EPOCH);
        let (id, _severed) = board.open();
        board.steer(id, Some(label("a")), Instant::now());
        let quarter = vec![0; RING_BYTES_MAX / 4];
        for _ in 0..6 {
            board.record(id, Direction::Out, &quarter, at);
        }
        board.record(id, Direction::In, b"x", at);
        for (since, skipped, seqs) in [(0, 2, vec![3, 4, 5, 6, 7]), (5, 0, vec![6, 7]), (7, 0, vec![])] {
            let wire = board.wire(&label("a"), since).unwrap();
            let found: Vec<u64> = wire.pieces.iter().map(|piece| piece.seq).collect();
            assert_eq!((wire.next, wire.skipped, found), (7, skipped, seqs), "since {since}");
        }
        assert_eq!(board.wire(&label("a"), 99).unwrap().skipped, 2);
        assert!(board.wire(&label("b"), 0).is_none());
    }

    #[test]
    fn a_cut_holds_until_its_deadline() {
        let (mut board, now) = (Board::default(), Instant::now());
        let (id, _severed) = board.open();
        board.cut(&label("a"), now, Duration::from_secs(5));
        assert!(!board.steer(id, Some(label("a")), now));
        assert!(board.steer(id, Some(label("b")), now));
        assert!(!board.steer(id, Some(label("a")), now + Duration::from_millis(4_999)));
        assert!(board.steer(id, Some(label("a")), now + Duration::from_secs(5)));
        assert_eq!(totals(&mut board, "a").requests, 1, "a refused request is not counted");
    }

    #[test]
    fn only_the_lanes_own_connections_are_severed() {
        let (mut board, now) = (Board::default(), Instant::now());
        let (mine, mine_severed) = board.open();
        let (other, other_severed) = board.open();
        board.steer(mine, Some(label("a")), now);
        board.steer(other, Some(label("b")), now);
        board.kill(&label("a"));
        let told = |severed: &Notify| {
            let waiter = std::pin::pin!(severed.notified());
            waiter.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
        };
        assert!(told(&mine_severed));
        assert!(!told(&other_severed));
    }

    #[test]
    fn the_least_recently_used_empty_lane_goes_first() {
        let (mut board, now) = (Board::default(), Instant::now());
        let (id, _severed) = board.open();
        board.steer(id, Some(label("held")), now);
        let (passing, _severed) = board.open();
        for place in 0..LANES_MAX {
            board.steer(passing, Some(label(&format!("l{place}"))), now);
        }
        board.steer(passing, None, now);
        assert_eq!(board.lanes.len(), LANES_MAX);
        assert!(board.wire(&label("held"), 0).is_some());
        assert!(board.wire(&label("l0"), 0).is_none());
        assert!(board.wire(&label("l1"), 0).is_some());
    }
}
