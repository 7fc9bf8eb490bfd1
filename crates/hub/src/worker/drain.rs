//! Draining: every subscriber is told, one by one, so that all of them do not come back at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tricast_feed::Reason;
use tricast_wire::notice::Close;

use crate::key::Key;
use crate::worker::state::State;

/// Subscribers are ended in groups, this often.
const STEP: Duration = Duration::from_millis(10);

impl State {
    /// Starts to end the subscribers that are there. Once.
    pub(crate) fn start_draining(&mut self, state: &Rc<RefCell<Self>>) {
        let keys: Vec<Key> = self
            .subscribers
            .iter()
            .map(|(index, subscriber)| Key { index, serial: subscriber.serial })
            .collect();
        spawn_local(end_in_groups(Rc::downgrade(state), keys));
    }

    /// How long this worker takes to end one after the other: its part of the rate, or less if time would run out.
    fn drain_time(&self, all: usize) -> Duration {
        let limits = &self.shared.limits;
        let by_rate = all as f64 * self.shared.workers() as f64 / f64::from(limits.drain_rate.max(1));
        // The last are told a little before the end, so that they can still be written to.
        Duration::try_from_secs_f64(by_rate).unwrap_or(Duration::MAX).min(limits.drain_max.mul_f64(0.8))
    }
}

async fn end_in_groups(state: std::rc::Weak<RefCell<State>>, keys: Vec<Key>) {
    let Some(time) = state.upgrade().map(|state| state.borrow().drain_time(keys.len())) else { return };
    let start = tokio::time::Instant::now();
    let mut told = 0;
    while told < keys.len() {
        let Some(state) = state.upgrade() else { return };
        let retry_ms = state.borrow().shared.limits.retry_ms;
        let gone = if time.is_zero() { 1.0 } else { start.elapsed().as_secs_f64() / time.as_secs_f64() };
        // Truncation is meant: a part of a subscriber is none. The first is told at once.
        let due = ((keys.len() as f64 * gone) as usize).clamp(told.max(1), keys.len());
        for key in &keys[told..due] {
            // Each its own delay: those that are told together do not come back together.
            let close = Close {
                reason: Reason::Draining,
                retry_after_ms: Some(fastrand::u64(0..=retry_ms)),
                detail: "the server stops".to_owned(),
            };
            state.borrow_mut().end(*key, &close);
        }
        told = due;
        drop(state);
        tokio::time::sleep(STEP).await;
    }
}
