//! What was read from the log as the bytes of a stream, one part for each event and each gap, so that a carrier may stop
//! anywhere in it.

use bytes::{Bytes, BytesMut};
use tricast_feed::{Gap, GapReason, Offset, Piece, Read};
use tricast_wire::event::Encoded;
use tricast_wire::notice::Notice;

use crate::join::{bytes_of, notice_bytes};
use crate::worker::state::{Course, Local, Subscriber};

/// One thing on a stream: its bytes, up to where all is done after it, and whether it is an event.
pub(super) struct Part {
    bytes: Bytes,
    upto: Offset,
    is_event: bool,
}

pub(super) fn parts_of(local: &Local, subscriber: &Subscriber, read: &Read<Encoded>) -> Vec<Part> {
    let part = |piece: Piece<'_, Encoded>| match piece {
        Piece::Gap(gap) => {
            let bytes = notice_bytes(subscriber.shape, &gap_notice(local, subscriber, &gap));
            Part { bytes, upto: gap.to, is_event: false }
        }
        Piece::Event(event) => {
            Part { bytes: bytes_of(subscriber.shape, event), upto: event.offset, is_event: true }
        }
    };
    read.pieces().map(part).collect()
}

/// All of it in one piece. One event alone is not copied.
pub(super) fn join(local: &Local, subscriber: &Subscriber, read: &Read<Encoded>) -> Bytes {
    let shape = subscriber.shape;
    if let ([], [event]) = (read.gaps.as_slice(), read.entries.as_slice()) {
        return bytes_of(shape, event);
    }
    let size = read.entries.iter().map(|event| event.size).sum::<usize>() / 2 + 128 * read.gaps.len();
    let mut joined = BytesMut::with_capacity(size);
    read.pieces().for_each(|piece| match piece {
        Piece::Gap(gap) => {
            joined.extend_from_slice(&notice_bytes(shape, &gap_notice(local, subscriber, &gap)));
        }
        Piece::Event(event) => joined.extend_from_slice(&bytes_of(shape, event)),
    });
    joined.freeze()
}

/// Where a carrier stopped that took `written` bytes: what is missing of the part that it began, up to where all is done
/// after that, and how many events and gaps that makes. What was not begun is found again.
pub(super) struct StopOfParts {
    pub(super) rest: Bytes,
    pub(super) upto: Offset,
    pub(super) events: usize,
    pub(super) gaps: usize,
}

pub(super) fn stop_of_parts(parts: &[Part], mut written: usize, after: Offset) -> StopOfParts {
    let mut stop = StopOfParts { rest: Bytes::new(), upto: after, events: 0, gaps: 0 };
    for part in parts {
        if written == 0 {
            break;
        }
        stop.upto = part.upto;
        if part.is_event {
            stop.events += 1;
        } else {
            stop.gaps += 1;
        }
        if written < part.bytes.len() {
            stop.rest = part.bytes.slice(written..);
            break;
        }
        written -= part.bytes.len();
    }
    stop
}

pub(super) fn gap_notice(local: &Local, subscriber: &Subscriber, gap: &Gap) -> Notice {
    Notice::Gap { from: gap.from, to: local.cursor(gap.to), reason: reason_of(subscriber, gap) }
}

/// Whoever was live and finds its events gone was slower than the history is long.
pub(super) fn reason_of(subscriber: &Subscriber, gap: &Gap) -> GapReason {
    match gap.reason {
        GapReason::Expired if subscriber.course == Course::Live => GapReason::Slow,
        reason => reason,
    }
}
