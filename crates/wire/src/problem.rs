//! Errors over HTTP: `application/problem+json` (RFC 9457).

use tricast_feed::Reason;

use crate::{Fault, json};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The row of the reasons table.
    pub reason: Reason,
    /// The HTTP status, where it is not the reason's own (405, 415, 422).
    pub status: u16,
    /// What is wrong, naming the field.
    pub detail: String,
    /// Seconds after which to come back.
    pub retry_after_secs: Option<u64>,
}

impl Problem {
    /// A problem with its reason's own status.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, status: reason.http_status(), detail: detail.into(), retry_after_secs: None }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same, telling when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// The body. `type` points into the protocol's table of reasons.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut out = format!(
            "{{\"type\":\"/docs/protocol#{0}\",\"title\":\"{1}\",\"status\":{2},\"reason\":\"{0}\",\"detail\":",
            self.reason.name(),
            self.reason.title(),
            self.status
        )
        .into_bytes();
        json::push_string(&mut out, &self.detail);
        out.push(b'}');
        out
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::new(fault.reason, fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_problem() {
        let problem = Problem::from(Fault::bad("rooms[1]", "not a \"room\""));
        assert_eq!(problem.status, 400);
        assert_eq!(
            String::from_utf8(problem.json()).unwrap(),
            concat!(
                r#"{"type":"/docs/protocol#bad_request","title":"The request is malformed","status":400,"#,
                r#""reason":"bad_request","detail":"rooms[1]: not a \"room\""}"#
            )
        );
    }
}
