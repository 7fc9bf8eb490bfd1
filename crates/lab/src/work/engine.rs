//! The loop that publishes on a schedule, reads every socket, and lets those come back whose connections broke.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::plan::Plan;
use super::publisher::Publisher;
use super::subscriber::{Identity, Shared, Subscriber};
use super::target::Target;
use super::tcp;
use crate::error::{LabError, Result};
use crate::load::{QUIET, text};
use crate::machine::now_ns;
use crate::peers::wire::numbered;
use crate::result::{Bytes, Integrity, Latency, Publishing, Recovery, Slice, SlowReaders, Tcp, Transport};

const READY_MAX: usize = 512;
const READ_BYTES: usize = 64 << 10;
const SETTLE_MAX: Duration = Duration::from_secs(20);
const SOON_NS: u64 = 1_000_000;
const MISSED_NS_MIN: u64 = 10_000_000;
/// How often broken connections and slow readers are looked after.
const CARE_NS: u64 = 1_000_000;
/// A slow reader reads so often a second.
const SLOW_READS_PER_S: u64 = 20;
/// Length of a slice of time.
const SLICE_US: u64 = 250_000;
const SLICES_MAX: u64 = 4096;

/// What one visit does.
pub(crate) struct Spec<'a> {
    pub(crate) target: &'a Target,
    /// Where subscribers connect: the server, or the network in front of it.
    pub(crate) address: SocketAddr,
    /// Where events are published.
    pub(crate) publish_at: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) subscribers: u32,
    pub(crate) payload: usize,
    pub(crate) rooms: u32,
    pub(crate) slow: Option<SlowReaders>,
    pub(crate) publishing: Publishing,
    pub(crate) plan: Plan,
    /// Connections are expected to break.
    pub(crate) breaks: bool,
    pub(crate) seed: u64,
}

/// What a visit came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) integrity: Integrity,
    pub(crate) faults: Vec<String>,
    pub(crate) latency: Latency,
    pub(crate) since_sent: Latency,
    pub(crate) slices: Vec<Slice>,
    pub(crate) deliveries: u64,
    pub(crate) answers: u64,
    pub(crate) bytes: Bytes,
    pub(crate) busy_ns: u64,
    pub(crate) late_us_max: u64,
    pub(crate) silence_us: u64,
    pub(crate) tcp: Option<Tcp>,
    pub(crate) recovery: Option<Recovery>,
}

/// The load of one visit.
pub(crate) struct Engine<'a> {
    spec: Spec<'a>,
    epoll: OwnedFd,
    subscribers: Vec<Subscriber>,
    /// The slow ones among them, which come first.
    slow: usize,
    /// Nothing is published any more, and the slow ones read all that is on its way to them.
    drains: bool,
    /// Those without a connection, or with bytes that the kernel did not take yet.
    waiting: Vec<usize>,
    publisher: Publisher<'a>,
    shared: Shared<'a>,
    buffer: Vec<u8>,
    ready: Vec<epoll::Event>,
    /// Numbers that were published so far.
    numbers: u64,
    /// Of them, in band.
    in_band: u64,
    busy_ns: u64,
    cared_ns: u64,
    missed_ticks: u64,
    late_ns_max: u64,
    settle: Duration,
}

impl<'a> Engine<'a> {
    /// An engine without connections.
    pub(crate) fn new(spec: Spec<'a>) -> Result<Self> {
        let shared = Shared {
            target: spec.target,
            payload: spec.payload,
            sent_us: vec![0],
            from_us: None,
            latency: Latency::new(),
            since_sent: Latency::new(),
            reconnect: Latency::new(),
            catch_up: Latency::new(),
            samples: Vec::new(),
            deliveries: 0,
            answers: 0,
            bytes: Bytes::default(),
            read_bytes: 0,
            silence_us: 0,
            breaks: 0,
            attempts: 0,
            made_up: 0,
            chance: fastrand::Rng::with_seed(spec.seed),
            fault: None,
        };
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            subscribers: Vec::new(),
            slow: 0,
            drains: false,
            waiting: Vec::new(),
            publisher: Publisher::new(spec.publish_at, &spec.target.publish, spec.payload, spec.rooms),
            shared,
            buffer: vec![0; READ_BYTES],
            ready: Vec::with_capacity(READY_MAX),
            numbers: 0,
            in_band: 0,
            busy_ns: 0,
            cared_ns: 0,
            missed_ticks: 0,
            late_ns_max: 0,
            settle: SETTLE_MAX,
            spec,
        })
    }

    /// Waits no longer than this for what is missing.
    #[cfg(test)]
    pub(super) fn settle_within(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// The whole visit: opens, warms up, measures, and waits for what is still on its way. `at` is called when the window
    /// opens and when it closes, and in each turn of it with the time since it opened. After it the slow ones read what is left
    /// for them, so that each event can be asked for: it came, or it was told that it will not.
    pub(crate) fn run(mut self, mut at: impl FnMut(Moment) -> Result<()>) -> Result<Outcome> {
        self.subscribe()?;
        let plan = self.spec.plan;
        self.schedule(plan.events_in(plan.warm_up), now_ns() + SOON_NS, &mut |_| Ok(()))?;
        let port = self.spec.address.port();
        let before = tcp::counts(port);
        let start = now_ns() + SOON_NS;
        self.shared.from_us = Some(start / 1000);
        let (busy, heard) = (self.busy_ns, self.publisher.heard_bytes);
        at(Moment::Opens)?;
        self.schedule(plan.events_in(plan.duration), start, &mut |ns| {
            at(Moment::Within(Duration::from_nanos(ns.saturating_sub(start))))
        })?;
        at(Moment::Closes)?;
        let busy = self.busy_ns - busy;
        self.shared.from_us = None;
        if self.spec.publishing == Publishing::Subscribers {
            let heard = self.publisher.heard_bytes - heard;
            self.shared.bytes.head_down += heard;
            self.shared.read_bytes += heard;
        }
        let after = tcp::counts(port);
        self.drains = true;
        self.arrived(&mut |_| Ok(()))?;
        let quiet = now_ns() + nanos(QUIET);
        while now_ns() < quiet {
            self.turn()?;
        }
        let tcp = before.zip(after).map(|(before, after)| tcp::between(before, after));
        self.outcome(busy, tcp)
    }

    fn subscribe(&mut self) -> Result<()> {
        let slow = self
            .spec
            .slow
            .map_or(0, |slow| (f64::from(self.spec.subscribers) * slow.percent / 100.0).round() as u32);
        self.slow = slow as usize;
        let rooms = u64::from(self.spec.rooms);
        for index in 0..self.spec.subscribers {
            let who = Identity {
                transport: self.spec.transport,
                room: u64::from(index).checked_rem(rooms).unwrap_or(0),
                rooms,
                slow: self.spec.slow.filter(|_| index < slow).map(|slow| slow.bytes_per_s),
            };
            self.subscribers.push(Subscriber::new(self.spec.target, who)?);
            self.reopen(index as usize, now_ns())?;
            self.turn()?;
        }
        let told = self.subscribers.first().is_some_and(Subscriber::tells_standing);
        if told {
            return self
                .wait("all subscribers to stand", |engine| engine.subscribers.iter().all(|s| s.ready));
        }
        self.sound()
    }

    /// Where streams do not tell that they stand, events are published until everybody gets one: from there on each counts.
    fn sound(&mut self) -> Result<()> {
        let end = now_ns() + nanos(SETTLE_MAX);
        while now_ns() < end {
            self.publish(now_ns() / 1000);
            let pause = now_ns() + 50 * SOON_NS;
            while now_ns() < pause {
                self.turn()?;
            }
            if self.subscribers.iter().all(|one| one.ledger.received() > 0) && self.publisher.is_idle() {
                self.subscribers.iter_mut().for_each(Subscriber::begin_here);
                return Ok(());
            }
        }
        Err(self.gave_up("a first event to reach everybody"))
    }

    fn reopen(&mut self, index: usize, now: u64) -> Result<()> {
        let Some(subscriber) = self.subscribers.get_mut(index) else { return Ok(()) };
        subscriber.open(self.spec.address, now, &mut self.shared);
        if let Some(line) = &subscriber.line
            && subscriber.who.slow.is_none()
        {
            epoll::add(&self.epoll, line, EventData::new_u64(index as u64), EventFlags::IN)?;
        }
        self.note(index);
        Ok(())
    }

    /// Remembers a subscriber that has to be looked after.
    fn note(&mut self, index: usize) {
        if self.subscribers.get(index).is_some_and(Subscriber::waits) {
            self.waiting.push(index);
        }
    }

    /// Publishes `events` events as the plan says and waits until everything arrived.
    fn schedule(
        &mut self,
        events: u64,
        start: u64,
        within: &mut impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut next = 0;
        while next < events {
            let (due, now) = (start + self.spec.plan.due_ns(next), now_ns());
            if now >= due && self.publisher.has_room() {
                self.late(now - due);
                self.publish(due / 1000);
                next += 1;
                if next < events && start + self.spec.plan.due_ns(next) <= now {
                    continue;
                }
            }
            within(now)?;
            self.turn()?;
            if now > due + nanos(SETTLE_MAX) {
                break;
            }
        }
        self.missed_ticks += events - next;
        self.arrived(within)
    }

    fn late(&mut self, ns: u64) {
        self.late_ns_max = self.late_ns_max.max(ns);
        let interval = 1_000_000_000 / u64::from(self.spec.plan.rate.max(1));
        // A burst is written one event after the other, and while nobody listens nothing leaves.
        let is_even = self.spec.plan.burst.is_none() && !self.spec.breaks;
        self.missed_ticks += u64::from(is_even && ns > interval.max(MISSED_NS_MIN));
    }

    fn publish(&mut self, intended_us: u64) {
        let begun = now_ns();
        self.numbers += 1;
        self.shared.sent_us.push(begun / 1000);
        match self.spec.publishing {
            Publishing::Post => {
                self.publisher.publish(self.numbers, intended_us);
            }
            Publishing::Subscribers => self.publish_by_subscriber(intended_us),
        }
        self.busy_ns += now_ns() - begun;
    }

    /// Over a WebSocket in band, by the subscribers in turn; otherwise by a POST beside the stream.
    fn publish_by_subscriber(&mut self, intended_us: u64) {
        if self.spec.transport != Transport::Websocket {
            // What a subscriber says is among its bytes, whichever way it says it.
            let bytes = self.publisher.publish(self.numbers, intended_us);
            if self.shared.from_us.is_some() {
                self.shared.bytes.up += bytes;
            }
            return;
        }
        let mut message = Vec::with_capacity(self.spec.payload + 64);
        message
            .extend_from_slice(format!("{{\"op\":\"publish\",\"ref\":{},\"data\":", self.numbers).as_bytes());
        numbered(&mut message, self.numbers, intended_us, self.spec.payload);
        message.push(b'}');
        let mut frame = Vec::with_capacity(message.len() + 14);
        text(&mut frame, &message);
        let index = (self.numbers % self.subscribers.len().max(1) as u64) as usize;
        self.in_band += 1;
        if let Some(subscriber) = self.subscribers.get_mut(index) {
            subscriber.send(&frame, now_ns(), &mut self.shared);
        }
        self.note(index);
    }

    /// One turn: reads what is ready, and looks after the publisher, the broken and the slow.
    fn turn(&mut self) -> Result<bool> {
        let begun = now_ns();
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&Timespec::default()))?;
        for index in ready.iter().map(|event| event.data.u64() as usize) {
            if let Some(subscriber) = self.subscribers.get_mut(index) {
                subscriber.read(now_ns(), self.numbers, &mut self.buffer, &mut self.shared);
            }
            self.note(index);
        }
        let mut moved = !ready.is_empty();
        self.ready = ready;
        moved |= self.publisher.turn(begun, &mut self.buffer)?;
        if begun > self.cared_ns + CARE_NS {
            self.cared_ns = begun;
            moved |= self.care(begun)?;
        }
        if moved {
            self.busy_ns += now_ns() - begun;
        }
        Ok(moved)
    }

    fn care(&mut self, now: u64) -> Result<bool> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        waiting.dedup();
        let mut moved = false;
        for index in waiting {
            let Some(subscriber) = self.subscribers.get_mut(index) else { continue };
            if subscriber.has_to_write() {
                subscriber.flush(now, &mut self.shared);
            } else if subscriber.line.is_none() && now >= subscriber.retry_at_ns {
                self.reopen(index, now)?;
                moved = true;
                continue;
            }
            self.note(index);
        }
        self.read_slowly(now);
        Ok(moved)
    }

    fn read_slowly(&mut self, now: u64) {
        for index in 0..self.slow {
            let Some(subscriber) = self.subscribers.get_mut(index) else { continue };
            let due = subscriber.line.is_some() && now >= subscriber.retry_at_ns;
            if let Some(rate) = subscriber.who.slow.filter(|_| due) {
                let at_once = (u64::from(rate) / SLOW_READS_PER_S).clamp(1, READ_BYTES as u64) as usize;
                let (pause, most) =
                    if self.drains { (0, READ_BYTES) } else { (1_000_000_000 / SLOW_READS_PER_S, at_once) };
                subscriber.retry_at_ns = now + pause;
                subscriber.read(now, self.numbers, &mut self.buffer[..most], &mut self.shared);
                self.note(index);
            }
        }
    }

    fn is_complete(&self) -> bool {
        let published = self.numbers;
        self.publisher.is_idle()
            && self
                .subscribers
                .iter()
                .filter(|one| self.drains || one.who.slow.is_none())
                .all(|one| one.ledger.has(one.due(published)))
    }

    /// Waits until everything arrived. Running out of time is no error here: the ledgers tell what is missing.
    fn arrived(&mut self, within: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
        let end = now_ns() + nanos(self.settle);
        while now_ns() < end && !self.is_complete() {
            within(now_ns())?;
            self.turn()?;
        }
        Ok(())
    }

    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let end = now_ns() + nanos(SETTLE_MAX);
        while !done(self) {
            self.turn()?;
            if now_ns() > end {
                return Err(self.gave_up(what));
            }
        }
        Ok(())
    }

    fn gave_up(&self, what: &str) -> LabError {
        let why = self.shared.fault.clone().or_else(|| self.publisher.refusal.clone());
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        LabError::Protocol(format!("waited {} s for {what}{why}", SETTLE_MAX.as_secs()))
    }

    fn account(&self) -> Integrity {
        let published = self.publisher.accepted + self.in_band;
        let mut account = Integrity {
            published,
            refused: self.publisher.refused + self.publisher.unanswered(),
            missed_ticks: self.missed_ticks,
            ..Integrity::default()
        };
        let ordered = self.spec.publishing == Publishing::Post;
        for one in &self.subscribers {
            one.ledger.add_to(&mut account, one.due(published), ordered);
        }
        account
    }

    fn outcome(mut self, busy_ns: u64, tcp: Option<Tcp>) -> Result<Outcome> {
        let integrity = self.account();
        let mut faults = integrity.faults();
        if !self.spec.breaks && self.shared.breaks > 0 {
            faults.push(format!("{} streams ended", self.shared.breaks));
        }
        if !faults.is_empty() {
            faults.extend(self.publisher.refusal.clone());
            faults.extend(self.shared.fault.clone());
        }
        let told_lost = self.subscribers.iter().map(|one| one.ledger.told_lost).sum();
        let recovery = (self.spec.breaks || self.spec.slow.is_some()).then(|| -> Result<Recovery> {
            let stored = |latency: &Latency| (latency.count() > 0).then(|| latency.store()).transpose();
            Ok(Recovery {
                breaks: self.shared.breaks,
                attempts: self.shared.attempts,
                reconnect: stored(&self.shared.reconnect)?,
                catch_up: stored(&self.shared.catch_up)?,
                told_lost,
                made_up: self.shared.made_up,
            })
        });
        let slices = slices(std::mem::take(&mut self.shared.samples));
        let Shared { latency, since_sent, deliveries, answers, bytes, read_bytes, silence_us, .. } =
            self.shared;
        let known = bytes.payload + bytes.envelope + bytes.head_down;
        Ok(Outcome {
            integrity,
            faults,
            latency,
            since_sent,
            slices,
            deliveries,
            answers,
            bytes: Bytes { framing: read_bytes.saturating_sub(known), ..bytes },
            busy_ns,
            late_us_max: self.late_ns_max / 1000,
            silence_us,
            tcp,
            recovery: recovery.transpose()?,
        })
    }
}

/// A moment of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Opens,
    /// So long after it opened; told many times.
    Within(Duration),
    Closes,
}

/// Latency over time.
fn slices(mut samples: Vec<(u64, u64)>) -> Vec<Slice> {
    let slice_of = |at_us: u64| (at_us / SLICE_US).min(SLICES_MAX - 1);
    samples.sort_unstable_by_key(|(at_us, us)| (slice_of(*at_us), *us));
    let of_slice = samples.chunk_by(|a, b| slice_of(a.0) == slice_of(b.0));
    let slice = |samples: &[(u64, u64)]| {
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize].1;
        let at_ms = u32::try_from(slice_of(samples[0].0) * SLICE_US / 1000).unwrap_or(u32::MAX);
        Slice { at_ms, p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
    };
    of_slice.map(slice).collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
