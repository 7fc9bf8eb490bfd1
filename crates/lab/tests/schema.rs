//! `docs/run.schema.json` and `docs/peers.schema.json` against stored samples and the Rust types: what the types write,
//! the schema accepts, and neither knows a field that the other does not.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tricast_lab::peers::result::Peers;
use tricast_lab::result::Run;

const SCHEMA: &str = include_str!("../../../docs/run.schema.json");
const SAMPLE: &str = include_str!("sample.run.json");
const PEERS_SCHEMA: &str = include_str!("../../../docs/peers.schema.json");
const PEERS_SAMPLE: &str = include_str!("sample.peers.json");

/// Checks the part of JSON Schema that the schema uses.
fn check(schema: &Value, root: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return check(&root["$defs"][name], root, value, at, faults);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = |option: &Value| {
            let mut faults = Vec::new();
            check(option, root, value, at, &mut faults);
            faults.is_empty()
        };
        if !options.iter().any(fits) {
            faults.push(format!("{at}: fits no option"));
        }
        return;
    }
    let allowed = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    if !allowed || !constant || !has_type(&schema["type"], value) {
        faults.push(format!("{at}: {value} does not fit {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], root, item, &format!("{at}[{index}]"), faults);
    }
    if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                faults.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, field) in fields {
            match known.get(name) {
                Some(schema) => check(schema, root, field, &format!("{at}.{name}"), faults),
                None => faults.push(format!("{at}.{name} is not known")),
            }
        }
    }
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

fn faults(schema: &str, value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let mut faults = Vec::new();
    check(&schema, &schema, value, "run", &mut faults);
    faults
}

fn fits<T: Serialize + DeserializeOwned>(schema: &str, sample: &str) -> T {
    let value: Value = serde_json::from_str(sample).unwrap();
    assert_eq!(faults(schema, &value), Vec::<String>::new());
    let read: T = serde_json::from_str(sample).unwrap();
    assert!(serde_json::to_value(&read).unwrap() == value, "the types write something else than they read");
    read
}

#[test]
fn the_samples_fit_types_and_schemas() {
    assert!(fits::<Run>(SCHEMA, SAMPLE).synthetic, "the sample for tests is made up, and must say so");
    assert!(fits::<Peers>(PEERS_SCHEMA, PEERS_SAMPLE).synthetic, "this one too");
}

/// Takes each object's fields away, one at a time, and adds a stranger: both readers must notice alike.
fn refuse_the_same<T: DeserializeOwned>(schema: &str, sample: &str, places: &[&str]) {
    let sample: Value = serde_json::from_str(sample).unwrap();
    for place in places {
        let fields: Vec<String> =
            sample.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect();
        for field in fields.iter().map(String::as_str).chain(["stranger"]) {
            let mut changed = sample.clone();
            let object = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
            if object.remove(field).is_none() {
                object.insert(field.to_owned(), Value::from(1));
            }
            let by_schema = !faults(schema, &changed).is_empty();
            let by_types = serde_json::from_value::<T>(changed).is_err();
            // An absent optional value is read as none; the schema asks writers to say null.
            let optional = sample.pointer(place).unwrap()[field].is_null() || is_optional(place, field);
            assert!(
                by_schema == by_types || optional && by_schema,
                "{place}/{field}: {by_schema} {by_types}"
            );
        }
    }
}

#[test]
fn types_and_schema_of_a_run_refuse_the_same() {
    let places = [
        "",
        "/scenario",
        "/environment",
        "/latency/0",
        "/latency/0/integrity",
        "/saturation/0",
        "/raw/0",
        "/memory/0",
        "/memory/0/points/0",
        "/crowd",
        "/crowd/crowd/0",
        "/crowd/crowd/0/latency/0",
        "/crowd/scale/0",
        "/crowd/stalled/0",
        "/crowd/stalled/0/idle",
        "/crowd/soak/0",
        "/crowd/soak/0/samples/0",
        "/doubts/0",
    ];
    refuse_the_same::<Run>(SCHEMA, SAMPLE, &places);
}

#[test]
fn types_and_schema_of_a_comparison_refuse_the_same() {
    let places = ["", "/extent", "/environment", "/servers/0", "/cells/0", "/cells/0/account", "/doubts/0"];
    refuse_the_same::<Peers>(PEERS_SCHEMA, PEERS_SAMPLE, &places);
}

fn is_optional(place: &str, field: &str) -> bool {
    let nullable = ["cpu", "memory_kib", "governor", "git_commit", "git_dirty", "cargo_lock"];
    let claims = ["latency", "pass", "p99_passes_at_most", "p99_ratio_at_most"];
    let crowd = ["/crowd/crowd/0", "/crowd/stalled/0", "/crowd/soak/0"];
    (place == "/environment" && nullable.contains(&field))
        || (["/latency/0", "/cells/0"].contains(&place) && field == "latency")
        || (crowd.contains(&place) && claims.contains(&field))
}
