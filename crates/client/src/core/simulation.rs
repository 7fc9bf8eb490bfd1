//! A client against a server in virtual time: two machines that are stepped, a network between them that refuses, holds
//! back, cuts and goes mute, and no sleep. Whatever happens, the client gives each event once and in order, or tells what
//! is missing; and when the network is well again, it gets on.

use std::collections::VecDeque;

use proptest::prelude::*;
use tricast_wire::decode::{Beat, EventMsg, Gap, Offset};

use super::*;

const BEAT: Duration = Duration::from_secs(15);

/// How a transport fares at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Well,
    /// Nobody answers.
    Away,
    /// Something on the way refuses this transport.
    Refused,
    /// Something on the way takes the stream and passes on nothing.
    Buffered,
    /// It passes on the beginning and keeps the rest.
    HeldBack,
    /// The connection breaks after so many messages.
    Breaks(u8),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Publish(u64),
    /// How one of the transports, or all of them, fare from now on. An open connection feels it too.
    Network(Option<usize>, Network),
    /// The server starts again in another epoch.
    Restart,
    /// All but the newest so many events are dropped.
    Trim(u64),
    /// A subscriber that stands is told a gap up to the tip.
    Skip,
    Pass(u64),
}

fn network() -> impl Strategy<Value = Network> {
    prop_oneof![
        3 => Just(Network::Well),
        1 => Just(Network::Away),
        1 => Just(Network::Refused),
        1 => Just(Network::Buffered),
        1 => Just(Network::HeldBack),
        1 => (1_u8..6).prop_map(Network::Breaks),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1_u64..5).prop_map(Step::Publish),
        3 => (proptest::option::weighted(0.7, 0_usize..3), network()).prop_map(|(way, how)| Step::Network(way, how)),
        1 => Just(Step::Restart),
        1 => (0_u64..4).prop_map(Step::Trim),
        1 => Just(Step::Skip),
        6 => (1_u64..120).prop_map(Step::Pass),
    ]
}

/// One connection as the server has it.
#[derive(Debug)]
struct Line {
    way: Way,
    /// What was sent and has not come yet.
    sent: VecDeque<Message>,
    upto: u64,
    next_beat: Duration,
    /// Messages that came through.
    came: u8,
}

/// The client, the server, the network, and what the user was given.
struct World {
    now: Duration,
    core: Core,
    random: u64,
    networks: [Network; 3],
    epoch: u64,
    last: u64,
    first: u64,
    line: Option<Line>,
    /// Up to where the user has everything or was told what is missing; nothing before the first `sync`.
    upto: Option<(u64, u64)>,
}

fn place(epoch: u64, offset: u64) -> Cursor {
    Cursor { epoch: tricast_wire::decode::Epoch::from_random(epoch), offset: Offset(offset) }
}

impl World {
    fn new(choice: Transport, random: u64) -> Self {
        Self {
            now: Duration::ZERO,
            core: Core::new(Timing::default(), None, choice, After::Tip),
            random,
            networks: [Network::Well; 3],
            epoch: 1,
            last: 0,
            first: 1,
            line: None,
            upto: None,
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Publish(count) => self.last += count,
            Step::Network(way, how) => {
                let ways = way.map_or(0..3, |way| way..way + 1);
                self.networks[ways].fill(how);
            }
            Step::Restart => {
                (self.epoch, self.last, self.first, self.line) = (self.epoch + 1, 0, 1, None);
            }
            Step::Trim(kept) => self.first = self.first.max((self.last + 1).saturating_sub(kept)),
            Step::Skip => self.skip(),
            Step::Pass(secs) => self.run_until(self.now + Duration::from_secs(secs)),
        }
    }

    fn network(&self, way: Way) -> Network {
        self.networks[Way::ALL.iter().position(|known| *known == way).unwrap_or(0)]
    }

    /// A slow subscriber: the server tells the range and goes on behind it.
    fn skip(&mut self) {
        let (epoch, last) = (self.epoch, self.last);
        if let Some(line) = self.line.as_mut().filter(|line| line.upto < last) {
            let (from, cursor) = (line.upto + 1, place(epoch, last));
            let gap = Gap { from, to: last, reason: "slow".to_owned(), cursor };
            line.sent.push_back(Message::Notice(Notice::Gap(gap)));
            line.upto = last;
        }
    }

    /// Both machines step until this time.
    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            match self.core.next(self.now) {
                Next::Sleep(until) => self.now = until.min(end),
                Next::Connect(attempt, by) => self.connect(&attempt, by),
                Next::Read(silent_at) => self.read(silent_at, end),
                Next::End => panic!("nothing here ends a subscription"),
            }
        }
    }

    fn connect(&mut self, attempt: &Attempt, by: Duration) {
        match self.network(attempt.way) {
            Network::Away => {
                self.now = by;
                self.fail(Failure::Unreachable("no answer in time".to_owned()));
            }
            Network::Refused => {
                self.fail(Failure::Stranger { status: 502, retry_after: None, detail: String::new() });
            }
            _ => {
                self.core.opened(self.now);
                let line = self.open(attempt);
                self.line = Some(line);
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.line = None;
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.core.failed(self.now, self.random, failure).unwrap();
        self.now += Duration::from_millis(1);
    }

    /// The server honours a cursor as the protocol says.
    fn open(&self, attempt: &Attempt) -> Line {
        let oldest = self.first - 1;
        let (upto, state, missed) = match attempt.after {
            After::Tip => (self.last, SyncState::New, Some(0)),
            After::Earliest => (oldest, SyncState::New, Some(0)),
            After::Cursor(cursor) if cursor.epoch != place(self.epoch, 0).epoch => {
                (oldest, SyncState::Reset, None)
            }
            After::Cursor(cursor) if cursor.offset.0 < oldest => {
                (oldest, SyncState::Reset, Some(oldest - cursor.offset.0))
            }
            After::Cursor(cursor) => (cursor.offset.0, SyncState::Resumed, Some(0)),
        };
        let cursor = place(self.epoch, upto);
        let sync =
            Sync { session: "s_1".to_owned(), member: String::new(), cursor, state, missed, beat: BEAT };
        let sent = VecDeque::from([Message::Notice(Notice::Sync(sync))]);
        Line { way: attempt.way, sent, upto, next_beat: self.now + BEAT, came: 0 }
    }

    /// The next message comes, or the connection breaks, or it is mute.
    fn read(&mut self, silent_at: Duration, end: Duration) {
        let Some(mut line) = self.line.take() else {
            return self.fail(Failure::Broken("the connection is gone".to_owned()));
        };
        self.send_on(&mut line);
        let how = self.network(line.way);
        let is_through = match how {
            Network::Well | Network::Breaks(_) | Network::Refused => true,
            Network::HeldBack => line.came == 0,
            Network::Away | Network::Buffered => false,
        };
        if let Network::Breaks(after) = how
            && line.came >= after
        {
            return self.fail(Failure::Broken("the connection broke".to_owned()));
        }
        if let Some(message) = line.sent.front().filter(|_| is_through).cloned() {
            line.sent.pop_front();
            line.came = line.came.saturating_add(1);
            self.line = Some(line);
            self.now += Duration::from_millis(1);
            self.core.heard(self.now, true);
            let update = self.core.message(message);
            self.core.heard(self.now, false);
            return update.into_iter().for_each(|update| self.judge(&update));
        }
        let next = silent_at.min(line.next_beat.max(self.now + Duration::from_millis(1)));
        self.line = Some(line);
        self.now = next.min(end).max(self.now + Duration::from_millis(1));
        if self.now >= silent_at {
            self.fail(Failure::Mute);
        }
    }

    /// What the server has to say by now. A polling client's empty answer is its beat.
    fn send_on(&self, line: &mut Line) {
        for offset in line.upto + 1..=self.last {
            let Some(id) = (offset >= self.first).then(|| place(self.epoch, offset)) else { continue };
            if offset > line.upto + 1 && line.upto + 1 < self.first {
                let (from, to) = (line.upto + 1, self.first - 1);
                let gap = Gap { from, to, reason: "slow".to_owned(), cursor: place(self.epoch, to) };
                line.sent.push_back(Message::Notice(Notice::Gap(gap)));
            }
            line.sent.push_back(super::tests::event(id));
            line.upto = offset;
        }
        if self.now >= line.next_beat {
            line.next_beat = self.now + BEAT;
            line.sent.push_back(Message::Notice(Notice::Beat(Beat { cursor: place(self.epoch, line.upto) })));
        }
    }

    /// Each event once and in order, and no offset passed over that was not told.
    fn judge(&mut self, update: &Update) {
        let at =
            |cursor: Cursor| (1..=self.epoch).find(|epoch| place(*epoch, 0).epoch == cursor.epoch).unwrap();
        match update {
            Update::Event(EventMsg { id, .. }) => {
                let (epoch, upto) = self.upto.expect("the sync comes first");
                assert_eq!((at(*id), id.offset.0), (epoch, upto + 1), "the next one");
                self.upto = Some((epoch, upto + 1));
            }
            Update::Gap(gap) => {
                let (epoch, upto) = self.upto.expect("the sync comes first");
                assert!(gap.from <= upto + 1 && gap.to >= gap.from, "{gap:?} after {upto}");
                self.upto = Some((epoch, upto.max(gap.to)));
            }
            Update::Sync(sync) => {
                let told = (at(sync.cursor), sync.cursor.offset.0);
                let is_honest = sync.state != SyncState::Resumed || self.upto == Some(told);
                assert!(is_honest, "{sync:?} after {:?}", self.upto);
                self.upto = Some(told);
            }
            Update::Beat(beat) => {
                let (epoch, upto) = self.upto.expect("the sync comes first");
                assert_eq!((at(beat.cursor), beat.cursor.offset.0), (epoch, upto));
            }
            Update::State(_) => {}
        }
    }

    /// The network is well again, and there is time.
    fn recover(&mut self) {
        self.networks.fill(Network::Well);
        self.run_until(self.now + Duration::from_secs(120));
        self.last += 1;
        self.run_until(self.now + Duration::from_secs(60));
        assert_eq!(
            self.upto,
            Some((self.epoch, self.last)),
            "it has everything, or was told what is missing"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_network_does_nothing_is_lost_without_a_word(
        choice in proptest::sample::select(&[Transport::Auto, Transport::Ws, Transport::Sse, Transport::Poll][..]),
        random in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(choice, random);
        steps.into_iter().for_each(|step| world.apply(step));
        world.recover();
    }
}

/// Where only one transport works, `Auto` comes to it within a few beats whatever is wrong with the others.
#[test]
fn auto_finds_the_one_transport_that_works() {
    for wrong in [Network::Refused, Network::Buffered, Network::HeldBack] {
        let mut world = World::new(Transport::Auto, 7);
        world.networks = [wrong, wrong, Network::Well];
        world.run_until(BEAT * 6);
        world.last += 1;
        world.run_until(BEAT * 7);
        assert_eq!(world.upto, Some((1, 1)), "{wrong:?}");
        assert_eq!(world.line.as_ref().map(|line| line.way), Some(Way::Poll), "{wrong:?}");
    }
}
