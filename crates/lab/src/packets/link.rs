//! A link between two namespaces: a TUN device in each, and a thread that carries packets from one to the other.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::namespace::Namespace;
use super::path::{Counts, Path, Terms};
use crate::error::{LabError, Result};

/// As on Ethernet, so that segments are what they are in life.
const MTU: u16 = 1500;
/// The two ends of a link and no other address.
const PREFIX_BITS: u8 = 30;
/// How long the forwarder sleeps at most; so late it notices that it is to end.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// Packets that are taken from one side before the other has its turn.
const TURN_PACKETS_MAX: usize = 64;

/// An open TUN device of the namespace that the calling thread is in.
pub(super) fn device(address: Ipv4Addr) -> Result<SyncDevice> {
    let built = DeviceBuilder::new().ipv4(address, PREFIX_BITS, None).mtu(MTU).offload(false).build_sync();
    let device = built.and_then(|device| {
        device.set_nonblocking(true)?;
        Ok(device)
    });
    device.map_err(LabError::io(format!("open a TUN device for {address}")))
}

/// One end: where it is, and its address there.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) namespace: &'a Namespace,
    pub(super) address: Ipv4Addr,
}

/// A link that carries packets until it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    stop: Arc<AtomicBool>,
    counts: Arc<Mutex<[Counts; 2]>>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Joins two namespaces, under the same terms both ways.
    ///
    /// # Errors
    /// Where there are no TUN devices.
    pub(super) fn between(ends: [End<'_>; 2], terms: Terms, seed: u64) -> Result<Self> {
        let [a, b] = ends.map(|end| end.namespace.run(|| device(end.address)));
        let devices = [a??, b??];
        let paths = [Path::new(terms, seed), Path::new(terms, seed ^ 1)];
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new([Counts::default(); 2])));
        let forwarder = Forwarder { devices, paths, counts: Arc::clone(&counts) };
        let is_over = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("forwarder".to_owned());
        let thread =
            thread.spawn(move || forwarder.run(&is_over)).map_err(LabError::io("start a forwarder"))?;
        Ok(Self { stop, counts, thread: Some(thread) })
    }

    /// What happened to packets so far: from the first end to the second, and back.
    pub(super) fn counts(&self) -> [Counts; 2] {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Carries packets both ways. Path 0 leads from device 0 to device 1.
struct Forwarder {
    devices: [SyncDevice; 2],
    paths: [Path; 2],
    counts: Arc<Mutex<[Counts; 2]>>,
}

impl Forwarder {
    fn run(mut self, is_over: &AtomicBool) {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        while !is_over.load(Ordering::Relaxed) {
            if let Err(error) = self.turn(&mut buffer) {
                tracing::warn!(%error, "a link between namespaces has ended");
                return;
            }
            let counts = [self.paths[0].counts, self.paths[1].counts];
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        }
    }

    fn turn(&mut self, buffer: &mut [u8]) -> std::io::Result<()> {
        let more = self.take(0, buffer)? | self.take(1, buffer)?;
        self.give(0)?;
        self.give(1)?;
        if more { Ok(()) } else { self.wait() }
    }

    /// Takes what came out of a device; whether there may be more.
    fn take(&mut self, from: usize, buffer: &mut [u8]) -> std::io::Result<bool> {
        for _ in 0..TURN_PACKETS_MAX {
            match self.devices[from].recv(buffer) {
                Ok(bytes) => self.paths[from].take(Instant::now(), &buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Puts what is due into the other device.
    fn give(&mut self, from: usize) -> std::io::Result<()> {
        while let Some(packet) = self.paths[from].due(Instant::now()) {
            self.devices[1 - from].send(&packet)?;
        }
        Ok(())
    }

    /// Sleeps until a packet comes or is due.
    fn wait(&self) -> std::io::Result<()> {
        let next = self.paths.iter().filter_map(Path::next_at).min();
        let left =
            next.map_or(SLEEP_MAX, |next| next.saturating_duration_since(Instant::now()).min(SLEEP_MAX));
        let left = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds = [&*self.devices[0], &*self.devices[1]]
            .map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN));
        match poll(&mut fds, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
