//! ^C and the request to end, heard by a thread of its own, and looked at between visits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{LabError, Result};

/// Whether somebody asked the run to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Starts to listen for SIGINT and SIGTERM. They have their usual effect again only after the process ends.
    pub(crate) fn listen() -> Result<Self> {
        let stop = Self::default();
        let asked = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(LabError::io("listen for ^C"))?;
        let mut terminated = {
            let _entered = runtime.enter();
            signal(SignalKind::terminate()).map_err(LabError::io("listen for SIGTERM"))?
        };
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminated.recv() => {}
                }
            });
            asked.0.store(true, Ordering::Relaxed);
        });
        Ok(stop)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
