//! The loop that publishes on a schedule, reads every socket, and lets those come back whose connections broke.

mod opening;
mod outcome;
mod schedule;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll;

pub(crate) use self::outcome::Outcome;

use super::plan::Plan;
use super::publisher::Publisher;
use super::subscriber::{Shared, Subscriber};
use super::target::Target;
use super::tcp;
use crate::error::Result;
use crate::load::QUIET;
use crate::machine::now_ns;
use crate::result::{Bytes, Latency, Publishing, SlowReaders, Transport};

const READY_MAX: usize = 512;
const READ_BYTES: usize = 64 << 10;
const SETTLE_MAX: Duration = Duration::from_secs(20);
const SOON_NS: u64 = 1_000_000;
/// How often broken connections and slow readers are looked after.
const CARE_NS: u64 = 1_000_000;
/// A slow reader reads so often a second.
const SLOW_READS_PER_S: u64 = 20;

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

    /// Waits no longer than this for what is missing, where some is known not to come.
    pub(crate) fn settle_within(mut self, settle: Duration) -> Self {
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
}

/// A moment of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Opens,
    /// So long after it opened; told many times.
    Within(Duration),
    Closes,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
