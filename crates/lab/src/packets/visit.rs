//! One transport over one link: a server on one side, subscribers on the other, events by a schedule.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::Ground;
use super::link::{End, Link};
use super::namespace::Namespace;
use super::path::Terms;
use crate::error::{LabError, Result};
use crate::factors::{Counted, Counter, Desk, NAMESPACE, Notes, Shared, over_h1};
use crate::machine::{PeerChild, Readiness, now_ns};
use crate::proxies::Poster;
use crate::result::{Integrity, LossExtent, LossVisit, Transport};

/// The ends of the link that loses packets: subscribers, server.
const LOSSY: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 201, 0, 1), Ipv4Addr::new(10, 201, 0, 2)];
/// The ends of the link over which events are published.
const CLEAN: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 202, 0, 1), Ipv4Addr::new(10, 202, 0, 2)];
/// How long streams may take to stand, and the last events to come: TCP doubles its patience with every loss in a row.
const SETTLE_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);
/// Unrecorded time before a window.
const WARM_UP: Duration = Duration::from_millis(500);
/// What waits for a limited line at most, milliseconds of its rate.
const QUEUE_MS: u64 = 200;
const QUEUE_BYTES_MIN: u64 = 16 << 10;

/// One transport over one link in one round.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) extent: &'a LossExtent,
    pub(super) transport: Transport,
    pub(super) rtt_ms: u32,
    pub(super) loss_percent: f64,
    pub(super) round: u32,
}

/// Two namespaces, their links, and the server in the second. Fields are dropped in this order: the server first, while it
/// can still be told to end.
struct Stage {
    server: PeerChild,
    lossy: Link,
    _clean: Link,
    here: Namespace,
    there: Namespace,
}

impl Visit<'_> {
    /// Makes it; whatever goes wrong makes it void.
    pub(super) fn make(&self) -> LossVisit {
        let mut visit = self.empty();
        if let Err(error) = self.make_into(&mut visit) {
            visit.void.push(error.to_string());
        }
        if !visit.void.is_empty() {
            visit.latency = None;
        }
        visit
    }

    fn empty(&self) -> LossVisit {
        LossVisit {
            transport: self.transport,
            rtt_ms: self.rtt_ms,
            loss_percent: self.loss_percent,
            round: self.round,
            void: Vec::new(),
            latency: None,
            deliveries: 0,
            down_bytes: 0,
            up_bytes: 0,
            server_retransmitted: 0,
            client_retransmitted: 0,
            passed: [0; 2],
            lost: [0; 2],
            dropped: [0; 2],
        }
    }

    fn terms(&self) -> Terms {
        let rtt = Duration::from_millis(u64::from(self.rtt_ms));
        let rate = self.extent.bytes_per_s;
        Terms {
            delay: rtt / 2,
            jitter: Duration::from_millis(u64::from(self.extent.jitter_ms)),
            loss_percent: self.loss_percent,
            reorder_percent: self.extent.reorder_percent,
            late: rtt / 4,
            bytes_per_s: rate,
            queue_bytes: rate.map_or(0, |rate| rate.saturating_mul(QUEUE_MS) / 1000).max(QUEUE_BYTES_MIN),
        }
    }

    fn make_into(&self, visit: &mut LossVisit) -> Result<()> {
        let stage = self.stage()?;
        let port = stage.server.address.port();
        let seen = stage.here.run(|| self.watch(port, visit))?;
        visit.server_retransmitted = stage.there.run(retransmitted)??;
        visit.client_retransmitted = stage.here.run(retransmitted)??;
        let counts = stage.lossy.counts();
        visit.passed = counts.map(|counts| counts.passed);
        visit.lost = counts.map(|counts| counts.lost);
        visit.dropped = counts.map(|counts| counts.dropped);
        seen
    }

    fn stage(&self) -> Result<Stage> {
        let (here, there) = (Namespace::new()?, Namespace::new()?);
        let between = |addresses: [Ipv4Addr; 2], terms, seed| {
            let [a, b] = addresses;
            Link::between(
                [End { namespace: &here, address: a }, End { namespace: &there, address: b }],
                terms,
                seed,
            )
        };
        // The same chances for every transport, and others in every round.
        let seed = self.ground.seed.wrapping_add(u64::from(self.round) << 8);
        let lossy = between(LOSSY, self.terms(), seed)?;
        let clean = between(CLEAN, Terms::default(), seed)?;
        let server = there.run(|| self.server())??;
        Ok(Stage { server, lossy, _clean: clean, here, there })
    }

    fn server(&self) -> Result<PeerChild> {
        let mut command = Command::new(self.ground.program);
        let known = std::env::vars_os().map(|(name, _)| name);
        known.filter(|name| name.to_string_lossy().starts_with("TRICAST_")).for_each(|name| {
            command.env_remove(name);
        });
        // Nobody else can reach the namespace.
        command.args(["serve", "--listen", "0.0.0.0:0", "--workers", "1", "--insecure"]);
        command.env("TRICAST_SERVER__REQUEST_TIMEOUT_MS", "120000");
        let log = self.ground.folder.join("loss-server.log");
        PeerChild::start(&mut command, self.ground.place, Readiness::Told, &log)
    }

    /// Subscribes and publishes, from within the subscribers' namespace.
    fn watch(&self, port: u16, visit: &mut LossVisit) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LabError::io("start the subscribers"))?;
        LocalSet::new().block_on(&runtime, self.watch_into(port, visit))
    }

    async fn watch_into(&self, port: u16, visit: &mut LossVisit) -> Result<()> {
        let (notes, counter) = (Shared::default(), Counter::default());
        for _ in 0..self.extent.subscribers {
            let stream = TcpStream::connect((LOSSY[1], port)).await.map_err(LabError::io("connect"))?;
            stream.set_nodelay(true).map_err(LabError::io("prepare a connection"))?;
            let (line, desk, transport) = (Counted::new(stream, &counter), Desk::new(&notes), self.transport);
            tokio::task::spawn_local(async move {
                desk.end(&over_h1(Box::new(line), transport, &desk).await);
            });
        }
        let wanted = self.extent.subscribers;
        until("all streams to stand", &notes, |notes| notes.ready >= wanted).await?;
        let warm = self.publish(port, &notes, WARM_UP, 0).await?;
        notes.borrow_mut().from_us = Some(now_ns() / 1000);
        let before = counter.read();
        let window = Duration::from_secs_f64(self.extent.seconds);
        let published = self.publish(port, &notes, window, warm).await?;
        let now = counter.read();
        (visit.down_bytes, visit.up_bytes) = (now.0 - before.0, now.1 - before.1);
        let notes = notes.borrow();
        let mut account = Integrity { published, ..Integrity::default() };
        notes.ledgers.iter().for_each(|ledger| ledger.add_to(&mut account));
        visit.void.extend(account.faults());
        visit.void.extend(notes.faults.first().cloned());
        visit.deliveries = notes.deliveries;
        visit.latency = Some(notes.latency.store()?);
        Ok(())
    }

    /// Publishes by a schedule over the link that loses nothing, and waits until everything came. How many were published
    /// in all, those before included.
    async fn publish(&self, port: u16, notes: &Shared, time: Duration, before: u64) -> Result<u64> {
        let rate = f64::from(self.extent.rate);
        let (interval, ticks) = (Duration::from_secs_f64(1.0 / rate), (time.as_secs_f64() * rate) as u32);
        let payload = self.extent.payload_bytes;
        // A thread is in the namespace of the one that starts it.
        let publishing = std::thread::spawn(move || {
            let mut poster = Poster::open(SocketAddr::from((CLEAN[1], port)), NAMESPACE, payload)?;
            let start_ns = now_ns() + LOOK.as_nanos() as u64 * 2;
            for tick in 0..ticks {
                let due_ns = start_ns + (interval * tick).as_nanos() as u64;
                std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns())));
                poster.publish_at(due_ns / 1000)?;
            }
            Ok::<_, LabError>(poster.accepted)
        });
        while !publishing.is_finished() {
            tokio::time::sleep(LOOK).await;
        }
        let accepted =
            publishing.join().map_err(|_| LabError::Server("the publisher panicked".to_owned()))?;
        let published = before + u64::from(accepted?);
        let expected = published * u64::from(self.extent.subscribers);
        until("the last events", notes, |notes| notes.received >= expected).await?;
        Ok(published)
    }
}

/// Waits until something holds, or a subscriber has ended, which the caller sees for itself.
async fn until(what: &str, notes: &Shared, holds: impl Fn(&Notes) -> bool) -> Result<()> {
    let deadline = Instant::now() + SETTLE_MAX;
    loop {
        {
            let notes = notes.borrow();
            if holds(&notes) {
                return Ok(());
            }
            if let Some(fault) = notes.faults.first() {
                return Err(LabError::Protocol(fault.clone()));
            }
        }
        if Instant::now() > deadline {
            return Err(LabError::Protocol(format!("waited {} s for {what}", SETTLE_MAX.as_secs())));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// TCP segments that were sent again in the namespace of the calling thread since it was made.
pub(super) fn retransmitted() -> Result<u64> {
    let path = "/proc/thread-self/net/snmp";
    let text = fs::read_to_string(path).map_err(LabError::io(format!("read {path}")))?;
    let unknown = || LabError::Protocol(format!("{path} has no Tcp RetransSegs"));
    retransmitted_in(&text).ok_or_else(unknown)
}

/// Two lines begin with `Tcp:`, the names and the values.
fn retransmitted_in(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_ascii_whitespace().position(|name| name == "RetransSegs")?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn retransmissions_are_found_by_name() {
        let text = "Ip: A B\nIp: 1 2\nTcp: InSegs RetransSegs X\nTcp: 10 7 3\nUdp: A\n";
        assert_eq!(super::retransmitted_in(text), Some(7));
        assert_eq!(super::retransmitted_in("Tcp: InSegs\nTcp: 1\n"), None);
    }
}
