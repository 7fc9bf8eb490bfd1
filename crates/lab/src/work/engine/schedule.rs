//! When events leave and who publishes them, and whether all have come.

use super::{Engine, SETTLE_MAX, nanos};
use crate::error::Result;
use crate::load::text;
use crate::machine::now_ns;
use crate::peers::wire::numbered;
use crate::result::{Publishing, Transport};

const MISSED_NS_MIN: u64 = 10_000_000;

impl Engine<'_> {
    /// Publishes `events` events as the plan says and waits until everything arrived.
    pub(super) fn schedule(
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

    pub(super) fn publish(&mut self, intended_us: u64) {
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
    pub(super) fn arrived(&mut self, within: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
        let end = now_ns() + nanos(self.settle);
        while now_ns() < end && !self.is_complete() {
            within(now_ns())?;
            self.turn()?;
        }
        Ok(())
    }
}
