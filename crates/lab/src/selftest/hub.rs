//! What the faulty server keeps between its connections: one queue for each subscriber, filled with all its faults.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::faults::{Faults, is_nth};

/// A subscriber looks this often whether the server ends.
const LOOK: Duration = Duration::from_millis(50);
/// Eight letters, as an epoch has.
const EPOCH: &str = "selftest";

/// What a subscriber is to get, and not before when.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// An event: its id and its JSON.
    Event(Instant, Arc<(String, String)>),
    /// The end of the stream.
    End,
}

#[derive(Debug, Default)]
struct State {
    events: u64,
    requests: u64,
    queues: Vec<VecDeque<Due>>,
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

    /// A new subscriber, and the id of the event that it stands behind.
    pub(super) fn subscribe(&self) -> (usize, String) {
        let mut state = self.lock();
        state.queues.push(VecDeque::new());
        (state.queues.len() - 1, id(state.events))
    }

    /// Takes the events of one publish request; whether it was accepted.
    pub(super) fn publish(&self, data: &[String]) -> bool {
        let mut state = self.lock();
        state.requests += 1;
        if is_nth(state.requests, self.faults.refuse_every) {
            return false;
        }
        data.iter().for_each(|data| self.enter(&mut state, data));
        drop(state);
        self.news.notify_all();
        true
    }

    fn enter(&self, state: &mut State, data: &str) {
        state.events += 1;
        let (faults, number) = (&self.faults, state.events);
        if faults.stall_at == number {
            // With the lock held, so that nobody is served meanwhile.
            thread::sleep(Duration::from_millis(faults.stall_ms));
        }
        let id = id(number);
        let json = format!(
            "{{\"id\":\"{id}\",\"type\":\"message\",\"time\":\"2026-01-01T00:00:00.000Z\",\"data\":{data}}}"
        );
        let due = Instant::now() + Duration::from_millis(faults.delay_ms);
        let written = Arc::new((id, json));
        let again = Due::Event(due + Duration::from_millis(faults.again_ms), Arc::clone(&written));
        let event = if faults.die_at == number { Due::End } else { Due::Event(due, written) };
        for queue in state.queues.iter_mut().skip(1) {
            queue.push_back(event.clone());
        }
        if let Some(first) = state.queues.first_mut().filter(|_| !is_nth(number, faults.drop_every)) {
            if faults.swap_at == number {
                state.swapped = Some(event);
                return;
            }
            let again = (faults.twice_at == number).then_some(again);
            first.extend([Some(event), again, state.swapped.take()].into_iter().flatten());
        }
    }

    /// What a subscriber is to get now, waited for; empty where the server ends.
    pub(super) fn next(&self, subscriber: usize) -> Vec<Due> {
        let mut state = self.lock();
        while !state.closing {
            let now = Instant::now();
            let queue = &mut state.queues[subscriber];
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

impl Due {
    fn wait(&self, now: Instant) -> Duration {
        match self {
            Self::Event(due, _) => due.saturating_duration_since(now),
            Self::End => Duration::ZERO,
        }
    }
}

fn id(number: u64) -> String {
    format!("{EPOCH}-{number}")
}
