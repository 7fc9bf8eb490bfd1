//! What is asked of the source, and how a request changes it.

use serde_json::{Map, Value};
use tricast_wire::Fault;

use super::pace::RATE_MAX;
use super::source::{PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};

/// What the source is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wishes {
    /// Events a second, 0 to [`RATE_MAX`].
    pub(crate) rate: f64,
    /// Bytes of an event's `data`.
    pub(crate) payload_bytes: usize,
    /// Publishes nothing, whatever the rate.
    pub(crate) paused: bool,
}

impl Wishes {
    /// Wishes within their bounds: what lies outside is moved to the nearest.
    pub(crate) fn bounded(rate: f64, payload_bytes: usize) -> Self {
        let rate = if rate.is_finite() { rate.clamp(0.0, RATE_MAX) } else { 0.0 };
        let payload_bytes = payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX);
        Self { rate, payload_bytes, paused: false }
    }

    /// The rate as it takes effect.
    pub(crate) fn effective_rate(&self) -> f64 {
        if self.paused { 0.0 } else { self.rate }
    }

    /// These wishes with the changes of a JSON object `{"rate":…,"payload":…,"paused":…}`, each of them optional.
    ///
    /// # Errors
    /// A [`Fault`] that names the field; then nothing changes.
    pub(crate) fn changed(mut self, body: &[u8]) -> Result<Self, Fault> {
        let fields: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Fault::bad("body", format!("not a JSON object: {error}")))?;
        for (name, value) in &fields {
            match name.as_str() {
                "rate" => self.rate = rate(value)?,
                "payload" => self.payload_bytes = payload(value)?,
                "paused" => self.paused = paused(value)?,
                unknown => {
                    return Err(Fault::bad(
                        unknown,
                        "there is no such field: expected rate, payload or paused",
                    ));
                }
            }
        }
        Ok(self)
    }
}

fn rate(value: &Value) -> Result<f64, Fault> {
    let rate = value.as_f64().filter(|rate| (0.0..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| {
        Fault::bad("rate", format!("expected a number of events a second from 0 to {RATE_MAX}"))
    })
}

fn paused(value: &Value) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| Fault::bad("paused", "expected true or false"))
}

fn payload(value: &Value) -> Result<usize, Fault> {
    let bounds = PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX;
    let payload =
        value.as_u64().and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| bounds.contains(bytes));
    payload.ok_or_else(|| {
        Fault::bad(
            "payload",
            format!("expected a whole number of bytes from {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Wishes = Wishes { rate: 2.0, payload_bytes: 256, paused: false };

    fn check(body: &str, expected: Result<Wishes, &str>) {
        let changed = START.changed(body.as_bytes()).map_err(|fault| fault.field.unwrap_or_default());
        assert_eq!(changed, expected.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn each_field_changes_itself_only() {
        check("{}", Ok(START));
        check(r#"{"rate":50}"#, Ok(Wishes { rate: 50.0, ..START }));
        check(r#"{"rate":0.5}"#, Ok(Wishes { rate: 0.5, ..START }));
        check(r#"{"payload":1024}"#, Ok(Wishes { payload_bytes: 1024, ..START }));
        check(r#"{"paused":true}"#, Ok(Wishes { paused: true, ..START }));
        check(
            r#"{"rate":5000,"payload":65536}"#,
            Ok(Wishes { rate: 5000.0, payload_bytes: 65_536, paused: false }),
        );
    }

    #[test]
    fn a_mistake_names_its_field() {
        for body in [r#"{"rate":-1}"#, r#"{"rate":5001}"#, r#"{"rate":"2"}"#, r#"{"rate":null}"#] {
            check(body, Err("rate"));
        }
        for body in [r#"{"payload":63}"#, r#"{"payload":65537}"#, r#"{"payload":100.5}"#, r#"{"payload":-1}"#]
        {
            check(body, Err("payload"));
        }
        check(r#"{"paused":1}"#, Err("paused"));
        check(r#"{"rate":3,"speed":1}"#, Err("speed"));
        for body in ["", "[]", "3", "{", r#"{"rate":1e999}"#] {
            check(body, Err("body"));
        }
    }

    #[test]
    fn a_start_out_of_bounds_is_moved_within() {
        assert_eq!(Wishes::bounded(1e9, 0), Wishes { rate: RATE_MAX, payload_bytes: 64, paused: false });
        assert_eq!(Wishes::bounded(f64::NAN, usize::MAX).rate, 0.0);
    }
}
