//! An event as a client receives it.

use serde::Deserialize;
use serde_json::value::RawValue;
use tricast_feed::Cursor;

/// One event. The payload stays as the text that the publisher gave, so that no digit of a number is lost; read it
/// with [`EventMsg::payload`] or hand it on as it is.
#[derive(Debug, Clone, Deserialize)]
pub struct EventMsg {
    /// The event's place, which is also its id: a client that has this event hands this back to resume.
    #[serde(deserialize_with = "super::cursor")]
    pub id: Cursor,
    /// What kind of thing happened, for example `order.shipped`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the server took it, UTC in milliseconds (RFC 3339).
    pub time: String,
    /// The rooms that it is for; none is a broadcast.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// The conflation key.
    #[serde(default)]
    pub key: Option<String>,
    /// The session that published it, where it came in band.
    #[serde(default)]
    pub from: Option<String>,
    /// The payload: any JSON value, as text.
    pub data: Box<RawValue>,
}

impl EventMsg {
    /// Reads the payload as a type of one's own.
    ///
    /// # Errors
    /// What serde tells where the payload has another shape.
    pub fn payload<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_str(self.data.get())
    }
}

impl PartialEq for EventMsg {
    /// Equal where the bytes of the payload and every field are.
    fn eq(&self, other: &Self) -> bool {
        let own = (&self.kind, &self.time, &self.rooms, &self.key, &self.from, self.data.get());
        let others = (&other.kind, &other.time, &other.rooms, &other.key, &other.from, other.data.get());
        self.id == other.id && own == others
    }
}

impl Eq for EventMsg {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_keeps_its_digits_and_unknown_fields_do_no_harm() {
        let text = r#"{"id":"k3f4a2bq-1042","type":"order.shipped","time":"2026-11-22T13:20:11.042Z",
            "rooms":["room-123"],"from":"s_x","later":{"a":1},"data":{"order":1.000000000000000000001e400}}"#;
        let event: EventMsg = serde_json::from_str(text).unwrap();
        assert_eq!(event.id.offset.0, 1042);
        assert_eq!(event.data.get(), r#"{"order":1.000000000000000000001e400}"#);
        assert_eq!((event.rooms, event.key), (vec!["room-123".to_owned()], None));
    }

    #[test]
    fn an_id_that_is_no_cursor_is_refused() {
        for bad in [
            "",
            "k3f4a2bq",
            "k3f4a2bq-",
            "k3f4a2bq--1",
            "k3f4a2bq-+1",
            "K3F4A2BQ-1",
            "k3f4a2bq-18446744073709551616",
        ] {
            let text = format!(r#"{{"id":"{bad}","type":"a","time":"","data":1}}"#);
            assert!(serde_json::from_str::<EventMsg>(&text).is_err(), "{bad}");
        }
    }
}
