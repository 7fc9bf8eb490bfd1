//! What may happen, and in what mixture.

use proptest::prelude::*;
use tricast_testkit::Lane;

/// Subscribers at most.
pub(crate) const CLIENTS: usize = 4;

/// Rooms by their number.
pub(crate) const ROOMS: [&str; 3] = ["a", "b", "c"];

/// Where a client goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Where it stands.
    Own,
    /// Somewhere before, by so many parts of 255.
    Before(u8),
    Tip,
    Earliest,
    /// Further than anything was published.
    Future,
    /// In a numbering that never was.
    Foreign,
}

/// One thing that happens. Clients are named by any number; it is taken modulo how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A batch of `count` events to the rooms of a mask; large ones fill the buffers on the way.
    Publish {
        rooms: u8,
        except: Option<usize>,
        to: Option<usize>,
        key: bool,
        count: usize,
        is_large: bool,
    },
    /// A newcomer.
    Open {
        lane: Lane,
        rooms: u8,
        place: Place,
        is_narrow: bool,
    },
    /// Reads what has come, at most so many messages. Who is not told to read is stalled.
    Read {
        client: usize,
        count: usize,
    },
    Join {
        client: usize,
        room: usize,
    },
    Leave {
        client: usize,
        room: usize,
    },
    /// Is cut without a word, and stays away.
    Cut {
        client: usize,
    },
    /// Comes back, or changes its transport, by name or as another client; with its own rooms, or with others.
    Return {
        client: usize,
        lane: Lane,
        place: Place,
        rooms: Option<u8>,
        is_named: bool,
    },
    /// The server stops and starts again.
    Restart,
    /// Long enough for sessions that were left to be forgotten, where they have no grace.
    Wait,
}

fn lane() -> impl Strategy<Value = Lane> {
    proptest::sample::select(&Lane::ALL[..])
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        8 => Just(Place::Own),
        2 => any::<u8>().prop_map(Place::Before),
        1 => Just(Place::Tip),
        1 => Just(Place::Earliest),
        1 => Just(Place::Future),
        1 => Just(Place::Foreign),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let rooms = || 0_u8..1 << ROOMS.len();
    let some = |weight| proptest::option::weighted(weight, client());
    let size = proptest::bool::weighted(0.3);
    prop_oneof![
        10 => (rooms(), some(0.2), some(0.1), any::<bool>(), 1_usize..5, size)
            .prop_map(|(rooms, except, to, key, count, is_large)| {
                Step::Publish { rooms, except, to, key, count, is_large }
            }),
        3 => (lane(), rooms(), place(), proptest::bool::weighted(0.4))
            .prop_map(|(lane, rooms, place, is_narrow)| Step::Open { lane, rooms, place, is_narrow }),
        6 => (client(), 1_usize..6).prop_map(|(client, count)| Step::Read { client, count }),
        1 => (client(), 0..ROOMS.len()).prop_map(|(client, room)| Step::Join { client, room }),
        1 => (client(), 0..ROOMS.len()).prop_map(|(client, room)| Step::Leave { client, room }),
        1 => client().prop_map(|client| Step::Cut { client }),
        5 => (client(), lane(), place(), proptest::option::weighted(0.3, rooms()), proptest::bool::weighted(0.8))
            .prop_map(|(client, lane, place, rooms, is_named)| {
                Step::Return { client, lane, place, rooms, is_named }
            }),
        1 => Just(Step::Restart),
    ]
}

/// A schedule.
pub(crate) fn schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 5..60)
}

/// A schedule with waits in it, which take their time.
pub(crate) fn slow_schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(prop_oneof![12 => step(), 1 => Just(Step::Wait)], 20..40)
}
