//! An HTTP error as a client receives it.

use serde::Deserialize;
use tricast_feed::Reason;

/// `application/problem+json` (RFC 9457) with tricast's `reason`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// The reason's name; see [`Problem::known`].
    pub reason: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// A short sentence for people.
    #[serde(default)]
    pub title: String,
    /// What exactly was wrong; names the field.
    #[serde(default)]
    pub detail: Option<String>,
    /// How long to stay away first, in milliseconds.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// Reads the body of an error answer. `None` where it is no problem of tricast: something between the client
    /// and the server answered instead.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The reason, where this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Reason> {
        Reason::from_name(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_from_a_page_of_a_proxy() {
        let body =
            br#"{"type":"about:blank","title":"T","status":400,"detail":"after: no","reason":"bad_request"}"#;
        let problem = Problem::read(body).unwrap();
        assert_eq!(
            (problem.known(), problem.detail.as_deref()),
            (Some(Reason::BadRequest), Some("after: no"))
        );
        assert_eq!(Problem::read(b"<html>502</html>"), None);
        assert_eq!(Problem::read(br#"{"error":"nope"}"#), None);
    }
}
