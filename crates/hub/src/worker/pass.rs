//! A pass: everything that was published since the last one, joined once for each audience and way out.
//!
//! A pass is planned at once and walked in steps, so that a worker with many subscribers does other work in between.
//! Who is still to be served is [`Place::Due`]; whoever is moved on by something else meanwhile, is it no longer.

use std::collections::HashMap;

use bytes::Bytes;
use tricast_feed::{AudienceKey, Offset};

use crate::Way;
use crate::carrier::Carrier;
use crate::join::{Event, Joined};
use crate::key::Key;
use crate::out::Out;
use crate::tally::{Fate, Tally};
use crate::worker::state::{Local, Place, State, Subscriber};

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

/// What a group of audiences is to get.
struct Share<'a> {
    events: &'a [Event],
    /// How many of them are the group's.
    count: u64,
    join: Option<u32>,
    /// Subscribers that were looked at one by one, by their slot, in order.
    alone: &'a [usize],
}

impl Share<'_> {
    /// Counts what a subscriber is owed that this pass does not serve. One that started after some of the events, or
    /// joined a room after them, is looked at one by one.
    fn owe_behind(&self, subscriber: &mut Subscriber, index: usize, before: Offset, tally: &mut Tally) {
        if !subscriber.debt.is_counted() || self.alone.binary_search(&index).is_ok() {
            return;
        }
        let is_plain = matches!(subscriber.place, Place::Behind(offset) if offset <= before)
            && subscriber.interest.joined.iter().all(|(_, since)| *since <= before);
        let count = if is_plain { self.count } else { own_of(subscriber, self.events) };
        subscriber.debt.grow(count, tally);
    }
}

/// How many of the events are a subscriber's own and still to come.
fn own_of(subscriber: &Subscriber, events: &[Event]) -> u64 {
    let Place::Behind(offset) = subscriber.place else { return 0 };
    let is_own =
        |event: &&Event| event.offset > offset && subscriber.interest.covers(&event.addressing, event.offset);
    events.iter().filter(is_own).count() as u64
}

/// From this many different joins in one pass on, a large one is not made: its readers take it from the log, when each
/// of them is ready for it. So the memory of a pass is bounded whatever the rooms are.
const LARGE_JOINS_MAX: usize = 16;

/// Passes of which it is known when they were: a few seconds of a busy feed, and hours of a quiet one.
const PASSES_REMEMBERED: usize = 256;

/// A pass that is under way.
#[derive(Debug)]
pub(crate) struct Run {
    feed: usize,
    /// Where it began.
    before: Offset,
    joins: Vec<Joined>,
    /// Whom it serves, and with which of the joins.
    todo: Vec<(u32, u32)>,
    done: usize,
    /// Whether more was published than one pass takes.
    pub(crate) has_more: bool,
}

impl Run {
    pub(crate) fn feed(&self) -> usize {
        self.feed
    }
}

impl State {
    /// Plans a pass over a feed. Nothing, if nothing is new. Only one pass may be under way over a feed.
    pub(crate) fn plan(&mut self, index: usize) -> Option<Run> {
        let local = &mut self.locals[index];
        local.link.seen();
        let before = local.head;
        let (events, last) = self.take_news(index);
        // What was ordered before one of these events was published must hold for it: a join that was answered, above
        // all. Orders are given before they are answered, so they are here by now.
        self.obey_all();
        if last == before {
            return None;
        }
        let head = events.last().map_or(last, |event| event.offset);
        let is_whole = events.first().is_some_and(|event| event.offset == before.next());
        let alone = if is_whole { self.addressed_alone(index, &events) } else { self.everybody(index) };
        // Who reads alone is set apart before anything is handed out.
        for key in &alone {
            self.set_behind(*key);
            if is_whole {
                self.owe_alone(*key, &events);
            } else {
                self.give_back(*key);
            }
        }
        let now = self.shared.now();
        let local = &mut self.locals[index];
        (local.head, local.due_from) = (head, before);
        local.passes = local.passes.wrapping_add(1);
        local.past.push_back((head, now));
        if local.past.len() > PASSES_REMEMBERED {
            local.past.pop_front();
        }
        let mut run =
            Run { feed: index, before, joins: vec![], todo: vec![], done: 0, has_more: head < last };
        if is_whole {
            self.enlist_due(&mut run, &events, &alone);
        }
        alone.into_iter().for_each(|key| self.nudge(key));
        self.wake_waiting(index);
        Some(run)
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
        let by_member = &self.locals[index].by_member;
        let named = events.iter().flat_map(|event| [event.addressing.except, event.addressing.to]).flatten();
        let mut keys: Vec<Key> = named.filter_map(|member| by_member.get(&member)).copied().collect();
        keys.sort_unstable_by_key(|key| key.serial);
        keys.dedup();
        keys
    }

    /// One of the events leaves this subscriber out or is for it alone: what it is owed is looked at one by one.
    fn owe_alone(&mut self, key: Key, events: &[Event]) {
        let Some(subscriber) = self.subscribers.get_mut(key.index).filter(|found| found.serial == key.serial)
        else {
            return;
        };
        let tally = &mut self.locals[subscriber.feed].tallies[subscriber.way.index()];
        subscriber.debt.grow(own_of(subscriber, events), tally);
    }

    fn everybody(&self, index: usize) -> Vec<Key> {
        let mine = self.subscribers.iter().filter(|(_, subscriber)| subscriber.feed == index);
        mine.map(|(slot, subscriber)| Key { index: slot, serial: subscriber.serial }).collect()
    }

    /// Notes whom the run serves, and lets those read by themselves for whom nothing is joined.
    fn enlist_due(&mut self, run: &mut Run, events: &[Event], alone: &[Key]) {
        let groups = groups(&self.locals[run.feed], events);
        let cursor = self.locals[run.feed].cursor(self.locals[run.feed].head);
        let mut readers = Vec::new();
        let mut alone: Vec<usize> = alone.iter().map(|key| key.index).collect();
        alone.sort_unstable();
        for group in &groups {
            let bytes: usize = group.picked.iter().map(|place| events[*place as usize].size).sum();
            let is_large = groups.len() > LARGE_JOINS_MAX && bytes > self.shared.limits.read_bytes_max;
            let join = run.joins.len() as u32;
            if !is_large {
                let picked = group.picked.iter().map(|place| Event::clone(&events[*place as usize]));
                run.joins.push(Joined::new(picked.collect(), cursor));
            }
            let share = Share {
                events,
                count: group.picked.len() as u64,
                join: (!is_large).then_some(join),
                alone: &alone,
            };
            for audience in &group.audiences {
                self.enlist_audience(run, *audience, &share, &mut readers);
            }
        }
        readers.into_iter().for_each(|key| self.nudge(key));
    }

    fn enlist_audience(
        &mut self,
        run: &mut Run,
        audience: AudienceKey,
        share: &Share<'_>,
        readers: &mut Vec<Key>,
    ) {
        let Local { members, tallies, passes, .. } = &mut self.locals[run.feed];
        let members = &members[audience.0 as usize];
        let (head, tail) = members.split_at(*passes % members.len().max(1));
        for member in tail.iter().chain(head) {
            let Some(subscriber) = self.subscribers.get_mut(*member) else { continue };
            if subscriber.place != Place::Live {
                let tally = &mut tallies[subscriber.way.index()];
                share.owe_behind(subscriber, *member, run.before, tally);
                continue;
            }
            match share.join {
                Some(join) => {
                    subscriber.place = Place::Due;
                    // A worker's subscribers are fewer than `limits.subscribers_max`, far below the range.
                    run.todo.push((join, *member as u32));
                }
                None => {
                    subscriber.place = Place::Behind(run.before);
                    subscriber.debt.grow(share.count, &mut tallies[subscriber.way.index()]);
                    readers.push(Key { index: *member, serial: subscriber.serial });
                }
            }
        }
    }

    /// Serves the next subscribers of a run, at most so many. True while some remain.
    pub(crate) fn step(&mut self, run: &mut Run, most: usize) -> bool {
        let end = run.todo.len().min(run.done + most);
        let mut served = [0_u64; Way::ALL.len()];
        for place in run.done..end {
            let (join, member) = run.todo[place];
            self.serve(run.feed, run.before, member as usize, &mut run.joins[join as usize], &mut served);
        }
        run.done = end;
        // Whoever was served whole was owed just that and owes nothing now: it is counted here, for all at once.
        for (tally, served) in self.locals[run.feed].tallies.iter_mut().zip(served) {
            tally.owed += served;
            tally.delivered += served;
        }
        self.shared.count_deliveries(served.iter().sum());
        end < run.todo.len()
    }

    /// Serves one subscriber, and counts what it was served by transport.
    fn serve(
        &mut self,
        feed: usize,
        before: Offset,
        member: usize,
        joined: &mut Joined,
        served: &mut [u64; Way::ALL.len()],
    ) {
        let Some(subscriber) = self.subscribers.get_mut(member) else { return };
        // The slot may be another's by now, who is due in a pass over another feed.
        if subscriber.place != Place::Due || subscriber.feed != feed {
            return;
        }
        let key = Key { index: member, serial: subscriber.serial };
        let way = subscriber.way.index();
        match &mut subscriber.out {
            Out::Line(line) => {
                let bytes = joined.get(subscriber.shape);
                let written = self.carrier.send(line.seat, bytes);
                if written < bytes.len() {
                    return self.hold(key, before, written, joined);
                }
                subscriber.place = Place::Live;
                served[way] += joined.count() as u64;
            }
            Out::Call(call) if call.sync.is_none() && joined.count() <= call.events_max as usize => {
                self.carrier.answer(call.seat, joined.get(subscriber.shape));
                subscriber.place = Place::Live;
                served[way] += joined.count() as u64;
                self.rest(key);
            }
            Out::Pipe(pipe) if pipe.is_free() => {
                pipe.fill(joined.get(subscriber.shape).clone(), self.second);
                subscriber.place = Place::Live;
                served[way] += joined.count() as u64;
            }
            // It has its answer, and waits for it to be taken.
            Out::Parked(parked) if parked.is_answered() => subscriber.place = Place::Live,
            Out::Parked(parked) if parked.sync.is_none() && joined.count() <= parked.events_max => {
                parked.answer(joined.get(subscriber.shape).clone());
                subscriber.place = Place::Live;
                served[way] += joined.count() as u64;
            }
            Out::Pipe(_) | Out::Call(_) | Out::Parked(_) => {
                subscriber.place = Place::Behind(before);
                subscriber.debt.grow(joined.count() as u64, &mut self.locals[feed].tallies[way]);
                self.nudge_poll(key);
            }
        }
    }

    /// A poll that a pass cannot answer reads by itself; a stream does so when its buffer was taken.
    fn nudge_poll(&mut self, key: Key) {
        let is_poll = |subscriber: &mut Subscriber| matches!(subscriber.out, Out::Call(_) | Out::Parked(_));
        if self.find(key).is_some_and(is_poll) {
            self.nudge(key);
        }
    }

    /// A connection took a part of a pass only.
    fn hold(&mut self, key: Key, before: Offset, written: usize, joined: &Joined) {
        let Self { subscribers, carrier, second, locals, shared, .. } = self;
        let Some(subscriber) = subscribers.get_mut(key.index) else { return };
        let (stop, upto) = joined.stop(subscriber.shape, written, before);
        subscriber.place = Place::Behind(upto);
        let tally = &mut locals[subscriber.feed].tallies[subscriber.way.index()];
        subscriber.debt.grow(joined.count() as u64, tally);
        subscriber.debt.settle(Fate { delivered: stop.events as u64, ..Fate::default() }, tally);
        shared.count_deliveries(stop.events as u64);
        hold_line(subscriber, *second, stop.rest, carrier.as_ref());
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

/// Notes that a line stands, and has its carrier keep what must go out first.
pub(crate) fn hold_line(subscriber: &mut Subscriber, second: u64, rest: Bytes, carrier: &dyn Carrier) {
    if let Out::Line(line) = &mut subscriber.out {
        line.hold(second);
        if !rest.is_empty() {
            carrier.keep(line.seat, rest);
        }
    }
}
