//! The two gates of a tapped connection: they read along, and refuse what belongs to a cut lane.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::board::ConnectionId;
use super::ring::Direction;
use super::scan::{Scanner, Seen};
use super::{Shared, locked};
use crate::conditions::{Gate, OneWay, Verdict};

/// What the client sends: finds the requests, and counts the bytes for the lane that they name.
pub(super) struct UpGate {
    pub(super) shared: Arc<Shared>,
    pub(super) id: ConnectionId,
    pub(super) scanner: Scanner,
}

impl Gate for UpGate {
    fn pass(&mut self, piece: &[u8]) -> Verdict {
        let (now, at) = (Instant::now(), SystemTime::now());
        let mut board = locked(&self.shared);
        let id = self.id;
        let may_pass = self.scanner.scan(piece, |seen| {
            let bytes = match seen {
                Seen::Head { label, .. } if !board.steer(id, label.clone(), now) => return false,
                Seen::Head { bytes, .. } | Seen::Rest(bytes) => bytes,
            };
            board.record(id, Direction::In, bytes, at);
            true
        });
        if may_pass { Verdict::Forward } else { Verdict::Sever }
    }

    fn terms(&self) -> OneWay {
        locked(&self.shared).terms(self.id).up
    }
}

/// What the server sends: counts for the lane of the latest request. An answer that is still under way when a
/// pipelined request arrives so counts for the later one; browsers do not pipeline.
pub(super) struct DownGate {
    pub(super) shared: Arc<Shared>,
    pub(super) id: ConnectionId,
}

impl Gate for DownGate {
    fn pass(&mut self, piece: &[u8]) -> Verdict {
        locked(&self.shared).record(self.id, Direction::Out, piece, SystemTime::now());
        Verdict::Forward
    }

    fn terms(&self) -> OneWay {
        locked(&self.shared).terms(self.id).down
    }
}
