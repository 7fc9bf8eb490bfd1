//! A server that goes away at the page's word and comes back on the same address. It is the real thing: subscribers are
//! told, connections close, and what the new server knows is what the old one has stored.

use std::time::Duration;

use anyhow::Context;
use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep};
use tricast_server::demo::Power;
use tricast_server::{DemoParts, Server, Settings};

/// How long the old server's threads may still hold its address and its files.
const RELEASE_MAX: Duration = Duration::from_secs(5);

/// How often that is looked at.
const RELEASE_LOOK: Duration = Duration::from_millis(50);

/// The page's end of the switch.
pub(crate) struct Switch {
    words: Sender<Duration>,
}

impl Power for Switch {
    fn restart(&self, away: Duration) {
        // Full: the word before this one is not carried out yet.
        let _ = self.words.try_send(away);
    }
}

/// The runner's end of the switch.
pub(crate) struct Restarts {
    words: Receiver<Duration>,
    signals: [Signal; 2],
}

/// Both ends. From now on SIGINT and SIGTERM are noted, also while there is no server to take them.
///
/// # Errors
/// If the system gives no signals.
pub(crate) fn switch() -> std::io::Result<(Switch, Restarts)> {
    let (sender, words) = channel(1);
    let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    Ok((Switch { words: sender }, Restarts { words, signals }))
}

impl Restarts {
    /// Serves until a signal, and at each word ends the server and starts another one.
    ///
    /// # Errors
    /// If a server fails, or its address or its files cannot be had again.
    pub(crate) async fn serve(
        mut self,
        first: Server,
        mut settings: Settings,
        parts: impl Fn() -> DemoParts,
    ) -> anyhow::Result<()> {
        settings.listen = first.local_addr();
        let mut server = first;
        loop {
            let stopper = server.stopper();
            let mut served = Box::pin(server.run().fuse());
            let away = tokio::select! {
                result = &mut served => return Ok(result?),
                Some(away) = self.words.recv() => away,
            };
            tracing::info!(away_ms = away.as_millis(), "restarting at the page's word");
            let (result, ()) = futures::join!(served, stopper.stop());
            result?;
            drop(stopper);
            if self.is_stopped_within(away).await {
                return Ok(());
            }
            server = bound_again(&settings, &parts).await?;
            // A word that came meanwhile has what it wanted.
            while self.words.try_recv().is_ok() {}
        }
    }

    /// Waits; whether a signal came, now or while the server ended.
    async fn is_stopped_within(&mut self, away: Duration) -> bool {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            biased;
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = sleep(away) => false,
        }
    }
}

async fn bound_again(settings: &Settings, parts: &impl Fn() -> DemoParts) -> anyhow::Result<Server> {
    let deadline = Instant::now() + RELEASE_MAX;
    loop {
        match Server::bind(settings.clone(), Some(parts())) {
            Ok(server) => return Ok(server),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("cannot listen on {} again", settings.listen));
            }
            Err(_) => sleep(RELEASE_LOOK).await,
        }
    }
}
