//! Tells the binary which commit and which compiler it was built from. Without git, or outside a checkout, it says so
//! and goes on.

use std::process::Command;

fn main() {
    println!("cargo:rustc-env=TRICAST_VERSION={} ({}, {})", env!("CARGO_PKG_VERSION"), commit(), rustc());
    watch();
}

/// Builds again when the checkout moves or a source changes: whether it is dirty is part of the version.
fn watch() {
    for path in ["../../crates", "../../static", "../../Cargo.toml", "../../Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(log) = told("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
}

fn commit() -> String {
    let Some(commit) = told("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return "commit unknown".to_owned();
    };
    let changes = told("git", &["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changes.is_some_and(|changes| !changes.is_empty()) { "+dirty" } else { "" };
    format!("commit {commit}{mark}")
}

fn rustc() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    told(&rustc, &["--version"]).unwrap_or_else(|| "rustc unknown".to_owned())
}

/// What a command prints, where there is such a command and it succeeds.
fn told(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
