//! Keeps other sites' pages out: a browser sends `Origin`, and a page of another site may not use this server in its
//! user's name (RFC 6455, section 10.2, and the same danger for the other two transports and for publishing).

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, ORIGIN};
use tricast_feed::Reason;

use crate::problem::Refusal;

/// Passes a request without an origin, of the server's own origin, or of a listed one.
pub(crate) fn check(request: &HttpRequest, allowed: &[String]) -> Result<(), Refusal> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let is_own = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    if is_own || allowed.iter().any(|listed| listed == "*" || listed == origin) {
        return Ok(());
    }
    Err(Refusal::new(Reason::Forbidden, "Origin: not the server's own and not in origins.allowed"))
}
