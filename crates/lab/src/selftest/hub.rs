//! What the faulty server keeps between its connections: one queue for each subscriber, filled with all its faults.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::faults::{Faults, is_nth};
use super::wire;
use crate::machine::thread_cpu_ns;

/// A subscriber looks this often whether the server ends.
const LOOK: Duration = Duration::from_millis(50);
/// Events over the server's life at most; what is published beyond is refused.
const EVENTS_MAX: usize = 100_000;

/// An event as it is published.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    data: Box<RawValue>,
    #[serde(default)]
    rooms: Vec<String>,
}

/// An event as it is delivered.
#[derive(Debug)]
pub(super) struct Event {
    number: u64,
    room: Option<String>,
    pub(super) id: String,
    pub(super) json: String,
}

/// What a subscriber asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// It comes back, and has had everything up to here.
    pub(super) after: Option<u64>,
    pub(super) room: Option<String>,
}

/// Where a subscriber stands.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) subscriber: usize,
    pub(super) cursor: String,
    /// The first and the last of the events that it is told it will not get.
    pub(super) gap: Option<(u64, u64)>,
}

/// What a subscriber is to get, and not before when.
#[derive(Debug, Clone)]
pub(super) enum Due {
    Event(Instant, Arc<Event>),
    /// The end of the stream.
    End,
}

#[derive(Debug)]
struct Queue {
    /// It gets nothing up to this number.
    from: u64,
    room: Option<String>,
    due: VecDeque<Due>,
}

#[derive(Debug, Default)]
struct State {
    requests: u64,
    events: Vec<Arc<Event>>,
    queues: Vec<Queue>,
    /// The event that the first subscriber gets after the next.
    swapped: Option<Due>,
    closing: bool,
}

/// The server's whole state.
#[derive(Debug, Default)]
pub(super) struct Hub {
    pub(super) faults: Faults,
    state: Mutex<State>,
    news: Condvar,
}

impl Hub {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a subscriber: a new one behind the newest event, one that comes back where it was.
    pub(super) fn subscribe(&self, asked: Asked) -> Place {
        let mut state = self.lock();
        let forgotten = asked.after.map_or(0, |_| self.faults.forget);
        let after = asked.after.unwrap_or(state.events.len() as u64);
        let from = after.saturating_add(forgotten);
        let mut queue = Queue { from, room: asked.room, due: VecDeque::new() };
        let now = Instant::now();
        let missed = state.events.iter().filter(|event| queue.wants(event, false));
        queue.due = missed.map(|event| Due::Event(now, Arc::clone(event))).collect();
        state.queues.push(queue);
        let gap = (forgotten > 0 && self.faults.tell > 0).then_some((after.saturating_add(1), from));
        Place { subscriber: state.queues.len() - 1, cursor: wire::id(after), gap }
    }

    /// Takes the events of one publish request; whether it was accepted.
    pub(super) fn publish(&self, written: Vec<Written>) -> bool {
        // Of CPU time, so that it costs the same whoever else wants the core.
        burn(self.faults.burn_us.saturating_mul(written.len() as u64));
        let mut state = self.lock();
        state.requests += 1;
        if is_nth(state.requests, self.faults.refuse_every) || state.events.len() >= EVENTS_MAX {
            return false;
        }
        written.into_iter().for_each(|written| self.enter(&mut state, written));
        drop(state);
        self.news.notify_all();
        true
    }

    fn enter(&self, state: &mut State, written: Written) {
        let (faults, number) = (&self.faults, state.events.len() as u64 + 1);
        if faults.stall_at == number {
            // With the lock held, so that nobody is served meanwhile.
            thread::sleep(Duration::from_millis(faults.stall_ms));
        }
        let id = wire::id(number);
        let json = wire::event(&id, written.data.get());
        let event = Arc::new(Event { number, room: written.rooms.into_iter().next(), id, json });
        state.events.push(Arc::clone(&event));
        let due = Instant::now() + Duration::from_millis(faults.delay_ms);
        let again = Due::Event(due + Duration::from_millis(faults.again_ms), Arc::clone(&event));
        let one = if faults.die_at == number { Due::End } else { Due::Event(due, Arc::clone(&event)) };
        let strays = is_nth(number, faults.astray_every);
        for queue in state.queues.iter_mut().skip(1).filter(|queue| queue.wants(&event, strays)) {
            queue.due.push_back(one.clone());
        }
        let first = state.queues.first_mut().filter(|queue| queue.wants(&event, strays));
        if let Some(first) = first.filter(|_| !is_nth(number, faults.drop_every)) {
            if faults.swap_at == number {
                state.swapped = Some(one);
                return;
            }
            let again = (faults.twice_at == number).then_some(again);
            first.due.extend([Some(one), again, state.swapped.take()].into_iter().flatten());
        }
    }

    /// What a subscriber is to get now, waited for; empty where the server ends.
    pub(super) fn next(&self, subscriber: usize) -> Vec<Due> {
        let mut state = self.lock();
        while !state.closing {
            let now = Instant::now();
            let queue = &mut state.queues[subscriber].due;
            let ready = queue.iter().take_while(|due| due.wait(now).is_zero()).count();
            if ready > 0 {
                return queue.drain(..ready).collect();
            }
            let wait = queue.front().map_or(LOOK, |due| due.wait(now)).min(LOOK);
            state = self.news.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        Vec::new()
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.news.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }
}

impl Queue {
    fn wants(&self, event: &Event, strays: bool) -> bool {
        event.number > self.from && (strays || event.room.is_none() || event.room == self.room)
    }
}

impl Due {
    fn wait(&self, now: Instant) -> Duration {
        match self {
            Self::Event(due, _) => due.saturating_duration_since(now),
            Self::End => Duration::ZERO,
        }
    }

    pub(super) fn event(&self) -> Option<&Arc<Event>> {
        match self {
            Self::Event(_, event) => Some(event),
            Self::End => None,
        }
    }
}

/// Uses so many microseconds of this thread's CPU time.
fn burn(us: u64) {
    if us == 0 {
        return;
    }
    let end = thread_cpu_ns() + us.saturating_mul(1000);
    while thread_cpu_ns() < end {
        std::hint::spin_loop();
    }
}
