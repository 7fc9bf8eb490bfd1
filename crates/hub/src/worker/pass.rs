//! A pass: everything that was published since the last one, joined once for each audience and way out.

use std::collections::HashMap;

use tricast_feed::{AudienceKey, Offset};

use crate::join::{Event, Joined};
use crate::key::Key;
use crate::out::Out;
use crate::worker::state::{Local, Place, State};

/// Audiences that get the same events of a pass, so that these are joined once for all of them.
struct Group {
    picked: Vec<u32>,
    audiences: Vec<AudienceKey>,
}

/// Which events of a pass each audience gets.
fn groups(local: &Local, events: &[Event]) -> Vec<Group> {
    let mut broadcasts: Vec<u32> = Vec::new();
    let mut own: Vec<(AudienceKey, u32)> = Vec::new();
    let mut reached = Vec::new();
    for (place, event) in events.iter().enumerate() {
        if event.addressing.is_broadcast() {
            broadcasts.push(place as u32);
        } else {
            reached.clear();
            local.audiences.reached(&event.addressing, &mut reached);
            own.extend(reached.iter().map(|audience| (*audience, place as u32)));
        }
    }
    own.sort_unstable();
    let mut by_events: HashMap<Vec<u32>, Vec<AudienceKey>> = HashMap::new();
    for chunk in own.chunk_by(|left, right| left.0 == right.0) {
        let mut picked: Vec<u32> =
            chunk.iter().map(|(_, place)| *place).chain(broadcasts.iter().copied()).collect();
        picked.sort_unstable();
        by_events.entry(picked).or_default().push(chunk[0].0);
    }
    let mut groups: Vec<Group> =
        by_events.into_iter().map(|(picked, audiences)| Group { picked, audiences }).collect();
    if !broadcasts.is_empty() {
        let has_own = |audience: &AudienceKey| own.binary_search_by_key(audience, |(key, _)| *key).is_ok();
        let audiences = local.audiences.keys().filter(|audience| !has_own(audience)).collect();
        groups.push(Group { picked: broadcasts, audiences });
    }
    groups
}

/// From this many different joins in one pass on, a large one is not made: its readers take it from the log, when each
/// of them is ready for it. So the memory of a pass is bounded whatever the rooms are.
const LARGE_JOINS_MAX: usize = 16;

impl State {
    /// Makes one pass over a feed. True if there is more to do.
    pub(crate) fn pass(&mut self, index: usize) -> bool {
        let local = &mut self.locals[index];
        local.link.seen();
        let before = local.head;
        let (events, last) = self.take_news(index);
        // What was ordered before one of these events was published must hold for it: a join that was answered, above
        // all. Orders are given before they are answered, so they are here by now.
        for order in self.mailbox.take_orders() {
            self.obey(order);
        }
        if last == before {
            return false;
        }
        let head = events.last().map_or(last, |event| event.offset);
        let is_whole = events.first().is_some_and(|event| event.offset == before.next());
        let alone = if is_whole { self.addressed_alone(index, &events) } else { self.everybody(index) };
        // Who reads alone is set apart before anything is handed out.
        alone.iter().for_each(|key| self.set_behind(*key, before));
        let local = &mut self.locals[index];
        local.head = head;
        local.passes = local.passes.wrapping_add(1);
        if is_whole {
            self.hand_out_all(index, before, &events);
        }
        alone.into_iter().for_each(|key| self.nudge(key));
        self.wake_waiting(index);
        head < last
    }

    /// What is new, as much as one pass may take, and the newest offset of all.
    fn take_news(&self, index: usize) -> (Vec<Event>, Offset) {
        let local = &self.locals[index];
        let limits = &self.shared.limits;
        local.feed.with_log(|log| {
            let mut bytes = 0;
            let news = log.tail(local.head, limits.pass_events_max).take_while(|event| {
                let fits = bytes < limits.pass_bytes_max;
                bytes += event.size;
                fits
            });
            (news.cloned().collect(), log.last())
        })
    }

    /// The subscribers here that one of the events leaves out or is for alone.
    fn addressed_alone(&self, index: usize, events: &[Event]) -> Vec<Key> {
        let by_session = &self.locals[index].by_session;
        let named = events.iter().flat_map(|event| [event.addressing.except, event.addressing.to]).flatten();
        let mut keys: Vec<Key> = named.filter_map(|session| by_session.get(&session)).copied().collect();
        keys.sort_unstable_by_key(|key| key.serial);
        keys.dedup();
        keys
    }

    fn everybody(&self, index: usize) -> Vec<Key> {
        let mine = self.subscribers.iter().filter(|(_, subscriber)| subscriber.feed == index);
        mine.map(|(slot, subscriber)| Key { index: slot, serial: subscriber.serial }).collect()
    }

    fn set_behind(&mut self, key: Key, offset: Offset) {
        if let Some(subscriber) = self.find(key)
            && subscriber.place == Place::Live
        {
            subscriber.place = Place::Behind(offset);
        }
    }

    fn hand_out_all(&mut self, index: usize, before: Offset, events: &[Event]) {
        let groups = groups(&self.locals[index], events);
        let cursor = self.locals[index].cursor(self.locals[index].head);
        let mut delivered = 0;
        for group in &groups {
            let bytes: usize = group.picked.iter().map(|place| events[*place as usize].size).sum();
            let is_large = groups.len() > LARGE_JOINS_MAX && bytes > self.shared.limits.read_bytes_max;
            let mut joined = Joined::new(events, &group.picked, cursor);
            for audience in &group.audiences {
                if is_large {
                    self.let_read(index, *audience, before);
                } else {
                    delivered += self.hand_out(index, *audience, before, &mut joined);
                }
            }
        }
        self.shared.count_deliveries(delivered);
    }

    /// Lets an audience read the log by itself, each member when its carrier is ready.
    fn let_read(&mut self, index: usize, audience: AudienceKey, before: Offset) {
        for member in self.locals[index].members[audience.0 as usize].clone() {
            let Some(subscriber) = self.subscribers.get(member) else { continue };
            let key = Key { index: member, serial: subscriber.serial };
            self.set_behind(key, before);
            self.nudge(key);
        }
    }

    /// Gives an audience its events. Gives the number of deliveries.
    fn hand_out(
        &mut self,
        index: usize,
        audience: AudienceKey,
        before: Offset,
        joined: &mut Joined<'_>,
    ) -> u64 {
        let members = std::mem::take(&mut self.locals[index].members[audience.0 as usize]);
        let mut alone = Vec::new();
        let mut delivered = 0;
        let (head, tail) = members.split_at(self.locals[index].passes % members.len().max(1));
        for member in tail.iter().chain(head) {
            let Some(subscriber) = self.subscribers.get_mut(*member) else { continue };
            if subscriber.place != Place::Live {
                continue;
            }
            match &mut subscriber.out {
                Out::Pipe(pipe) if pipe.is_free() => {
                    pipe.fill(joined.get(subscriber.shape), self.second);
                    delivered += joined.count() as u64;
                }
                Out::Pipe(_) => subscriber.place = Place::Behind(before),
                Out::Parked(parked) if parked.is_answered() => {}
                Out::Parked(parked) if parked.sync.is_none() && joined.count() <= parked.events_max => {
                    parked.answer(joined.get(subscriber.shape));
                    delivered += joined.count() as u64;
                }
                Out::Parked(_) => {
                    subscriber.place = Place::Behind(before);
                    alone.push(Key { index: *member, serial: subscriber.serial });
                }
            }
        }
        self.locals[index].members[audience.0 as usize] = members;
        alone.into_iter().for_each(|key| self.nudge(key));
        delivered
    }

    /// Those that started after the old head may go on now.
    fn wake_waiting(&mut self, index: usize) {
        for key in std::mem::take(&mut self.locals[index].waiting) {
            if let Some(subscriber) = self.find(key) {
                subscriber.is_waiting = false;
                self.nudge(key);
            }
        }
    }
}
