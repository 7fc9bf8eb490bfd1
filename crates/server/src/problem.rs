//! Refusals on their way out of a handler.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use tricast_feed::Reason;
use tricast_wire::Fault;
use tricast_wire::problem::{MEDIA_TYPE, Problem};

/// Seconds after which a client may come back when the server was full, if nothing better is known.
const RETRY_AFTER_SECS: u64 = 1;

/// What a handler fails with.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Problem);

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self(Problem::new(reason, detail))
    }

    pub(crate) fn bad(field: &str, detail: impl fmt::Display) -> Self {
        Fault::bad(field, detail).into()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.reason, self.0.detail)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(Problem::from(fault))
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE).insert_header(("cache-control", "no-store"));
        let comes_back =
            matches!(self.0.reason, Reason::TooManyConnections | Reason::Draining | Reason::Degraded);
        let after = self.0.retry_after_secs.or(comes_back.then_some(RETRY_AFTER_SECS));
        if let Some(secs) = after {
            response.insert_header((RETRY_AFTER, secs));
        }
        if self.0.reason == Reason::Unauthorized {
            // RFC 9110, section 15.5.2.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(self.0.json())
    }
}

/// The answer to a path that is not there.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    Refusal::new(Reason::NotFound, format!("path: there is nothing at {}", request.path())).error_response()
}

/// The answer to a method that a path does not have.
pub(crate) fn wrong_method(
    allowed: &'static str,
) -> impl Fn(HttpRequest) -> std::future::Ready<HttpResponse> + Clone {
    move |request| {
        let detail = format!("method: {} is not allowed here, only {allowed}", request.method());
        let refusal = Refusal(Problem::new(Reason::BadRequest, detail).with_status(405));
        let mut response = refusal.error_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        std::future::ready(response)
    }
}
