//! `docs/run.schema.json` against the stored sample and the Rust types: what the types write, the schema accepts, and
//! neither knows a field that the other does not.

use serde_json::Value;
use tricast_lab::result::Run;

const SCHEMA: &str = include_str!("../../../docs/run.schema.json");
const SAMPLE: &str = include_str!("sample.run.json");

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

fn faults(value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut faults = Vec::new();
    check(&schema, &schema, value, "run", &mut faults);
    faults
}

#[test]
fn the_sample_fits_types_and_schema() {
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    assert_eq!(faults(&sample), Vec::<String>::new());
    let run: Run = serde_json::from_str(SAMPLE).unwrap();
    assert!(run.synthetic, "the sample for tests is made up, and must say so");
    assert!(serde_json::to_value(&run).unwrap() == sample, "the types write something else than they read");
}

/// Takes each object's fields away, one at a time, and adds a stranger: both readers must notice alike.
#[test]
fn types_and_schema_refuse_the_same() {
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
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
    for place in places {
        let fields: Vec<String> =
            sample.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect();
        for field in fields.iter().map(String::as_str).chain(["stranger"]) {
            let mut changed = sample.clone();
            let object = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
            if object.remove(field).is_none() {
                object.insert(field.to_owned(), Value::from(1));
            }
            let by_schema = !faults(&changed).is_empty();
            let by_types = serde_json::from_value::<Run>(changed).is_err();
            // An absent optional value is read as none; the schema asks writers to say null.
            let optional = sample.pointer(place).unwrap()[field].is_null() || is_optional(place, field);
            assert!(
                by_schema == by_types || optional && by_schema,
                "{place}/{field}: {by_schema} {by_types}"
            );
        }
    }
}

fn is_optional(place: &str, field: &str) -> bool {
    let nullable = ["cpu", "memory_kib", "governor", "git_commit", "git_dirty", "cargo_lock"];
    let claims = ["latency", "pass", "p99_passes_at_most", "p99_ratio_at_most"];
    let crowd = ["/crowd/crowd/0", "/crowd/stalled/0", "/crowd/soak/0"];
    (place == "/environment" && nullable.contains(&field))
        || (place == "/latency/0" && field == "latency")
        || (crowd.contains(&place) && claims.contains(&field))
}
