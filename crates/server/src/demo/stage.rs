//! What the page's controls set for everybody: the source's wishes, the bots, and the lease of a scenario that sets both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tricast_wire::Fault;

use super::Bots;
use super::scene::{Lease, LeaseState, Setting, is_over};
use super::wishes::{FLOW_BYTES_MAX, Wishes};
use crate::problem::Refusal;

/// What was set by hand last, for a server that is started again in the same process.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Option<Wishes>>);

impl Kept {
    fn get(&self) -> Option<Wishes> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, wishes: Wishes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(wishes);
    }
}

/// The controls' end of the demo.
pub(crate) struct Stage {
    wishes: watch::Sender<Wishes>,
    kept: Arc<Kept>,
    bots: Arc<dyn Bots>,
    /// Every change is made under this lock, so that two at once both hold.
    lease: Mutex<Option<Lease>>,
    lease_changed: Notify,
}

impl Stage {
    /// A stage on which nothing is played: as it was kept, else by the wishes.
    pub(super) fn new(wishes: Wishes, kept: Arc<Kept>, bots: Arc<dyn Bots>) -> Self {
        let (wishes, _) = watch::channel(kept.get().unwrap_or(wishes));
        Self { wishes, kept, bots, lease: Mutex::default(), lease_changed: Notify::new() }
    }

    /// What the source is asked to do, now and whenever that changes.
    pub(super) fn wishes(&self) -> watch::Receiver<Wishes> {
        self.wishes.subscribe()
    }

    /// Changes what is asked of the source, by hand or by the scenario of that id; see [`Wishes::changed`].
    ///
    /// # Errors
    /// What is wrong with the change, or that the scenario is over; then nothing changes.
    pub(super) fn change(&self, body: &[u8], scene: Option<&str>) -> Result<(), Refusal> {
        let mut lease = self.lease();
        let from = self.changed_from(lease.as_ref(), scene)?;
        let wishes = from.wishes.changed(body, from.bots)?;
        self.end_unless(&mut lease, scene);
        self.set(Setting { wishes, ..from });
        self.keep(lease.as_ref());
        Ok(())
    }

    /// Wants so many bots, by hand or by the scenario of that id. A process of theirs that has died is started anew.
    ///
    /// # Errors
    /// That they are too many for what the source publishes, or that the scenario is over; then nothing changes.
    pub(super) fn want_bots(&self, count: usize, scene: Option<&str>) -> Result<(), Refusal> {
        let mut lease = self.lease();
        let from = self.changed_from(lease.as_ref(), scene)?;
        from.wishes.bear(count).map_err(|most| {
            let detail = format!("rate × payload × bots may come to {FLOW_BYTES_MAX} bytes a second: {most}");
            Fault::bad("count", detail)
        })?;
        self.end_unless(&mut lease, scene);
        self.wish(from.wishes);
        self.bots.want(count);
        self.keep(lease.as_ref());
        Ok(())
    }

    /// Begins a scenario; see [`Lease::asked`].
    ///
    /// # Errors
    /// What is wrong with what is asked, or that another scenario runs.
    pub(super) fn begin(&self, body: &[u8]) -> Result<LeaseState, Refusal> {
        let now = Instant::now();
        let mut lease = self.lease();
        self.end_if_run_out(&mut lease, now);
        let asked = Lease::asked(body, now, self.setting())?;
        if let Some(held) = lease.as_ref() {
            return Err(held.is_held(now));
        }
        let state = asked.state(now);
        *lease = Some(asked);
        self.lease_changed.notify_one();
        Ok(state)
    }

    /// Ends the scenario of that id: what was set before is set again.
    ///
    /// # Errors
    /// That it is over.
    pub(super) fn end(&self, id: &str) -> Result<(), Refusal> {
        let mut lease = self.lease();
        let ended = lease.take_if(|lease| lease.is(id)).ok_or_else(is_over)?;
        self.set(ended.before);
        self.lease_changed.notify_one();
        Ok(())
    }

    /// The scenario that runs.
    pub(super) fn running(&self) -> Option<LeaseState> {
        let now = Instant::now();
        let mut lease = self.lease();
        self.end_if_run_out(&mut lease, now);
        lease.as_ref().map(|lease| lease.state(now))
    }

    /// Ends each scenario that is not heard of for as long as it asked for; never returns.
    pub(super) async fn end_what_runs_out(&self) {
        loop {
            let until = self.lease().as_ref().map(|lease| lease.until);
            tokio::select! {
                () = self.lease_changed.notified() => {}
                () = reached(until) => self.end_if_run_out(&mut self.lease(), Instant::now()),
            }
        }
    }

    fn end_if_run_out(&self, lease: &mut Option<Lease>, now: Instant) {
        if let Some(ended) = lease.take_if(|lease| lease.until <= now) {
            tracing::info!(scene = ?ended, "a scenario ran out: what was set before is set again");
            self.set(ended.before);
        }
    }

    /// A change by hand ends the scenario that runs.
    fn end_unless(&self, lease: &mut Option<Lease>, scene: Option<&str>) {
        if scene.is_none() && lease.take().is_some() {
            self.lease_changed.notify_one();
        }
    }

    /// What a change starts from: what is set, or, by hand in the middle of a scenario, what was set before it.
    fn changed_from(&self, lease: Option<&Lease>, scene: Option<&str>) -> Result<Setting, Refusal> {
        match (lease, scene) {
            (Some(lease), None) => Ok(lease.before),
            (None, None) => Ok(self.setting()),
            (Some(lease), Some(scene)) if lease.is(scene) => Ok(self.setting()),
            (_, Some(_)) => Err(is_over()),
        }
    }

    fn setting(&self) -> Setting {
        Setting { wishes: *self.wishes.borrow(), bots: self.bots.state().wanted }
    }

    fn set(&self, setting: Setting) {
        self.wish(setting.wishes);
        if self.bots.state().wanted != setting.bots {
            self.bots.want(setting.bots);
        }
    }

    /// What a scenario sets is not kept: what was set before it still is.
    fn keep(&self, lease: Option<&Lease>) {
        if lease.is_none() {
            self.kept.set(*self.wishes.borrow());
        }
    }

    fn wish(&self, wishes: Wishes) {
        self.wishes.send_if_modified(|now| std::mem::replace(now, wishes) != wishes);
    }

    fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stage {
    /// The bots outlive a server that is restarted in the middle of a scenario.
    fn drop(&mut self) {
        if let Some(ended) = self.lease().take() {
            self.set(ended.before);
        }
    }
}

/// The time, or never.
async fn reached(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
