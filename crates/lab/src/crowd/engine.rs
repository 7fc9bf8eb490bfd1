//! The loop of a crowd: publishes and reads on one thread that never sleeps, as the load that compares transports
//! does, and for the same reason.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::member::{Member, Shared};
use super::publisher::{Post, Publisher};
use super::seat::Seat;
use super::window::Window;
use crate::error::{LabError, Result};
use crate::load::CONNECTIONS;
use crate::machine::now_ns;
use crate::result::Integrity;

/// Sockets found ready in one turn at most, so that a tick is not late by more than reading them takes.
const READY_MAX: usize = 256;
const READ_BYTES: usize = 128 << 10;
/// Members that connect at once, so that the server's queue of connections does not overflow.
const CONNECTING_MAX: usize = 256;
/// Wait for a member to stand, and for the last events to arrive.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// A tick counts as missed when its event leaves later than a whole interval, but never for less than this.
const MISSED_NS_MIN: u64 = 10_000_000;
const SOON_NS: u64 = 1_000_000;
/// Bits of an epoll token that name the member; the others count the lives of its place.
const INDEX_BITS: u32 = 32;

/// An open-loop schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Events a second.
    pub(super) rate: u32,
    /// For how long.
    pub(super) time: Duration,
    /// Whether a window is opened.
    pub(super) recorded: bool,
}

/// What a closed loop did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) events: u64,
    pub(super) deliveries: u64,
}

/// A crowd and its publisher.
pub(super) struct Crowd<'a> {
    server: SocketAddr,
    epoll: OwnedFd,
    members: Vec<(u32, Member)>,
    publisher: Publisher,
    shared: Shared,
    stop: &'a dyn Fn() -> bool,
    buffer: Vec<u8>,
    ready: Vec<epoll::Event>,
    /// Deliveries that were caused among those that stay.
    expected: u64,
    busy_ns: u64,
    /// Ticks whose event left late or not at all, and of those the ones that never left.
    missed_ticks: u64,
    skipped_ticks: u64,
    late_ns_max: u64,
    /// Members that stay whose stream ended, and why the first did.
    ended: u64,
    pub(super) fault: Option<String>,
}

impl<'a> Crowd<'a> {
    /// Nobody yet. Events will carry `payload` bytes of `data`.
    pub(super) fn new(server: SocketAddr, payload: u32, stop: &'a dyn Fn() -> bool) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let publisher = Publisher::open(server, payload as usize)?;
        for (index, stream) in publisher.lines.streams().enumerate() {
            epoll::add(&epoll, stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        }
        Ok(Self {
            server,
            epoll,
            members: Vec::new(),
            publisher,
            shared: Shared::default(),
            stop,
            buffer: vec![0; READ_BYTES],
            ready: Vec::with_capacity(READY_MAX),
            expected: 0,
            busy_ns: 0,
            missed_ticks: 0,
            skipped_ticks: 0,
            late_ns_max: 0,
            ended: 0,
            fault: None,
        })
    }

    /// Seats members, and waits until all of them stand.
    pub(super) fn invite(&mut self, seats: Vec<Seat>) -> Result<()> {
        let mut standing = self.members.len();
        for seat in seats {
            self.members.push((0, Member::open(self.server, seat)?));
            self.watch(self.members.len() - 1)?;
            self.turn()?;
            if self.members.len() - standing >= CONNECTING_MAX {
                standing = self.stand(standing)?;
            }
        }
        self.stand(standing).map(|_| ())
    }

    /// Waits until every member from an index on stands, and gives their number.
    fn stand(&mut self, from: usize) -> Result<usize> {
        self.turn_until("subscribers to stand", |crowd| crowd.members[from..].iter().all(|(_, m)| m.ready))?;
        Ok(self.members.len())
    }

    /// Puts another in a member's place: the old one's connection is closed, and the new one's is not waited for.
    /// What the old one got is given back, with whether its stream had stood.
    pub(super) fn replace(&mut self, index: usize, seat: Seat) -> Result<(Integrity, bool)> {
        let member = Member::open(self.server, seat)?;
        let (life, place) = &mut self.members[index];
        let old = std::mem::replace(place, member);
        *life = life.wrapping_add(1);
        let account = old.account(0);
        let stood = old.ready;
        drop(old);
        self.watch(index)?;
        Ok((account, stood))
    }

    fn token(&self, index: usize) -> EventData {
        let life = u64::from(self.members[index].0);
        EventData::new_u64(life << INDEX_BITS | (CONNECTIONS + index) as u64)
    }

    fn watch(&self, index: usize) -> Result<()> {
        let member = &self.members[index].1;
        Ok(epoll::add(&self.epoll, &member.stream, self.token(index), interest(member))?)
    }

    /// One turn: reads every socket that is ready. Whether there was any.
    pub(super) fn turn(&mut self) -> Result<bool> {
        let start = now_ns();
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&Timespec::default()))?;
        let any = !ready.is_empty();
        let read = ready.iter().try_for_each(|event| self.serve(event.data.u64()));
        self.ready = ready;
        if any {
            self.busy_ns += now_ns() - start;
        }
        read.map(|()| any)
    }

    fn serve(&mut self, token: u64) -> Result<()> {
        let (life, place) = (token >> INDEX_BITS, (token & u64::from(u32::MAX)) as usize);
        let Some(index) = place.checked_sub(CONNECTIONS) else {
            if let Some(stream) = self.publisher.lines.read(place, &mut self.buffer)? {
                epoll::add(&self.epoll, stream, EventData::new_u64(token), EventFlags::IN)?;
            }
            return Ok(());
        };
        let (now, member) = &mut self.members[index];
        // A member who was replaced in this turn may still be among those found ready.
        if u64::from(*now) != life || member.ended() {
            return Ok(());
        }
        let was_pending = member.pending;
        if was_pending {
            member.flush();
        }
        member.read(&mut self.buffer, &mut self.shared);
        if member.ended() {
            epoll::delete(&self.epoll, &member.stream)?;
            self.ended += u64::from(member.stays());
            self.fault = self.fault.take().or_else(|| member.fault.clone());
        } else if member.pending != was_pending {
            let interest = interest(member);
            epoll::modify(&self.epoll, &self.members[index].1.stream, self.token(index), interest)?;
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
            if self.ended > 0 {
                let why = self.fault.as_deref().unwrap_or("no reason was given");
                return Err(LabError::Protocol(format!("a stream ended while waiting for {what} ({why})")));
            }
            self.go_on()?;
        }
        Ok(())
    }

    /// An error where somebody asked the run to end.
    pub(super) fn go_on(&self) -> Result<()> {
        if (self.stop)() { Err(LabError::Stopped) } else { Ok(()) }
    }

    /// Reads for a while, so that nothing is left on its way.
    pub(super) fn idle(&mut self, time: Duration) -> Result<()> {
        let end = now_ns() + nanos(time);
        while now_ns() < end {
            self.turn()?;
        }
        Ok(())
    }

    fn post(&mut self, intended_us: u64, post: &Post<'_>) -> Result<()> {
        self.expected += post.deliveries;
        self.publisher.publish(intended_us, post)
    }

    /// Publishes on a schedule and waits until everything arrived. `at_turn` is called once a turn, with the
    /// nanoseconds since the start. Stopping ends it early, with what was published complete.
    pub(super) fn open_loop(
        &mut self,
        schedule: Schedule,
        post: &Post<'_>,
        mut at_turn: impl FnMut(&mut Self, u64) -> Result<()>,
    ) -> Result<()> {
        let start = now_ns() + SOON_NS;
        if schedule.recorded {
            self.shared.window = Some(Window::open(start / 1000));
            // What the warm-up missed is in no figure.
            (self.missed_ticks, self.skipped_ticks, self.late_ns_max) = (0, 0, 0);
        }
        let interval = 1_000_000_000 / u64::from(schedule.rate.max(1));
        let ticks = nanos(schedule.time) / interval;
        let mut next = 0;
        while next < ticks && !(self.stop)() {
            let (now, due) = (now_ns(), start + next * interval);
            if now >= due && self.publisher.lines.is_free() {
                self.tick(due, interval, post)?;
                next += 1;
            } else if now > due + nanos(SETTLE_MAX) {
                self.missed_ticks += ticks - next;
                self.skipped_ticks += ticks - next;
                break;
            }
            self.turn()?;
            at_turn(self, now.saturating_sub(start))?;
        }
        self.arrived()
    }

    fn tick(&mut self, due: u64, interval: u64, post: &Post<'_>) -> Result<()> {
        let now = now_ns();
        let late = now - due;
        self.late_ns_max = self.late_ns_max.max(late);
        self.missed_ticks += u64::from(late > interval.max(MISSED_NS_MIN));
        self.post(due / 1000, post)?;
        self.busy_ns += now_ns() - now;
        Ok(())
    }

    /// Waits until everything that was accepted has arrived everywhere. Running out of time is no error here: the
    /// ledgers tell what is missing.
    fn arrived(&mut self) -> Result<()> {
        let deadline = now_ns() + nanos(SETTLE_MAX);
        while now_ns() < deadline && !self.is_complete() && self.ended == 0 {
            self.turn()?;
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.publisher.lines.is_idle() && self.shared.received >= self.expected
    }

    /// Closed loop: the next post leaves when everybody has the last one, for as long as `more` says so of the
    /// number of posts made.
    pub(super) fn closed_loop<'p>(
        &mut self,
        mut post: impl FnMut(u64) -> Post<'p>,
        more: impl Fn(u64) -> bool,
    ) -> Result<Done> {
        let mut done = Done::default();
        let before = self.shared.received;
        let mut posts = 0;
        while more(posts) {
            let now = post(posts);
            done.events += now.rooms.len() as u64;
            self.post(now_ns() / 1000, &now)?;
            self.turn_until("a pass to arrive everywhere", Self::is_complete)?;
            posts += 1;
        }
        done.deliveries = self.shared.received - before;
        Ok(done)
    }

    /// Nanoseconds of useful work so far.
    pub(super) fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    /// The publisher's largest delay so far, microseconds.
    pub(super) fn late_us_max(&self) -> u64 {
        self.late_ns_max / 1000
    }

    /// Ticks whose event never left.
    pub(super) fn skipped_ticks(&self) -> u64 {
        self.skipped_ticks
    }

    /// Takes the window that was open.
    pub(super) fn window(&mut self) -> Option<Window> {
        self.shared.window.take()
    }

    /// What those that stay received against what was published, over the whole life of this crowd.
    pub(super) fn account(&self) -> Integrity {
        let lines = &self.publisher.lines;
        let published = lines.accepted;
        let mut sum = Integrity {
            published,
            refused: lines.refused + lines.unanswered(),
            missed_ticks: self.missed_ticks,
            ..Integrity::default()
        };
        let staying = self.members.iter().filter(|(_, member)| member.stays());
        staying.for_each(|(_, member)| add(&mut sum, &member.account(published)));
        sum
    }

    /// What the members that pass, and are there still, received.
    pub(super) fn passing(&self) -> Integrity {
        let mut sum = Integrity::default();
        let passing = self.members.iter().filter(|(_, member)| !member.stays());
        passing.for_each(|(_, member)| add(&mut sum, &member.account(0)));
        sum
    }

    /// Why a visit is void: what an account says, and the reasons that are known.
    pub(super) fn faults(&self, account: &Integrity) -> Vec<String> {
        let mut faults = account.faults();
        if !faults.is_empty() {
            faults.extend(self.publisher.lines.refusal.clone());
            faults.extend(self.fault.clone());
        }
        faults
    }
}

fn interest(member: &Member) -> EventFlags {
    if member.pending { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}

/// Adds one subscriber's account to that of all; what was published is known already.
pub(super) fn add(sum: &mut Integrity, one: &Integrity) {
    sum.expected += one.expected;
    sum.received += one.received;
    sum.lost += one.lost;
    sum.duplicated += one.duplicated;
    sum.out_of_order += one.out_of_order;
    sum.negative += one.negative;
    sum.foreign += one.foreign;
    sum.ended += one.ended;
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
