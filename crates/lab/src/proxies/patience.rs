//! What takes its time: connections on which nothing is said, and proxies that are reloaded or started again under
//! a client that comes back with its cursor.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Place, Route, Seen, Turn};
use super::flow::{STAND_MAX, open};
use super::poster::Poster;
use crate::error::Result;
use crate::result::{Disturbance, Hold};

/// Milliseconds from one event to the next while a proxy is disturbed.
const SPACING: Duration = Duration::from_millis(20);
/// How long the client waits before it tries again.
const RETRY: Duration = Duration::from_millis(100);
/// The longest single wait for bytes, so that a client looks up now and then.
const LOOK: Duration = Duration::from_millis(200);
/// How long the last events may take.
const SETTLE: Duration = Duration::from_secs(3);
/// Bytes of an event's `data` in these probes.
const PAYLOAD_BYTES: u32 = 64;

/// Watches a connection on which nothing is said but beats, and sends one event at the end.
pub(super) fn idle(server: SocketAddr, route: &Route, watched: Duration, stop: &AtomicBool) -> Hold {
    let start = Instant::now();
    let (_, client) = open(route);
    let Some(mut client) = client else { return Hold::NotMeasured };
    while start.elapsed() < watched {
        if stop.load(Ordering::Relaxed) {
            return Hold::NotMeasured;
        }
        let status = match client.turn((start + watched).min(Instant::now() + LOOK), &mut |_| ()) {
            Turn::Read | Turn::Quiet => continue,
            Turn::Ended => None,
            Turn::Refused(status) => Some(status),
        };
        return Hold::Cut { after_s: start.elapsed().as_secs_f64(), status };
    }
    let watched_s = start.elapsed().as_secs_f64();
    if hears(server, route, &mut client) { Hold::Held { watched_s } } else { Hold::Deaf { watched_s } }
}

/// Whether an event that is published now comes.
fn hears(server: SocketAddr, route: &Route, client: &mut Client) -> bool {
    let published =
        Poster::open(server, &route.namespace, PAYLOAD_BYTES).and_then(|mut poster| poster.publish());
    let until = Instant::now() + STAND_MAX;
    let mut heard = false;
    while published.is_ok() && !heard && Instant::now() < until {
        match client.turn(until, &mut |seen| heard |= matches!(seen, Seen::Event(..))) {
            Turn::Read => {}
            Turn::Quiet | Turn::Ended | Turn::Refused(_) => break,
        }
    }
    heard
}

/// When a proxy is disturbed, told to the clients by whoever does it.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) start: Instant,
    /// From the start to the disturbance.
    pub(super) before: Duration,
    /// From the start to the last event.
    pub(super) whole: Duration,
}

/// A client under a disturbance, and the events that it should have.
pub(super) fn disturbed(server: SocketAddr, route: &Route, schedule: &Schedule) -> Result<Disturbance> {
    let mut poster = Poster::open(server, &route.namespace, PAYLOAD_BYTES)?;
    let mut watch = Watch::new(schedule.start + schedule.before);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| watch.follow(route, &done));
        let mut published = Ok(());
        while published.is_ok() && schedule.start.elapsed() < schedule.whole {
            thread::sleep(SPACING);
            published = poster.publish();
        }
        thread::sleep(SETTLE);
        done.store(true, Ordering::Relaxed);
        // A reader that panicked has told less than was published, which is a loss in the result.
        let _joined = reading.join();
        published
    })?;
    let Watch { offsets, mut told, .. } = watch;
    told.published = poster.accepted;
    told.received = offsets.len() as u32;
    Ok(told)
}

/// What a client notes while it reads and comes back.
#[derive(Debug)]
struct Watch {
    disturbed: Instant,
    offsets: BTreeSet<u64>,
    last: Option<u64>,
    told: Disturbance,
}

impl Watch {
    fn new(disturbed: Instant) -> Self {
        Self { disturbed, offsets: BTreeSet::new(), last: None, told: Disturbance::default() }
    }

    fn enter(&mut self, seen: Seen) {
        let Seen::Event(sighting, at_us) = seen else { return };
        if !self.offsets.insert(sighting.offset) {
            self.told.duplicated += 1;
        }
        if let Some(last) = self.last.replace(at_us) {
            self.told.silence_ms = self.told.silence_ms.max(at_us.saturating_sub(last) as f64 / 1e3);
        }
    }

    fn end(&mut self) {
        self.told.endings += 1;
        let after_s = self.disturbed.elapsed().as_secs_f64();
        self.told.ended_after_s.get_or_insert(after_s);
    }

    /// Reads until told to stop; comes back with the cursor whenever the connection ends.
    fn follow(&mut self, route: &Route, done: &AtomicBool) {
        let mut place = Place::default();
        while !done.load(Ordering::Relaxed) {
            let Ok(mut client) = Client::open(route, place.clone()) else {
                self.told.refusals += 1;
                thread::sleep(RETRY);
                continue;
            };
            let refused = self.read(&mut client, done);
            place = client.place.clone();
            if done.load(Ordering::Relaxed) {
                break;
            }
            if refused {
                self.told.refusals += 1;
            } else {
                self.end();
            }
            thread::sleep(RETRY);
        }
    }

    /// Reads one connection to its end; whether it was refused.
    fn read(&mut self, client: &mut Client, done: &AtomicBool) -> bool {
        while !done.load(Ordering::Relaxed) {
            match client.turn(Instant::now() + LOOK, &mut |seen| self.enter(seen)) {
                Turn::Read | Turn::Quiet => {}
                Turn::Ended => return false,
                Turn::Refused(_) => return true,
            }
        }
        false
    }
}
