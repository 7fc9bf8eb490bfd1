//! Why a session did, or did not, get an event.
//!
//! Each session keeps a short trail: from which offset to which it was served, by which transport and when, and the gaps
//! that it was told. The trail is written when a connection ends and when a gap is told, never on the way of an event.

use std::collections::VecDeque;

use tricast_feed::{Addressing, Gap, GapReason, Interest, Millis, Offset};

use crate::Way;

/// What became of an event for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is no such session, or no longer.
    NoSession,
    /// The event is no longer retained, so that nobody knows whom it was for.
    Expired,
    /// It was addressed to another session alone.
    NotAddressed,
    /// Its publisher left this session out.
    Excluded,
    /// The session is in none of its rooms.
    NeverJoined,
    /// The session joined its room after this offset only.
    JoinedAfter(Offset),
    /// The session had no connection that began before the event; its first one began after this offset.
    StartedAfter(Offset),
    /// The session came with a cursor that was already past it: its client said that it had it.
    Claimed,
    /// What became of it is no longer remembered: it lies before a gap of which that is so, or before a change of the
    /// session's rooms.
    Forgotten,
    /// It was told as a part of this gap.
    Told(Gap),
    /// It was handed over; at one moment, where that is known.
    Delivered {
        /// The transport.
        way: Way,
        /// Not before.
        from: Millis,
        /// Not after.
        to: Millis,
    },
    /// It is still to come; the session stands here.
    Pending {
        /// The transport; none between two connections.
        way: Option<Way>,
        /// It has everything up to here.
        stands: Offset,
    },
}

/// A part of a session's life with one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) way: Way,
    /// It was given everything after this,
    pub(crate) after: Offset,
    /// up to this,
    pub(crate) upto: Offset,
    /// between these two moments.
    pub(crate) from: Millis,
    pub(crate) to: Millis,
}

/// Connections that a session remembers.
const STRETCHES_MAX: usize = 8;

/// Gaps that a session remembers.
const GAPS_MAX: usize = 32;

/// What a session remembers of its past connections.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    stretches: Vec<Stretch>,
    /// Each with the moment when it was told.
    gaps: VecDeque<(Gap, Millis)>,
    /// Up to here there may have been connections and gaps that are no longer remembered.
    forgotten: Offset,
}

impl Trail {
    /// A connection has ended. One that went on exactly where the last stopped, by the same transport, is one with it:
    /// poll after poll.
    pub(crate) fn end(&mut self, stretch: Stretch) {
        match self.stretches.last_mut() {
            Some(last) if last.way == stretch.way && last.upto == stretch.after => {
                (last.upto, last.to) = (stretch.upto, stretch.to);
            }
            _ => {
                if self.stretches.len() == STRETCHES_MAX {
                    let gone = self.stretches.remove(0);
                    self.forgotten = self.forgotten.max(gone.upto);
                }
                // Most sessions have few, and there are many sessions.
                self.stretches.reserve_exact(1);
                self.stretches.push(stretch);
            }
        }
    }

    pub(crate) fn told(&mut self, gap: Gap, at: Millis) {
        self.gaps.push_back((gap, at));
        if self.gaps.len() > GAPS_MAX
            && let Some((gone, _)) = self.gaps.pop_front()
        {
            self.forgotten = self.forgotten.max(gone.to);
        }
    }
}

/// What the addressing says, before any connection is looked at.
pub(crate) fn by_addressing(interest: &Interest, addressing: &Addressing, offset: Offset) -> Option<Why> {
    if interest.covers(addressing, offset) {
        return None;
    }
    if addressing.to.is_some() {
        return Some(Why::NotAddressed);
    }
    if addressing.except.is_some() && addressing.except == interest.member {
        return Some(Why::Excluded);
    }
    let late = interest.joined.iter().filter(|(room, _)| addressing.rooms.contains(room));
    Some(late.map(|(_, since)| *since).min().map_or(Why::NeverJoined, Why::JoinedAfter))
}

/// Where the connections of a session that have ended began, and how far they came. It is all that is kept of those
/// over which nothing was given, of which there are many: the first poll of each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) began: Offset,
    pub(crate) stands: Offset,
}

impl Span {
    /// With a connection that was given this.
    pub(crate) fn with(known: Option<Self>, given: Stretch) -> Self {
        let known = known.unwrap_or(Self { began: given.after, stands: given.upto });
        Self { stands: known.stands.max(given.upto), ..known }
    }
}

/// What the connections say about an event that is the session's own. `live` is the one that it has now.
pub(crate) fn by_trail(
    span: Option<Span>,
    trail: Option<&Trail>,
    live: Option<Stretch>,
    offset: Offset,
) -> Why {
    let stretches: Vec<Stretch> =
        trail.into_iter().flat_map(|trail| trail.stretches.iter().copied()).chain(live).collect();
    let held = |stretch: &&Stretch| stretch.after < offset && offset <= stretch.upto;
    let gaps = trail.into_iter().flat_map(|trail| trail.gaps.iter().rev());
    if let Some((gap, told_at)) = gaps.copied().find(|(gap, _)| (gap.from..=gap.to).contains(&offset)) {
        // Its client may have gone back to an older cursor after it was told.
        let later = stretches.iter().filter(held).find(|stretch| stretch.from > told_at);
        let delivered =
            |Stretch { way, from, to, .. }: &Stretch| Why::Delivered { way: *way, from: *from, to: *to };
        return later.map_or(Why::Told(gap), delivered);
    }
    if let Some(Stretch { way, from, to, .. }) = stretches.iter().find(held) {
        let is_forgotten = trail.is_some_and(|trail| offset <= trail.forgotten);
        return if is_forgotten {
            Why::Forgotten
        } else {
            Why::Delivered { way: *way, from: *from, to: *to }
        };
    }
    let span = live.map(|live| Span::with(span, live)).or(span);
    let Some(Span { began, stands }) = span else { return Why::StartedAfter(offset) };
    if offset <= began {
        Why::StartedAfter(began)
    } else if offset > stands {
        Why::Pending { way: live.map(|live| live.way), stands }
    } else if trail.is_some_and(|trail| offset <= trail.forgotten) {
        Why::Forgotten
    } else {
        Why::Claimed
    }
}

/// The gap that a start makes which could not be honoured.
pub(crate) fn lost_at_start(cursor: Offset, start: Offset) -> Option<Gap> {
    let reason = GapReason::Expired;
    (cursor < start).then(|| Gap { from: cursor.next(), to: start, reason })
}

#[cfg(test)]
mod tests {
    use tricast_feed::{Member, Room, RoomSet};

    use super::*;

    fn stretch(way: Way, after: u64, upto: u64) -> Stretch {
        Stretch { way, after: Offset(after), upto: Offset(upto), from: Millis(after), to: Millis(upto) }
    }

    #[test]
    fn the_addressing_is_looked_at_first() {
        let room = |name: &str| Room::new(name).unwrap();
        let interest = Interest::of(Member(1), RoomSet::new(vec![room("a")]));
        let interest = interest.changed(&[room("b")], &[], Offset(10));
        let rooms = |names: &[&str]| Addressing {
            rooms: RoomSet::new(names.iter().map(|name| room(name)).collect()),
            ..Addressing::default()
        };
        let why = |addressing: &Addressing| by_addressing(&interest, addressing, Offset(5));
        assert_eq!(why(&rooms(&["a"])), None);
        assert_eq!(why(&rooms(&["b"])), Some(Why::JoinedAfter(Offset(10))));
        assert_eq!(why(&rooms(&["c"])), Some(Why::NeverJoined));
        let to = Addressing { to: Some(Member(2)), ..Addressing::default() };
        assert_eq!(why(&to), Some(Why::NotAddressed));
        let except = Addressing { except: Some(Member(1)), ..Addressing::default() };
        assert_eq!(why(&except), Some(Why::Excluded));
    }

    #[test]
    fn the_trail_tells_the_rest() {
        let mut trail = Trail::default();
        trail.end(stretch(Way::Poll, 5, 10));
        trail.end(stretch(Way::Poll, 10, 12));
        assert_eq!(trail.stretches.len(), 1, "poll after poll");
        trail.end(stretch(Way::Sse, 15, 20));
        let gap = Gap { from: Offset(17), to: Offset(18), reason: GapReason::Slow };
        trail.told(gap, Millis(18));
        let live = Some(stretch(Way::Ws, 20, 25));
        let span = Some(Span { began: Offset(5), stands: Offset(20) });
        let why = |offset| by_trail(span, Some(&trail), live, Offset(offset));
        let delivered = |way, from, to| Why::Delivered { way, from: Millis(from), to: Millis(to) };
        assert_eq!(why(5), Why::StartedAfter(Offset(5)));
        assert_eq!(why(11), delivered(Way::Poll, 5, 12));
        assert_eq!(why(14), Why::Claimed);
        assert_eq!(why(16), delivered(Way::Sse, 15, 20));
        assert_eq!(why(18), Why::Told(gap));
        let mut again = Trail::default();
        again.told(gap, Millis(3));
        again.end(stretch(Way::Poll, 16, 19));
        assert!(
            matches!(by_trail(span, Some(&again), None, Offset(18)), Why::Delivered { .. }),
            "its client went back"
        );
        assert_eq!(why(21), delivered(Way::Ws, 20, 25));
        assert_eq!(why(26), Why::Pending { way: Some(Way::Ws), stands: Offset(25) });
        let alone = by_trail(span, Some(&trail), None, Offset(26));
        assert_eq!(alone, Why::Pending { way: None, stands: Offset(20) });
    }

    #[test]
    fn what_lay_in_a_gap_that_is_forgotten_was_not_delivered() {
        let mut trail = Trail::default();
        trail.end(stretch(Way::Sse, 0, 1000));
        for place in 0..=GAPS_MAX as u64 {
            let from = Offset(place * 10 + 1);
            trail.told(Gap { from, to: Offset(from.0 + 4), reason: GapReason::Slow }, Millis(0));
        }
        let span = Some(Span { began: Offset(0), stands: Offset(1000) });
        let why = |offset| by_trail(span, Some(&trail), None, Offset(offset));
        assert_eq!(why(3), Why::Forgotten, "the oldest gap is no longer remembered");
        assert!(matches!(why(6), Why::Delivered { .. }), "behind it all gaps are known");
        assert!(matches!(why(13), Why::Told(_)));
    }

    #[test]
    fn a_trail_has_an_end() {
        let mut trail = Trail::default();
        for place in 0..100 {
            trail.end(stretch(Way::Sse, place * 10, place * 10 + 5));
            trail
                .told(Gap { from: Offset(place), to: Offset(place), reason: GapReason::Slow }, Millis(place));
        }
        assert_eq!((trail.stretches.len(), trail.gaps.len()), (STRETCHES_MAX, GAPS_MAX));
        let span = Some(Span { began: Offset(0), stands: Offset(995) });
        let early = by_trail(span, Some(&trail), None, Offset(13));
        assert_eq!(early, Why::Forgotten, "it began before what is remembered");
    }

    #[test]
    fn a_connection_over_which_nothing_came_is_known_by_its_place() {
        let span = Some(Span::with(None, stretch(Way::Poll, 7, 7)));
        assert_eq!(by_trail(span, None, None, Offset(7)), Why::StartedAfter(Offset(7)));
        assert_eq!(by_trail(span, None, None, Offset(8)), Why::Pending { way: None, stands: Offset(7) });
        let live = Some(stretch(Way::Poll, 9, 12));
        assert_eq!(by_trail(span, None, live, Offset(8)), Why::Claimed);
        assert!(matches!(by_trail(span, None, live, Offset(10)), Why::Delivered { .. }));
    }
}
