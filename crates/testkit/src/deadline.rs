//! How long a test waits for what must come.

use std::time::{Duration, Instant};

/// The longest wait for anything. A test that needs it has failed already.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The time between two looks at something that cannot be waited for in another way.
const LOOK: Duration = Duration::from_millis(5);

/// The moment until which something that begins now is waited for.
#[must_use]
pub fn patience() -> Instant {
    Instant::now() + PATIENCE
}

/// Looks until `is_so`, and gives how long that took.
///
/// # Panics
/// If it is not so within [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it is still not so that {what}");
        std::thread::sleep(LOOK);
    }
    start.elapsed()
}
