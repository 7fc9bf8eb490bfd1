//! The loop that publishes and reads, and the two ways to drive it: open loop, by a schedule that does not wait for
//! the server, and closed loop, where the next events leave when everybody has the last ones.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::lines::{CONNECTIONS, Lines};
use super::publisher::Publisher;
use super::subscriber::{Kind, Shared, Subscriber};
use super::window::Window;
use crate::error::{LabError, Result};
use crate::machine::now_ns;
use crate::result::Integrity;

/// Sockets found ready in one turn at most.
const READY_MAX: usize = 512;
const READ_BYTES: usize = 128 << 10;
/// Wait for all subscribers to stand, and for the last events to arrive.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// A tick counts as missed when its event leaves later than a whole interval, but never for less than this.
const MISSED_NS_MIN: u64 = 10_000_000;
const SOON_NS: u64 = 1_000_000;
/// After the last event the load reads on for so long: what comes twice, or without having been published, comes then.
pub(crate) const QUIET: Duration = Duration::from_millis(50);

/// An open-loop schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Events a second.
    pub(crate) rate: u32,
    /// Unrecorded time before.
    pub(crate) warm_up: Duration,
    /// Recorded time.
    pub(crate) duration: Duration,
}

/// What a closed loop did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Saturated {
    pub(crate) deliveries: u64,
    pub(crate) passes: u64,
}

/// The load of one visit.
pub(crate) struct Load {
    epoll: OwnedFd,
    subscribers: Vec<Subscriber>,
    publisher: Option<Publisher>,
    shared: Shared,
    buffer: Vec<u8>,
    ready: Vec<epoll::Event>,
    busy_ns: u64,
    missed_ticks: u64,
    late_ns_max: u64,
    ended: bool,
    settle: Duration,
}

impl Load {
    /// A load without subscribers. With a namespace it can publish into it.
    pub(crate) fn new(address: SocketAddr, namespace: Option<&str>, payload: u32) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let payload = payload as usize;
        let publisher = namespace.map(|name| Publisher::open(address, name, payload)).transpose()?;
        for (index, stream) in publisher.iter().flat_map(|publisher| publisher.lines.streams()).enumerate() {
            epoll::add(&epoll, stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        }
        let namespace = namespace.unwrap_or_default().to_owned();
        Ok(Self {
            epoll,
            subscribers: Vec::new(),
            publisher,
            shared: Shared { namespace, payload, ..Shared::default() },
            buffer: vec![0; READ_BYTES],
            ready: Vec::with_capacity(READY_MAX),
            busy_ns: 0,
            missed_ticks: 0,
            late_ns_max: 0,
            ended: false,
            settle: SETTLE_MAX,
        })
    }

    /// Opens subscribers up to a number, and waits until every stream stands.
    pub(crate) fn subscribe(&mut self, address: SocketAddr, kind: Kind, up_to: u32) -> Result<()> {
        while self.subscribers.len() < up_to as usize {
            let subscriber = Subscriber::open(address, kind, &self.shared.namespace)?;
            let token = EventData::new_u64((CONNECTIONS + self.subscribers.len()) as u64);
            epoll::add(&self.epoll, &subscriber.stream, token, EventFlags::IN)?;
            self.subscribers.push(subscriber);
            self.turn()?;
        }
        self.turn_until("all subscribers to stand", |load| load.subscribers.iter().all(|s| s.ready))
    }

    /// Reads for a while, so that nothing is left on its way.
    pub(crate) fn idle(&mut self, time: Duration) -> Result<()> {
        let end = now_ns() + nanos(time);
        while now_ns() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits no longer than this for the last events, where some are known not to come.
    pub(crate) fn settle_within(&mut self, time: Duration) {
        self.settle = time;
    }

    /// One turn: reads every socket that is ready. Whether there was any.
    fn turn(&mut self) -> Result<bool> {
        let start = now_ns();
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&Timespec::default()))?;
        let any = !ready.is_empty();
        let read = ready.iter().try_for_each(|event| self.read(event.data.u64() as usize));
        self.ready = ready;
        if any {
            self.busy_ns += now_ns() - start;
        }
        read.map(|()| any)
    }

    fn read(&mut self, token: usize) -> Result<()> {
        let Some(index) = token.checked_sub(CONNECTIONS) else {
            let Some(publisher) = &mut self.publisher else { return Ok(()) };
            if let Some(stream) = publisher.lines.read(token, &mut self.buffer)? {
                epoll::add(&self.epoll, stream, EventData::new_u64(token as u64), EventFlags::IN)?;
            }
            return Ok(());
        };
        let Some(subscriber) = self.subscribers.get_mut(index) else { return Ok(()) };
        subscriber.read(index == 0, &mut self.buffer, &mut self.shared)?;
        if subscriber.ledger.ended() {
            self.ended = true;
            // A stream that ended would be ready for ever.
            epoll::delete(&self.epoll, &subscriber.stream)?;
        }
        Ok(())
    }

    fn turn_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = now_ns() + nanos(SETTLE_MAX);
        while !done(self) {
            let any = self.turn()?;
            if !any && now_ns() > deadline {
                return Err(LabError::Protocol(format!("waited {} s for {what}", SETTLE_MAX.as_secs())));
            }
            if self.ended {
                return Err(LabError::Protocol(format!("a stream ended while waiting for {what}")));
            }
        }
        Ok(())
    }

    /// Open loop. `at_window` is called when the recorded window opens and when it closes, with [`Self::busy_ns`].
    pub(crate) fn open_loop(
        &mut self,
        plan: Plan,
        mut at_window: impl FnMut(u64) -> Result<()>,
    ) -> Result<Window> {
        self.schedule(plan.rate, plan.warm_up, None)?;
        at_window(self.busy_ns)?;
        let start = now_ns() + SOON_NS;
        self.shared.window = Some(Window::open(start / 1000));
        let done = self.schedule(plan.rate, plan.duration, Some(start));
        at_window(self.busy_ns)?;
        done?;
        self.idle(QUIET)?;
        Ok(self.shared.window.take().unwrap_or_default())
    }

    /// Publishes at a rate for a time and waits until everything arrived.
    fn schedule(&mut self, rate: u32, time: Duration, start: Option<u64>) -> Result<()> {
        let start = start.unwrap_or_else(|| now_ns() + SOON_NS);
        let interval = 1_000_000_000 / u64::from(rate.max(1));
        let ticks = nanos(time) / interval;
        let mut next = 0;
        while next < ticks {
            let due = start + next * interval;
            if now_ns() >= due && self.lines().is_some_and(Lines::is_free) {
                self.tick(due, interval)?;
                next += 1;
            }
            self.turn()?;
            if now_ns() > due + nanos(SETTLE_MAX) || self.ended {
                break;
            }
        }
        self.missed_ticks += ticks - next;
        self.arrived()
    }

    fn tick(&mut self, due: u64, interval: u64) -> Result<()> {
        let now = now_ns();
        let late = now - due;
        self.late_ns_max = self.late_ns_max.max(late);
        self.missed_ticks += u64::from(late > interval.max(MISSED_NS_MIN));
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        publisher.publish(due / 1000, 1)?;
        self.busy_ns += now_ns() - now;
        Ok(())
    }

    /// Waits until everything that was accepted has arrived everywhere. Running out of time is no error here: the
    /// ledgers tell what is missing.
    fn arrived(&mut self) -> Result<()> {
        let deadline = now_ns() + nanos(self.settle);
        while now_ns() < deadline && !self.ended && !self.is_complete() {
            self.turn()?;
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        let Some(lines) = self.lines() else { return true };
        lines.is_idle() && self.shared.received >= lines.accepted * self.subscribers.len() as u64
    }

    /// Closed loop with `in_flight` events published together, for a time.
    pub(crate) fn saturate(&mut self, in_flight: u32, time: Duration) -> Result<Saturated> {
        let end = now_ns() + nanos(time);
        let mut done = Saturated::default();
        while now_ns() < end {
            self.shared.pass.clear();
            let before = self.shared.received;
            if let Some(publisher) = &mut self.publisher {
                publisher.publish(now_ns() / 1000, in_flight)?;
            }
            self.turn_until("a pass to arrive everywhere", Self::is_complete)?;
            done.deliveries += self.shared.received - before;
            done.passes += 1;
        }
        Ok(done)
    }

    /// Closed loop against the raw role: one byte on `control` asks for one pass of `send_bytes` to every socket.
    pub(crate) fn saturate_raw(
        &mut self,
        control: &TcpStream,
        send_bytes: u64,
        time: Duration,
    ) -> Result<Saturated> {
        let end = now_ns() + nanos(time);
        let mut done = Saturated::default();
        while now_ns() < end {
            let expected = self.shared.received + send_bytes * self.subscribers.len() as u64;
            std::io::Write::write_all(&mut &*control, b"p").map_err(LabError::io("ask for a raw pass"))?;
            self.turn_until("a raw pass to arrive", |load| load.shared.received >= expected)?;
            done.passes += 1;
            self.shared.pass.clear();
        }
        Ok(done)
    }

    /// The bytes that the first subscriber got in the last pass: what the raw loop will send.
    pub(crate) fn last_pass(&self) -> &[u8] {
        &self.shared.pass
    }

    /// Nanoseconds of useful work so far.
    pub(crate) fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    /// The publisher's largest delay so far, microseconds.
    pub(crate) fn late_us_max(&self) -> u64 {
        self.late_ns_max / 1000
    }

    /// What arrived against what was published, over the whole life of this load.
    pub(crate) fn account(&self) -> Integrity {
        let lines = self.lines();
        let mut account = Integrity {
            published: lines.map_or(0, |lines| lines.accepted),
            refused: lines.map_or(0, |lines| lines.refused + lines.unanswered()),
            missed_ticks: self.missed_ticks,
            ..Integrity::default()
        };
        self.subscribers.iter().for_each(|subscriber| subscriber.ledger.add_to(&mut account));
        account
    }

    /// Why the first refused publish request was refused.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.lines()?.refusal.as_deref()
    }

    fn lines(&self) -> Option<&Lines> {
        self.publisher.as_ref().map(|publisher| &publisher.lines)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
