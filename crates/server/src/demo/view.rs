//! The answer that shows a lane's bytes, within a bounded size.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tricast_feed::Millis;
use tricast_wire::text;

use super::network::{WireDirection, WirePiece, WireTotals, WireView};

/// The longest answer, in bytes: 64 KiB. What does not fit is for the next request.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What an answer takes beside its pieces, at most: five numbers of 20 digits and their names.
const FRAME_BYTES_MAX: usize = 256;

/// What a piece takes beside its bytes, at most: its number, direction, time and their names.
const PIECE_FRAME_BYTES_MAX: usize = 96;

/// The answer to `GET /demo/lanes/{label}/wire`.
#[derive(Debug, Serialize)]
pub(super) struct WireAnswer {
    /// What to ask `since` next time.
    next: u64,
    /// How many pieces between the asked one and `next` are not here, as they are forgotten.
    skipped: u64,
    totals: WireTotals,
    pieces: Vec<PieceAnswer>,
}

#[derive(Debug, Serialize)]
struct PieceAnswer {
    seq: u64,
    dir: &'static str,
    at: String,
    bytes: String,
}

impl WireAnswer {
    /// As many pieces as fit, oldest first. `since` is what the view was asked for.
    pub(super) fn of(view: &WireView, since: u64) -> Self {
        // A number from the future is left over from a lane that was forgotten; the view has everything then.
        let since = if since > view.next { 0 } else { since };
        let (mut next, mut left_bytes) = (view.next, ANSWER_BYTES_MAX - FRAME_BYTES_MAX);
        let mut pieces = Vec::new();
        let mut before = since;
        for piece in view.pieces.iter().filter(|piece| size(piece) <= ANSWER_BYTES_MAX - FRAME_BYTES_MAX) {
            let Some(left) = left_bytes.checked_sub(size(piece)) else {
                next = before;
                break;
            };
            (left_bytes, before) = (left, piece.seq);
            pieces.push(PieceAnswer::of(piece));
        }
        let skipped = (next - since).saturating_sub(pieces.len() as u64);
        Self { next, skipped, totals: view.totals, pieces }
    }
}

impl PieceAnswer {
    fn of(piece: &WirePiece) -> Self {
        let dir = match piece.direction {
            WireDirection::In => "in",
            WireDirection::Out => "out",
        };
        Self { seq: piece.seq, dir, at: time(piece.at), bytes: STANDARD.encode(&piece.bytes) }
    }
}

/// How long a piece is in the answer, at most.
fn size(piece: &WirePiece) -> usize {
    piece.bytes.len().div_ceil(3) * 4 + PIECE_FRAME_BYTES_MAX
}

fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    text::time(Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn view(next: u64, pieces: &[(u64, usize)]) -> WireView {
        let at = UNIX_EPOCH + std::time::Duration::from_millis(951_868_799_999);
        let piece = |(seq, len): &(u64, usize)| WirePiece {
            seq: *seq,
            direction: if seq % 2 == 1 { WireDirection::In } else { WireDirection::Out },
            at,
            bytes: Bytes::from(vec![b'A'; *len]),
        };
        WireView { next, totals: WireTotals::default(), pieces: pieces.iter().map(piece).collect() }
    }

    /// The answer's `next`, `skipped` and piece numbers; and that it is within its bound.
    fn check(since: u64, view: &WireView, expected: (u64, u64, &[u64])) {
        let text = serde_json::to_string(&WireAnswer::of(view, since)).unwrap();
        assert!(text.len() <= ANSWER_BYTES_MAX, "{}", text.len());
        let answer: Value = serde_json::from_str(&text).unwrap();
        let seqs: Vec<u64> =
            answer["pieces"].as_array().unwrap().iter().map(|piece| piece["seq"].as_u64().unwrap()).collect();
        assert_eq!(
            (answer["next"].as_u64().unwrap(), answer["skipped"].as_u64().unwrap(), &seqs[..]),
            expected
        );
    }

    #[test]
    fn golden_answer() {
        let answer = WireAnswer::of(&view(7, &[(6, 3), (7, 1)]), 5);
        let expected = json!({
            "next": 7,
            "skipped": 0,
            "totals": {"in_bytes": 0, "out_bytes": 0, "requests": 0, "connections": 0},
            "pieces": [
                {"seq": 6, "dir": "out", "at": "2000-02-29T23:59:59.999Z", "bytes": "QUFB"},
                {"seq": 7, "dir": "in", "at": "2000-02-29T23:59:59.999Z", "bytes": "QQ=="},
            ],
        });
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_told() {
        check(0, &view(0, &[]), (0, 0, &[]));
        check(0, &view(9, &[(7, 1), (9, 1)]), (9, 7, &[7, 9]));
        check(4, &view(9, &[]), (9, 5, &[]));
        check(50, &view(3, &[(2, 1), (3, 1)]), (3, 1, &[2, 3]));
    }

    #[test]
    fn what_does_not_fit_comes_next_time() {
        let pieces: Vec<(u64, usize)> = (11..=16).map(|seq| (seq, 16 * 1024)).collect();
        check(8, &view(16, &pieces), (12, 2, &[11, 12]));
        check(12, &view(16, &pieces[2..]), (14, 0, &[13, 14]));
        check(14, &view(16, &pieces[4..]), (16, 0, &[15, 16]));
        let tiny: Vec<(u64, usize)> = (1..=2000).map(|seq| (u64::MAX - 3000 + seq, 1)).collect();
        let all = WireAnswer::of(&view(u64::MAX, &tiny), u64::MAX - 3000);
        assert!(serde_json::to_string(&all).unwrap().len() <= ANSWER_BYTES_MAX);
        assert!(all.pieces.len() > 500 && all.pieces.len() < 2000);
    }

    #[test]
    fn a_piece_too_large_for_any_answer_is_skipped() {
        check(0, &view(3, &[(1, 1), (2, ANSWER_BYTES_MAX), (3, 1)]), (3, 1, &[1, 3]));
    }
}
