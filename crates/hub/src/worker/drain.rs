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

    /// How many are ended at a step: the worker's part of the rate, or more if time would run out.
    fn drain_group(&self, all: usize) -> usize {
        let limits = &self.shared.limits;
        let steps_a_second = 1000 / STEP.as_millis() as usize;
        let by_rate = limits.drain_rate as usize / self.shared.workers() / steps_a_second;
        let steps = (limits.drain_max.as_millis() / STEP.as_millis()).max(1) as usize;
        by_rate.max(all.div_ceil(steps)).max(1)
    }
}

async fn end_in_groups(state: std::rc::Weak<RefCell<State>>, keys: Vec<Key>) {
    let Some(group) = state.upgrade().map(|state| state.borrow().drain_group(keys.len())) else { return };
    for keys in keys.chunks(group) {
        let Some(state) = state.upgrade() else { return };
        let retry_ms = state.borrow().shared.limits.retry_ms;
        for key in keys {
            // Each its own delay: those that are told together do not come back together.
            let close = Close {
                reason: Reason::Draining,
                retry_after_ms: Some(fastrand::u64(0..=retry_ms)),
                detail: "the server stops".to_owned(),
            };
            state.borrow_mut().end(*key, &close);
        }
        drop(state);
        tokio::time::sleep(STEP).await;
    }
}
