//! Long polling: a request that is answered when there is something to tell.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse};
use tricast_hub::Way;

use crate::ctx::Ctx;
use crate::net::native::Native;
use crate::net::owned::Polling;
use crate::problem::Refusal;
use crate::query::Query;
use crate::transport::{COMMON, unbuffered, wish};

const WAIT_SECS: std::ops::RangeInclusive<u64> = 0..=60;
const WAIT_SECS_DEFAULT: u64 = 25;
const EVENTS_MAX: std::ops::RangeInclusive<u64> = 1..=10_000;
const EVENTS_MAX_DEFAULT: u64 = 1000;

pub(crate) async fn poll(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    let [rooms, after, session, label, rate, turn] = COMMON;
    let query = Query::read(&request, &[rooms, after, session, label, rate, turn, "wait", "max"])?;
    let wish = wish(&request, &ctx, Way::Poll, &query)?;
    let preferred = preferred_wait(&request);
    let wait = match preferred {
        Some(secs) => secs,
        None => query.number("wait", WAIT_SECS, WAIT_SECS_DEFAULT)?,
    };
    let events_max = query.number("max", EVENTS_MAX, EVENTS_MAX_DEFAULT)? as usize;
    let mut response = HttpResponse::Ok();
    if preferred.is_some() {
        response.insert_header((HeaderName::from_static("preference-applied"), format!("wait={wait}")));
    }
    unbuffered(&mut response).content_type("application/json");
    let wait = Duration::from_secs(wait);
    if let Some(native) = Native::of(&request) {
        native.poll(&ctx.hub, Polling { wish, events_max, wait })?;
        let mut response = response.finish();
        response.head_mut().no_chunking(true);
        return Ok(response);
    }
    let answer = ctx.hub.poll(&wish, events_max)?.answer(wait).await;
    Ok(response.body(answer))
}

/// The `wait` of `Prefer` (RFC 7240, section 4.3). A preference is never an error: what is no number is as if it were not
/// there, and more than the longest wait is the longest. Of several the first counts (section 2).
fn preferred_wait(request: &HttpRequest) -> Option<u64> {
    let lines = request.headers().get_all("prefer").filter_map(|line| line.to_str().ok());
    let value = lines.flat_map(|line| outside_quotes(line, ',')).find_map(wait_in)?;
    let digits = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let most = *WAIT_SECS.end();
    // So many digits that they are no number of ours are a long wait all the same.
    is_number.then(|| digits.parse().map_or(most, |secs: u64| secs.min(most)))
}

/// The value of a preference, if that is `wait`.
fn wait_in(preference: &str) -> Option<&str> {
    let (name, value) = outside_quotes(preference, ';').next()?.split_once('=')?;
    name.trim().eq_ignore_ascii_case("wait").then(|| value.trim())
}

/// Splits a header's value where the mark does not stand in a quoted string (RFC 9110, section 5.6.4).
fn outside_quotes(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let splits = c == mark && !is_quoted;
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && is_quoted && !is_escaped;
        splits
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(lines: &[&str], expected: Option<u64>) {
        let request =
            lines.iter().fold(TestRequest::get(), |request, line| request.append_header(("prefer", *line)));
        assert_eq!(preferred_wait(&request.to_http_request()), expected, "{lines:?}");
    }

    #[test]
    fn a_preference_is_taken_or_left() {
        check(&["wait=5"], Some(5));
        check(&["WAIT=5", "wait=6"], Some(5));
        check(&["respond-async, Wait = \"7\" ; x=y"], Some(7));
        check(&["wait=0"], Some(0));
        check(&["wait=61"], Some(60));
        check(&["wait=99999999999999999999999"], Some(60));
        for none in
            ["", "wait", "wait=", "wait=soon", "wait=-1", "wait=+1", "wait=1.5", "await=5", "wait=\"5"]
        {
            check(&[none], None);
        }
        // A parameter of another preference, and text in quotes, are no preference.
        check(&["foo; wait=5"], None);
        check(&["foo=\"a, wait=5\""], None);
        check(&["foo=\"\\\", wait=5\", wait=6"], Some(6));
        check(&["wait=soon", "wait=5"], None);
    }
}
