//! Long polling: one request after another, each from where the last one ended.

use std::time::Duration;

use tokio::time::Instant;
use tricast_wire::decode::{After, Beat, Message, Notice, PollAnswer};

use super::refusal::{body, broken};
use super::{Batch, Dial, refused};
use crate::Way;
use crate::core::Attempt;
use crate::error::Failure;

/// How many events an answer may hold. With the limit below this bounds what one answer costs.
const EVENTS_MAX: u32 = 1000;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A line of polls.
pub(crate) struct PollLine {
    dial: Dial,
    after: After,
    session: Option<String>,
    turn: u64,
    /// The next poll is the first one, and asks for an answer at once, so that the client knows where it stands.
    first: bool,
    /// The last answer came empty and before its time: another client has the session.
    hurried: bool,
}

/// How long a client pauses whose poll was answered empty before its time.
const PAUSE: Duration = Duration::from_secs(1);

impl PollLine {
    pub(crate) fn new(dial: Dial, attempt: Attempt) -> Self {
        Self {
            dial,
            after: attempt.after,
            session: attempt.session,
            turn: attempt.turn,
            first: true,
            hurried: false,
        }
    }

    pub(crate) async fn read(&mut self) -> Result<Batch, Failure> {
        if self.hurried {
            tokio::time::sleep(PAUSE).await;
        }
        let asked = Instant::now();
        let wait_secs = if self.first { 0 } else { self.dial.poll_wait.as_secs() };
        let mut url = self.dial.subscribe(Way::Poll, self.after, self.session.as_deref(), self.turn);
        url.query_pairs_mut()
            .append_pair("wait", &wait_secs.to_string())
            .append_pair("max", &EVENTS_MAX.to_string());
        let mut response = self.dial.http.get(url).send().await.map_err(broken)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(refused(response).await);
        }
        let body = body(&mut response, ANSWER_BYTES_MAX).await?;
        let answer = PollAnswer::read(&body).map_err(|error| Failure::Unreadable(error.to_string()))?;
        let is_empty = answer.sync.is_none() && answer.events.is_empty() && answer.notices.is_empty();
        self.hurried = is_empty && asked.elapsed() < Duration::from_secs(wait_secs) / 2;
        Ok(self.take(answer))
    }

    /// Goes on from an answer. An empty one is the beat of this transport.
    fn take(&mut self, answer: PollAnswer) -> Batch {
        let cursor = answer.cursor;
        self.after = After::Cursor(cursor);
        if let Some(sync) = &answer.sync {
            self.session = Some(sync.session.clone());
        }
        let mut messages = answer.into_messages();
        let first = std::mem::take(&mut self.first);
        if messages.is_empty() && !first {
            messages.push(Message::Notice(Notice::Beat(Beat { cursor })));
        }
        Batch { messages, caught_up: Some(cursor), retry_ms: None }
    }
}
