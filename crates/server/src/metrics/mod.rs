//! `GET /metrics`: what the server counts, for Prometheus and what reads like it.
//!
//! Nothing is kept for it. A scrape takes one [`Sample`] of the hub's own counts, and that is written down: in
//! OpenMetrics where the client asks for that, and in Prometheus' older text otherwise. Another figure is a field of the
//! sample and a line in `page.rs`.
//!
//! Labels are names of namespaces, at most `namespaces.max` of them, and of the three transports. Nothing that a client
//! can name without bound is a label.

mod older;
mod page;
mod sample;

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use tricast_feed::Reason;

use crate::ctx::Ctx;
use crate::metrics::sample::Sample;
use crate::net::guests::Guests;
use crate::problem::Refusal;
use crate::query::Query;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const OLDER_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the process as a whole is asked for.
#[derive(Debug, Clone)]
pub(crate) struct House {
    /// Its connections.
    pub(crate) guests: Arc<Guests>,
    /// When it began.
    pub(crate) started: Instant,
}

impl FromRequest for House {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let missing = || Refusal::new(Reason::Internal, "the worker has no house");
        ready(request.app_data::<Self>().cloned().ok_or_else(missing))
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(request: HttpRequest, ctx: Ctx, house: House) -> Result<HttpResponse, Refusal> {
    Query::read(&request, &[])?;
    let sample = Sample::take(ctx.hub.shared(), &house).await;
    let is_open = takes_open_metrics(&request);
    // A hundred thousand namespaces are tens of megabytes of text: that is no work for a thread that serves streams.
    let text = web::block(move || {
        let text = page::text(sample);
        if is_open { text } else { text.map(|text| older::text(&text)) }
    });
    let text = text.await.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    let text = text.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    let media_type = if is_open { OPEN_METRICS } else { OLDER_TEXT };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header(("cache-control", "no-store"))
        .insert_header((VARY, "accept"))
        .body(text))
}

/// Whether `Accept` names OpenMetrics and does not rule it out (RFC 9110, section 12.5.1). A client that names it can
/// read it; one that takes just anything gets what everything reads.
fn takes_open_metrics(request: &HttpRequest) -> bool {
    let lines = request.headers().get_all(ACCEPT).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named =
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
        let fits = |parameter: &str| match parameter.split_once('=') {
            Some((name, version)) if name.trim().eq_ignore_ascii_case("version") => version.trim() == "1.0.0",
            Some((name, weight)) if name.trim().eq_ignore_ascii_case("q") => {
                weight.trim().parse::<f64>().is_ok_and(|weight| weight > 0.0)
            }
            _ => true,
        };
        is_named && parts.all(fits)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(accept: &str, expected: bool) {
        let request = TestRequest::get().insert_header((ACCEPT, accept)).to_http_request();
        assert_eq!(takes_open_metrics(&request), expected, "{accept}");
    }

    #[test]
    fn who_asks_for_open_metrics() {
        // As Prometheus asks, with and without its older formats.
        check(
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            true,
        );
        check("Application/OpenMetrics-Text", true);
        check("application/openmetrics-text;version=0.0.1", false);
        check("application/openmetrics-text;q=0", false);
        check("text/plain;version=0.0.4", false);
        check("*/*", false);
        check("", false);
    }
}
