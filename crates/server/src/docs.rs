//! The page that a problem's `type` leads to: the reasons, as the protocol's document tells them.

use std::sync::LazyLock;

use actix_web::HttpResponse;

/// The contract. Its table of reasons is the one that is shown.
const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

/// The page loads nothing and runs nothing.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static PAGE: LazyLock<String> = LazyLock::new(page);

/// `GET /docs/protocol`.
pub(crate) async fn reasons() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(PAGE.as_str())
}

/// The cells of the table's rows, the heading's first.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let section = PROTOCOL.split_once("\n## Reasons\n").map_or("", |(_, rest)| rest);
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table
        .filter(|line| !line.starts_with("| ---"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

fn page() -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>tricast: reasons</title>\n<h1>Reasons</h1>\n\
         <p>Why a request was refused or a stream ended. The <code>type</code> of a problem (RFC 9457) leads to its row.</p>\n<table>\n",
    );
    for (place, cells) in rows().enumerate() {
        let (begin, tag) = if place == 0 {
            ("<tr>".to_owned(), "th")
        } else {
            (format!("<tr id=\"{}\">", cells.first().map_or("", |name| name.trim_matches('`'))), "td")
        };
        page.push_str(&begin);
        cells.iter().for_each(|cell| page.push_str(&format!("<{tag}>{}</{tag}>", inline(cell))));
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n</html>\n");
    page
}

/// Text with `code` in it.
fn inline(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts
        .map(|(place, part)| if place % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use tricast_feed::{Reason, Retry};

    use super::*;

    /// The document, the domain and the page say the same of each reason.
    #[test]
    fn every_reason_has_its_row() {
        let rows: Vec<Vec<&str>> = rows().skip(1).collect();
        assert_eq!(rows.len(), Reason::ALL.len());
        for (row, reason) in rows.iter().zip(Reason::ALL) {
            let [name, http, close, retry, when] = row[..] else { panic!("{row:?}") };
            assert_eq!(name, format!("`{reason}`"));
            assert!(http.is_empty() || http == reason.http_status().to_string(), "{name}");
            assert_eq!(close, reason.close_code().to_string(), "{name}");
            let begins = match reason.retry() {
                Retry::No => "no",
                Retry::AfterNewToken => "after a new token",
                Retry::Yes => "yes",
            };
            assert!(retry.starts_with(begins) && !when.is_empty(), "{name}");
            assert!(PAGE.contains(&format!("<tr id=\"{reason}\"><td><code>{reason}</code></td>")), "{name}");
        }
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(inline("a <b> & `c<d>`"), "a &lt;b&gt; &amp; <code>c&lt;d&gt;</code>");
    }
}
