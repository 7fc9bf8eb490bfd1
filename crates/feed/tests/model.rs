//! The log against a plain model: a vector of everything that was ever published.
//!
//! Any interleaving of publish, expiry, subscribe and read must give each subscriber exactly what the model gives, and
//! tell of exactly what the model has dropped.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use tricast_feed::{
    Addressing, After, Cursor, Epoch, Gap, Interest, Log, Member, Millis, Offset, ReadLimit, Retention, Room,
    RoomSet, StartState,
};

const ROOMS: [&str; 4] = ["a", "b", "c", "d"];
const SESSIONS: u128 = 3;

#[derive(Debug, Clone)]
enum Step {
    Publish { rooms: Vec<usize>, except: Option<u128>, to: Option<u128>, size: usize },
    Pass { millis: u64 },
    Subscribe { rooms: Vec<usize>, session: u128, after: Place },
    Read { reader: usize, events: usize, bytes: usize },
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Tip,
    Earliest,
    At(u64),
    Foreign(u64),
}

fn rooms() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..ROOMS.len(), 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS;
    prop_oneof![
        6 => (rooms(), proptest::option::weighted(0.2, session.clone()), proptest::option::weighted(0.1, session.clone()), 1_usize..40)
            .prop_map(|(rooms, except, to, size)| if to.is_some() {
                Step::Publish { rooms: vec![], except: None, to, size }
            } else {
                Step::Publish { rooms, except, to, size }
            }),
        1 => (1_u64..60).prop_map(|millis| Step::Pass { millis }),
        2 => (rooms(), session, place()).prop_map(|(rooms, session, after)| Step::Subscribe { rooms, session, after }),
        4 => (any::<usize>(), 1_usize..8, 1_usize..200)
            .prop_map(|(reader, events, bytes)| Step::Read { reader, events, bytes }),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Tip),
        Just(Place::Earliest),
        (0_u64..60).prop_map(Place::At),
        (0_u64..60).prop_map(Place::Foreign),
    ]
}

fn set(rooms: &[usize]) -> RoomSet {
    RoomSet::new(rooms.iter().map(|room| Room::new(ROOMS[*room]).unwrap()).collect())
}

/// All that was ever published, and how much of it is still retained.
struct Model {
    all: Vec<(Addressing, usize, u64)>,
    dropped: usize,
    now: u64,
    retention: Retention,
}

impl Model {
    fn expire(&mut self) {
        loop {
            let kept = &self.all[self.dropped..];
            let Some((_, _, time)) = kept.first() else { return };
            let bytes: usize = kept.iter().map(|(_, size, _)| size).sum();
            let over = kept.len() > self.retention.events_max
                || (bytes > self.retention.bytes_max && kept.len() > 1);
            let aged = self.retention.age_max.is_some_and(|age| self.now - time > age.0);
            if !over && !aged {
                return;
            }
            self.dropped += 1;
        }
    }

    fn covered(&self, offset: u64, interest: &Interest) -> bool {
        interest.covers(&self.all[offset as usize - 1].0, Offset(offset))
    }
}

struct Reader {
    interest: Interest,
    at: u64,
    got: Vec<u64>,
    lost: Vec<(u64, u64)>,
    from: u64,
}

struct World {
    log: Log<u64>,
    model: Model,
    readers: Vec<Reader>,
    epoch: Epoch,
}

impl World {
    fn new(retention: Retention) -> Self {
        let epoch = Epoch::from_random(7);
        Self {
            log: Log::new(epoch, retention),
            model: Model { all: vec![], dropped: 0, now: 1000, retention },
            readers: vec![],
            epoch,
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Publish { rooms, except, to, size } => self.publish(rooms, *except, *to, *size),
            Step::Pass { millis } => {
                self.model.now += millis;
                self.expire();
            }
            Step::Subscribe { rooms, session, after } => self.subscribe(rooms, *session, *after),
            Step::Read { reader, events, bytes } => {
                if !self.readers.is_empty() {
                    let reader = reader % self.readers.len();
                    self.read(reader, ReadLimit { events: *events, bytes: *bytes });
                }
            }
        }
        self.check_shape();
    }

    fn publish(&mut self, rooms: &[usize], except: Option<u128>, to: Option<u128>, size: usize) {
        let addressing = Addressing { rooms: set(rooms), except: except.map(Member), to: to.map(Member) };
        let offset =
            self.log.append(Millis(self.model.now), addressing.clone(), None, |offset, _| (offset.0, size));
        self.model.all.push((addressing, size, self.model.now));
        assert_eq!(offset.0 as usize, self.model.all.len(), "offsets are dense");
        self.expire();
    }

    fn expire(&mut self) {
        self.log.expire(Millis(self.model.now));
        self.model.expire();
    }

    fn check_shape(&self) {
        let retained = self.model.all.len() - self.model.dropped;
        assert_eq!(self.log.len(), retained);
        assert_eq!(self.log.first().0 as usize, self.model.dropped + 1);
        let bytes: usize = self.model.all[self.model.dropped..].iter().map(|(_, size, _)| size).sum();
        assert_eq!(self.log.bytes(), bytes);
    }

    fn subscribe(&mut self, rooms: &[usize], session: u128, place: Place) {
        let (last, oldest) = (self.model.all.len() as u64, self.model.dropped as u64);
        let after = match place {
            Place::Tip => After::Tip,
            Place::Earliest => After::Earliest,
            Place::At(offset) => After::Cursor(Cursor { epoch: self.epoch, offset: Offset(offset) }),
            Place::Foreign(offset) => {
                After::Cursor(Cursor { epoch: Epoch::from_random(8), offset: Offset(offset) })
            }
        };
        let start = self.log.start(after);
        let expected = match place {
            Place::Tip => (last, StartState::New),
            Place::Earliest => (oldest, StartState::New),
            Place::Foreign(_) => (oldest, StartState::Reset { missed: None }),
            Place::At(offset) if offset > last => (last, StartState::Reset { missed: None }),
            Place::At(offset) if offset < oldest => {
                (oldest, StartState::Reset { missed: Some(oldest - offset) })
            }
            Place::At(offset) => (offset, StartState::Resumed),
        };
        assert_eq!((start.offset.0, start.state), expected);
        let interest = Interest::of(Member(session), set(rooms));
        let at = start.offset.0;
        self.readers.push(Reader { interest, at, got: vec![], lost: vec![], from: at });
    }

    fn read(&mut self, reader: usize, limit: ReadLimit) {
        let reader = &mut self.readers[reader];
        let read = self.log.read(Offset(reader.at), self.log.last(), &reader.interest, limit);
        assert!(read.entries.len() <= limit.events);
        let bytes: usize = read.entries.iter().map(|entry| entry.size).sum();
        assert!(bytes <= limit.bytes || read.entries.len() == 1);
        for Gap { from, to, .. } in read.gaps {
            reader.lost.push((from.0, to.0));
        }
        reader.got.extend(read.entries.iter().map(|entry| entry.offset.0));
        assert!(read.upto.0 >= reader.at, "a cursor never goes back");
        reader.at = read.upto.0;
    }

    /// Reads everybody to the end and compares with the model.
    fn settle(&mut self) {
        for place in 0..self.readers.len() {
            while self.readers[place].at < self.log.last().0 {
                let before = self.readers[place].at;
                self.read(place, ReadLimit { events: 3, bytes: 60 });
                assert!(self.readers[place].at > before, "a read always gets on");
            }
            let reader = &self.readers[place];
            let lost = |offset| reader.lost.iter().any(|(from, to)| (*from..=*to).contains(&offset));
            let expected: Vec<u64> = (reader.from + 1..=self.model.all.len() as u64)
                .filter(|offset| self.model.covered(*offset, &reader.interest) && !lost(*offset))
                .collect();
            assert_eq!(reader.got, expected, "what was not told as lost arrives once and in order");
            for (from, to) in &reader.lost {
                assert!(
                    from <= to && *to as usize <= self.model.dropped,
                    "only what is gone is told as lost"
                );
            }
        }
    }
}

/// How many times as many cases as in the normal run.
fn soak() -> u32 {
    std::env::var("TRICAST_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000 * soak(), ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_gives_what_the_model_gives(
        events_max in 1_usize..30,
        bytes_max in 1_usize..400,
        age_max in proptest::option::of(1_u64..100),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(Retention { events_max, bytes_max, age_max: age_max.map(Millis) });
        for step in &steps {
            world.apply(step);
        }
        world.settle();
    }
}

#[test]
fn a_history_page_sees_every_room_but_nothing_addressed_to_one_session() {
    let mut world = World::new(Retention::default());
    world.publish(&[0], None, None, 1);
    world.publish(&[], None, Some(1), 1);
    world.publish(&[], Some(2), None, 1);
    let everything = Interest::everything();
    let read =
        world.log.read(Offset::ZERO, world.log.last(), &everything, ReadLimit { events: 10, bytes: 100 });
    let offsets: Vec<u64> = read.entries.iter().map(|entry| entry.offset.0).collect();
    assert_eq!(offsets, [1, 3]);
}

#[test]
fn log_time_never_runs_backwards() {
    let mut log = Log::new(Epoch::from_random(1), Retention::default());
    let mut times = Vec::new();
    for now in [5, 3, 9] {
        log.append(Millis(now), Addressing::default(), None, |_, time| {
            times.push(time.0);
            ((), 1)
        });
    }
    assert_eq!(times, [5, 5, 9]);
}

#[test]
fn a_quiet_room_is_found_without_reading_the_others() {
    let mut log = Log::new(Epoch::from_random(1), Retention { events_max: 200_000, ..Retention::default() });
    let to = |room: &str| Addressing {
        rooms: RoomSet::new(vec![Room::new(room).unwrap()]),
        ..Addressing::default()
    };
    for place in 0..100_000_u32 {
        let room = if place == 50_000 { "quiet" } else { "busy" };
        log.append(Millis(0), to(room), None, |_, _| ((), 1));
    }
    let quiet = Interest::of(Member(1), RoomSet::new(vec![Room::new("quiet").unwrap()]));
    let limit = ReadLimit { events: 10, bytes: 1000 };
    // Ten thousand reads over a hundred thousand events: a scan would need a thousand million steps.
    for _ in 0..10_000 {
        let read = log.read(Offset::ZERO, log.last(), &quiet, limit);
        assert_eq!(read.entries.len(), 1);
        assert_eq!(read.upto, log.last());
    }
}
