//! How much history a log keeps.

use crate::Millis;

/// The bounds of a log. Whichever is reached first drops the oldest events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At most this many events.
    pub events_max: usize,
    /// At most this many bytes, as the entries' `size` counts them.
    pub bytes_max: usize,
    /// No event older than this, in milliseconds; `None` keeps events of any age.
    pub age_max: Option<Millis>,
}

impl Default for Retention {
    /// 10,000 events, 16 MiB, one hour.
    fn default() -> Self {
        Self { events_max: 10_000, bytes_max: 16 << 20, age_max: Some(Millis(3_600_000)) }
    }
}
