//! A JSON Schema for `data`, compiled once.
//!
//! Nothing is fetched, neither from a network nor from other files: a reference that leads out of the schema is a
//! mistake at the start. Patterns run in time that is linear in the text (no look-around, no back-references), so that
//! no publisher can hold a worker with a text made for it; and no more looks are taken at a value than grow with its
//! size ([`measured`](super::measured)).

use std::fmt;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::Path;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use tricast_wire::Fault;

use super::measured::{Measured, Seen, within};
use super::reading::read_unique;

/// Bytes of a schema's file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Memory of one compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Looks that a check may take for each byte of an event: one for each keyword of the schema, which takes ten bytes or
/// so, within these bounds. An event counts as a little larger than it is, so that the smallest has looks enough.
const LOOKS_A_BYTE: RangeInclusive<u64> = 100..=1000;
const KEYWORD_BYTES: u64 = 10;
const EVENT_EXTRA_BYTES: u64 = 100;

/// Looks to find out where it is that data does not fit; each may leave a part of an explanation in memory.
const LOOKS_TO_EXPLAIN_MAX: u64 = 100_000;

/// Bytes of a fault's path, and of its sentence, that a publisher is told.
const PATH_BYTES_MAX: usize = 200;
const DETAIL_BYTES_MAX: usize = 300;

/// A compiled schema.
pub(crate) struct Schema {
    validator: Validator<Measured>,
    looks_a_byte: u64,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    /// Reads and compiles a file.
    ///
    /// # Errors
    /// What is wrong with the file or with the schema, and where in it.
    pub(crate) fn load(file: &Path) -> Result<Self, String> {
        Self::read(file).map_err(|detail| format!("{}: {}", file.display(), cut(&detail, DETAIL_BYTES_MAX)))
    }

    fn read(file: &Path) -> Result<Self, String> {
        let mut text = Vec::new();
        let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
        let read =
            opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
        if read as u64 > FILE_BYTES_MAX {
            return Err(format!("more than {FILE_BYTES_MAX} bytes"));
        }
        let schema = read_unique(&text).map_err(|error| format!("not JSON: {error}"))?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options_for::<Measured>().with_pattern_options(patterns).offline();
        let validator = options.build(&schema);
        let validator = validator.map_err(|error| format!("at #{}: {error}", error.instance_path()))?;
        let keywords = text.len() as u64 / KEYWORD_BYTES;
        Ok(Self { validator, looks_a_byte: keywords.clamp(*LOOKS_A_BYTE.start(), *LOOKS_A_BYTE.end()) })
    }

    /// Checks one event's data, which is JSON.
    ///
    /// # Errors
    /// A [`Fault`] with the path of the first value that does not fit: `data/order/total`.
    pub(crate) fn check(&self, data: &[u8]) -> Result<(), Fault> {
        let value = read_unique(data)
            .map_err(|error| Fault::bad("data", cut(&unplaced(&error), DETAIL_BYTES_MAX)))?;
        let looks_max = (data.len() as u64 + EVENT_EXTRA_BYTES).saturating_mul(self.looks_a_byte);
        // To decide is cheap, as the validator remembers what it has decided before; to explain is not.
        match within(looks_max, || self.validator.is_valid(Seen(&value))) {
            Some(true) => Ok(()),
            Some(false) => Err(self.explain(&value)),
            None => Err(Fault::bad("data", "too many alternatives of the schema would have to be tried")),
        }
    }

    /// Where a value does not fit, and why.
    fn explain(&self, value: &Value) -> Fault {
        let found = within(LOOKS_TO_EXPLAIN_MAX, || self.validator.validate(Seen(value)));
        let Some(Err(error)) = found else { return Fault::bad("data", "does not fit the schema") };
        let path = format!("data{}", error.instance_path());
        // The value itself is not told back: it may be large, and its publisher knows it.
        Fault::bad(cut(&path, PATH_BYTES_MAX), cut(&error.masked().to_string(), DETAIL_BYTES_MAX))
    }
}

/// A parser's error without its line and column: those count in the compact text, which the publisher never saw.
fn unplaced(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.rsplit_once(" at line ").map_or(told.clone(), |(what, _)| what.to_owned())
}

/// As much of a text as fits, without control characters.
fn cut(text: &str, bytes_max: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.len() <= bytes_max {
        return clean;
    }
    let end = (0..=bytes_max).rev().find(|end| clean.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &clean[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Result<Schema, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("schema.json");
        std::fs::write(&file, text).unwrap();
        Schema::load(&file)
    }

    #[track_caller]
    fn check(text: &str, data: &str, expected: Result<(), &str>) {
        let told = schema(text).unwrap().check(data.as_bytes()).map_err(|fault| fault.to_string());
        assert_eq!(told, expected.map_err(str::to_owned), "{data}");
    }

    #[track_caller]
    fn refuse(text: &str, expected: &str) {
        let told = schema(text).unwrap_err();
        assert!(told.contains("schema.json: ") && told.contains(expected), "{expected}: {told}");
        assert!(told.len() < 500, "{told}");
    }

    const ORDER: &str = r#"{"type":"object","required":["order"],"additionalProperties":false,"properties":
        {"order":{"type":"object","properties":{"total":{"type":"number","minimum":0},"a/b":{"maxLength":3}}},
         "items":{"type":"array","items":{"type":"integer"}}}}"#;

    #[test]
    fn a_fault_names_its_path() {
        check(ORDER, r#"{"order":{"total":1.5}}"#, Ok(()));
        check(ORDER, r#"{"order":{"total":"1"}}"#, Err("data/order/total: value is not of type \"number\""));
        check(
            ORDER,
            r#"{"order":{"a/b":"long"}}"#,
            Err("data/order/a~1b: value is longer than 3 characters"),
        );
        check(
            ORDER,
            r#"{"order":{},"items":[1,2,"x"]}"#,
            Err("data/items/2: value is not of type \"integer\""),
        );
        check(ORDER, "{}", Err("data: \"order\" is a required property"));
        check(
            ORDER,
            r#"{"order":{},"order":{"total":-1}}"#,
            Err("data: the name \"order\" stands twice in one object"),
        );
        check(ORDER, r#"{"order":{"total":1e999}}"#, Err("data: number out of range"));
        check("true", &("[".repeat(200) + &"]".repeat(200)), Err("data: recursion limit exceeded"));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let name = "é".repeat(10_000);
        let told =
            schema(ORDER).unwrap().check(format!(r#"{{"{name}":1,"order":{{}}}}"#).as_bytes()).unwrap_err();
        assert!(told.to_string().len() < 600, "{}", told.to_string().len());
        let deep = r#"{"additionalProperties":{"type":"string"}}"#;
        let told = schema(deep).unwrap().check(format!(r#"{{"{name}":1}}"#).as_bytes()).unwrap_err();
        assert!(told.to_string().len() < 600 && told.to_string().starts_with("data/é"), "{told}");
        let text = "x".repeat(100_000);
        let told =
            schema(r#"{"type":"number"}"#).unwrap().check(format!("\"{text}\"").as_bytes()).unwrap_err();
        assert_eq!(told.to_string(), "data: value is not of type \"number\"");
    }

    #[test]
    fn a_broken_schema_is_told() {
        assert!(
            Schema::load(Path::new("/nonexistent/s.json")).unwrap_err().starts_with("/nonexistent/s.json: ")
        );
        refuse("{", "not JSON: EOF");
        refuse(r#"{"type":1}"#, "at #/type: ");
        refuse(r#"{"type":"object","type":"array"}"#, "stands twice");
        refuse(r#"{"pattern":"("}"#, "at #/pattern");
        refuse(r#"{"pattern":"(?=a)b"}"#, "at #/pattern");
        refuse(r##"{"$ref":"#/nowhere"}"##, "nowhere");
        refuse(&format!("\"{}\"", "x".repeat(2 << 20)), "more than 1048576 bytes");
    }

    /// Neither a network nor a file is asked: such a reference ends the start.
    #[test]
    fn nothing_is_fetched() {
        refuse(r#"{"$ref":"http://127.0.0.1:9/schema.json"}"#, "http://127.0.0.1:9/schema.json");
        refuse(r#"{"$ref":"https://example.com/s"}"#, "https://example.com/s");
        refuse(r#"{"$ref":"file:///etc/hostname"}"#, "file:///etc/hostname");
        refuse(r#"{"$ref":"other.json"}"#, "other.json");
        refuse(r#"{"$schema":"https://example.com/dialect"}"#, "https://example.com/dialect");
    }

    #[test]
    fn a_schema_may_refer_to_itself() {
        let tree = r##"{"type":"object","properties":{"next":{"$ref":"#"}},"required":["n"]}"##;
        check(tree, r#"{"n":1,"next":{"n":2,"next":{"n":3}}}"#, Ok(()));
        check(
            tree,
            r#"{"n":1,"next":{"n":2,"next":{}}}"#,
            Err("data/next/next: \"n\" is a required property"),
        );
    }

    /// A schema that refers to itself without ever looking deeper says nothing, and ends.
    #[test]
    fn a_circle_of_references_ends() {
        let both = r##"{"$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##;
        for circle in [r##"{"$ref":"#"}"##, r##"{"allOf":[{"$ref":"#"}]}"##, both] {
            check(circle, "1", Ok(()));
        }
    }

    /// Alternatives that refer to their schema: tried one by one they double on each level.
    #[test]
    fn no_depth_holds_alternatives_up() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(64), "]".repeat(64));
        for of in ["anyOf", "oneOf"] {
            let schema = schema(&format!(
                r##"{{"{of}":[{{"type":"array","items":{{"$ref":"#"}},"minItems":1}},
                    {{"type":"array","items":{{"$ref":"#"}},"maxItems":0}}]}}"##
            ));
            let schema = schema.unwrap();
            assert_eq!(schema.check(deep("").as_bytes()), Ok(()), "{of}");
            let told = schema.check(deep("1").as_bytes()).unwrap_err().to_string();
            assert_eq!(told, "data: does not fit the schema", "{of}");
            let told = schema.check(b"[[1]]").unwrap_err().to_string();
            assert!(told.starts_with("data: value is not valid under any of the schemas"), "{told}");
        }
    }

    #[test]
    fn looks_are_counted() {
        let alternatives = vec![r#"{"type":"null"}"#; 200].join(",");
        let items = format!(r#"{{"items":{{"anyOf":[{alternatives},{{"type":"integer"}}]}}}}"#);
        let mut schema = schema(&items).unwrap();
        let data = format!("[{}]", vec!["1"; 1000].join(","));
        assert_eq!(schema.check(data.as_bytes()), Ok(()));
        schema.looks_a_byte = 10;
        let told = schema.check(data.as_bytes()).unwrap_err().to_string();
        assert_eq!(told, "data: too many alternatives of the schema would have to be tried");
        assert_eq!(schema.check(b"[1,1]"), Ok(()), "each event has looks of its own");
    }

    /// What is large and ordinary is checked to its end.
    #[test]
    fn a_large_value_has_looks_enough() {
        let schema = r#"{"type":"array","uniqueItems":true,"items":{"type":"object","required":["n"],
            "properties":{"n":{"type":"integer","minimum":0,"maximum":99999},"s":{"enum":["a","b","c"]},"x":{"type":["null","boolean"]}},
            "additionalProperties":false,"propertyNames":{"pattern":"^[a-z]$"}}}"#;
        let items: Vec<String> = (0..5000).map(|n| format!("{{\"n\":{n},\"s\":\"c\",\"x\":null}}")).collect();
        check(schema, &format!("[{}]", items.join(",")), Ok(()));
        let numbers = format!("[{}]", vec!["1"; 50_000].join(","));
        check(
            r#"{"items":{"oneOf":[{"type":"string"},{"type":"null"},{"type":"integer"}]}}"#,
            &numbers,
            Ok(()),
        );
    }

    /// A pattern that takes exponential time in engines that go back.
    #[test]
    fn no_text_holds_a_pattern_up() {
        let told = schema(r#"{"pattern":"^(a+)+$"}"#)
            .unwrap()
            .check(format!("\"{}!\"", "a".repeat(50_000)).as_bytes());
        assert!(told.unwrap_err().to_string().starts_with("data: "));
    }
}
