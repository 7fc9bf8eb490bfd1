//! What a client sends on its WebSocket, and how it is answered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tricast_feed::{Draft, Member, RoomSet};

use crate::publish::{PublishLimits, Written, json_fault, parse_rooms, read_object};
use crate::{Fault, json, ws};

/// The longest `ref` that is echoed, in bytes of JSON.
const REF_LEN_MAX: usize = 66;

/// Characters of a field's unknown name that are told back.
const NAME_TOLD_MAX: usize = 64;

/// A command.
#[derive(Debug)]
pub enum Op {
    /// Publish one event.
    Publish(Publish),
    /// Be in these rooms too.
    Join(RoomSet),
    /// Be no longer in these rooms.
    Leave(RoomSet),
    /// Answer, so that I know you live.
    Ping,
}

/// An event to publish.
#[derive(Debug)]
pub struct Publish {
    /// The event.
    pub draft: Draft,
    /// What makes a repeated publish harmless, as the client wrote it.
    pub idempotency_key: Option<String>,
}

/// A command, and what its answer refers to.
#[derive(Debug)]
pub struct Command {
    /// The client's own mark, echoed in the answer: a JSON string or number.
    pub reference: Option<String>,
    /// What to do, or what is wrong with it.
    pub op: Result<Op, Fault>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    op: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomsOnly<'a> {
    #[serde(borrow)]
    rooms: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads a command. What can be understood of a wrong one is used to answer it.
#[must_use]
pub fn parse(text: &str, limits: PublishLimits, member: Member) -> Command {
    let envelope: Envelope<'_> = match read_object("message", text) {
        Ok(envelope) => envelope,
        Err(fault) => return Command { reference: None, op: Err(fault) },
    };
    match reference(envelope.reference) {
        Ok(reference) => {
            let op = without_envelope(text)
                .and_then(|rest| parse_op(envelope.op.as_deref(), rest, limits, member));
            Command { reference, op }
        }
        Err(fault) => Command { reference: None, op: Err(fault) },
    }
}

fn reference(raw: Option<&RawValue>) -> Result<Option<String>, Fault> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) if text.len() > REF_LEN_MAX => Err(Fault::bad("ref", "longer than 64 characters")),
        Some(text) if text.starts_with(['"', '-']) || text.starts_with(|c: char| c.is_ascii_digit()) => {
            // It is echoed: what not every parser reads would make the whole answer unreadable.
            json::compact(text, 1).map_err(|fault| fault.within("ref"))?;
            Ok(Some(text.to_owned()))
        }
        Some(_) => Err(Fault::bad("ref", "expected a string or a number")),
    }
}

/// A message's fields by name, each once: of two, one parser takes the first and another the last.
struct Fields<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if fields.contains_key(name.as_str()) {
                let name: String = name.chars().take(NAME_TOLD_MAX).collect();
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            fields.insert(Cow::Owned(name), value);
        }
        Ok(Fields(fields))
    }
}

/// The command's own fields, so that each operation can refuse what it does not know.
fn without_envelope(text: &str) -> Result<Fields<'_>, Fault> {
    let mut fields: Fields<'_> = read(text)?;
    fields.0.remove("op");
    fields.0.remove("ref");
    Ok(fields)
}

fn parse_op(
    op: Option<&str>,
    mut fields: Fields<'_>,
    limits: PublishLimits,
    member: Member,
) -> Result<Op, Fault> {
    match op {
        Some("publish") => {
            let idempotency_key = idempotency_key(fields.0.remove("idempotency_key"))?;
            let fields = fields.text()?;
            let written: Written<'_> = read(&fields)?;
            Ok(Op::Publish(Publish { draft: written.draft(limits, Some(member))?, idempotency_key }))
        }
        Some("join") => Ok(Op::Join(rooms(&fields.text()?, limits)?)),
        Some("leave") => Ok(Op::Leave(rooms(&fields.text()?, limits)?)),
        Some("ping") => read::<Nothing>(&fields.text()?).map(|_| Op::Ping),
        Some(_) => Err(Fault::bad("op", "expected publish, join, leave or ping")),
        None => Err(Fault::bad("op", "missing")),
    }
}

fn idempotency_key(raw: Option<&RawValue>) -> Result<Option<String>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_| Fault::bad("idempotency_key", "expected a text"))
}

impl Fields<'_> {
    fn text(&self) -> Result<String, Fault> {
        serde_json::to_string(&self.0).map_err(|error| json_fault("message", &error))
    }
}

fn read<'a, T: Deserialize<'a>>(fields: &'a str) -> Result<T, Fault> {
    read_object("message", fields)
}

fn rooms(fields: &str, limits: PublishLimits) -> Result<RoomSet, Fault> {
    let only: RoomsOnly<'_> = read(fields)?;
    parse_rooms(only.rooms.iter().map(AsRef::as_ref), limits.rooms_max)
}

/// The answer to a command that was carried out. `fields` is more JSON with a leading comma, or empty.
#[must_use]
pub fn reply_ok(reference: Option<&str>, fields: &str) -> Vec<u8> {
    ws::text_frame(format!("{{\"reply\":{},\"ok\":true{fields}}}", reference.unwrap_or("null")).as_bytes())
}

/// The answer to a command that was refused.
#[must_use]
pub fn reply_refused(reference: Option<&str>, fault: &Fault) -> Vec<u8> {
    let mut out = format!(
        "{{\"reply\":{},\"ok\":false,\"reason\":\"{}\",\"detail\":",
        reference.unwrap_or("null"),
        fault.reason.name()
    )
    .into_bytes();
    crate::json::push_string(&mut out, &fault.to_string());
    out.push(b'}');
    ws::text_frame(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PublishLimits = PublishLimits { batch_max: 3, rooms_max: 2, depth_max: 4 };

    fn command(text: &str) -> Command {
        parse(text, LIMITS, Member(9))
    }

    #[test]
    fn commands_are_read() {
        let publish = command(r#"{"op":"publish","ref":7,"data":{"a":1},"rooms":["x"]}"#);
        assert_eq!(publish.reference.as_deref(), Some("7"));
        let Ok(Op::Publish(Publish { draft, idempotency_key: None })) = publish.op else {
            panic!("{:?}", publish.op)
        };
        assert_eq!((draft.from, draft.data.as_ref()), (Some(Member(9)), br#"{"a":1}"#.as_ref()));
        assert!(
            matches!(command(r#"{"op":"join","rooms":["x","y"],"ref":"r"}"#).op, Ok(Op::Join(set)) if set.len() == 2)
        );
        assert!(matches!(command(r#"{"op":"leave","rooms":["x"]}"#).op, Ok(Op::Leave(_))));
        assert!(matches!(command(r#"{"op":"ping"}"#).op, Ok(Op::Ping)));
        let keyed = command(r#"{"op":"publish","data":1,"idempotency_key":"order\u002d42"}"#);
        assert!(
            matches!(keyed.op, Ok(Op::Publish(Publish { idempotency_key: Some(key), .. })) if key == "order-42")
        );
    }

    #[test]
    fn faults_name_the_field_and_keep_the_reference() {
        for (text, start, reference) in [
            ("nonsense", "message: expected", None),
            ("[]", "message: ", None),
            (r#"{"ref":1}"#, "op: missing", Some("1")),
            (r#"{"op":"jump","ref":"a"}"#, "op: expected", Some("\"a\"")),
            (r#"{"op":"join","ref":1,"rooms":["/"]}"#, "rooms[0]: not a room", Some("1")),
            (r#"{"op":"join","rooms":["a","b","c"]}"#, "rooms: 3 names", None),
            (r#"{"op":"ping","more":1}"#, "message: unknown field `more`", None),
            (r#"{"op":"publish","data":1,"rom":[]}"#, "message: unknown field `rom`", None),
            (r#"{"op":"publish","data":1,"idempotency_key":7}"#, "idempotency_key: expected a text", None),
            (r#"{"op":"ping","idempotency_key":"k"}"#, "message: unknown field `idempotency_key`", None),
            (
                r#"{"op":"join","rooms":["a"],"rooms":["b"],"ref":1}"#,
                "message: duplicate field `rooms`",
                Some("1"),
            ),
            (r#"{"op":"join","rooms":["a"],"r\u006foms":["b"]}"#, "message: duplicate field `rooms`", None),
            (r#"{"op":"publish","data":1,"data":2}"#, "message: duplicate field `data`", None),
            (r#"{"op":"ping","op":"ping"}"#, "message: duplicate field `op`", None),
            (r#"{"op":"ping","ref":1,"ref":2}"#, "message: duplicate field `ref`", None),
            (r#"{"op":"ping","ref":{}}"#, "ref: expected", None),
            (r#"{"op":"ping","ref":"\ud800"}"#, "ref: a surrogate escape", None),
            (&format!(r#"{{"op":"ping","ref":"{}"}}"#, "x".repeat(65)), "ref: longer", None),
        ] {
            let command = command(text);
            let told = command.op.expect_err(text).to_string();
            assert!(told.starts_with(start), "{text}: {told}");
            assert_eq!(command.reference.as_deref(), reference, "{text}");
        }
    }

    #[test]
    fn golden_replies() {
        assert_eq!(
            reply_ok(Some("7"), ",\"rooms\":[]"),
            ws::text_frame(br#"{"reply":7,"ok":true,"rooms":[]}"#)
        );
        assert_eq!(
            reply_refused(None, &Fault::bad("op", "missing")),
            ws::text_frame(br#"{"reply":null,"ok":false,"reason":"bad_request","detail":"op: missing"}"#)
        );
    }
}
