//! The bounds of everything that the hub holds or waits for.

use std::time::Duration;

/// Each with its unit in the name or the type. `Default` gives the documented defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time between two beats of a stream, in seconds.
    pub beat_secs: u64,
    /// How long a session outlives its last subscriber.
    pub grace: Duration,
    /// Sessions kept at once; beyond, the one that has been without subscriber for longest goes.
    pub sessions_max: usize,
    /// Subscribers at once in the process.
    pub subscribers_max: usize,
    /// How long a stream may stand with a buffer that its client does not take, in seconds.
    pub stall_secs: u64,
    /// What a client is told to wait before it comes back, in milliseconds.
    pub retry_ms: u64,
    /// Events that one pass joins.
    pub pass_events_max: usize,
    /// Bytes that one pass joins for an audience before a subscriber reads the rest from the log.
    pub pass_bytes_max: usize,
    /// Bytes that a subscriber who is behind reads from the log at once.
    pub read_bytes_max: usize,
    /// Bytes of the log that one answer to a poll takes; the rest comes with the next one.
    pub answer_bytes_max: usize,
    /// Answers to commands that wait to be written on one WebSocket; a client that does not read is not read from.
    pub replies_max: usize,
    /// How long an idempotency key is remembered.
    pub idempotency_window: Duration,
    /// Idempotency keys remembered in one namespace; beyond, the oldest goes.
    pub idempotency_keys_max: usize,
    /// Streams that are ended a second while the server drains.
    pub drain_rate: u32,
    /// The longest that draining may take.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            beat_secs: 15,
            grace: Duration::from_secs(30),
            sessions_max: 200_000,
            subscribers_max: 100_000,
            stall_secs: 60,
            retry_ms: 1000,
            pass_events_max: 1024,
            pass_bytes_max: 1 << 20,
            read_bytes_max: 64 << 10,
            answer_bytes_max: 4 << 20,
            replies_max: 64,
            idempotency_window: Duration::from_secs(300),
            idempotency_keys_max: 100_000,
            drain_rate: 2000,
            drain_max: Duration::from_secs(10),
        }
    }
}
