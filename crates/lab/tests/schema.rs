//! `docs/run.schema.json` and `docs/peers.schema.json` are what the Rust types say, and the stored samples fit them.
//! `TRICAST_WRITE_DOCS=1` writes the schemas.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tricast_lab::peers::result::Peers;
use tricast_lab::result::Run;

const SAMPLE: &str = include_str!("sample.run.json");
const PEERS_SAMPLE: &str = include_str!("sample.peers.json");

fn hold(name: &str, schema: &schemars::Schema) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    if std::env::var_os("TRICAST_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == text,
        "docs/{name} is old: TRICAST_WRITE_DOCS=1 writes it"
    );
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    hold("run.schema.json", &Run::schema());
    hold("peers.schema.json", &Peers::schema());
}

fn fits<T: Serialize + DeserializeOwned>(schema: &schemars::Schema, sample: &str) -> T {
    let value: Value = serde_json::from_str(sample).unwrap();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let faults: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new());
    let read: T = serde_json::from_str(sample).unwrap();
    assert!(serde_json::to_value(&read).unwrap() == value, "the types write something else than they read");
    let mut stranger = value;
    stranger.as_object_mut().unwrap().insert("stranger".to_owned(), Value::from(1));
    assert!(!validator.is_valid(&stranger), "the schema lets a stranger in");
    read
}

#[test]
fn the_samples_fit_types_and_schemas() {
    assert!(
        fits::<Run>(&Run::schema(), SAMPLE).synthetic,
        "the sample for tests is made up, and must say so"
    );
    assert!(fits::<Peers>(&Peers::schema(), PEERS_SAMPLE).synthetic, "this one too");
}

#[test]
fn an_old_result_is_told_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.json"), r#"{"format":"tricast-run/1","id":"x"}"#).unwrap();
    let error = Run::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("tricast-run/1") && error.contains("tricast-run/2"), "{error}");
}

#[test]
fn a_histogram_that_is_none_is_told_with_its_visit() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample.run.json");
    let mut run = Run::read(&sample).unwrap();
    let visit = run.latency.iter_mut().find(|visit| visit.latency.is_some()).unwrap();
    visit.latency.as_mut().unwrap().v2 = "AAAA".to_owned();
    let told = format!("{} {} {}: ", visit.cell, visit.transport.key(), visit.repetition + 1);
    let folder = tempfile::tempdir().unwrap();
    run.write(folder.path()).unwrap();
    let error = Run::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&told) && error.contains("histogram"), "{error}");
}
