//! Each statement of `docs/guarantees.md` names the tests that show it, and these are there.

use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The rows of the tables whose second column names tests: the statement and that column.
fn statements(text: &str) -> Vec<(&str, &str)> {
    let mut rows = Vec::new();
    let mut is_shown = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ") else {
            is_shown = false;
            continue;
        };
        let Some((statement, rest)) = row.split_once(" | ") else { continue };
        if statement == "statement" && rest.starts_with("shown by") {
            is_shown = true;
        } else if is_shown && !statement.starts_with("---") {
            rows.push((statement, rest));
        }
    }
    rows
}

/// The links of a text: what is shown, and where it leads.
fn links(text: &str) -> Vec<(&str, &str)> {
    let pieces = text.split('[').skip(1);
    pieces
        .filter_map(|piece| piece.split_once("]("))
        .filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0)))
        .collect()
}

/// Whether a source holds a test of this name: a function in Rust, a title in JavaScript.
fn holds(path: &Path, source: &str, name: &str) -> bool {
    if path.extension().is_some_and(|extension| extension == "rs") {
        source.contains(&format!("fn {name}("))
    } else {
        source.contains(&format!("test('{name}'"))
    }
}

/// What is wrong with a page, in words.
fn wrong(text: &str, source: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (statement, shown_by) in statements(text) {
        let named = links(shown_by);
        if named.is_empty() {
            wrong.push(format!("nothing shows: {statement}"));
        }
        for (name, target) in named {
            let path = Path::new(target);
            if !source(path).is_some_and(|source| holds(path, &source, name)) {
                wrong.push(format!("{target} has no test {name}"));
            }
        }
    }
    wrong
}

#[test]
fn every_statement_names_tests_that_exist() {
    let text = std::fs::read_to_string(docs().join("guarantees.md")).unwrap();
    assert!(statements(&text).len() > 20, "the page was read");
    let found = wrong(&text, |path| std::fs::read_to_string(docs().join(path)).ok());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_is_wrong_is_found() {
    let page = "| statement | shown by |\n| --- | --- |\n| a | [here](x.rs), [gone](x.rs) |\n| b | nothing |\n| c | [d](y.js) |\n";
    let source = |path: &Path| (path == Path::new("x.rs")).then(|| "fn here() {}".to_owned());
    assert_eq!(wrong(page, source), ["x.rs has no test gone", "nothing shows: b", "y.js has no test d"]);
}
