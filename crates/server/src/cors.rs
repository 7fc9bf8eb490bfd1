//! Lets the pages of listed origins read answers: the other half of `origins.allowed` (WHATWG Fetch, section 3.3).
//!
//! An origin that is not listed gets none of these headers, and the handlers refuse it besides. A preflight is answered
//! here, before any route sees it.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::ctx::Ctx;

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_SECS: &str = "600";

const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, idempotency-key, last-event-id, prefer"),
    (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECS),
];

/// Answers preflights and marks answers for the origin that asked, where it is listed.
pub(crate) async fn share(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let origin = listed_origin(&request);
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if let (Some(origin), true) = (&origin, asks_first) {
        let mut answer = HttpResponse::NoContent().finish();
        mark(answer.headers_mut(), origin);
        for (name, value) in PREFLIGHT {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        return Ok(request.into_response(answer).map_into_right_body());
    }
    let mut response = next.call(request).await?.map_into_left_body();
    if let Some(origin) = &origin {
        mark(response.headers_mut(), origin);
    }
    Ok(response)
}

fn listed_origin(request: &ServiceRequest) -> Option<HeaderValue> {
    let ctx = request.app_data::<Ctx>()?;
    let origin = request.headers().get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    ctx.settings.origins.iter().any(|listed| listed == "*" || listed == text).then(|| origin.clone())
}

fn mark(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, preference-applied, retry-after"),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
