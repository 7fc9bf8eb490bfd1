//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use tricast_feed::Millis;

/// Gives the time. A function, so that a test can give its own.
pub type Clock = fn() -> Millis;

/// The system's time, in milliseconds since the Unix epoch.
#[must_use]
pub fn system_now() -> Millis {
    Millis(system_now_micros() / 1000)
}

/// The system's time, in microseconds since the Unix epoch.
#[must_use]
pub fn system_now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
