//! A network namespace without a name.

use std::fs::File;
use std::os::fd::AsFd;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::{LabError, Result};

/// A network of its own, empty but for a loopback device that is down. It lives as long as this, a thread or a process in
/// it, or a socket of it.
#[derive(Debug)]
pub(super) struct Namespace(File);

/// Leaves the thread's network for a new one. Only this thread does; what it starts follows it.
#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of another flag, which unshares descriptors; this one does not"
)]
fn leave() -> rustix::io::Result<()> {
    rustix::thread::unshare(UnshareFlags::NEWNET)
}

impl Namespace {
    /// A new one.
    ///
    /// # Errors
    /// Where the system does not allow it, as it commonly does to root alone.
    pub(super) fn new() -> Result<Self> {
        let made = on_a_thread(|| {
            leave().map_err(|errno| LabError::io("make a network namespace")(errno.into()))?;
            File::open("/proc/thread-self/ns/net").map_err(LabError::io("open a network namespace"))
        })?;
        made.map(Self)
    }

    /// Does something on a thread that is in the namespace. Sockets and devices that it opens and processes that it starts
    /// are too.
    ///
    /// # Errors
    /// Where the thread cannot get there.
    pub(super) fn run<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> Result<T> {
        on_a_thread(|| {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(deed())
        })?
    }
}

fn on_a_thread<T: Send>(deed: impl FnOnce() -> T + Send) -> Result<T> {
    let done = thread::scope(|scope| scope.spawn(deed).join());
    done.map_err(|_| LabError::Server("a thread in a network namespace panicked".to_owned()))
}
