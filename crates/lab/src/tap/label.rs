//! Lane labels, and how a request's target names one.

use std::sync::Arc;

/// The longest label, in characters; the same bound as the protocol's `label` parameter.
pub const LABEL_CHARS_MAX: usize = 64;

/// A checked lane label: 1 to 64 characters of `[A-Za-z0-9._:-]`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label(Arc<str>);

impl Label {
    /// Checks the grammar and takes the text; `None` if it is no label.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=LABEL_CHARS_MAX).contains(&text.len());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        (fits && text.bytes().all(allowed)).then(|| Self(Arc::from(text)))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lane that a request target names: the `label` of `/v1/feeds/{ns}/(poll|sse|ws)` or of
    /// `/textbook/(poll|sse|ws)`, if it has a valid one.
    pub(super) fn of_target(target: &str) -> Option<Self> {
        let (path, query) = origin_form(target).split_once('?')?;
        if !is_subscription(path) {
            return None;
        }
        let value = query.split('&').find_map(|pair| pair.strip_prefix("label="))?;
        Self::new(&percent_decoded(value)?)
    }
}

/// The path and query of a target, also where a client sends the absolute form (RFC 9112, section 3.2.2).
fn origin_form(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

fn is_subscription(path: &str) -> bool {
    // The demo's textbook server has lanes too.
    if let Some(way) = path.strip_prefix("/textbook/") {
        return matches!(way, "poll" | "sse" | "ws");
    }
    let Some(rest) = path.strip_prefix("/v1/feeds/") else { return false };
    matches!(rest.split_once('/'), Some((namespace, "poll" | "sse" | "ws")) if !namespace.is_empty())
}

/// Browsers write `:` as `%3A` in a query. `None` for a broken escape or for what is not UTF-8.
fn percent_decoded(value: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { hex(bytes.next()?)? << 4 | hex(bytes.next()?)? } else { byte });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, expected: Option<&str>) {
        let label = Label::of_target(target);
        assert_eq!(label.as_ref().map(Label::as_str), expected, "{target}");
    }

    #[test]
    fn is_read_from_subscriptions_only() {
        check("/v1/feeds/default/sse?label=sse", Some("sse"));
        check("/v1/feeds/default/poll?wait=25&label=a.b:c-D_9", Some("a.b:c-D_9"));
        check("/v1/feeds/default/ws?label=p%3A1&rooms=a", Some("p:1"));
        check("http://localhost:8080/v1/feeds/d/ws?label=w", Some("w"));
        check("/v1/feeds/default/events?label=no", None);
        check("/v1/feeds/default/sse/x?label=no", None);
        check("/textbook/sse?label=t", Some("t"));
        check("/textbook/other?label=no", None);
        check("/v1/feeds//sse?label=no", None);
        check("/v1/feeds/default/sse", None);
        check("/demo/lanes/x/wire?label=no", None);
        check("/v1/feeds/default/sse?xlabel=no", None);
        check("http://localhost", None);
    }

    #[test]
    fn out_of_grammar_is_no_label() {
        let longest = "x".repeat(LABEL_CHARS_MAX);
        check(&format!("/v1/feeds/d/sse?label={longest}"), Some(&longest));
        check(&format!("/v1/feeds/d/sse?label={longest}x"), None);
        for bad in ["", "a/b", "%", "%4", "%zz", "%0A", "%ff", "a+b", "%C3%A9"] {
            check(&format!("/v1/feeds/d/sse?label={bad}"), None);
        }
    }
}
