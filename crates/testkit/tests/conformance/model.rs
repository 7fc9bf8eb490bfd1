//! Random schedules over real sockets against a plain vector.
//!
//! The model is everything that was published, in order, and a rule for who gets it. Subscribers publish, read a
//! little, are cut, come back by another transport with session and cursor or with a cursor alone, and join and leave
//! rooms; each must be given exactly what the vector gives, wherever it reads on.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use tricast_testkit::{Lane, Opening, Subscriber, TestServer};

const CASES: u64 = 60;
const STEPS: usize = 30;
const SUBSCRIBERS: usize = 3;
const ROOMS: [&str; 3] = ["a", "b", "c"];

#[test]
fn random_schedules_give_what_a_vector_gives() {
    // Small reads and passes, so that a few events are many turns.
    let server = TestServer::with(&[
        ("limits.read_bytes_max", "1024"),
        ("limits.pass_events_max", "2"),
        ("namespaces.dynamic", "true"),
    ]);
    for seed in 0..CASES {
        // Shown where the test fails: the case is the same again for the same seed.
        println!("seed {seed}");
        Case::new(&server, seed).run();
    }
}

/// An event as the model keeps it. Its offset is its place in the vector and one.
struct Published {
    rooms: Vec<&'static str>,
    except: Option<String>,
    to: Option<String>,
}

/// A subscriber and what the model knows of it.
struct Client {
    subscriber: Option<Subscriber>,
    session: String,
    /// Its rooms, and the offset from which on each counts.
    rooms: BTreeMap<&'static str, u64>,
    /// The offset of the last event that it read, or that it started after.
    upto: u64,
}

impl Client {
    fn covers(&self, offset: u64, event: &Published) -> bool {
        if let Some(to) = &event.to {
            return *to == self.session;
        }
        event.except.as_ref() != Some(&self.session)
            && (event.rooms.is_empty()
                || event.rooms.iter().any(|room| self.rooms.get(room).is_some_and(|since| offset > *since)))
    }

    /// The offsets that it has to be given next.
    fn expected(&self, log: &[Published]) -> VecDeque<u64> {
        let numbered =
            (1..).zip(log).filter(|(offset, event)| *offset > self.upto && self.covers(*offset, event));
        numbered.map(|(offset, _)| offset).collect()
    }

    fn subscriber(&mut self) -> &mut Subscriber {
        self.subscriber.as_mut().expect("it is open between two steps")
    }
}

/// One schedule, in a namespace of its own.
struct Case<'a> {
    rng: Rng,
    server: &'a TestServer,
    namespace: String,
    epoch: String,
    log: Vec<Published>,
    clients: Vec<Client>,
}

impl<'a> Case<'a> {
    fn new(server: &'a TestServer, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let namespace = format!("case-{seed}");
        let state = server.get(&format!("/v1/feeds/{namespace}")).json();
        let epoch = state["epoch"].as_str().unwrap().to_owned();
        let mut case =
            Self { rng: rng.fork(), server, namespace, epoch, log: Vec::new(), clients: Vec::new() };
        for _ in 0..SUBSCRIBERS {
            let client = case.newcomer(&mut rng, 0);
            case.clients.push(client);
        }
        case
    }

    /// A client that nobody knows yet, after an offset, by some transport and in some rooms.
    fn newcomer(&self, rng: &mut Rng, upto: u64) -> Client {
        let lane = rng.choice(Lane::ALL).expect("there are three");
        let rooms: Vec<&'static str> = ROOMS.into_iter().filter(|_| rng.bool()).collect();
        let after = format!("{}-{upto}", self.epoch);
        let opening = Opening::new().namespace(&self.namespace).rooms(&rooms.join(",")).after(&after);
        let subscriber = Subscriber::open(self.server, lane, &opening);
        assert_eq!((subscriber.sync().state.as_str(), subscriber.cursor()), ("resumed", after.as_str()));
        Client {
            session: subscriber.session().to_owned(),
            subscriber: Some(subscriber),
            rooms: rooms.into_iter().map(|room| (room, 0)).collect(),
            upto,
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            let who = self.rng.usize(..self.clients.len());
            match self.rng.u8(..10) {
                0..4 => self.publish(),
                4..6 => self.read_some(who),
                6 => self.cut_and_go_on(who),
                7 => self.cut_and_come_as_another(who),
                8 => self.join(who),
                _ => self.leave(who),
            }
        }
        self.publish_event(Published { rooms: vec![], except: None, to: None });
        for who in 0..self.clients.len() {
            self.read_all(who);
            assert_eq!(self.clients[who].upto, self.log.len() as u64, "the last one is for everybody");
        }
    }

    fn publish(&mut self) {
        for _ in 0..self.rng.usize(1..4) {
            let rooms: Vec<&'static str> = ROOMS.into_iter().filter(|_| self.rng.u8(..3) == 0).collect();
            let session = self.rng.choice(&self.clients).map(|client| client.session.clone());
            let event = match self.rng.u8(..6) {
                0 => Published { rooms: vec![], except: None, to: session },
                1 => Published { rooms, except: session, to: None },
                _ => Published { rooms, except: None, to: None },
            };
            self.publish_event(event);
        }
    }

    fn publish_event(&mut self, event: Published) {
        let offset = self.log.len() as u64 + 1;
        let mut body = serde_json::json!({ "data": offset, "rooms": event.rooms });
        for (field, session) in [("except", &event.except), ("to", &event.to)] {
            if let Some(session) = session {
                body[field] = session.as_str().into();
            }
        }
        let path = format!("/v1/feeds/{}/events", self.namespace);
        let answer = self.server.request("POST", &path, "", &body.to_string());
        let id = format!("{}-{offset}", self.epoch);
        assert_eq!(answer.json(), serde_json::json!({ "events": [{ "id": id }] }));
        self.log.push(event);
    }

    fn read_some(&mut self, who: usize) {
        let pending = self.clients[who].expected(&self.log);
        let count = self.rng.usize(..=pending.len());
        self.read(who, pending.into_iter().take(count));
    }

    fn read_all(&mut self, who: usize) {
        let pending = self.clients[who].expected(&self.log);
        self.read(who, pending.into_iter());
    }

    fn read(&mut self, who: usize, offsets: impl Iterator<Item = u64>) {
        let client = &mut self.clients[who];
        for offset in offsets {
            let event = client.subscriber().event();
            assert_eq!((event.offset(), event.data), (offset, offset.to_string()), "client {who}");
            client.upto = offset;
        }
    }

    /// With session and cursor, by some transport: its rooms are still its own.
    fn cut_and_go_on(&mut self, who: usize) {
        let lane = self.rng.choice(Lane::ALL).expect("there are three");
        let client = &mut self.clients[who];
        let kept = client.subscriber.take().expect("it is open between two steps").cut();
        let subscriber = kept.go_on(self.server, lane);
        assert_eq!((subscriber.session(), subscriber.sync().state.as_str()), (&*client.session, "resumed"));
        client.subscriber = Some(subscriber);
    }

    /// With an older cursor, or its own, and no session.
    fn cut_and_come_as_another(&mut self, who: usize) {
        let mut rng = self.rng.fork();
        let upto = rng.u64(..=self.clients[who].upto);
        self.clients[who].subscriber = None;
        self.clients[who] = self.newcomer(&mut rng, upto);
    }

    fn join(&mut self, who: usize) {
        let (room, tip) = (ROOMS[self.rng.usize(..ROOMS.len())], self.log.len() as u64);
        let client = &mut self.clients[who];
        client.rooms.entry(room).or_insert(tip);
        let rooms = client.subscriber().join(&[room]);
        assert_eq!(rooms, self.clients[who].rooms.keys().copied().collect::<Vec<_>>());
    }

    /// What is on its way when a client leaves may still come or not, so it reads that first.
    fn leave(&mut self, who: usize) {
        self.read_all(who);
        let room = ROOMS[self.rng.usize(..ROOMS.len())];
        let client = &mut self.clients[who];
        client.rooms.remove(room);
        let rooms = client.subscriber().leave(&[room]);
        assert_eq!(rooms, self.clients[who].rooms.keys().copied().collect::<Vec<_>>());
    }
}
