//! What is asked of the source, and how a request changes it.

use serde_json::{Map, Value};
use tricast_wire::Fault;

use super::pace::RATE_MAX;
use super::source::{PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};

/// Bytes a second that rate, payload and bots may come to together: their product, where no bots count as one. Each at its
/// most, the three take gigabytes of memory in the buffers of readers that do not keep up.
pub(crate) const FLOW_BYTES_MAX: f64 = 320.0 * 1024.0 * 1024.0;

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
    /// Wishes within their bounds: what lies outside is moved to the nearest. Without bots, the most of each is borne.
    pub(crate) fn bounded(rate: f64, payload_bytes: usize) -> Self {
        let rate = if rate.is_finite() { rate.clamp(0.0, RATE_MAX) } else { 0.0 };
        let payload_bytes = payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX);
        Self { rate, payload_bytes, paused: false }
    }

    /// The rate as it takes effect.
    pub(crate) fn effective_rate(&self) -> f64 {
        if self.paused { 0.0 } else { self.rate }
    }

    /// These wishes with the changes of a JSON object `{"rate":…,"payload":…,"paused":…}`, each of them optional, beside so
    /// many bots.
    ///
    /// # Errors
    /// A [`Fault`] that names the field; then nothing changes.
    pub(crate) fn changed(mut self, body: &[u8], bots: usize) -> Result<Self, Fault> {
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
        self.bear(bots).map_err(|most| {
            Fault::bad(
                if fields.contains_key("payload") { "payload" } else { "rate" },
                format!("rate × payload × bots may come to {FLOW_BYTES_MAX} bytes a second: {most}"),
            )
        })?;
        Ok(self)
    }

    /// Whether so many bots may be there beside these wishes. A pause changes nothing of it: it ends by one click.
    ///
    /// # Errors
    /// What the three come to.
    pub(crate) fn bear(&self, bots: usize) -> Result<(), String> {
        let flow = self.rate * self.payload_bytes as f64 * bots.max(1) as f64;
        if flow <= FLOW_BYTES_MAX {
            return Ok(());
        }
        Err(format!("{} × {} × {bots} are {flow}", self.rate, self.payload_bytes))
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
        let changed = START.changed(body.as_bytes(), 0).map_err(|fault| fault.field.unwrap_or_default());
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
    fn the_three_together_have_a_bound() {
        let most = Wishes::bounded(RATE_MAX, PAYLOAD_BYTES_MAX);
        assert_eq!((most.bear(0), most.bear(1)), (Ok(()), Ok(())));
        assert_eq!(most.bear(2), Err("5000 × 65536 × 2 are 655360000".to_owned()));
        let crowded = |body: &str| START.changed(body.as_bytes(), 10_000).map_err(|fault| fault.to_string());
        assert_eq!(crowded(r#"{"rate":100}"#), Ok(Wishes { rate: 100.0, ..START }));
        for (body, field) in [(r#"{"rate":500}"#, "rate:"), (r#"{"rate":500,"payload":1024}"#, "payload:")] {
            let refused = crowded(body).unwrap_err();
            assert!(refused.starts_with(field) && refused.contains("rate × payload × bots"), "{refused}");
        }
        assert!(crowded(r#"{"rate":500,"paused":true}"#).is_err(), "a pause ends by one click");
    }

    #[test]
    fn a_start_out_of_bounds_is_moved_within() {
        assert_eq!(Wishes::bounded(1e9, 0), Wishes { rate: RATE_MAX, payload_bytes: 64, paused: false });
        assert_eq!(Wishes::bounded(f64::NAN, usize::MAX).rate, 0.0);
    }
}
