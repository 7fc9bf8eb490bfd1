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
    let [rooms, after, session, label] = COMMON;
    let query = Query::read(&request, &[rooms, after, session, label, "wait", "max"])?;
    let wish = wish(&request, &ctx, Way::Poll, &query)?;
    let preferred = preferred_wait(&request)?;
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

/// `Prefer: wait=25` (RFC 7240, section 4.3). Other preferences are somebody else's.
fn preferred_wait(request: &HttpRequest) -> Result<Option<u64>, Refusal> {
    let lines = request.headers().get_all("prefer").filter_map(|line| line.to_str().ok());
    let mut wishes = lines.flat_map(|line| line.split([',', ';'])).map(str::trim);
    let Some(wait) = wishes.find_map(|wish| wish.strip_prefix("wait=")) else { return Ok(None) };
    let secs = wait.trim_matches('"').parse().ok().filter(|secs| WAIT_SECS.contains(secs));
    secs.map(Some).ok_or_else(|| Refusal::bad("Prefer", "wait: expected a whole number from 0 to 60"))
}
