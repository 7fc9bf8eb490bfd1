//! Who may use the console.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderName, VIA};
use tricast_feed::Reason;

use crate::host::is_asked_as_this_machine;
use crate::problem::Refusal;
use crate::settings::Settings;

/// Headers of a request that somebody passes on.
const PASSED_ON: [HeaderName; 4] =
    [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

/// With a token: whoever has it (RFC 6750, section 2.1). Without: this machine itself, by one of its own names.
///
/// # Errors
/// [`Reason::Unauthorized`] for a token that is missing or wrong, [`Reason::Forbidden`] for another machine, or a page of
/// another site.
pub(super) fn check(request: &HttpRequest, settings: &Settings) -> Result<(), Refusal> {
    crate::origin::check(request, &settings.origins)?;
    let Some(token) = &settings.admin_token else { return check_machine(request, settings) };
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = header.and_then(|value| value.split_once(' '));
    match given {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") && token.is(given.trim()) => Ok(()),
        Some(_) => {
            Err(Refusal::new(Reason::Unauthorized, "Authorization: not the token of admin.token_file"))
        }
        None => {
            Err(Refusal::new(Reason::Unauthorized, "Authorization: missing, expected Bearer and a token"))
        }
    }
}

fn check_machine(request: &HttpRequest, settings: &Settings) -> Result<(), Refusal> {
    let headers = request.headers();
    let is_passed_on = PASSED_ON.iter().any(|name| headers.contains_key(name));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_local = settings.listen.ip().is_loopback()
        && request.peer_addr().is_none_or(|peer| peer.ip().is_loopback())
        && host.is_none_or(is_asked_as_this_machine);
    if is_local && !is_passed_on {
        return Ok(());
    }
    let detail = "the console answers this machine alone, under its own name, unless admin.token_file is set";
    Err(Refusal::new(Reason::Forbidden, detail))
}
