//! How long a subscription waits for what.

use std::time::Duration;

/// The bounds of every wait. The defaults suit the open internet; a test or a local tool may want shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the start of a connection to the server's answer. 10 s unless told otherwise.
    pub connect: Duration,
    /// From that answer to the first `sync`. Something that buffers streams shows here. 5 s unless told otherwise.
    pub first_sync: Duration,
    /// A stream that is silent for this many beats is given up. 2 unless told otherwise.
    pub beats_missed: u32,
    /// How long a poll may be parked, in whole seconds up to 60. 25 s unless told otherwise.
    pub poll_wait: Duration,
    /// How much later than that its answer may come. 10 s unless told otherwise.
    pub poll_slack: Duration,
    /// The ceiling of the first delay before a reconnect; a server's `retry:` replaces it. 250 ms unless told
    /// otherwise.
    pub backoff_base: Duration,
    /// The ceiling of all delays that the server did not ask for. 15 s unless told otherwise.
    pub backoff_cap: Duration,
    /// How long [`Transport::Auto`](crate::Transport::Auto) remembers that a better transport failed, before it tries
    /// that one again when it has to connect anyway. 5 minutes unless told otherwise.
    pub way_memory: Duration,
    /// A connection that lasted this long makes the earlier failures forgotten. 5 s unless told otherwise.
    pub steady: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_sync: Duration::from_secs(5),
            beats_missed: 2,
            poll_wait: Duration::from_secs(25),
            poll_slack: Duration::from_secs(10),
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(15),
            way_memory: Duration::from_secs(300),
            steady: Duration::from_secs(5),
        }
    }
}
