//! What a namespace may ask for itself.

use std::fmt;
use std::sync::Arc;

use tricast_feed::{Draft, Lag, Millis, Retention};
use tricast_wire::Fault;

/// What is done for a subscriber that lags further than a namespace allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowPolicy {
    /// Its stream ends with `slow_consumer`; it comes back with its cursor and misses nothing that is retained.
    Close,
    /// It goes on at the newest event, and is told the range that it skipped.
    #[default]
    Skip,
    /// It gets the newest event of each key, and is told the ranges that fell away.
    Conflate,
}

/// How far a subscriber may lag behind, and what is done beyond. A bound that is `None` does not hold: then only the
/// history's own bounds do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slow {
    /// What is done.
    pub policy: SlowPolicy,
    /// Events of its own that it has not taken.
    pub events_max: Option<u64>,
    /// Bytes of these, as the log counts them.
    pub bytes_max: Option<u64>,
    /// Age of the oldest of these.
    pub age_max: Option<Millis>,
}

impl Slow {
    /// The bounds.
    #[must_use]
    pub fn lag(&self) -> Lag {
        Lag { events_max: self.events_max, bytes_max: self.bytes_max, age_max: self.age_max }
    }
}

/// Who is there, and who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// Nobody may ask.
    #[default]
    Off,
    /// It can be asked for.
    Listed,
    /// It can be asked for, and comings and goings are published in the rooms.
    Told,
}

/// Looks at what is about to be published in a namespace.
pub trait Check: fmt::Debug + Send + Sync {
    /// # Errors
    /// A [`Fault`] that names the field.
    fn check(&self, draft: &Draft) -> Result<(), Fault>;
}

/// The options of one namespace.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How much history it keeps.
    pub retention: Retention,
    /// Slow consumers.
    pub slow: Slow,
    /// Presence.
    pub presence: Presence,
    /// What may be published; nothing is refused where there is none.
    pub check: Option<Arc<dyn Check>>,
}

impl From<Retention> for Options {
    fn from(retention: Retention) -> Self {
        Self { retention, ..Self::default() }
    }
}
