//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use tricast_feed::Millis;

/// Gives the time. A function, so that a test can give its own.
pub type Clock = fn() -> Millis;

/// The system's time, in milliseconds since the Unix epoch.
#[must_use]
pub fn system_now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
