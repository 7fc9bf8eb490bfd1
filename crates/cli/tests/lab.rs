//! The laboratory's commands: what they end with, and what they say. Most start no server.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

const TINY: &str = "name = \"tiny\"\nrepetitions = 1\nwarm_up_s = 0\ntransports = [\"sse\"]\n\
    [[cell]]\nname = \"one\"\nsubscribers = 2\nrate = 20\npayload = 64\nseconds = 0.3\n";
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
    run["id"] = "slower".into();
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
fn a_run_that_lost_its_figures_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut run: serde_json::Value = serde_json::from_str(&fs::read_to_string(SAMPLE).unwrap()).unwrap();
    run["saturation"] = serde_json::json!([]);
    fs::write(folder.path().join("less.json"), run.to_string()).unwrap();
    let compare = |arguments: &[&str]| lab(folder.path(), &[&["compare"], arguments].concat());
    check(&compare(&[SAMPLE, "less.json"]), 3, "missing");
    check(&compare(&[SAMPLE, "less.json", "--no-fail"]), 0, "missing");
    let json = compare(&[SAMPLE, "less.json", "--format", "json"]).stdout;
    let gone = serde_json::from_slice::<serde_json::Value>(&json).unwrap()["gone"].clone();
    assert!(gone.as_array().unwrap().iter().any(|one| one["metric"] == "deliveries_per_second"));
}

#[test]
fn reports_of_two_machines_merge() {
    let folder = tempfile::tempdir().unwrap();
    let slower = slower(folder.path());
    check(&lab(folder.path(), &["report", SAMPLE, SAMPLE, "--merge", "both"]), 1, "given twice");
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

/// One run of the small scenario with some more text.
fn run(folder: &Path, more: &str, arguments: &[&str]) -> Output {
    fs::write(folder.join("tiny.toml"), format!("{TINY}{more}")).unwrap();
    let common = ["run", "--quiet", "--scenario", "tiny.toml", "--out", "runs"];
    lab(folder, &[&common, arguments].concat())
}

fn runs(folder: &Path) -> usize {
    fs::read_dir(folder.join("runs"))
        .map_or(0, |entries| entries.filter(|entry| !entry.as_ref().unwrap().path().is_symlink()).count())
}

#[test]
fn a_claim_that_does_not_hold_ends_with_3_once_the_report_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let claim = |bound: &str| format!("[[assert]]\nmetric = \"bytes_per_delivery\"\nat_most = {bound}\n");
    check(&run(folder.path(), &claim("1e9"), &[]), 0, "report.html");
    let first = fs::read_link(folder.path().join("runs/latest")).unwrap();
    let broken = run(folder.path(), &claim("1"), &[]);
    check(&broken, 3, "tricast: one claim of the scenario does not hold");
    let newest = fs::read_link(folder.path().join("runs/latest")).unwrap();
    assert_ne!(newest, first);
    assert!(folder.path().join("runs").join(newest).join("report.html").exists());
}

#[test]
fn a_run_in_which_nothing_is_measured_ends_with_1_and_says_why_once() {
    let folder = tempfile::tempdir().unwrap();
    let target = |command: &str| {
        let start = format!("[start]\ncommand = {command}\nready = \"told\"\n");
        let text = format!(
            "name = \"mine\"\n{start}[publish]\npath = \"/\"\nbody = \"@DATA@\"\n[sse]\npath = \"/\"\n"
        );
        fs::write(folder.path().join("mine.toml"), text).unwrap();
        run(folder.path(), "", &["--target", "mine.toml"])
    };
    let absent = target("[\"/nowhere/server\"]");
    check(&absent, 1, "target mine: start /nowhere/server: No such file");
    let said = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
    assert_eq!(runs(folder.path()), 0, "nothing is left of it");

    let refuses = target("[\"sh\", \"-c\", \"echo no licence >&2; exit 7\"]");
    check(&refuses, 1, "ended before it printed");
    let said = String::from_utf8_lossy(&refuses.stderr).into_owned();
    let log = said.split("it wrote ").nth(1).unwrap().trim();
    assert_eq!(fs::read_to_string(folder.path().join(log)).unwrap(), "no licence\n");

    let peers = run(folder.path(), "", &["--target", "nchan", "--installed", "nothing-here"]);
    check(&peers, 1, "`make peers` installs it under nothing-here");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = fs::read_to_string(folder.path().join("mine.toml")).unwrap();
    let (name, publish) = (text.split_once("[start]").unwrap().0, text.split_once("[publish]").unwrap().1);
    let runs_already = format!("{name}address = \"{closed}\"\n[publish]{publish}");
    fs::write(folder.path().join("there.toml"), runs_already).unwrap();
    let there = run(folder.path(), "", &["--target", "there.toml"]);
    check(&there, 1, &format!("nothing accepts connections at {closed}"));

    let deploy = run(folder.path(), "deploy = { at_s = 0.1, away_s = 0 }\n", &["--target", "tricast"]);
    check(&deploy, 1, "nothing was measured: one: only tricast is stopped and started within a visit");
    assert!(!folder.path().join("runs/latest").exists());
}

#[test]
fn an_address_that_is_taken_leaves_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&run(folder.path(), "", &["--live", &address]), 1, &format!("listen on {address}"));
    assert_eq!(runs(folder.path()), 0);
}

#[test]
fn a_report_is_had_by_the_run_or_its_result_and_its_figures_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("made")).unwrap();
    fs::copy(SAMPLE, here.join("made/run.json")).unwrap();
    check(&lab(here, &["report", "made/run.json"]), 0, "made/report.html");
    check(&lab(&here.join("made"), &["report", "run.json"]), 0, "./report.html");
    check(&lab(here, &["report", SAMPLE]), 1, "name that, or the `run.json` in it");
    check(&lab(here, &["report", "made/none.json"]), 1, "none.json");

    // A page that cannot be written, whatever the reason is.
    fs::remove_file(here.join("made/report.html")).unwrap();
    fs::create_dir_all(here.join("made/report.html/in the way")).unwrap();
    let unwritten = lab(here, &["report", "made"]);
    check(&unwritten, 1, "write the report with `tricast lab report made`");
    assert!(String::from_utf8_lossy(&unwritten.stdout).contains("PASS"), "the figures are shown");
}

#[test]
fn what_can_be_run_is_told_in_whole_sentences() {
    let list = lab(Path::new("."), &["scenarios"]);
    check(&list, 0, "connections that are cut after ten seconds on average.\n");
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(text.lines().filter(|line| !line.is_empty()).all(|line| line.ends_with('.')), "{text}");
}
