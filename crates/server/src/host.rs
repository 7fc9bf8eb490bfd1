//! Keeps out pages that reach a server on a loopback address under a name of their own (DNS rebinding): such a page is of
//! the server's "own" origin in its browser's eyes, and only `Host` (RFC 9110, section 7.2) tells who was asked for.

use std::net::IpAddr;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError as _};
use tricast_feed::Reason;

use crate::ctx::Ctx;
use crate::problem::Refusal;
use crate::settings::Settings;

/// Lets pass what [`check`] passes.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let checked = request.app_data::<Ctx>().map_or(Ok(()), |ctx| check(request.request(), &ctx.settings));
    match checked {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => Ok(request.into_response(refusal.error_response()).map_into_right_body()),
    }
}

/// Passes a request that was meant for this machine, or for a name in `server.hosts`. A server on another address is
/// meant to be reached by others and is not asked; a request without `Host` comes from no browser.
fn check(request: &HttpRequest, settings: &Settings) -> Result<(), Refusal> {
    let Some(host) = request.headers().get(HOST) else { return Ok(()) };
    let name = name_of(host.to_str().unwrap_or_default());
    if !settings.listen.ip().is_loopback() || is_this_machine(name) || is_listed(name, &settings.hosts) {
        return Ok(());
    }
    Err(Refusal::new(Reason::Forbidden, "Host: neither this machine nor in server.hosts"))
}

/// The host without its port.
fn name_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Whether the value of `Host` names this machine.
pub(crate) fn is_asked_as_this_machine(host: &str) -> bool {
    is_this_machine(name_of(host))
}

fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_listed(name: &str, hosts: &[String]) -> bool {
    hosts.iter().any(|listed| listed == "*" || listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_this_machine() {
        for own in [
            "127.0.0.1:8080",
            "localhost:80",
            "LOCALHOST",
            "app.localhost:1",
            "[::1]:8080",
            "127.9.9.9",
            "localhost.",
        ] {
            assert!(is_this_machine(name_of(own)), "{own}");
        }
        for other in
            ["evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", ""]
        {
            assert!(!is_this_machine(name_of(other)), "{other}");
        }
        assert!(is_listed("App.Example", &["app.example".to_owned()]) && is_listed("any", &["*".to_owned()]));
    }
}
