//! A JSON value for a schema to look at, which every reader of the same text will also see.
//!
//! JSON readers disagree on an object that holds a name twice (RFC 8259, section 4): a schema would judge one of the
//! two, and a client might be given the other. So such an object is refused here, with its path.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads a value in which every name stands once in its object.
///
/// # Errors
/// The parser's, or where a name stands twice. Nesting deeper than 127 is one of the parser's.
pub(super) fn read_unique(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_slice(text);
    let value = Unique.deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Unique)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if values.contains_key(&name) {
                let name: String = name.chars().take(NAME_TOLD_MAX).collect();
                return Err(A::Error::custom(format!("the name {name:?} stands twice in one object")));
            }
            let value = fields.next_value_seed(Unique)?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

/// Characters of a publisher's own name that are told back.
const NAME_TOLD_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read_as_they_are() {
        let text = r#"{"a":[1,-2,3.5,true,null,"x\n\u00e9"],"b":{"a":{}},"n":18446744073709551615}"#;
        assert_eq!(read_unique(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    fn value() -> impl Strategy<Value = Value> {
        let number = any::<f64>().prop_filter("JSON knows no other", |n| n.is_finite());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            number.prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_as_the_parser_reads_it(value in value()) {
            let text = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(read_unique(&text).unwrap(), value);
        }
    }

    #[test]
    fn a_name_stands_once_in_its_object() {
        for twice in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":1}}]"#] {
            let told = read_unique(twice.as_bytes()).unwrap_err().to_string();
            assert!(told.starts_with("the name \"a\" stands twice"), "{told}");
        }
        assert!(read_unique(br#"[{"a":1},{"a":1}]"#).is_ok());
    }

    #[test]
    fn depth_and_range_are_bounded() {
        assert!(read_unique((("[").repeat(127) + &"]".repeat(127)).as_bytes()).is_ok());
        assert!(read_unique((("[").repeat(128) + &"]".repeat(128)).as_bytes()).is_err());
        assert!(read_unique(b"1e999").is_err() && read_unique(b"1 2").is_err());
    }
}
