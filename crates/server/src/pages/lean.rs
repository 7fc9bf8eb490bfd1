//! Scripts and styles without their comments. Lines keep their numbers, so that what a browser says of one is found in the
//! repository.

/// The text without comments that stand on lines of their own. What follows code on its line stays, and so does a comment
/// that code follows: to know that these are comments, one would have to know the language.
///
/// Not for texts whose quoted lines may begin like a comment; a test holds that ours do not.
pub(super) fn without_comments(text: &str) -> String {
    let mut lean = String::with_capacity(text.len());
    let mut is_within = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let is_comment = is_within || opens(trimmed);
        is_within = (is_within || (is_comment && trimmed.starts_with("/*"))) && !trimmed.contains("*/");
        if !is_comment {
            lean.push_str(line);
        } else if line.ends_with('\n') {
            lean.push('\n');
        }
    }
    lean
}

/// Whether a line begins a comment that ends with its line, or with a later one.
fn opens(line: &str) -> bool {
    let ends_early = || line.find("*/").is_some_and(|end| end + 2 < line.len());
    line.starts_with("//") || (line.starts_with("/*") && !ends_early())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(without_comments(text), expected, "{text}");
    }

    #[test]
    fn comments_on_lines_of_their_own_go_and_lines_stay() {
        check("a\n// b\nc", "a\n\nc");
        check("  // b\n", "\n");
        check("/** b */\nc\n", "\nc\n");
        check("/**\n * b\n */\nc", "\n\n\nc");
        check("/* b\n   b */\nc\n// d", "\n\nc\n");
        check("  /*\n // b\n */ \nc", "\n\n\nc");
    }

    #[test]
    fn what_stands_beside_code_stays() {
        for text in [
            "a; // b\n",
            "/** b */ c\n",
            "a /* b\n",
            "const x = /** b */ (c);\n",
            "'//'\n",
            "",
            "a {\n  b: 1;\n}\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn nothing_of_ours_is_taken_for_a_comment() {
        for folder in ["js", "js/page", "js/tricast", "js/console", "css"] {
            let folder = format!("{}/../../static/{folder}", env!("CARGO_MANIFEST_DIR"));
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|ending| ending == "js" || ending == "css") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert_eq!(mistaken(&text), Vec::<&str>::new(), "{}", path.display());
                }
            }
        }
        assert_eq!(mistaken("x = `a\n// b\n`;\n// c `\n/** `d` */\n"), ["// b"]);
        assert_eq!(mistaken("/* a\n*/ b;\n"), ["*/ b;"]);
    }

    /// Lines that are left out although they are quoted, as they come after an odd number of backticks in what is no comment,
    /// or although code follows the comment.
    fn mistaken(text: &str) -> Vec<&str> {
        let (mut found, mut ticks) = (Vec::new(), 0);
        for (line, lean) in text.lines().zip(without_comments(text).lines()) {
            let goes_on = line.split_once("*/").is_some_and(|(_, rest)| !rest.trim().is_empty());
            if lean.is_empty() && !line.trim().is_empty() && (ticks % 2 == 1 || goes_on) {
                found.push(line);
            }
            ticks += lean.matches('`').count();
        }
        found
    }
}
