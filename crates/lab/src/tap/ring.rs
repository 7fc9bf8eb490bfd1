//! What passed lately on one lane in one direction: timestamped pieces, oldest first, within a byte bound.

use std::collections::VecDeque;
use std::time::SystemTime;

use bytes::Bytes;

/// The most bytes a ring keeps: 64 KiB. A lane has two rings, one a direction.
pub const RING_BYTES_MAX: usize = 64 * 1024;

/// The most pieces a ring keeps, so that a dribble of tiny pieces stays bounded too.
pub const RING_PIECES_MAX: usize = 2048;

/// Which way a piece travelled, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    In,
    /// From the server to the client.
    Out,
}

/// Bytes that passed in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its place among the pieces of its lane, both directions together: from 1, without holes.
    pub seq: u64,
    /// Which way it travelled.
    pub direction: Direction,
    /// When the tap had read it.
    pub at: SystemTime,
    /// The bytes, unchanged.
    pub bytes: Bytes,
}

/// The pieces of one direction. The oldest go first; a piece larger than the ring goes at once.
#[derive(Debug, Default)]
pub(super) struct Ring {
    pieces: VecDeque<Piece>,
    held_bytes: usize,
}

impl Ring {
    /// Takes a piece, and lets go of as many old ones as the bounds ask for.
    pub(super) fn push(&mut self, piece: Piece) {
        self.held_bytes += piece.bytes.len();
        self.pieces.push_back(piece);
        while self.held_bytes > RING_BYTES_MAX || self.pieces.len() > RING_PIECES_MAX {
            let Some(gone) = self.pieces.pop_front() else { break };
            self.held_bytes -= gone.bytes.len();
        }
    }

    /// The retained pieces after `since`, oldest first.
    pub(super) fn after(&self, since: u64) -> impl Iterator<Item = &Piece> {
        let start = self.pieces.partition_point(|piece| piece.seq <= since);
        self.pieces.range(start..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(seq: u64, len: usize) -> Piece {
        let bytes = Bytes::from(vec![b'x'; len]);
        Piece { seq, direction: Direction::In, at: SystemTime::UNIX_EPOCH, bytes }
    }

    fn check(lengths: &[usize], since: u64, expected: &[u64]) {
        let mut ring = Ring::default();
        for (place, len) in lengths.iter().enumerate() {
            ring.push(piece(place as u64 + 1, *len));
        }
        let kept: Vec<u64> = ring.after(since).map(|piece| piece.seq).collect();
        assert_eq!(kept, expected, "lengths {lengths:?} since {since}");
        assert!(ring.held_bytes <= RING_BYTES_MAX);
    }

    #[test]
    fn keeps_the_newest_within_the_byte_bound() {
        check(&[], 0, &[]);
        check(&[10, 20, 30], 0, &[1, 2, 3]);
        check(&[10, 20, 30], 2, &[3]);
        check(&[10, 20, 30], 3, &[]);
        check(&[RING_BYTES_MAX, 1], 0, &[2]);
        check(&[RING_BYTES_MAX - 1, 1], 0, &[1, 2]);
        check(&[1, RING_BYTES_MAX + 1, 5], 0, &[3]);
    }

    #[test]
    fn keeps_a_bounded_number_of_tiny_pieces() {
        let mut ring = Ring::default();
        for seq in 1..=(RING_PIECES_MAX as u64 + 7) {
            ring.push(piece(seq, 1));
        }
        assert_eq!(ring.after(0).count(), RING_PIECES_MAX);
        assert_eq!(ring.after(0).next().map(|piece| piece.seq), Some(8));
    }
}
