//! What a worker answers when it is asked.

use tricast_feed::{Millis, Namespace, Offset};

use crate::ask::Ask;
use crate::tally::Tally;
use crate::why::Stretch;
use crate::worker::state::{Local, Place, State, Subscriber};

impl State {
    pub(crate) fn answer_question(&mut self, ask: Ask) {
        match ask {
            Ask::Balance(namespace, reply) => {
                reply.send(self.balance(&namespace)).ok();
            }
            Ask::Given(key, offset, reply) => {
                let now = self.shared.now();
                let found = self.subscribers.get(key.index).filter(|found| found.serial == key.serial);
                let given = |found: &Subscriber| {
                    let local = &self.locals[found.feed];
                    (given(local, found, now), local.given_at(found, offset))
                };
                reply.send(found.map(given)).ok();
            }
        }
    }

    /// This worker's part of a balance, at this moment.
    fn balance(&self, namespace: &Namespace) -> [Tally; 3] {
        let Some(index) = self.by_name.get(namespace) else { return Default::default() };
        let mut tallies = self.locals[*index].tallies;
        for (_, subscriber) in self.subscribers.iter().filter(|(_, subscriber)| subscriber.feed == *index) {
            tallies[subscriber.way.index()].pending += subscriber.debt.open();
        }
        tallies
    }
}

impl Local {
    /// When a pass gave a subscriber an event, if it has been live since before and the pass is remembered.
    fn given_at(&self, subscriber: &Subscriber, offset: Offset) -> Option<Millis> {
        let was_live = subscriber.place == Place::Live && subscriber.live_after < offset;
        let pass = self.past.iter().find(|(head, _)| *head >= offset).filter(|_| was_live)?;
        Some(pass.1)
    }
}

/// What a subscriber was given so far.
pub(crate) fn given(local: &Local, subscriber: &Subscriber, now: Millis) -> Stretch {
    let (after, from) = subscriber.began;
    Stretch { way: subscriber.way, after, upto: local.standing(subscriber.place).max(after), from, to: now }
}
