//! The query of a subscription and of a history page: every parameter is known, named once and checked.

use std::collections::HashMap;

use actix_web::HttpRequest;
use tricast_feed::{After, Label, Namespace, RoomSet, SessionId};
use tricast_wire::publish::parse_rooms;
use tricast_wire::text::{parse_cursor, parse_session};

use crate::problem::Refusal;

/// Parameters by name.
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    /// Reads the query, and refuses what is not `known` or comes twice.
    pub(crate) fn read(request: &HttpRequest, known: &[&str]) -> Result<Self, Refusal> {
        Self::of(request.query_string(), known)
    }

    /// The same of the query's text.
    pub(crate) fn of(query: &str, known: &[&str]) -> Result<Self, Refusal> {
        let mut found = HashMap::new();
        for (name, value) in form_pairs(query) {
            if !known.contains(&name.as_str()) {
                let detail = match known {
                    [] => "unknown parameter: none is expected here".to_owned(),
                    known => format!("unknown parameter, expected one of {}", known.join(", ")),
                };
                return Err(Refusal::bad(&name.chars().take(64).collect::<String>(), detail));
            }
            if found.insert(name.clone(), value).is_some() {
                return Err(Refusal::bad(&name, "given twice"));
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `rooms=a,b`; an empty text is no room.
    pub(crate) fn rooms(&self, rooms_max: usize) -> Result<Option<RoomSet>, Refusal> {
        let Some(text) = self.text("rooms") else { return Ok(None) };
        let names: Vec<&str> = if text.is_empty() { vec![] } else { text.split(',').collect() };
        Ok(Some(parse_rooms(names.into_iter(), rooms_max)?))
    }

    pub(crate) fn after(&self, default: After) -> Result<After, Refusal> {
        self.text("after").map_or(Ok(default), |text| parse_after("after", text))
    }

    pub(crate) fn session(&self) -> Result<Option<SessionId>, Refusal> {
        let session = self.text("session").map(parse_session).transpose();
        session.map_err(|fault| fault.within("session").into())
    }

    pub(crate) fn label(&self) -> Result<Option<Label>, Refusal> {
        self.text("label").map(Label::new).transpose().map_err(|error| Refusal::bad("label", error))
    }

    pub(crate) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Refusal> {
        self.optional(name, range).map(|number| number.unwrap_or(default))
    }

    pub(crate) fn optional(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let detail = || format!("expected a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| Refusal::bad(name, detail()))
    }
}

/// Reads a place to start after.
pub(crate) fn parse_after(field: &str, text: &str) -> Result<After, Refusal> {
    match text {
        "tip" => Ok(After::Tip),
        "earliest" => Ok(After::Earliest),
        text => parse_cursor(text)
            .map(After::Cursor)
            .map_err(|fault| Refusal::bad(field, format!("{}, or tip, or earliest", fault.detail))),
    }
}

/// The namespace in the path.
pub(crate) fn namespace(request: &HttpRequest) -> Result<Namespace, Refusal> {
    let text = request.match_info().get("namespace").unwrap_or_default();
    Namespace::new(text).map_err(|error| Refusal::bad("namespace", error))
}

/// The session in the path.
pub(crate) fn session_in_path(request: &HttpRequest) -> Result<SessionId, Refusal> {
    let text = request.match_info().get("session").unwrap_or_default();
    parse_session(text).map_err(|fault| fault.within("session").into())
}

/// Name and value of each parameter, decoded as `application/x-www-form-urlencoded` (WHATWG URL, section 5.1).
fn form_pairs(query: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(query).unwrap_or_default()
}
