//! What a worker answers when it is asked.

use tricast_feed::{Millis, Namespace};

use crate::ask::Ask;
use crate::tally::Tally;
use crate::why::Stretch;
use crate::worker::state::{Local, State, Subscriber};

impl State {
    pub(crate) fn answer_question(&mut self, ask: Ask) {
        match ask {
            Ask::Balance(namespace, reply) => {
                reply.send(self.balance(&namespace)).ok();
            }
            Ask::Given(key, reply) => {
                let now = self.shared.now();
                let found = self.subscribers.get(key.index).filter(|found| found.serial == key.serial);
                reply.send(found.map(|found| given(&self.locals[found.feed], found, now))).ok();
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

/// What a subscriber was given so far.
pub(crate) fn given(local: &Local, subscriber: &Subscriber, now: Millis) -> Stretch {
    let (after, from) = subscriber.began;
    Stretch { way: subscriber.way, after, upto: local.standing(subscriber.place).max(after), from, to: now }
}
