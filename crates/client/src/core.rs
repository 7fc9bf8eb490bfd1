//! What a subscription does next: pure, with the time and the random bits as arguments.
//!
//! The shell asks [`Core::next`], does that one thing, tells what came of it, and asks again. Time is a length since
//! an origin of the shell's choosing, so that a test steps through an hour of failures at once.

use std::time::Duration;

use tricast_wire::decode::{After, Cursor, Message, Notice, Sync, SyncState};

use crate::backoff::Backoff;
use crate::error::{Error, Failure};
use crate::{State, Timing, Transport, Update, Way};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// The shortest beat that the client believes; a server that tells less is given this much time.
const BEAT_MIN: Duration = Duration::from_secs(1);

/// The bounds of the server's `retry:` that replaces the backoff's base.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What the shell shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Connect, and give up at this time.
    Connect(Attempt, Duration),
    /// Do nothing until this time.
    Sleep(Duration),
    /// Read the connection, and call it mute at this time.
    Read(Duration),
    /// Nothing any more.
    End,
}

/// One connection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) way: Way,
    pub(crate) after: After,
    pub(crate) session: Option<String>,
    /// Grows by one with each connection, so that a request which was held up on its way cannot end a newer one.
    pub(crate) turn: u64,
}

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting {
        until: Duration,
    },
    Connecting {
        by: Duration,
    },
    /// `synced` since then, once the server has said anything that counts; `flows` once it has said more, late enough
    /// not to have come in one piece with that.
    Open {
        synced: Option<Duration>,
        flows: bool,
        silent_at: Duration,
    },
    Ended,
}

/// The state of one subscription.
#[derive(Debug)]
pub(crate) struct Core {
    timing: Timing,
    backoff: Backoff,
    give_up_after: Option<u32>,
    choice: Transport,
    way: Way,
    phase: Phase,
    /// Where to start while nothing has been seen.
    start: After,
    /// Everything up to here has come.
    seen: Option<Cursor>,
    session: Option<String>,
    /// Connections that were asked for.
    turn: u64,
    beat: Duration,
    /// Failures in a row, for the backoff.
    failures: u32,
    /// How many ways in a row were left by `Auto` without a word from the server.
    left: usize,
    /// The last way by which the server was heard: a break there is the network's or the server's doing.
    proven: Option<Way>,
    /// When `Auto` looks again whether a better way works than the one that it came to.
    better_at: Duration,
    duplicates_dropped: u64,
    /// The server said why it ends the stream; kept until the end itself.
    closing: Option<Failure>,
}

impl Core {
    pub(crate) fn new(timing: Timing, give_up_after: Option<u32>, choice: Transport, start: After) -> Self {
        Self {
            timing,
            backoff: Backoff { base: timing.backoff_base, cap: timing.backoff_cap },
            give_up_after,
            choice,
            way: first_way(choice),
            phase: Phase::Waiting { until: Duration::ZERO },
            start,
            seen: None,
            session: None,
            turn: 0,
            beat: timing.first_sync,
            failures: 0,
            left: 0,
            proven: None,
            better_at: Duration::ZERO,
            duplicates_dropped: 0,
            closing: None,
        }
    }

    /// What to do now. A connection is asked for once: the next thing after it must be [`Core::opened`],
    /// [`Core::failed`] or [`Core::switch`].
    pub(crate) fn next(&mut self, now: Duration) -> Next {
        match self.phase {
            Phase::Waiting { until } if now < until => Next::Sleep(until),
            Phase::Waiting { .. } => {
                let by = now + self.timing.connect;
                self.turn += 1;
                self.phase = Phase::Connecting { by };
                Next::Connect(self.attempt(), by)
            }
            Phase::Connecting { by } => Next::Connect(self.attempt(), by),
            Phase::Open { silent_at, .. } => Next::Read(silent_at),
            Phase::Ended => Next::End,
        }
    }

    fn attempt(&self) -> Attempt {
        let after = self.seen.map_or(self.start, After::Cursor);
        Attempt { way: self.way, after, session: self.session.clone(), turn: self.turn }
    }

    /// The state that goes with a [`Next::Connect`].
    pub(crate) fn connecting(&self) -> State {
        State::Connecting { way: self.way }
    }

    /// The server took the connection; now it must say something.
    pub(crate) fn opened(&mut self, now: Duration) {
        self.phase = Phase::Open { synced: None, flows: false, silent_at: now + self.timing.first_sync };
    }

    /// Bytes came, and `told` is whether there was a whole message among them. Gives the new state at the first.
    ///
    /// Until that first message the clock is not put back: something on the way that feeds the client comments while
    /// it buffers the stream must not pass for the server.
    pub(crate) fn heard(&mut self, now: Duration, told: bool) -> Option<State> {
        let silence = self.silence();
        let Phase::Open { synced, flows, silent_at } = &mut self.phase else { return None };
        let first = synced.is_none() && told;
        *flows |= told && synced.is_some_and(|since| now - since >= self.beat / 2);
        if first {
            *synced = Some(now);
            self.left = 0;
            self.proven = Some(self.way);
        }
        if synced.is_some() {
            *silent_at = now + silence;
        }
        first.then_some(State::Open { way: self.way })
    }

    /// How long the connection may say nothing.
    fn silence(&self) -> Duration {
        match self.way {
            Way::Poll => self.timing.poll_wait + self.timing.poll_slack,
            Way::Ws | Way::Sse => self.beat.max(BEAT_MIN) * self.timing.beats_missed.max(1),
        }
    }

    /// Takes one message, and gives what the user shall see of it.
    pub(crate) fn message(&mut self, message: Message) -> Option<Update> {
        match message {
            Message::Event(event) => {
                let fresh = self.advance(event.id);
                self.duplicates_dropped += u64::from(!fresh);
                fresh.then_some(Update::Event(event))
            }
            Message::Notice(Notice::Sync(sync)) => {
                self.sync(&sync);
                Some(Update::Sync(sync))
            }
            Message::Notice(Notice::Beat(beat)) => {
                self.advance(beat.cursor);
                Some(Update::Beat(beat))
            }
            Message::Notice(Notice::Gap(gap)) => {
                self.advance(gap.cursor);
                Some(Update::Gap(gap))
            }
            Message::Notice(Notice::Close(close)) => {
                self.closing = Some(Failure::Refused(close.into()));
                None
            }
            Message::Notice(Notice::Unknown) | Message::Reply(_) => None,
        }
    }

    /// Whether the server has said why it ends the stream.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    fn sync(&mut self, sync: &Sync) {
        self.session = Some(sync.session.clone());
        self.beat = sync.beat;
        match sync.state {
            SyncState::Resumed => {
                self.advance(sync.cursor);
            }
            // The numbering starts over, or goes back: what was seen before says nothing about what comes.
            SyncState::New | SyncState::Reset => self.seen = Some(sync.cursor),
        }
    }

    /// Everything up to this cursor has come, whether or not it was for this subscriber. Tells whether that is news.
    pub(crate) fn advance(&mut self, cursor: Cursor) -> bool {
        let known = self.seen.is_some_and(|seen| seen.epoch == cursor.epoch && cursor.offset <= seen.offset);
        if !known {
            self.seen = Some(cursor);
        }
        !known
    }

    /// The connection failed, could not be had, or was mute. Gives the state to tell, or the error that ends it all.
    pub(crate) fn failed(&mut self, now: Duration, random: u64, failure: Failure) -> Result<State, Error> {
        let failure = self.closing.take().unwrap_or(failure);
        let synced = self.forget_if_steady(now);
        let blamed = failure.blames_the_way(self.proven == Some(self.way));
        let leaves = self.choice == Transport::Auto && blamed && (!synced || self.was_held_back(&failure));
        self.left += usize::from(leaves);
        let exhausted = self.left >= Way::ALL.len();
        if failure.is_final() && (!leaves || exhausted) {
            self.phase = Phase::Ended;
            return Err(failure.into());
        }
        if leaves && !exhausted {
            self.better_at = now + self.timing.way_memory;
            self.way = after_way(self.way);
            return Ok(self.wait(now, Duration::ZERO, &failure));
        }
        let looks_again = self.choice == Transport::Auto && now >= self.better_at;
        if exhausted || looks_again {
            self.left = 0;
            self.way = first_way(self.choice);
        }
        self.back_off(now, random, &failure)
    }

    /// Whether a stream that is mute told its first things and nothing more: something on the way lets a beginning
    /// through and keeps the rest. A stream that has flowed is mute because the network is.
    fn was_held_back(&self, failure: &Failure) -> bool {
        matches!(failure, Failure::Mute)
            && matches!(self.phase, Phase::Open { synced: Some(_), flows: false, .. })
    }

    /// Whether the server had said anything on this connection. One that lasted makes earlier failures forgotten.
    fn forget_if_steady(&mut self, now: Duration) -> bool {
        let Phase::Open { synced: Some(since), .. } = self.phase else { return false };
        if now.saturating_sub(since) >= self.timing.steady {
            self.failures = 0;
        }
        true
    }

    fn back_off(&mut self, now: Duration, random: u64, failure: &Failure) -> Result<State, Error> {
        self.failures = self.failures.saturating_add(1);
        if self.give_up_after.is_some_and(|most| self.failures >= most) {
            self.phase = Phase::Ended;
            return Err(Error::GaveUp { failures: self.failures, last: failure.to_string() });
        }
        let delay = self.backoff.delay(self.failures, failure.retry_after(), random);
        Ok(self.wait(now, delay, failure))
    }

    fn wait(&mut self, now: Duration, delay: Duration, failure: &Failure) -> State {
        self.phase = Phase::Waiting { until: now + delay };
        State::Waiting { way: self.way, delay, failures: self.failures, cause: failure.to_string() }
    }

    /// The user wants another transport. What is in use is left only where the wish does not cover it.
    pub(crate) fn switch(&mut self, now: Duration, choice: Transport) {
        let stays = match choice {
            Transport::Auto => true,
            Transport::Ws | Transport::Sse | Transport::Poll => first_way(choice) == self.way,
        };
        self.choice = choice;
        if stays || self.phase == Phase::Ended {
            return;
        }
        self.way = first_way(choice);
        self.left = 0;
        self.closing = None;
        self.phase = Phase::Waiting { until: now };
    }

    /// The server's `retry:`, which replaces the backoff's base.
    pub(crate) fn retry_told(&mut self, millis: u64) {
        self.backoff.base = Duration::from_millis(millis).clamp(RETRY_MIN, RETRY_MAX);
    }

    pub(crate) fn duplicates_dropped(&self) -> u64 {
        self.duplicates_dropped
    }
}

fn first_way(choice: Transport) -> Way {
    match choice {
        Transport::Auto | Transport::Ws => Way::Ws,
        Transport::Sse => Way::Sse,
        Transport::Poll => Way::Poll,
    }
}

fn after_way(way: Way) -> Way {
    match way {
        Way::Ws => Way::Sse,
        Way::Sse => Way::Poll,
        Way::Poll => Way::Ws,
    }
}
