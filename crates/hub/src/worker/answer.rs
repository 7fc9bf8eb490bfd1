//! What a worker answers when it is asked.

use std::cmp::Reverse;
use std::collections::HashMap;

use tricast_feed::{AudienceKey, Millis, Namespace, Offset, Room};

use crate::ask::Ask;
use crate::out::Out;
use crate::roster::{Choice, Connection, Listing, Stance, keep_first};
use crate::session::rooms_of;
use crate::tally::Tally;
use crate::worker::state::{Local, Place, State, Subscriber, given};

impl State {
    pub(crate) fn answer_question(&mut self, ask: Ask) {
        match ask {
            Ask::Balance(namespace, reply) => {
                reply.send(self.balance(&namespace)).ok();
            }
            Ask::Given(key, offset, reply) => {
                let now = self.shared.now();
                let found = self.subscribers.get(key.index).filter(|found| found.serial == key.serial);
                let given = |found: &Subscriber| {
                    let local = &self.locals[found.feed];
                    (given(local, found, now), local.given_at(found, offset))
                };
                reply.send(found.map(given)).ok();
            }
            Ask::Connections(namespace, choice, reply) => {
                reply.send(self.connections(&namespace, &choice)).ok();
            }
            Ask::Rooms(namespace, reply) => {
                reply.send(self.rooms(&namespace)).ok();
            }
        }
    }

    /// This worker's part of a balance, at this moment.
    fn balance(&self, namespace: &Namespace) -> [Tally; 3] {
        let Some(index) = self.by_name.get(namespace) else { return Default::default() };
        let mut tallies = self.locals[*index].tallies;
        for (_, subscriber) in self.subscribers.iter().filter(|(_, subscriber)| subscriber.feed == *index) {
            tallies[subscriber.way.index()].pending += subscriber.debt.open();
        }
        tallies
    }

    /// The first of this worker's connections that are asked for.
    fn connections(&self, namespace: &Namespace, choice: &Choice) -> Listing<Connection> {
        let Some(index) = self.by_name.get(namespace) else { return Listing { count: 0, first: vec![] } };
        let local = &self.locals[*index];
        let last = local.feed.last();
        let is_in = |subscriber: &Subscriber, room: &Room| {
            subscriber.interest.rooms.as_ref().is_some_and(|rooms| rooms.contains(room))
        };
        let is_chosen = |subscriber: &&Subscriber| {
            subscriber.feed == *index
                && choice.way.is_none_or(|way| subscriber.way == way)
                && choice.room.as_ref().is_none_or(|room| is_in(subscriber, room))
        };
        let lag = |subscriber: &Subscriber| last.0.saturating_sub(local.standing(subscriber.place).0);
        let all = self.subscribers.iter().map(|(_, subscriber)| subscriber).filter(is_chosen);
        let mut chosen: Vec<&Subscriber> = all.collect();
        let count = chosen.len();
        keep_first(&mut chosen, choice.limit, |found| {
            (Reverse(lag(found)), found.began.1, found.interest.member)
        });
        let seen = |subscriber: &&Subscriber| {
            Some(Connection {
                member: subscriber.interest.member?,
                way: subscriber.way,
                rooms: rooms_of(&subscriber.interest),
                since: subscriber.began.1,
                lag: lag(subscriber),
                stance: self.stance(subscriber),
                link: match &subscriber.out {
                    Out::Line(line) => self.carrier.facts(line.seat),
                    Out::Call(call) => self.carrier.facts(call.seat),
                    Out::Pipe(_) | Out::Parked(_) => None,
                },
            })
        };
        Listing { count, first: chosen.iter().filter_map(seen).collect() }
    }

    fn stance(&self, subscriber: &Subscriber) -> Stance {
        let stalls = match &subscriber.out {
            Out::Call(call) if call.rests() => return Stance::Resting,
            Out::Line(line) => line.is_held(),
            Out::Pipe(pipe) => pipe.stalled_secs(self.second) > 0,
            Out::Call(_) | Out::Parked(_) => false,
        };
        match subscriber.place {
            _ if stalls => Stance::Stalled,
            Place::Live | Place::Due => Stance::Live,
            Place::Behind(_) => Stance::Behind,
        }
    }

    /// How many of this worker's connections are in each room.
    fn rooms(&self, namespace: &Namespace) -> HashMap<Room, usize> {
        let Some(index) = self.by_name.get(namespace) else { return HashMap::new() };
        let local = &self.locals[*index];
        let inside = |key: &AudienceKey| local.members.get(key.0 as usize).map_or(0, Vec::len);
        let rooms = local.audiences.rooms();
        rooms.map(|(room, audiences)| (room.clone(), audiences.iter().map(inside).sum())).collect()
    }
}

impl Local {
    /// When a pass gave a subscriber an event, if it has been live since before and the pass is remembered.
    fn given_at(&self, subscriber: &Subscriber, offset: Offset) -> Option<Millis> {
        let was_live = subscriber.place == Place::Live && subscriber.live_after < offset;
        let pass = self.past.iter().find(|(head, _)| *head >= offset).filter(|_| was_live)?;
        Some(pass.1)
    }
}
