//! Once a second: beats, streams that nobody reads, and what is too old. No timer for each connection: a tick walks
//! the slice of the slab whose turn it is.

use std::collections::HashMap;

use bytes::Bytes;
use tricast_feed::Reason;
use tricast_wire::notice::{Close, Notice};
use tricast_wire::ws::PING_FRAME;

use crate::Way;
use crate::join::notice_bytes;
use crate::key::Key;
use crate::out::Out;
use crate::way::Shape;
use crate::worker::state::{Local, Place, State};

impl State {
    /// One second has passed.
    pub(crate) fn tick(&mut self) {
        self.second += 1;
        self.shared.sweep();
        let beat_secs = self.shared.limits.beat_secs.max(1);
        let turn = self.second % beat_secs;
        let stall_secs = self.shared.limits.stall_secs;
        let mut beats = HashMap::new();
        let mut dead = Vec::new();
        for (index, subscriber) in &mut self.subscribers {
            let Out::Pipe(pipe) = &mut subscriber.out else { continue };
            if index as u64 % beat_secs != turn {
                continue;
            }
            let key = Key { index, serial: subscriber.serial };
            // Silence counts from a ping: a client that was not asked owes nothing.
            let unheard = pipe.unheard_secs(self.second) > stall_secs;
            if unheard || pipe.stalled_secs(self.second) > stall_secs {
                dead.push((
                    key,
                    if unheard { "the client answers no ping" } else { "the client does not read" },
                ));
            } else if subscriber.place == Place::Live && pipe.is_free() {
                let feed = (subscriber.feed, subscriber.shape);
                let beat = beats.entry(feed).or_insert_with(|| beat(&self.locals[feed.0], feed.1));
                pipe.fill(beat.clone(), self.second);
                if subscriber.way == Way::Ws {
                    pipe.pinged(self.second);
                }
            }
        }
        for (key, detail) in dead {
            self.end(key, &Close::new(Reason::SlowConsumer, detail));
        }
    }
}

fn beat(local: &Local, shape: Shape) -> Bytes {
    let notice = notice_bytes(shape, &Notice::Beat(local.cursor(local.head)));
    if shape != Shape::Frames {
        return notice;
    }
    Bytes::from([notice.as_ref(), &PING_FRAME].concat())
}
