//! Who runs on which core: the server and the raw loop on one, the load on another.

use std::io;
use std::process::{Child, Command};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::{LabError, Result};

/// Cores are looked for up to this number.
const CORES_MAX: usize = 1024;

/// The two cores of a run, the same one twice where there is only one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) server: usize,
    pub(crate) load: usize,
    pub(crate) cores: u32,
}

impl Placement {
    /// Takes the first two cores that this process may use.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CORES_MAX.min(CpuSet::MAX_CPU)).filter(|core| allowed.is_set(*core));
        let server = cores.next().ok_or_else(|| LabError::Server("no core may be used".to_owned()))?;
        let load = cores.next().unwrap_or(server);
        Ok(Self { server, load, cores: allowed.count() })
    }

    /// Whether server and load have a core each.
    pub(crate) fn apart(&self) -> bool {
        self.server != self.load
    }

    /// Pins the calling thread to the load's core.
    pub(crate) fn pin_load(&self) -> Result<()> {
        Ok(sched_setaffinity(None, &only(self.load))?)
    }

    /// Does something on the server's core: a thread that is started there stays there.
    pub(crate) fn on_server_core<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = sched_getaffinity(None)?;
        sched_setaffinity(None, &only(self.server))?;
        let done = act();
        sched_setaffinity(None, &before)?;
        done
    }

    /// Starts a child on the server's core. A child inherits its parent's core, so the caller moves there for the
    /// moment of the start and comes back: no thread of the child ever runs anywhere else.
    pub(crate) fn spawn_on_server_core(&self, command: &mut Command) -> io::Result<Child> {
        let before = sched_getaffinity(None)?;
        sched_setaffinity(None, &only(self.server))?;
        let child = command.spawn();
        sched_setaffinity(None, &before)?;
        child
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}
