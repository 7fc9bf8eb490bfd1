//! An HTTP answer that is not the expected one, turned into a failure.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tricast_wire::decode::Problem;

use crate::error::{Failure, Refusal};

/// How much of an error answer is read. A problem is far shorter.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// How much of a stranger's answer is shown.
const SHOWN_CHARS_MAX: usize = 120;

/// Reads an answer with another status than the expected one.
pub(crate) async fn refused(mut response: reqwest::Response) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    // An answer that breaks off is judged by what came of it.
    let body = body(&mut response, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    judge(status.as_u16(), retry_after, &body)
}

/// Reads a body up to a limit, in bytes.
pub(crate) async fn body(response: &mut reqwest::Response, limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(Failure::Unreadable(format!("an answer is longer than {limit_bytes} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What an unexpected answer says, by whichever transport it came.
pub(crate) fn judge(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Failure {
    if let Some(problem) = Problem::read(body) {
        let mut refusal = Refusal::from(problem);
        refusal.retry_after = refusal.retry_after.or(retry_after);
        return Failure::Refused(refusal);
    }
    let named = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let text: String = String::from_utf8_lossy(body).trim().chars().take(SHOWN_CHARS_MAX).collect();
    let shown = if text.is_empty() { named.unwrap_or("no text").to_owned() } else { text };
    Failure::Stranger { status, retry_after, detail: shown.escape_debug().to_string() }
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). The form with a date is left to the backoff.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A request that got no answer, or only a part of it.
pub(crate) fn broken(error: reqwest::Error) -> Failure {
    // The URL holds the session, which is as good as a password and must not reach a log.
    let error = error.without_url();
    let text = with_causes(&error);
    if error.is_connect() { Failure::Unreachable(text) } else { Failure::Broken(text) }
}

/// An error and what caused it, on one line. The innermost cause is what tells a person what to do.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_reason_and_the_header_s_delay() {
        let body = br#"{"status":429,"reason":"rate_limited","detail":"20 a second"}"#;
        let Failure::Refused(refusal) = judge(429, Some(Duration::from_secs(2)), body) else {
            panic!("no reason")
        };
        assert_eq!(refusal.to_string(), "rate_limited: 20 a second");
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_stranger_is_quoted_without_its_control_characters() {
        let failure = judge(502, None, b"<html>\n\x1b[31mBad</html>");
        assert_eq!(failure.to_string(), "HTTP 502: <html>\\n\\u{1b}[31mBad</html>");
        assert_eq!(judge(404, None, b"").to_string(), "HTTP 404: Not Found");
        assert!(
            judge(404, None, b"").is_final()
                && !judge(502, None, b"").is_final()
                && !judge(429, None, b"").is_final()
        );
    }
}
