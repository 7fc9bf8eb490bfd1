//! Logs that go on after a process has ended, with holes where events were lost.

use proptest::prelude::*;
use tricast_feed::{
    Addressing, After, Cursor, Entry, Epoch, Gap, GapReason, Hole, Interest, Log, Member, Millis, Offset,
    ReadLimit, Restored, Retention, Room, RoomSet, StartState,
};

fn room(name: &str) -> RoomSet {
    RoomSet::new(vec![Room::new(name).unwrap_or_else(|error| panic!("{name}: {error}"))])
}

/// Every third event is in a room of its own; the others are broadcasts.
fn addressing(offset: u64) -> Addressing {
    Addressing {
        rooms: if offset.is_multiple_of(3) { room("quiet") } else { RoomSet::default() },
        ..Addressing::default()
    }
}

/// A log whose offsets up to `last` all have an event but for those in the holes.
fn restored(last: u64, holes: &[(u64, u64)], retention: Retention) -> Log<u64> {
    let is_hole = |offset: u64| holes.iter().any(|(from, to)| (*from..=*to).contains(&offset));
    let entry = |offset| Entry {
        offset: Offset(offset),
        time: Millis(offset),
        addressing: addressing(offset),
        key: None,
        size: 1,
        payload: offset,
    };
    let restored = Restored {
        last: Offset(last),
        entries: (1..=last).filter(|offset| !is_hole(*offset)).map(entry).collect(),
        holes: holes.iter().map(|(from, to)| Hole { from: Offset(*from), to: Offset(*to) }).collect(),
    };
    Log::restore(Epoch::from_random(1), retention, restored)
}

fn start(log: &Log<u64>, offset: u64) -> (u64, StartState) {
    let start = log.start(After::Cursor(Cursor { epoch: log.epoch(), offset: Offset(offset) }));
    (start.offset.0, start.state)
}

/// Everything that a reader is given and told, to the end of the log: the events, the gaps, and the holes.
type Told = (Vec<u64>, Vec<(u64, u64)>, Vec<(u64, u64)>);

fn read_all(log: &Log<u64>, after: u64, interest: &Interest, events: usize) -> Told {
    let (mut got, mut gaps, mut holes, mut at) = (vec![], vec![], vec![], Offset(after));
    while at < log.last() {
        let read = log.read(at, log.last(), interest, ReadLimit { events, bytes: 1000 });
        for Gap { from, to, reason } in read.gaps {
            assert_eq!(from, at.next(), "a gap begins where the reader stands");
            if reason == GapReason::Engine {
                holes.push((from.0, to.0));
            } else {
                gaps.push((from.0, to.0));
            }
            at = to;
        }
        assert!(read.entries.iter().all(|entry| entry.offset > at), "a gap stands before its events");
        got.extend(read.entries.iter().map(|entry| entry.payload));
        assert!(read.upto > read.after, "a read gets on");
        at = read.upto;
    }
    (got, gaps, holes)
}

#[test]
fn a_reader_before_or_in_a_hole_is_told_its_range_and_goes_on() {
    let log = restored(10, &[(4, 6)], Retention::default());
    assert_eq!((log.first(), log.len()), (Offset(1), 7));
    let everything = Interest::everything();
    assert_eq!(read_all(&log, 0, &everything, 2), (vec![1, 2, 3, 7, 8, 9, 10], vec![], vec![(4, 6)]));
    assert_eq!(start(&log, 5), (5, StartState::Resumed));
    assert_eq!(read_all(&log, 5, &everything, 9), (vec![7, 8, 9, 10], vec![], vec![(6, 6)]));
    assert_eq!(read_all(&log, 6, &everything, 9), (vec![7, 8, 9, 10], vec![], vec![]));
    let tail: Vec<u64> = log.tail(Offset(4), 2).map(|entry| entry.payload).collect();
    assert_eq!(tail, [7, 8]);
}

#[test]
fn the_numbering_goes_on_behind_a_hole_at_the_end() {
    let mut log = restored(5, &[(1, 5)], Retention::default());
    assert_eq!((log.first(), log.len()), (Offset(6), 0));
    assert_eq!(start(&log, 2), (2, StartState::Resumed), "what it misses is told by the hole");
    let given = log.append(Millis(9), addressing(6), None, |offset, _| (offset.0, 1));
    assert_eq!(given, Offset(6));
    assert_eq!(read_all(&log, 2, &Interest::everything(), 9), (vec![6], vec![], vec![(3, 5)]));
}

#[test]
fn a_hole_goes_with_the_event_behind_it() {
    let retention = Retention { events_max: 3, bytes_max: 1000, age_max: None };
    let mut log = restored(8, &[(4, 6)], retention);
    assert_eq!(log.first(), Offset(3));
    let more = |log: &mut Log<u64>| {
        log.append(Millis(9), addressing(1), None, |offset, _| (offset.0, 1));
        log.expire(Millis(9));
    };
    more(&mut log);
    assert_eq!((log.first(), log.holes().count()), (Offset(7), 1));
    assert_eq!(start(&log, 3), (3, StartState::Resumed));
    assert_eq!(start(&log, 2), (3, StartState::Reset { missed: Some(1) }));
    more(&mut log);
    assert_eq!((log.first(), log.holes().count()), (Offset(8), 0));
    assert_eq!(start(&log, 3), (7, StartState::Reset { missed: Some(4) }));
}

#[test]
fn a_restored_log_keeps_its_retention_and_its_time() {
    let retention = Retention { events_max: 100, bytes_max: 1000, age_max: Some(Millis(3)) };
    let mut log = restored(20, &[], retention);
    assert_eq!(log.first(), Offset(17));
    let mut time = Millis(0);
    log.append(Millis(1), addressing(1), None, |_, now| {
        time = now;
        (0, 1)
    });
    assert_eq!(time, Millis(20), "a clock that was set back does not turn the log's time back");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Each offset behind a reader's cursor is given, told, or not its own; nothing twice, nothing out of order.
    #[test]
    fn every_offset_is_given_or_told(
        lengths in proptest::collection::vec((1_u64..6, 1_u64..6), 1..6),
        ends_with_hole in any::<bool>(),
        events_max in 1_usize..40,
        more in 0_u64..10,
        after in 0_u64..40,
        events in 1_usize..5,
        in_rooms in any::<bool>(),
    ) {
        let (mut holes, mut last) = (vec![], 0);
        for (place, (full, hole)) in lengths.iter().enumerate() {
            last += full;
            if place + 1 < lengths.len() || ends_with_hole {
                holes.push((last + 1, last + hole));
                last += hole;
            }
        }
        let retention = Retention { events_max, bytes_max: 1000, age_max: None };
        let mut log = restored(last, &holes, retention);
        for _ in 0..more {
            let next = log.last().next().0;
            log.append(Millis(100), addressing(next), None, |offset, _| (offset.0, 1));
            log.expire(Millis(100));
        }
        let interest = if in_rooms { Interest::of(Member(1), RoomSet::default()) } else { Interest::everything() };
        let after = after.min(log.last().0);
        let (got, gaps, told) = read_all(&log, after, &interest, events);
        let within = |ranges: &[(u64, u64)], offset| ranges.iter().any(|(from, to)| (*from..=*to).contains(&offset));
        prop_assert!(gaps.len() <= 1 && gaps.iter().all(|(_, to)| *to < log.first().0));
        for (from, to) in &told {
            prop_assert!(holes.iter().any(|(start, end)| (*start).max(after + 1) == *from && end == to));
        }
        let expected: Vec<u64> = (after + 1..=log.last().0)
            .filter(|offset| !within(&gaps, *offset) && !within(&told, *offset))
            .filter(|offset| interest.covers(&addressing(*offset), Offset(*offset)))
            .collect();
        prop_assert_eq!(got, expected);
    }
}
