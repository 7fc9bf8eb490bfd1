//! A JSON value that may be looked at so many times and no more.
//!
//! A schema with alternatives that refer to itself can have its validator try them all on each level of the data: two
//! alternatives and twenty levels are a million looks, and a publisher needs a message of a hundred bytes for that. So
//! looks are counted, and once they are used up every value looks like `null`: whatever still runs comes to its end at
//! once, and its outcome is thrown away.

use std::borrow::Cow;
use std::cell::Cell;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde_json::{Map, Number, Value};

thread_local! {
    /// Looks that are left to the check that this thread runs. A validator gives its values no way to carry anything.
    static LOOKS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Runs a check with so many looks. `None` if they did not suffice.
pub(super) fn within<T>(looks_max: u64, check: impl FnOnce() -> T) -> Option<T> {
    LOOKS_LEFT.set(looks_max.saturating_add(1));
    let outcome = check();
    (LOOKS_LEFT.replace(0) > 0).then_some(outcome)
}

fn look(cost: u64) -> bool {
    let left = LOOKS_LEFT.get().saturating_sub(cost);
    LOOKS_LEFT.set(left);
    left > 0
}

/// The representation, as validators name it.
pub(super) struct Measured;

/// A value under measure.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a>(pub(super) &'a Value);

static NOTHING: Value = Value::Null;

impl<'a> Seen<'a> {
    fn value(self) -> &'a Value {
        if look(1) { self.0 } else { &NOTHING }
    }
}

impl Json for Measured {
    type Node<'a> = Seen<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Seen<'_>) -> T) -> T {
        f(Seen(&Value::String(string.to_owned())))
    }
}

impl<'a> Node<'a, Measured> for Seen<'a> {
    type Object = Fields<'a>;
    type Array = Items<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Fields<'a>> {
        self.value().as_object().map(Fields)
    }

    fn as_array(&self) -> Option<Items<'a>> {
        self.value().as_array().map(|items| Items(items))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.value().as_str().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        self.value().as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        self.value().as_bool()
    }

    fn is_null(&self) -> bool {
        self.value().is_null()
    }

    fn json_type(&self) -> JsonType {
        match self.value() {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.0).addr()))
    }
}

/// An object's fields.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Object<'a, Measured> for Fields<'a> {
    type Node = Seen<'a>;
    type MemberName = &'a str;
    type MembersIter =
        std::iter::Map<serde_json::map::Iter<'a>, fn((&'a String, &'a Value)) -> (&'a str, Seen<'a>)>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Seen<'a>> {
        self.0.get(key.as_str()).map(Seen)
    }

    fn members(&self) -> Self::MembersIter {
        look(self.0.len() as u64);
        self.0.iter().map(|(name, value)| (name.as_str(), Seen(value)))
    }
}

/// An array's items.
pub(super) struct Items<'a>(&'a [Value]);

impl<'a> Array<'a, Measured> for Items<'a> {
    type Node = Seen<'a>;
    type ElementsIter = std::iter::Map<std::slice::Iter<'a, Value>, fn(&'a Value) -> Seen<'a>>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> Self::ElementsIter {
        look(self.0.len() as u64);
        self.0.iter().map(Seen)
    }
}
