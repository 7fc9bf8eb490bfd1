//! The field: the subscribers and the publisher of one visit, on one thread that never sleeps, as in [`crate::load`].
//! It differs from that load in what it may expect: a peer has no cursor, so that the events carry their own numbers,
//! and no `sync` of its own, so that a sounding tells when everybody stands.

mod publisher;
mod subscriber;
mod tally;
#[cfg(test)]
mod tests;

pub use self::tally::Account;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use self::publisher::Publisher;
use self::subscriber::{Shared, Subscriber};
use super::wire::{Publishing, Wire};
use crate::error::{LabError, Result};
use crate::machine::now_ns;
use crate::result::Latency;

/// Sockets found ready in one turn at most.
const READY_MAX: usize = 512;
const READ_BYTES: usize = 128 << 10;
/// Wait for streams to stand, or for an event to arrive everywhere.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// Soundings at most, and how long each may take before the next.
const SOUNDINGS_MAX: u32 = 20;
const SOUNDING_MAX: Duration = Duration::from_millis(500);
/// Streams that are asked for and do not stand yet, at most: a server's queue of new connections is short.
const OPENING_MAX: usize = 128;
/// Events of an open loop on their way at once, at most; beyond that the server cannot keep the rate.
const ON_THE_WAY_MAX: u64 = 1000;
const PUBLISHER: u64 = u64::MAX;

/// One server's subscribers by one transport, and its publisher.
pub(super) struct Field {
    epoll: OwnedFd,
    address: SocketAddr,
    wire: Wire,
    subscribers: Vec<Subscriber>,
    publisher: Publisher,
    shared: Shared,
    buffer: Vec<u8>,
    ready: Vec<epoll::Event>,
    busy_ns: u64,
}

impl Field {
    /// A field without subscribers.
    pub(super) fn open(address: SocketAddr, wire: Wire, publishing: Publishing) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let publisher = Publisher::open(address, publishing)?;
        epoll::add(&epoll, publisher.stream(), EventData::new_u64(PUBLISHER), EventFlags::IN)?;
        Ok(Self {
            epoll,
            address,
            wire,
            subscribers: Vec::new(),
            publisher,
            shared: Shared::default(),
            buffer: vec![0; READ_BYTES],
            ready: Vec::with_capacity(READY_MAX),
            busy_ns: 0,
        })
    }

    /// Opens subscribers up to a number and waits until those stand that tell it.
    pub(super) fn subscribe(&mut self, up_to: u32) -> Result<()> {
        let told = self.wire.tells_standing();
        while self.subscribers.len() < up_to as usize {
            let subscriber = Subscriber::open(self.address, &self.wire)?;
            let token = EventData::new_u64(self.subscribers.len() as u64);
            epoll::add(&self.epoll, subscriber.stream(), token, EventFlags::IN)?;
            self.subscribers.push(subscriber);
            let most = self.subscribers.len().saturating_sub(OPENING_MAX);
            self.turn()?;
            if told {
                self.turn_until("new streams to stand", |field| field.shared.standing >= most)?;
            }
        }
        if told {
            self.turn_until("all streams to stand", |field| field.shared.standing >= up_to as usize)?;
        }
        Ok(())
    }

    /// Publishes until one event has reached everybody: then everybody stands, and counts from there.
    pub(super) fn sound(&mut self) -> Result<()> {
        for _ in 0..SOUNDINGS_MAX {
            self.publish(now_ns() / 1000)?;
            let deadline = now_ns() + nanos(SOUNDING_MAX);
            while now_ns() < deadline {
                self.turn()?;
                let heard = self.shared.counts.back().copied();
                if self.on_the_way() == 0 || heard == Some(self.subscribers.len() as u32) {
                    self.shared.counts.clear();
                    self.shared.completed = self.publisher.published;
                    return self.idle(SOUNDING_MAX / 10);
                }
            }
        }
        let reached = self.shared.counts.iter().max().copied().unwrap_or(0);
        Err(LabError::Protocol(format!("a sounding reached {reached} of {}", self.subscribers.len())))
    }

    /// Keeps up to `in_flight` events on their way for a time, and waits for the last. Gives their number.
    pub(super) fn keep_in_flight(&mut self, in_flight: u64, time: Duration) -> Result<u64> {
        let (end, before) = (now_ns() + nanos(time), self.publisher.published);
        let mut moved_ns = now_ns();
        loop {
            let now = now_ns();
            while now < end && self.on_the_way() < in_flight {
                self.publish(now / 1000)?;
            }
            if now >= end && self.on_the_way() == 0 {
                return Ok(self.publisher.published - before);
            }
            let completed = self.shared.completed;
            self.turn()?;
            if self.shared.completed != completed {
                moved_ns = now;
            } else if now > moved_ns + nanos(SETTLE_MAX) {
                return Err(self.stalled());
            }
        }
    }

    /// Open loop: events at a rate for a time, whether or not the last ones arrived, and their latencies. `None` where
    /// so many were on their way at once that the rate cannot be kept.
    pub(super) fn open_loop(&mut self, rate: f64, time: Duration) -> Result<Option<Latency>> {
        let start = now_ns() + 1_000_000;
        let interval = 1e9 / rate.max(0.01);
        let events = (nanos(time) as f64 / interval).ceil() as u64;
        self.shared.latency = Some(Latency::new());
        let mut next = 0;
        while next < events && self.on_the_way() < ON_THE_WAY_MAX {
            let due = start + (next as f64 * interval) as u64;
            if now_ns() >= due {
                self.publish(due / 1000)?;
                next += 1;
            }
            self.turn()?;
        }
        self.turn_until("the last events to arrive", |field| field.on_the_way() == 0)?;
        Ok(self.shared.latency.take().filter(|_| next == events))
    }

    /// The bytes that the first subscriber gets for one event, and its last request.
    pub(super) fn sample(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        self.shared.pass.clear();
        self.publish(now_ns() / 1000)?;
        self.turn_until("a sample to arrive", |field| field.on_the_way() == 0)?;
        Ok((std::mem::take(&mut self.shared.pass), self.shared.request.clone()))
    }

    /// Open subscribers.
    pub(super) fn subscribers(&self) -> u32 {
        self.subscribers.len() as u32
    }

    /// Reads for a while.
    pub(super) fn idle(&mut self, time: Duration) -> Result<()> {
        let end = now_ns() + nanos(time);
        while now_ns() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Nanoseconds of useful work so far.
    pub(super) fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    /// Poll answers with events so far.
    pub(super) fn answers(&self) -> u64 {
        self.shared.answers
    }

    /// What arrived against what was published, since each subscriber's first event.
    pub(super) fn account(&self) -> Account {
        let mut account = Account {
            published: self.publisher.published,
            refused: self.publisher.refused,
            ..Account::default()
        };
        self.subscribers.iter().for_each(|one| one.tally().add_to(&mut account));
        account
    }

    fn on_the_way(&self) -> u64 {
        self.publisher.published - self.shared.completed
    }

    fn publish(&mut self, intended_us: u64) -> Result<()> {
        let start = now_ns();
        self.publisher.publish(intended_us)?;
        self.shared.counts.push_back(0);
        self.busy_ns += now_ns() - start;
        Ok(())
    }

    /// One turn: reads every socket that is ready. Whether there was any.
    fn turn(&mut self) -> Result<bool> {
        let start = now_ns();
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&Timespec::default()))?;
        let any = !ready.is_empty();
        let read = ready.iter().try_for_each(|event| self.read(event.data.u64()));
        self.ready = ready;
        if any {
            self.complete();
            self.busy_ns += now_ns() - start;
        }
        read.map(|()| any)
    }

    fn read(&mut self, token: u64) -> Result<()> {
        if token == PUBLISHER {
            return self.publisher.read(&mut self.buffer);
        }
        let Some(subscriber) = self.subscribers.get_mut(token as usize) else { return Ok(()) };
        subscriber.read(token == 0, &self.wire, &mut self.buffer, &mut self.shared)
    }

    /// Drops the events from the front that everybody has.
    fn complete(&mut self) {
        let all = self.subscribers.len() as u32;
        while self.shared.counts.front().copied() == Some(all) {
            self.shared.counts.pop_front();
            self.shared.completed += 1;
        }
    }

    fn turn_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = now_ns() + nanos(SETTLE_MAX);
        while !done(self) {
            if !self.turn()? && now_ns() > deadline {
                return Err(LabError::Protocol(format!("waited {} s for {what}", SETTLE_MAX.as_secs())));
            }
        }
        Ok(())
    }

    fn stalled(&self) -> LabError {
        let arrived = self.shared.counts.front().copied().unwrap_or(0);
        let (all, seconds) = (self.subscribers.len(), SETTLE_MAX.as_secs());
        LabError::Protocol(format!("after {seconds} s an event had reached {arrived} of {all}"))
    }
}

/// Subscribers that have each event on its way, the oldest first.
type Counts = VecDeque<u32>;

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
