//! Visits of one transport over one carriage: events by a schedule, idle streams, and streams that are opened.

use std::future::Future;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::Ground;
use super::subject::{Subject, Trust};
use super::subscriber::{Desk, Shared, over_h1, over_h2};
use super::wire::Counter;
use crate::error::{LabError, Result};
use crate::machine::{cpu_seconds, now_ns, pss_kib, thread_cpu_ns};
use crate::result::{
    Carriage, FactorExtent, FactorMemory, FactorOpening, FactorResults, FactorVisit, Integrity, MemoryPoint,
    Transport, WireBytes,
};

/// How long streams may take to stand, and the last events to come.
const SETTLE_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);
/// Unrecorded time before a window.
const WARM_UP: Duration = Duration::from_millis(300);
/// From the last stream's standing to the reading of memory.
const REST: Duration = Duration::from_millis(200);
/// Streams that are being opened at the same time.
const OPENERS: u32 = 8;
/// Streams that are opened at most.
const OPENED_MAX: u32 = 4000;

/// One transport over one carriage in one round.
pub(super) struct Visit<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) trust: &'a Trust,
    pub(super) extent: &'a FactorExtent,
    pub(super) runtime: &'a Runtime,
    pub(super) transport: Transport,
    pub(super) carriage: Carriage,
    pub(super) round: u32,
}

/// The open streams of a visit.
struct Crowd<'a> {
    subject: &'a Subject<'a>,
    transport: Transport,
    streams_a_connection: u32,
    notes: Shared,
    counter: Counter,
    connections: u32,
    streams: u32,
    /// The HTTP/2 connection that has room, and how many streams it carries.
    shared: Option<(h2::client::SendRequest<bytes::Bytes>, u32)>,
}

impl<'a> Crowd<'a> {
    fn new(subject: &'a Subject<'a>, transport: Transport, streams_a_connection: u32) -> Self {
        Self {
            subject,
            transport,
            streams_a_connection,
            notes: Shared::default(),
            counter: Counter::default(),
            connections: 0,
            streams: 0,
            shared: None,
        }
    }

    /// Opens one stream more; it goes on by itself.
    async fn open(&mut self) -> Result<()> {
        let (desk, transport) = (Desk::new(&self.notes), self.transport);
        self.streams += 1;
        if self.subject.carriage() != Carriage::H2Tls {
            let line = self.subject.connect(&self.counter).await?;
            self.connections += 1;
            tokio::task::spawn_local(async move { desk.end(&over_h1(line, transport, &desk).await) });
            return Ok(());
        }
        let connection = self.connection().await?;
        tokio::task::spawn_local(async move { desk.end(&over_h2(connection, transport, &desk).await) });
        Ok(())
    }

    /// An HTTP/2 connection with room for a stream.
    async fn connection(&mut self) -> Result<h2::client::SendRequest<bytes::Bytes>> {
        if let Some((connection, streams)) = &mut self.shared
            && *streams < self.streams_a_connection
        {
            *streams += 1;
            return Ok(connection.clone());
        }
        let line = self.subject.connect(&self.counter).await?;
        let shaken = h2::client::handshake(line).await;
        let (send, connection) = shaken.map_err(|e| LabError::Protocol(format!("HTTP/2: {e}")))?;
        // How it ends is told by each of its streams.
        tokio::task::spawn_local(async move { drop(connection.await) });
        self.connections += 1;
        self.shared = Some((send.clone(), 1));
        Ok(send)
    }

    async fn open_up_to(&mut self, streams: u32) -> Result<()> {
        while self.streams < streams {
            self.open().await?;
        }
        let (notes, wanted) = (Rc::clone(&self.notes), self.streams);
        until("all streams to stand", move || notes.borrow().ready >= wanted).await
    }

    /// What arrived against what was published, and what else went wrong.
    fn faults(&self, published: u64) -> Vec<String> {
        let notes = self.notes.borrow();
        let mut account = Integrity { published, ..Integrity::default() };
        notes.ledgers.iter().for_each(|ledger| ledger.add_to(&mut account));
        let mut faults = account.faults();
        faults.extend(notes.faults.first().cloned());
        faults
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + SETTLE_MAX;
    while !holds() {
        if Instant::now() > deadline {
            return Err(LabError::Protocol(format!("waited {} s for {what}", SETTLE_MAX.as_secs())));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

impl Visit<'_> {
    /// All that is measured of the pair; whatever goes wrong makes that part void.
    pub(super) fn make(&self, results: &mut FactorResults) {
        results.visits.push(self.load());
        if !self.extent.memory_at.is_empty() {
            results.memory.push(self.memory());
        }
        if self.extent.opening_s > 0.0 {
            results.opening.push(self.opening());
        }
    }

    fn start(&self) -> Result<Subject<'_>> {
        let Ground { program, folder, place, .. } = self.ground;
        Subject::start(program, folder, *place, self.trust, self.carriage)
    }

    /// Runs a visit's client to its end; all its streams end with it.
    fn run<T>(&self, visit: impl Future<Output = Result<T>>) -> Result<T> {
        LocalSet::new().block_on(self.runtime, visit)
    }

    fn load(&self) -> FactorVisit {
        let mut visit = FactorVisit {
            transport: self.transport,
            carriage: self.carriage,
            round: self.round,
            void: Vec::new(),
            connections: 0,
            latency: None,
            deliveries: 0,
            wall_s: 0.0,
            server_cpu_s: 0.0,
            load_cpu_s: 0.0,
            wire: WireBytes::default(),
        };
        let done = self.start().and_then(|subject| self.run(self.load_into(&subject, &mut visit)));
        visit.void.extend(done.err().map(|error| error.to_string()));
        if !visit.void.is_empty() {
            visit.latency = None;
        }
        visit
    }

    async fn load_into(&self, subject: &Subject<'_>, visit: &mut FactorVisit) -> Result<()> {
        let mut crowd = Crowd::new(subject, self.transport, self.extent.streams_a_connection);
        crowd.open_up_to(self.extent.subscribers).await?;
        visit.connections = crowd.connections;
        let warm = self.publish(subject, &crowd, WARM_UP, 0).await?;
        let start_ns = now_ns() + LOOK.as_nanos() as u64;
        crowd.notes.borrow_mut().from_us = Some(start_ns / 1000);
        let (server, load, bytes) = (cpu_seconds(subject.pid())?, thread_cpu_ns(), crowd.counter.read());
        let window = Duration::from_secs_f64(self.extent.seconds);
        let published = self.publish(subject, &crowd, window, warm).await?;
        visit.wall_s = (now_ns() - start_ns) as f64 / 1e9;
        visit.server_cpu_s = cpu_seconds(subject.pid())? - server;
        visit.load_cpu_s = (thread_cpu_ns() - load) as f64 / 1e9;
        let now = crowd.counter.read();
        visit.void = crowd.faults(published);
        let notes = crowd.notes.borrow();
        visit.wire = WireBytes { down: now.0 - bytes.0, up: now.1 - bytes.1, events: notes.event_bytes };
        visit.deliveries = notes.deliveries;
        visit.latency = Some(notes.latency.store()?);
        Ok(())
    }

    /// Publishes by a schedule, from a thread of its own, and waits until everything came. How many were published in
    /// all, those before included.
    async fn publish(
        &self,
        subject: &Subject<'_>,
        crowd: &Crowd<'_>,
        time: Duration,
        before: u64,
    ) -> Result<u64> {
        let interval = Duration::from_secs_f64(1.0 / f64::from(self.extent.rate));
        let ticks = (time.as_secs_f64() * f64::from(self.extent.rate)) as u32;
        let mut poster = subject.poster(self.extent.payload_bytes)?;
        let start_ns = now_ns() + LOOK.as_nanos() as u64 * 2;
        let publishing = thread::spawn(move || {
            for tick in 0..ticks {
                let due_ns = start_ns + (interval * tick).as_nanos() as u64;
                thread::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns())));
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
        let (notes, expected) = (Rc::clone(&crowd.notes), published * u64::from(crowd.streams));
        until("the last events", move || notes.borrow().received >= expected).await?;
        Ok(published)
    }

    fn memory(&self) -> FactorMemory {
        let (transport, carriage, round) = (self.transport, self.carriage, self.round);
        let mut points = Vec::new();
        let done = self.start().and_then(|subject| {
            self.run(async {
                let mut crowd = Crowd::new(&subject, transport, self.extent.streams_a_connection);
                for at in &self.extent.memory_at {
                    crowd.open_up_to(*at).await?;
                    tokio::time::sleep(REST).await;
                    points.push(MemoryPoint {
                        subscribers: *at,
                        pss_kib: pss_kib(subject.pid())?,
                        kernel_kib: None,
                    });
                }
                Ok(())
            })
        });
        let void = done.err().map(|error| error.to_string()).into_iter().collect();
        FactorMemory { transport, carriage, round, void, points }
    }

    fn opening(&self) -> FactorOpening {
        let (transport, carriage, round) = (self.transport, self.carriage, self.round);
        let mut opening = FactorOpening {
            transport,
            carriage,
            round,
            void: Vec::new(),
            opened: 0,
            connections: 0,
            wall_s: 0.0,
            server_cpu_s: 0.0,
        };
        let done = self.start().and_then(|subject| self.run(self.open_for_a_while(&subject, &mut opening)));
        opening.void.extend(done.err().map(|error| error.to_string()));
        opening
    }

    /// Several openers, each of which opens its next stream when the last one stands.
    async fn open_for_a_while(&self, subject: &Subject<'_>, opening: &mut FactorOpening) -> Result<()> {
        let (start, server) = (Instant::now(), cpu_seconds(subject.pid())?);
        let time = Duration::from_secs_f64(self.extent.opening_s);
        let openers = (0..OPENERS).map(|_| async {
            let mut crowd = Crowd::new(subject, self.transport, self.extent.streams_a_connection);
            while start.elapsed() < time && crowd.streams < OPENED_MAX / OPENERS {
                crowd.open().await?;
                while crowd.notes.borrow().ready < crowd.streams && start.elapsed() < time + SETTLE_MAX {
                    tokio::task::yield_now().await;
                }
            }
            let faults = crowd.notes.borrow().faults.first().cloned();
            Ok::<_, LabError>((crowd.streams, crowd.connections, faults, crowd))
        });
        let opened = futures::future::try_join_all(openers).await?;
        opening.wall_s = start.elapsed().as_secs_f64();
        opening.server_cpu_s = cpu_seconds(subject.pid())? - server;
        for (streams, connections, fault, _open) in opened {
            opening.opened += streams;
            opening.connections += connections;
            opening.void.extend(fault);
        }
        Ok(())
    }
}
