//! Who sits where: the pure part of a crowd's plan. A seat says by which transport its subscriber comes, from which
//! address, into which namespace and room, and how the events that it is to get are numbered.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::result::Axis;
use crate::result::Transport;
use crate::scenario::ScaleCell;

/// Loopback addresses that subscribers come from. Each has its own ephemeral ports, some 28,000, so that even a long
/// churn, whose closed connections linger for a minute, does not run out of them.
const SOURCES: u32 = 32;
/// The first of them: the server has 127.0.0.1.
const SOURCE_FIRST: u8 = 2;
/// The namespace of a crowd, and the first where there are several.
pub(super) const NAMESPACE: &str = "lab-crowd";
/// The room that events go to where only one gets them.
pub(super) const ROOM: &str = "hot";

/// How the offsets that a subscriber is to get become 1, 2, 3 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Every `step`-th offset from `first`.
    Every { first: u64, step: u64 },
    /// Every offset from the first one seen.
    FromFirstSeen(Option<u64>),
    /// None: whatever comes is a fault.
    Nothing,
}

impl Numbering {
    /// Every event of a namespace that was empty.
    pub(super) const ALL: Self = Self::Every { first: 1, step: 1 };

    /// The number of an offset, from 1; `None` for one that should not have come.
    pub(super) fn place(&mut self, offset: u64) -> Option<u64> {
        match self {
            Self::Every { first, step } => {
                let past = offset.checked_sub(*first)?;
                (past % *step == 0).then_some(past / *step + 1)
            }
            Self::FromFirstSeen(base) => Some(offset.checked_sub(*base.get_or_insert(offset))? + 1),
            Self::Nothing => None,
        }
    }

    /// How many of the offsets up to `last` are to be got; `None` where that depends on when the subscriber came.
    pub(super) fn due(self, last: u64) -> Option<u64> {
        match self {
            Self::Every { first, step } => Some((last + 1).saturating_sub(first).div_ceil(step)),
            Self::FromFirstSeen(_) => None,
            Self::Nothing => Some(0),
        }
    }
}

/// One subscriber's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) transport: Transport,
    pub(super) source: SocketAddrV4,
    pub(super) namespace: String,
    pub(super) room: Option<String>,
    pub(super) numbering: Numbering,
}

impl Seat {
    /// The seat of somebody who gets everything in [`NAMESPACE`]. Transports take turns.
    pub(super) fn plain(index: u32, transports: &[Transport]) -> Self {
        Self {
            transport: transports[index as usize % transports.len()],
            source: source(index),
            namespace: NAMESPACE.to_owned(),
            room: None,
            numbering: Numbering::ALL,
        }
    }

    /// The seat of somebody who comes later, and leaves.
    pub(super) fn passing(index: u32, transports: &[Transport]) -> Self {
        Self { numbering: Numbering::FromFirstSeen(None), ..Self::plain(index, transports) }
    }
}

/// The address that a subscriber comes from, any port.
fn source(index: u32) -> SocketAddrV4 {
    let last = SOURCE_FIRST + (index % SOURCES) as u8;
    SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0)
}

/// The seats of one step of an axis, when `before` events were published already.
pub(super) fn seats(cell: &ScaleCell, at: u32, before: u64, transports: &[Transport]) -> Vec<Seat> {
    let count = if cell.axis == Axis::Subscribers { at } else { cell.subscribers };
    (0..count).map(|index| seat(cell, at, before, Seat::plain(index, transports), index)).collect()
}

fn seat(cell: &ScaleCell, at: u32, before: u64, plain: Seat, index: u32) -> Seat {
    let named = |name: &str, number: u32| format!("{name}-{number}");
    let all = Numbering::Every { first: before + 1, step: 1 };
    if cell.axis == Axis::Subscribers {
        return Seat { numbering: all, ..plain };
    }
    if cell.axis == Axis::RoomsInTurn {
        let room = index % at;
        let numbering = Numbering::Every { first: before + 1 + u64::from(room), step: u64::from(at) };
        return Seat { room: Some(named("room", room)), numbering, ..plain };
    }
    if index < cell.audience {
        return Seat { room: Some(ROOM.to_owned()), numbering: all, ..plain };
    }
    let other = at.checked_sub(1).filter(|others| *others > 0).map(|others| (index - cell.audience) % others);
    let quiet = Seat { numbering: Numbering::Nothing, ..plain };
    match (cell.axis, other) {
        (Axis::Rooms, Some(other)) => Seat { room: Some(named("room", other)), ..quiet },
        (Axis::Namespaces, Some(other)) => Seat { namespace: named(NAMESPACE, other), ..quiet },
        _ => quiet,
    }
}

/// Who is replaced when, at a steady rate: the `n`-th change is due at `n` intervals, and those that pass take turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Churn {
    per_second: u32,
    passing: u32,
    done: u64,
}

impl Churn {
    /// A churn among so many members.
    pub(super) fn new(per_second: u32, passing: u32) -> Self {
        Self { per_second, passing, done: 0 }
    }

    /// Changes made so far.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// The next member to be replaced, if one is due `ns` after the start.
    pub(super) fn due(&mut self, ns: u64) -> Option<u32> {
        let wanted = u128::from(ns) * u128::from(self.per_second) / 1_000_000_000;
        (u128::from(self.done) < wanted).then(|| {
            let turn = self.done % u64::from(self.passing.max(1));
            self.done += 1;
            turn as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;

    fn cell(axis: Axis) -> ScaleCell {
        ScaleCell {
            axis,
            at: vec![1, 10],
            subscribers: 100,
            audience: 9,
            payload: 256,
            duration: Duration::from_secs(1),
        }
    }

    fn sizes(seats: &[Seat]) -> BTreeMap<(String, Option<String>), usize> {
        let mut sizes = BTreeMap::new();
        seats.iter().for_each(|s| *sizes.entry((s.namespace.clone(), s.room.clone())).or_insert(0) += 1);
        sizes
    }

    #[test]
    fn transports_and_sources_are_spread_evenly() {
        let seats = seats(&cell(Axis::Subscribers), 960, 0, &Transport::ALL);
        for transport in Transport::ALL {
            assert_eq!(seats.iter().filter(|s| s.transport == transport).count(), 320);
        }
        let sources: BTreeSet<_> = seats.iter().map(|s| s.source).collect();
        assert_eq!(sources.len(), 32);
        assert!(sources.iter().all(|s| s.ip().is_loopback() && s.ip().octets()[3] > 1));
    }

    #[test]
    fn the_audience_is_the_same_however_many_rooms_there_are() {
        for at in [1, 2, 10, 92] {
            for axis in [Axis::Rooms, Axis::Namespaces] {
                let seats = seats(&cell(axis), at, 0, &Transport::ALL);
                let hot = seats.iter().filter(|s| s.numbering != Numbering::Nothing);
                assert_eq!(hot.count(), 9, "{axis:?} {at}");
                let places = sizes(&seats);
                let expected = if at == 1 { 2 } else { at as usize };
                assert_eq!(places.len(), expected, "{axis:?} {at}");
            }
        }
    }

    #[test]
    fn in_turn_every_room_has_its_share_and_its_numbers() {
        let seats = seats(&cell(Axis::RoomsInTurn), 10, 7, &Transport::ALL);
        assert_eq!(sizes(&seats).into_values().collect::<Vec<_>>(), [10; 10]);
        let mut numbering = seats[3].numbering;
        assert_eq!(seats[3].room.as_deref(), Some("room-3"));
        let places: Vec<_> = (7..32).map(|offset| numbering.place(offset)).collect();
        assert_eq!(places.iter().flatten().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(places[4], Some(1), "offset 11 is the fourth after 7");
        assert_eq!((numbering.due(10), numbering.due(11), numbering.due(31)), (Some(0), Some(1), Some(3)));
    }

    #[test]
    fn numbering_finds_holes_and_strangers() {
        let mut late = Numbering::FromFirstSeen(None);
        assert_eq!([9, 10, 12, 8].map(|offset| late.place(offset)), [Some(1), Some(2), Some(4), None]);
        let mut nothing = Numbering::Nothing;
        assert_eq!((nothing.place(1), nothing.due(5), late.due(5)), (None, Some(0), None));
        assert_eq!(Numbering::ALL.due(5), Some(5));
    }

    #[test]
    fn churn_keeps_its_rate_and_takes_turns() {
        let mut churn = Churn::new(200, 3);
        let mut taken = Vec::new();
        for ns in (0..=100_000_000).step_by(1_000_000) {
            while let Some(member) = churn.due(ns) {
                taken.push(member);
            }
        }
        assert_eq!((taken.len(), churn.done()), (20, 20));
        assert_eq!(taken[..4], [0, 1, 2, 0]);
    }
}
