//! A pass: everything that was published since the last one, joined once for each audience and way out.

use tricast_feed::{AudienceKey, Offset};

use crate::join::{Event, Joined};
use crate::key::Key;
use crate::out::Out;
use crate::worker::state::{Local, Place, State};

/// Which events of a pass each audience gets.
#[derive(Default)]
struct Batches {
    by_audience: Vec<(AudienceKey, Vec<u32>)>,
}

impl Batches {
    fn of(local: &Local, events: &[Event]) -> Self {
        let mut picked: Vec<(AudienceKey, u32)> = Vec::new();
        let mut reached = Vec::new();
        for (place, event) in events.iter().enumerate() {
            reached.clear();
            local.audiences.reached(&event.addressing, &mut reached);
            picked.extend(reached.iter().map(|audience| (*audience, place as u32)));
        }
        // Stable, so that the events of an audience stay in order.
        picked.sort_by_key(|(audience, _)| *audience);
        let by_audience = picked
            .chunk_by(|left, right| left.0 == right.0)
            .map(|chunk| (chunk[0].0, chunk.iter().map(|(_, place)| *place).collect()))
            .collect();
        Self { by_audience }
    }
}

impl State {
    /// Makes one pass over a feed. True if there is more to do.
    pub(crate) fn pass(&mut self, index: usize) -> bool {
        let local = &mut self.locals[index];
        local.link.seen();
        let before = local.head;
        let (events, last) = self.take_news(index);
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
            let batches = Batches::of(&self.locals[index], &events);
            let mut delivered = 0;
            for (audience, picked) in &batches.by_audience {
                let cursor = self.locals[index].cursor(head);
                delivered +=
                    self.hand_out(index, *audience, before, &mut Joined::new(&events, picked, cursor));
            }
            self.shared.count_deliveries(delivered);
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
