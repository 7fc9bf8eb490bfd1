//! What a publisher sends: one event, an array, or one event a line.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tricast_feed::{Addressing, ConflationKey, Draft, EventType, Member, Reason, Room, RoomSet};

use crate::{Fault, json, text};

/// The bounds of what may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishLimits {
    /// Events in one batch.
    pub batch_max: usize,
    /// Rooms that one event may name.
    pub rooms_max: usize,
    /// Depth of nesting in `data`.
    pub depth_max: usize,
}

/// How types begin that only the server publishes.
pub const RESERVED_TYPES: &str = "tricast.";

/// How a body holds its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// One JSON object, or an array of them.
    Json,
    /// One JSON object a line.
    Lines,
}

/// The fields of one event as its publisher writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    rooms: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    except: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// Tells a `null` that is there from a field that is not.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads a publish body.
///
/// # Errors
/// A [`Fault`] that names the field, with its place in a batch: `events[2].rooms[0]`.
pub fn parse(body: &[u8], form: BodyForm, limits: PublishLimits) -> Result<Vec<Draft>, Fault> {
    let body =
        std::str::from_utf8(body).map_err(|error| Fault::bad("body", format!("not UTF-8: {error}")))?;
    let drafts = match form {
        BodyForm::Lines => parse_lines(body, limits)?,
        BodyForm::Json if body.trim_start().starts_with('[') => parse_array(body, limits)?,
        BodyForm::Json => vec![parse_one(body, limits)?],
    };
    if drafts.is_empty() { Err(Fault::bad("body", "no event")) } else { Ok(drafts) }
}

fn parse_one(text: &str, limits: PublishLimits) -> Result<Draft, Fault> {
    let written: Written<'_> = read_object("body", text)?;
    written.draft(limits, None)
}

fn parse_array(text: &str, limits: PublishLimits) -> Result<Vec<Draft>, Fault> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| json_fault("body", &error))?;
    check_batch(items.len(), limits)?;
    let draft = |(place, item): (usize, &&RawValue)| {
        parse_one(item.get(), limits).map_err(|fault| fault.within(&format!("events[{place}]")))
    };
    items.iter().enumerate().map(draft).collect()
}

fn parse_lines(text: &str, limits: PublishLimits) -> Result<Vec<Draft>, Fault> {
    let mut drafts = Vec::new();
    for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        check_batch(drafts.len() + 1, limits)?;
        let draft = parse_one(line, limits).map_err(|fault| fault.within(&format!("line {}", place + 1)))?;
        drafts.push(draft);
    }
    Ok(drafts)
}

fn check_batch(len: usize, limits: PublishLimits) -> Result<(), Fault> {
    if len <= limits.batch_max {
        return Ok(());
    }
    let detail = format!("more than {} events in one batch", limits.batch_max);
    Err(Fault { reason: Reason::TooLarge, field: Some("body".to_owned()), detail })
}

/// A parser's error, without the parser's own file positions where they say nothing.
pub(crate) fn json_fault(field: &str, error: &serde_json::Error) -> Fault {
    Fault::bad(field, error)
}

/// Reads one JSON object. A fault names the field inside, or `whole` where there is none.
///
/// # Errors
/// A [`Fault`]; also for an array, which could be taken for an object's fields in order.
pub fn read_object<'a, T: Deserialize<'a>>(whole: &str, text: &'a str) -> Result<T, Fault> {
    let begins = text.trim_start();
    if !begins.is_empty() && !begins.starts_with('{') {
        return Err(Fault::bad(whole, "expected a JSON object"));
    }
    let mut from = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let path = error.path().to_string();
        let inside =
            !matches!(path.as_str(), "." | "?") && !error.inner().to_string().starts_with("unknown field");
        json_fault(if inside { &path } else { whole }, error.inner())
    })?;
    from.end().map_err(|error| json_fault(whole, &error))?;
    Ok(read)
}

impl Written<'_> {
    /// Checks every field.
    pub(crate) fn draft(&self, limits: PublishLimits, from: Option<Member>) -> Result<Draft, Fault> {
        let kind = match &self.kind {
            Some(kind) if kind.starts_with(RESERVED_TYPES) => {
                let detail = format!("what begins with {RESERVED_TYPES} is reserved to the server");
                return Err(Fault::bad("type", detail));
            }
            Some(kind) => EventType::new(kind).map_err(|error| Fault::bad("type", error))?,
            None => EventType::message(),
        };
        let key = match &self.key {
            Some(key) => Some(ConflationKey::new(key).map_err(|error| Fault::bad("key", error))?),
            None => None,
        };
        let data = self.data.ok_or_else(|| Fault::bad("data", "missing"))?;
        let data = json::compact(data.get(), limits.depth_max).map_err(|fault| fault.within("data"))?;
        Ok(Draft { kind, addressing: self.addressing(limits)?, key, from, data: Bytes::from(data) })
    }

    fn addressing(&self, limits: PublishLimits) -> Result<Addressing, Fault> {
        let rooms = parse_rooms(self.rooms.iter().map(AsRef::as_ref), limits.rooms_max)?;
        let except = parse_member("except", self.except.as_deref())?;
        let to = parse_member("to", self.to.as_deref())?;
        if to.is_some() && (except.is_some() || !rooms.is_empty()) {
            return Err(Fault::bad("to", "may not stand together with rooms or except"));
        }
        Ok(Addressing { rooms, except, to })
    }
}

fn parse_member(field: &str, text: Option<&str>) -> Result<Option<Member>, Fault> {
    text.map(text::parse_member).transpose().map_err(|fault| fault.within(field))
}

/// Reads a list of room names.
///
/// # Errors
/// A [`Fault`] that names the place in `rooms`, or the limit.
pub fn parse_rooms<'a>(
    names: impl ExactSizeIterator<Item = &'a str>,
    rooms_max: usize,
) -> Result<RoomSet, Fault> {
    if names.len() > rooms_max {
        return Err(Fault::bad("rooms", format!("{} names, at most {rooms_max} are allowed", names.len())));
    }
    let room = |(place, name)| Room::new(name).map_err(|error| Fault::bad(format!("rooms[{place}]"), error));
    names.enumerate().map(room).collect::<Result<Vec<_>, _>>().map(RoomSet::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PublishLimits = PublishLimits { batch_max: 3, rooms_max: 2, depth_max: 4 };

    fn check(body: &str, form: BodyForm, expected: Result<usize, &str>) {
        let got = parse(body.as_bytes(), form, LIMITS);
        match expected {
            Ok(count) => assert_eq!(got.expect(body).len(), count),
            Err(start) => {
                let told = got.expect_err(body).to_string();
                assert!(told.starts_with(start), "{body}: {told}");
            }
        }
    }

    #[test]
    fn one_many_and_lines() {
        check(r#"{"data":null}"#, BodyForm::Json, Ok(1));
        check(r#" [{"data":1},{"data":2,"rooms":["a"]}]"#, BodyForm::Json, Ok(2));
        check("{\"data\":1}\n\n{\"data\":2}\r\n", BodyForm::Lines, Ok(2));
    }

    #[test]
    fn every_fault_names_its_field() {
        check("", BodyForm::Json, Err("body: EOF"));
        check("[]", BodyForm::Json, Err("body: no event"));
        check("\n", BodyForm::Lines, Err("body: no event"));
        check("{}", BodyForm::Json, Err("data: missing"));
        check(r#"{"data":1,"colour":2}"#, BodyForm::Json, Err("body: unknown field `colour`"));
        check(r#"{"data":1,"data":2}"#, BodyForm::Json, Err("body: duplicate field `data`"));
        check(r#"{"data":1,"type":"A"}"#, BodyForm::Json, Err("type: not a type"));
        check(
            r#"{"data":1,"type":"tricast.join"}"#,
            BodyForm::Json,
            Err("type: what begins with tricast. is"),
        );
        check(r#"{"data":1,"type":"tricast.x"}"#, BodyForm::Json, Err("type: what begins with tricast. is"));
        check(r#"{"data":1,"type":"tricast"}"#, BodyForm::Json, Ok(1));
        check(r#"{"data":1,"rooms":["a","/"]}"#, BodyForm::Json, Err("rooms[1]: not a room"));
        check(r#"{"data":1,"rooms":["a","b","c"]}"#, BodyForm::Json, Err("rooms: 3 names"));
        check(r#"{"data":1,"key":""}"#, BodyForm::Json, Err("key: not a key"));
        check(r#"{"data":1,"rooms":"a"}"#, BodyForm::Json, Err("rooms: invalid type"));
        check(
            r#"[["t",[],null,null,null,1]]"#,
            BodyForm::Json,
            Err("events[0].body: expected a JSON object"),
        );
        check("\"x\"", BodyForm::Json, Err("body: expected a JSON object"));
        check(r#"{"data":1} 2"#, BodyForm::Json, Err("body: trailing"));
        check(r#"{"data":1,"to":"me"}"#, BodyForm::Json, Err("to: not a session"));
        check(r#"{"data":"\ud800"}"#, BodyForm::Json, Err("data: a surrogate"));
        check(r#"{"data":[[[[[1]]]]]}"#, BodyForm::Json, Err("data: nested deeper than 4"));
        check(r#"[{"data":1},{"data":1,"key":7}]"#, BodyForm::Json, Err("events[1].key: invalid type"));
        check(r#"[{"data":1},{"data":1,"type":""}]"#, BodyForm::Json, Err("events[1].type: not a type"));
        check("{\"data\":1}\n{\"data\":}\n", BodyForm::Lines, Err("line 2.data: expected value"));
        check(r#"[{"data":1},{"data":1},{"data":1},{"data":1}]"#, BodyForm::Json, Err("body: more than 3"));
    }

    #[test]
    fn a_body_that_is_not_text() {
        assert!(
            parse(b"{\"data\":\"\xff\"}", BodyForm::Json, LIMITS)
                .unwrap_err()
                .to_string()
                .contains("not UTF-8")
        );
    }

    #[test]
    fn to_excludes_the_other_addresses() {
        let session = text::session(tricast_feed::SessionId(5));
        check(&format!(r#"{{"data":1,"to":"{session}","rooms":["a"]}}"#), BodyForm::Json, Err("to: may not"));
        let alone =
            parse(format!(r#"{{"data":1,"to":"{session}"}}"#).as_bytes(), BodyForm::Json, LIMITS).unwrap();
        let member = text::member_of(tricast_feed::SessionId(5));
        assert_eq!(alone[0].addressing.to, Some(member));
        let public = format!(r#"{{"data":1,"to":"{}"}}"#, text::member(member));
        let alone = parse(public.as_bytes(), BodyForm::Json, LIMITS).unwrap();
        assert_eq!(alone[0].addressing.to, Some(member));
    }
}
