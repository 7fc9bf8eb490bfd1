//! Once a second: beats, streams that nobody reads, and what is too old. No timer for each connection: a tick walks
//! the slice of the slab whose turn it is.

use std::collections::HashMap;

use bytes::Bytes;
use tricast_feed::Reason;
use tricast_wire::notice::{Close, Notice};
use tricast_wire::ws::PING_FRAME;

use crate::join::notice_bytes;
use crate::key::Key;
use crate::out::Out;
use crate::way::Shape;
use crate::worker::pass::hold_line;
use crate::worker::state::{Course, Local, Place, State, Subscriber};
use crate::{SlowPolicy, Way};

impl State {
    /// One second has passed.
    pub(crate) fn tick(&mut self) {
        self.second += 1;
        self.forget_rested();
        self.shared.sweep();
        let beat_secs = usize::try_from(self.shared.limits.beat_secs.max(1)).unwrap_or(usize::MAX);
        let turn = usize::try_from(self.second).unwrap_or(0) % beat_secs;
        let mut beats = Beats::default();
        for index in (turn..self.subscribers.capacity()).step_by(beat_secs) {
            let Some(subscriber) = self.subscribers.get(index) else { continue };
            let key = Key { index, serial: subscriber.serial };
            match self.silence(subscriber) {
                Some(detail) => self.end(key, &Close::new(Reason::SlowConsumer, detail)),
                None => self.beat(index, &mut beats),
            }
        }
        self.close_the_slow();
    }

    /// Ends the streams that lag further than their namespace allows, where its policy is to close.
    fn close_the_slow(&mut self) {
        let is_strict = |local: &Local| {
            let slow = &local.feed.options().slow;
            slow.policy == SlowPolicy::Close && !slow.lag().is_free()
        };
        if !self.locals.iter().any(is_strict) {
            return;
        }
        let now = self.shared.now();
        let lags = |subscriber: &Subscriber| {
            let local = &self.locals[subscriber.feed];
            let Place::Behind(offset) = subscriber.place else { return false };
            let is_stream = matches!(subscriber.out, Out::Pipe(_) | Out::Line(_));
            is_stream
                && subscriber.course == Course::Live
                && is_strict(local)
                && local.feed.with_log(|log| {
                    log.lags(offset, local.head, &subscriber.interest, local.feed.options().slow.lag(), now)
                })
        };
        let slow = self.subscribers.iter().filter(|(_, subscriber)| lags(subscriber));
        let keys: Vec<Key> =
            slow.map(|(index, subscriber)| Key { index, serial: subscriber.serial }).collect();
        for key in keys {
            self.end(
                key,
                &Close::new(Reason::SlowConsumer, "the client lags further than the namespace allows"),
            );
        }
    }

    /// Why a stream is given up, if it is.
    fn silence(&self, subscriber: &Subscriber) -> Option<&'static str> {
        let stall_secs = self.shared.limits.stall_secs;
        let (unheard, stalled) = match &subscriber.out {
            Out::Pipe(pipe) => (pipe.unheard_secs(self.second), pipe.stalled_secs(self.second)),
            Out::Line(line) => (line.unheard_secs(self.second), line.held_secs(self.second)),
            Out::Parked(_) | Out::Call(_) => return None,
        };
        // Silence counts from a ping: a client that was not asked owes nothing.
        let reasons = [(unheard, "the client answers no ping"), (stalled, "the client does not read")];
        reasons.into_iter().find(|(secs, _)| *secs > stall_secs).map(|(_, detail)| detail)
    }

    /// Gives a stream that is live and free its beat.
    fn beat(&mut self, index: usize, beats: &mut Beats) {
        let Self { subscribers, locals, carrier, second, .. } = self;
        let Some(subscriber) = subscribers.get_mut(index) else { return };
        let local = &locals[subscriber.feed];
        let is_paced = subscriber.pace.is_some() && subscriber.place == Place::Behind(local.head);
        if subscriber.place != Place::Live && !is_paced {
            return;
        }
        let beat = beats.entry((subscriber.feed, subscriber.shape));
        match &mut subscriber.out {
            Out::Pipe(pipe) if pipe.is_free() => {
                pipe.fill(beat.or_insert_with(|| beat_bytes(local, subscriber.shape)).clone(), *second);
                if subscriber.way == Way::Ws {
                    pipe.pinged(*second);
                }
            }
            Out::Line(line) if !line.is_ending => {
                let bytes = beat.or_insert_with(|| beat_bytes(local, subscriber.shape));
                if subscriber.way == Way::Ws {
                    line.pinged(*second);
                }
                let written = carrier.send(line.seat, bytes);
                if written < bytes.len() {
                    // What was not begun is not owed: the next beat comes.
                    let rest = if written == 0 { Bytes::new() } else { bytes.slice(written..) };
                    subscriber.place = Place::Behind(local.head);
                    hold_line(subscriber, *second, rest, carrier.as_ref());
                }
            }
            Out::Pipe(_) | Out::Line(_) | Out::Parked(_) | Out::Call(_) => {}
        }
    }
}

type Beats = HashMap<(usize, Shape), Bytes>;

fn beat_bytes(local: &Local, shape: Shape) -> Bytes {
    let notice = notice_bytes(shape, &Notice::Beat(local.cursor(local.head)));
    if shape != Shape::Frames {
        return notice;
    }
    Bytes::from([notice.as_ref(), &PING_FRAME].concat())
}
