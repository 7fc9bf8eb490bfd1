//! The laboratory's commands that start no server: comparing stored runs, merging their reports, advising.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::path::Path;
use std::process::{Command, Output};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/sample.run.json");

fn lab(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tricast"));
    command.current_dir(folder).arg("lab").args(arguments).output().unwrap()
}

fn check(output: &Output, code: i32, words: &str) {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{words} is missing in:\n{said}");
}

/// The stored made-up run with twice the CPU for every delivery.
fn slower(folder: &Path) -> String {
    let mut run: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(SAMPLE).unwrap()).unwrap();
    for visit in run["saturation"].as_array_mut().unwrap() {
        visit["server_cpu_s"] = (visit["server_cpu_s"].as_f64().unwrap() * 2.0).into();
    }
    let path = folder.join("slower.json");
    std::fs::write(&path, run.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_regression_ends_with_3_unless_it_is_only_to_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let slower = slower(folder.path());
    let compare = |arguments: &[&str]| lab(folder.path(), &[&["compare"], arguments].concat());
    check(&compare(&[SAMPLE, SAMPLE]), 0, "0 regressed");
    check(&compare(&[SAMPLE, &slower]), 3, "regressed");
    check(&compare(&[SAMPLE, &slower, "--fail-on-regression", "--lang", "fr"]), 3, "régression");
    check(&compare(&[SAMPLE, &slower, "--no-fail"]), 0, "regressed");
    check(&compare(&[&slower, SAMPLE]), 0, "improved");
    check(&compare(&[SAMPLE, "nowhere.json"]), 1, "nowhere.json");
    check(&compare(&[SAMPLE, &slower, "--format", "html", "--out", "changes.html"]), 3, "");
    assert!(folder.path().join("changes.html").exists());
    let json = compare(&[SAMPLE, &slower, "--format", "json"]).stdout;
    assert!(serde_json::from_slice::<serde_json::Value>(&json).unwrap()["changes"].is_array());
}

#[test]
fn reports_of_two_machines_merge() {
    let folder = tempfile::tempdir().unwrap();
    let slower = slower(folder.path());
    check(&lab(folder.path(), &["report", SAMPLE, &slower, "--merge", "both"]), 0, "both/report.html");
    check(&lab(folder.path(), &["report", SAMPLE, &slower]), 1, "--merge");
    assert!(folder.path().join("both/report.fr.html").exists());
}

#[test]
fn advice_comes_from_the_run_given_else_from_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let question = ["advise", "--clients", "20000", "--rate", "0.2", "--payload", "300"];
    let advise = |more: &[&str]| lab(folder.path(), &[&question, more].concat());
    check(&advise(&["--two-way", "no", "--proxies", "unknown", "--run", SAMPLE]), 0, "made up for a test");
    let sample = advise(&[]);
    check(&sample, 0, "Mbit/s");
    assert!(!String::from_utf8_lossy(&sample.stdout).contains("made up"));
    let json = serde_json::from_slice::<serde_json::Value>(&advise(&["--json"]).stdout).unwrap();
    assert_eq!(json["question"]["rate"], 0.2);
    check(&lab(folder.path(), &["advise", "--rate", "0"]), 1, "`rate` is 0");
    check(&lab(folder.path(), &["advise", "--proxies", "maybe"]), 2, "possible values");
}
