//! The settings' table in `docs/operations.md` is made from [`keys`]; this holds the two together.

use super::keys;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
const BEGIN: &str = "<!-- settings: begin -->\n";
const END: &str = "<!-- settings: end -->";

fn table() -> String {
    let mut table = String::from("| setting | default | meaning |\n| --- | --- | --- |\n");
    for key in keys() {
        table.push_str(&format!("| `{}` | `{}` | {} |\n", key.name, key.default, key.meaning));
    }
    table
}

/// With `TRICAST_WRITE_DOCS` set it writes the table; without, it fails where the document is out of date.
#[test]
fn the_document_lists_every_setting() {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let (front, rest) = text.split_once(BEGIN).unwrap();
    let (_, back) = rest.split_once(END).unwrap();
    let expected = format!("{front}{BEGIN}{}{END}{back}", table());
    if std::env::var_os("TRICAST_WRITE_DOCS").is_some() {
        return std::fs::write(DOCUMENT, &expected).unwrap();
    }
    assert!(text == expected, "run this test with TRICAST_WRITE_DOCS=1 to write docs/operations.md");
}
