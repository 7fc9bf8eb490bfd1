//! An event on its way to the server.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::Error;

/// One event to be published. Names are checked by the server, which knows its limits; what is wrong comes back as
/// [`Error::Refused`] with a detail that names the field.
#[derive(Debug, Clone, Serialize)]
pub struct Publish {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    data: Box<RawValue>,
}

impl Publish {
    /// An event with this payload.
    ///
    /// # Errors
    /// [`Error::Field`] where serde cannot write the payload as JSON.
    pub fn new(data: &impl Serialize) -> Result<Self, Error> {
        serde_json::value::to_raw_value(data).map(Self::raw).map_err(not_json)
    }

    /// An event whose payload is JSON text already. It is sent as it is, digit by digit.
    ///
    /// # Errors
    /// [`Error::Field`] where the text is not one JSON value.
    pub fn json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map(Self::raw).map_err(not_json)
    }

    fn raw(data: Box<RawValue>) -> Self {
        Self { kind: None, rooms: Vec::new(), key: None, except: None, to: None, data }
    }

    /// Its type, for example `order.shipped`; `message` unless given.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// One more room that it is for; an event without rooms is a broadcast.
    #[must_use]
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// Its conflation key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// For everybody but this session.
    #[must_use]
    pub fn except(mut self, session: impl Into<String>) -> Self {
        self.except = Some(session.into());
        self
    }

    /// For this session alone.
    #[must_use]
    pub fn to(mut self, session: impl Into<String>) -> Self {
        self.to = Some(session.into());
        self
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn not_json(error: serde_json::Error) -> Error {
    Error::Field { field: "data", detail: format!("not JSON: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_sent_and_digits_are_kept() {
        let plain = Publish::json(" 1.50 ").unwrap();
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"data":1.50}"#);
        let full =
            Publish::new(&[1, 2]).unwrap().kind("a").room("r").room("s").key("k").except("s_x").to("s_y");
        assert_eq!(
            serde_json::to_string(&full).unwrap(),
            r#"{"type":"a","rooms":["r","s"],"key":"k","except":"s_x","to":"s_y","data":[1,2]}"#
        );
    }

    #[test]
    fn a_payload_that_is_not_json_is_refused_here() {
        let error = Publish::json("{oops").unwrap_err();
        assert!(error.to_string().starts_with("data: not JSON"), "{error}");
    }
}
