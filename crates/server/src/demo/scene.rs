//! The lease of a scenario. What a scenario sets is everybody's, so what was set before is kept here, and set again when the
//! scenario ends or when its page is gone: at the latest after the seconds that it asked for.
//!
//! There is one lease at a time. Whoever changes something by hand meanwhile, which is without naming the lease, ends it:
//! the scenario would tell of something that it did not set, and the change by hand holds.

use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};
use tricast_feed::{Label, Reason};
use tricast_wire::Fault;
use tricast_wire::problem::Problem;

use super::wishes::Wishes;
use crate::problem::Refusal;

/// The longest lease, in seconds: longer than any scenario takes.
pub(super) const SECONDS_MAX: u64 = 60;

/// The longest name of a scenario, in characters.
const NAME_CHARS_MAX: usize = 32;

/// What a scenario may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Setting {
    pub(super) wishes: Wishes,
    pub(super) bots: usize,
}

/// A scenario that runs.
#[derive(Debug)]
pub(super) struct Lease {
    /// The page's own name for this run of it.
    id: Label,
    name: String,
    /// When it ends by itself.
    pub(super) until: Instant,
    pub(super) before: Setting,
}

/// The answer to `POST /demo/scene`.
#[derive(Debug, Serialize)]
pub(super) struct LeaseState {
    id: String,
    name: String,
    seconds: u64,
}

/// What a page asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: String,
    name: String,
    seconds: u64,
}

impl Lease {
    /// Reads `{"id":…,"name":…,"seconds":…}`: a lease from `now` on.
    ///
    /// # Errors
    /// What is wrong, by the field.
    pub(super) fn asked(body: &[u8], now: Instant, before: Setting) -> Result<Self, Fault> {
        let asked: Asked =
            serde_json::from_slice(body).map_err(|error| Fault::bad("body", format!("no lease: {error}")))?;
        let id = Label::new(&asked.id).map_err(|error| Fault::bad("id", error))?;
        if asked.name.is_empty() || asked.name.chars().count() > NAME_CHARS_MAX {
            return Err(Fault::bad("name", format!("expected 1 to {NAME_CHARS_MAX} characters")));
        }
        if !(1..=SECONDS_MAX).contains(&asked.seconds) {
            return Err(Fault::bad("seconds", format!("expected a whole number from 1 to {SECONDS_MAX}")));
        }
        Ok(Self { id, name: asked.name, until: now + Duration::from_secs(asked.seconds), before })
    }

    /// Whether this is the lease of that name.
    pub(super) fn is(&self, id: &str) -> bool {
        self.id.as_str() == id
    }

    /// The refusal of a second scenario.
    pub(super) fn is_held(&self, now: Instant) -> Refusal {
        let left = self.until.saturating_duration_since(now).as_secs() + 1;
        let detail = format!("scene: {:?} runs, for at most another {left} s", self.name);
        Refusal(conflict(detail).with_retry_after(left))
    }

    /// What is told of it.
    pub(super) fn state(&self, now: Instant) -> LeaseState {
        let left = self.until.saturating_duration_since(now);
        LeaseState { id: self.id.as_str().to_owned(), name: self.name.clone(), seconds: left.as_secs() }
    }
}

/// The refusal of a scenario whose lease is over.
pub(super) fn is_over() -> Refusal {
    Refusal(conflict("scene: it is over, or something was changed by hand"))
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(Reason::Forbidden, detail).with_status(409)
}
