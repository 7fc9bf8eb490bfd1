//! The shell round [`Core`]: it owns the connection, the clock and the random source, and decides nothing.

use std::future::{Future, pending};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::core::{Attempt, Core, Next};
use crate::error::Failure;
use crate::line::{Batch, Dial, Line};
use crate::subscription::AtomicCounts;
use crate::{Error, State, Transport, Update};

/// One running subscription.
pub(crate) struct Driver {
    pub(crate) core: Core,
    pub(crate) dial: Dial,
    pub(crate) updates: mpsc::Sender<Result<Update, Error>>,
    pub(crate) choice: watch::Receiver<Transport>,
    pub(crate) counts: Arc<AtomicCounts>,
    pub(crate) origin: Instant,
    pub(crate) line: Option<Line>,
}

/// What ended a wait.
enum Wake<T> {
    Done(T),
    Late,
    Switched(Transport),
    /// The user dropped the subscription.
    Gone,
}

/// Goes on, or ends because nobody listens any more.
type Flow = ControlFlow<()>;

impl Driver {
    /// Runs until the subscription ends or is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let flow = match self.core.next(self.now()) {
                Next::Connect(attempt, by) => self.connect(attempt, by).await,
                Next::Sleep(until) => self.sleep(until).await,
                Next::Read(by) => self.read(by).await,
                Next::End => ControlFlow::Break(()),
            };
            if flow.is_break() {
                break;
            }
        }
        self.hang_up().await;
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Waits for the first of: the work, the time, another choice of transport, the end of the user's interest.
    async fn wake<T>(&mut self, by: Duration, work: impl Future<Output = T>) -> Wake<T> {
        let by = self.origin + by;
        tokio::select! {
            biased;
            () = self.updates.closed() => Wake::Gone,
            changed = self.choice.changed() => match changed {
                Ok(()) => Wake::Switched(*self.choice.borrow_and_update()),
                Err(_) => Wake::Gone,
            },
            done = work => Wake::Done(done),
            () = tokio::time::sleep_until(by) => Wake::Late,
        }
    }

    async fn connect(&mut self, attempt: Attempt, by: Duration) -> Flow {
        self.tell(Update::State(self.core.connecting())).await?;
        let dial = self.dial.clone();
        match self.wake(by, Line::open(&dial, attempt)).await {
            Wake::Done(Ok(line)) => {
                self.line = Some(line);
                self.core.opened(self.now());
                ControlFlow::Continue(())
            }
            Wake::Done(Err(failure)) => self.failed(failure).await,
            Wake::Late => self.failed(Failure::Unreachable("no answer in time".to_owned())).await,
            Wake::Switched(choice) => self.switch(choice).await,
            Wake::Gone => ControlFlow::Break(()),
        }
    }

    async fn sleep(&mut self, until: Duration) -> Flow {
        match self.wake(until, pending::<()>()).await {
            Wake::Done(()) | Wake::Late => ControlFlow::Continue(()),
            Wake::Switched(choice) => self.switch(choice).await,
            Wake::Gone => ControlFlow::Break(()),
        }
    }

    async fn read(&mut self, by: Duration) -> Flow {
        let Some(mut line) = self.line.take() else {
            return self.failed(Failure::Broken("the connection is gone".to_owned())).await;
        };
        let wake = self.wake(by, line.read()).await;
        match wake {
            Wake::Done(Ok(batch)) => {
                self.line = Some(line);
                self.batch(batch).await
            }
            Wake::Done(Err(failure)) => self.failed(failure).await,
            Wake::Late => {
                line.close().await;
                self.failed(Failure::Mute).await
            }
            Wake::Switched(choice) => {
                self.line = Some(line);
                self.switch(choice).await
            }
            Wake::Gone => {
                self.line = Some(line);
                ControlFlow::Break(())
            }
        }
    }

    async fn batch(&mut self, batch: Batch) -> Flow {
        if let Some(millis) = batch.retry_ms {
            self.core.retry_told(millis);
        }
        let told = !batch.messages.is_empty() || batch.caught_up.is_some();
        if let Some(state) = self.core.heard(self.now(), told) {
            self.counts.connections.fetch_add(1, Ordering::Relaxed);
            self.tell(Update::State(state)).await?;
        }
        for message in batch.messages {
            if let Some(update) = self.core.message(message) {
                self.tell(update).await?;
            }
        }
        if let Some(cursor) = batch.caught_up {
            self.core.advance(cursor);
        }
        self.counts.duplicates_dropped.store(self.core.duplicates_dropped(), Ordering::Relaxed);
        if self.core.is_closing() {
            // What may still come after the server's last word is of no interest.
            self.hang_up().await;
            return self.failed(Failure::Broken("the server closed the stream".to_owned())).await;
        }
        // The user may have taken long to read the updates; the server's silence is counted from now.
        self.core.heard(self.now(), false);
        ControlFlow::Continue(())
    }

    /// Hands an update to the user, and waits for room in the channel: that is what slows a connection down.
    async fn tell(&mut self, update: Update) -> Flow {
        match self.updates.send(Ok(update)).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    async fn failed(&mut self, failure: Failure) -> Flow {
        self.line = None;
        match self.core.failed(self.now(), fastrand::u64(..), failure) {
            Ok(state) => {
                if let State::Waiting { cause, delay, .. } = &state {
                    tracing::debug!(%cause, ?delay, "the connection failed");
                }
                self.tell(Update::State(state)).await
            }
            Err(error) => {
                // Whether the user still listens makes no difference to the end.
                let _ = self.updates.send(Err(error)).await;
                ControlFlow::Break(())
            }
        }
    }

    async fn switch(&mut self, choice: Transport) -> Flow {
        self.core.switch(self.now(), choice);
        if !matches!(self.core.next(self.now()), Next::Read(_)) {
            self.hang_up().await;
        }
        ControlFlow::Continue(())
    }

    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.close().await;
        }
    }
}
