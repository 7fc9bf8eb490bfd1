//! How the streams of a visit come to stand, and stand again.

use rustix::event::epoll::{self, EventData, EventFlags};

use super::{Engine, SETTLE_MAX, SOON_NS, nanos};
use crate::error::{LabError, Result};
use crate::machine::now_ns;
use crate::work::subscriber::{Identity, Subscriber};

impl Engine<'_> {
    pub(super) fn subscribe(&mut self) -> Result<()> {
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

    pub(super) fn reopen(&mut self, index: usize, now: u64) -> Result<()> {
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
    pub(super) fn note(&mut self, index: usize) {
        if self.subscribers.get(index).is_some_and(Subscriber::waits) {
            self.waiting.push(index);
        }
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
}
