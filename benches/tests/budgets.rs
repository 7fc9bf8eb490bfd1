//! Holds the instructions of the hot steps against `budgets.toml`.
//!
//! Time on a shared machine tells little; the number of instructions is the same within a percent from run to run. The
//! steps are built with optimisation and run under valgrind's callgrind, which gives every processor out as one of
//! the same few kinds, so that the figures hardly depend on the machine either.
//!
//! `make budgets` writes the figures of this moment into the file. A change that does so says why.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tricast_benches::steps::Step;

/// The variable that turns comparing into writing, and its value.
const REWRITE: (&str, &str) = ("BUDGETS", "rewrite");

/// What stands at the top of the file.
const HEADING: &str = "\
# What the hot steps may cost, in instructions of one round (benches/src/steps.rs says what a round is).
# `cargo test` fails where a step is off its budget by more than `tolerance_percent`: above it, something has become
# dearer; below it, the budget is stale and would let the next loss pass. `make budgets` writes the figures anew and
# keeps the rest.
";

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    step: Vec<Budget>,
}

/// What one step may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    name: String,
    instructions: u64,
    tolerance_percent: u64,
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Within,
    Over,
    Stale,
}

impl Budget {
    fn verdict(&self, counted: u64) -> Verdict {
        let room = self.instructions * self.tolerance_percent / 100;
        if counted > self.instructions + room {
            Verdict::Over
        } else if counted < self.instructions - room {
            Verdict::Stale
        } else {
            Verdict::Within
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets.toml")
}

fn budgets() -> Vec<Budget> {
    let text = std::fs::read_to_string(file()).unwrap();
    let budgets: Budgets = toml::from_str(&text).unwrap_or_else(|error| panic!("budgets.toml: {error}"));
    budgets.step
}

fn written(budgets: &[Budget]) -> String {
    let mut text = HEADING.to_owned();
    for Budget { name, instructions, tolerance_percent, why } in budgets {
        write!(text, "\n[[step]]\nname = \"{name}\"\ninstructions = {instructions}\n").unwrap();
        writeln!(text, "tolerance_percent = {tolerance_percent}\nwhy = \"{why}\"").unwrap();
    }
    text
}

/// Builds the program that runs a step, with optimisation and nothing that the steps do not need.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", "tricast-benches", "--bin", "steps"]);
    cargo.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "the steps do not build: {}", String::from_utf8_lossy(&built.stderr));
    target.join("release/steps")
}

/// The instructions that a run of so many rounds takes, with all that comes before them.
fn instructions(steps: &Path, step: Step, rounds: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(steps).args([step.name(), &rounds.to_string()]);
    let ran = valgrind
        .output()
        .unwrap_or_else(|error| panic!("valgrind cannot be run ({error}): `make setup` installs it"));
    assert!(ran.status.success(), "{}: {}", step.name(), String::from_utf8_lossy(&ran.stderr));
    let told = std::fs::read_to_string(&out).unwrap();
    let total = told.lines().find_map(|line| line.strip_prefix("totals: ")).expect("callgrind gives a total");
    total.trim().parse().unwrap()
}

/// The instructions of one round.
fn count(steps: &Path, step: Step) -> u64 {
    let (few, many) = step.rounds();
    let more = instructions(steps, step, many).checked_sub(instructions(steps, step, few));
    more.expect("more rounds take more instructions") / (many - few) as u64
}

fn count_all() -> Vec<u64> {
    let steps = build();
    let steps = &steps;
    std::thread::scope(|scope| {
        let counting = Step::ALL.map(|step| scope.spawn(move || count(steps, step)));
        counting.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn table(budgets: &[Budget], counted: &[u64]) -> String {
    let mut text = format!("{:<20} {:>12} {:>12}\n", "step", "budget", "counted");
    for (budget, counted) in budgets.iter().zip(counted) {
        let percent = (*counted as f64 / budget.instructions as f64 - 1.0) * 100.0;
        let verdict = budget.verdict(*counted);
        let name = &budget.name;
        writeln!(text, "{name:<20} {:>12} {counted:>12} {percent:>+7.1} % {verdict:?}", budget.instructions)
            .unwrap();
    }
    text
}

fn rewrite(budgets: &[Budget], counted: &[u64]) {
    let anew = budgets.iter().zip(counted);
    let anew: Vec<Budget> =
        anew.map(|(budget, counted)| Budget { instructions: *counted, ..budget.clone() }).collect();
    std::fs::write(file(), written(&anew)).unwrap();
}

#[test]
fn hot_steps_keep_their_budgets() {
    let budgets = budgets();
    let names: Vec<&str> = budgets.iter().map(|budget| budget.name.as_str()).collect();
    assert_eq!(names, Step::ALL.map(Step::name), "budgets.toml names every step once, in their order");
    let counted = count_all();
    let table = table(&budgets, &counted);
    println!("{table}");
    if std::env::var(REWRITE.0).is_ok_and(|value| value == REWRITE.1) {
        return rewrite(&budgets, &counted);
    }
    let keeps = |(budget, counted): (&Budget, &u64)| budget.verdict(*counted) == Verdict::Within;
    assert!(
        budgets.iter().zip(&counted).all(keeps),
        "a step is off its budget; if that is meant, `make budgets` writes the figures anew\n{table}"
    );
}

#[test]
fn a_budget_is_broken_on_both_sides() {
    let budget =
        Budget { name: String::new(), instructions: 1000, tolerance_percent: 10, why: String::new() };
    let check = |counted, verdict| assert_eq!(budget.verdict(counted), verdict, "{counted}");
    check(1100, Verdict::Within);
    check(1101, Verdict::Over);
    check(900, Verdict::Within);
    check(899, Verdict::Stale);
}

/// What is rewritten reads as what it was.
#[test]
fn a_rewritten_file_keeps_the_rest() {
    let budgets = budgets();
    let again: Budgets = toml::from_str(&written(&budgets)).unwrap();
    let rest = |budgets: &[Budget]| -> Vec<(String, u64, String)> {
        let rest = budgets.iter().cloned();
        rest.map(|budget| (budget.name, budget.tolerance_percent, budget.why)).collect()
    };
    assert_eq!(rest(&again.step), rest(&budgets));
}
