//! Network conditions: what stands between two ends of a TCP connection, made on purpose and in user space.
//!
//! A *relay* copies bytes both ways and asks its *gates* for the terms of each direction as it goes, so that conditions
//! change while connections stay. Time and chance are decided in `line`, which is pure. On top of the relay stand
//! [`FaultProxy`], which treats all connections alike and can be steered over HTTP, and the tap of the demo, which knows
//! lanes.
//!
//! What it is not: packet loss. TCP repairs that below the byte stream, in its own way and time, and no byte stream can
//! imitate it.
//!
//! Invariants:
//! 1. Bytes leave as they came and in order, or the connection ends, or nothing leaves any more.
//! 2. A direction holds at most [`HELD_BYTES_MAX`] and one piece; beyond it the writer feels back-pressure.
//! 3. The same seed makes the same chances.

mod answers;
mod api;
mod line;
mod proxy;
mod reading;
mod relay;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::LabError;

pub use self::proxy::{ConnectionView, FaultProxy, ProxyOptions, serve};
pub(crate) use self::relay::{Gate, Verdict, relay, reset};
pub use self::relay::{HALF_CLOSED_MAX, PIECE_BYTES_MAX};

/// Bytes that a direction of a connection holds back at most: 1 MiB.
pub const HELD_BYTES_MAX: u64 = 1 << 20;
/// The longest delay, hold or pause that can be asked for: 10 minutes.
const MS_MAX: u64 = 600_000;
const BYTES_PER_S_MIN: u64 = 100;
/// The shortest of the times that are looked at by a clock.
const WATCHED_MS_MIN: u64 = 50;

/// What a network does to connections. Without anything set it does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// From the client to the server.
    #[serde(skip_serializing_if = "OneWay::is_plain")]
    pub up: OneWay,
    /// From the server to the client.
    #[serde(skip_serializing_if = "OneWay::is_plain")]
    pub down: OneWay,
    /// Ends a connection over which nothing went for so long, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Resets each connection after so long on average, by chance, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_every_ms: Option<u64>,
    /// Resets new connections as soon as they are accepted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refuse: bool,
}

/// What a network does to one direction.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OneWay {
    /// Delays everything, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub latency_ms: u64,
    /// Delays by up to so much more, by chance; the order of bytes stays, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub jitter_ms: u64,
    /// Lets no more through than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<u64>,
    /// Holds bytes back as a proxy does that buffers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Lets nothing through while the connection stays; a writer feels back-pressure.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stall: bool,
    /// The other end has vanished: bytes go nowhere, and neither an end nor an error is told. A connection over which
    /// something went nowhere stays so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub vanish: bool,
    /// Ends the connection in order after so many bytes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_after_bytes: Option<u64>,
    /// Resets the connection after so many bytes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_after_bytes: Option<u64>,
}

/// When held bytes go on: as soon as there are so many, or the oldest has waited for so long, or the connection ends. Downwards
/// a whole HTTP answer goes on at once, and what follows a 101 is not held, as with a proxy that knows HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Bytes, at most [`HELD_BYTES_MAX`].
    pub bytes: u64,
    /// Milliseconds.
    pub ms: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl OneWay {
    /// Whether it does nothing.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self, way: &str, faults: &mut Vec<String>) {
        let mut bound = |field: &str, value: Option<u64>, least: u64, most: u64| {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                faults.push(format!("`{way}.{field}` is {value}, but must be {least} to {most}"));
            }
        };
        bound("latency_ms", Some(self.latency_ms), 0, MS_MAX);
        bound("jitter_ms", Some(self.jitter_ms), 0, MS_MAX);
        bound("bytes_per_s", self.bytes_per_s, BYTES_PER_S_MIN, u64::MAX);
        bound("hold.bytes", self.hold.map(|hold| hold.bytes), 1, HELD_BYTES_MAX);
        bound("hold.ms", self.hold.map(|hold| hold.ms), 1, MS_MAX);
        bound("close_after_bytes", self.close_after_bytes, 1, u64::MAX);
        bound("reset_after_bytes", self.reset_after_bytes, 1, u64::MAX);
    }
}

impl Conditions {
    /// Whether they do nothing.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Conditions from single settings such as `down.latency_ms` and `200`. A value is a number or `true`.
    ///
    /// # Errors
    /// A setting that is not known, and values that cannot be, by their names.
    pub fn of(settings: &[(String, String)]) -> crate::Result<Self> {
        let mut all = serde_json::json!({});
        for (name, value) in settings {
            let wrong = || LabError::Conditions(format!("`{name}={value}` is no condition"));
            let value: serde_json::Value = serde_json::from_str(value).map_err(|_| wrong())?;
            let mut place = &mut all;
            for part in name.split('.') {
                place = place
                    .as_object_mut()
                    .ok_or_else(wrong)?
                    .entry(part)
                    .or_insert_with(|| serde_json::json!({}));
            }
            *place = value;
        }
        let conditions = reading::read(&all).map_err(LabError::Conditions)?;
        conditions.check().map_err(LabError::Conditions)?;
        Ok(conditions)
    }

    /// The same both ways: half of a round trip each.
    pub fn round_trip(ms: u64) -> Self {
        let up = OneWay { latency_ms: ms / 2, ..OneWay::default() };
        Self { up, down: OneWay { latency_ms: ms - ms / 2, ..up }, ..Self::default() }
    }

    /// Says which fields have values that cannot be.
    ///
    /// # Errors
    /// All of them, each by its name.
    pub fn check(&self) -> std::result::Result<(), String> {
        let mut faults = Vec::new();
        self.up.check("up", &mut faults);
        self.down.check("down", &mut faults);
        for (field, value) in [("idle_ms", self.idle_ms), ("cut_every_ms", self.cut_every_ms)] {
            if let Some(value) = value.filter(|value| !(WATCHED_MS_MIN..=MS_MAX).contains(value)) {
                faults.push(format!("`{field}` is {value}, but must be {WATCHED_MS_MIN} to {MS_MAX}"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }
}
