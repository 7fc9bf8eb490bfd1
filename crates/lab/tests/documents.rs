//! The figures in the documents are those of the sample run, and of no other.

use std::path::{Path, PathBuf};

use tricast_lab::{Language, result::Run, table};

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// With `TRICAST_WRITE_DOCS` set it writes the table; without, it fails where the document says something else.
fn check(document: &str, language: Language) {
    let run = Run::read(&root().join("docs/report")).expect("docs/report holds the sample run");
    let path = root().join(document);
    let text = std::fs::read_to_string(&path).expect("the document is there");
    let (front, rest) = text.split_once(BEGIN).expect("the table has its place");
    let (_, back) = rest.split_once(END).expect("the table has its end");
    let expected = format!("{front}{BEGIN}{}{END}{back}", table(&run, language));
    if std::env::var_os("TRICAST_WRITE_DOCS").is_some() {
        return std::fs::write(&path, &expected).expect("the document can be written");
    }
    assert!(text == expected, "{document}: run this test with TRICAST_WRITE_DOCS=1");
}

#[test]
fn the_english_readme_shows_the_sample_run() {
    check("README.md", Language::English);
}

#[test]
fn the_french_readme_shows_the_sample_run() {
    check("README.fr.md", Language::French);
}

#[test]
fn the_sample_is_a_real_and_whole_run() {
    let run = Run::read(&root().join("docs/report")).expect("docs/report holds the sample run");
    assert!(!run.synthetic && !run.partial);
}
