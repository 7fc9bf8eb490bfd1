//! Server-Sent Events: one response that does not end.

use std::convert::Infallible;

use actix_web::http::Version;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use tricast_hub::Way;

use crate::ctx::Ctx;
use crate::net::native::Native;
use crate::net::owned::Role;
use crate::problem::Refusal;
use crate::query::{Query, parse_after};
use crate::transport::{COMMON, unbuffered, wish};

const MEDIA_TYPE: &str = "text/event-stream";

pub(crate) async fn sse(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    let mut wish = wish(&request, &ctx, Way::Sse, &Query::read(&request, &COMMON)?)?;
    // A browser that comes back by itself repeats the address and adds this header: the header is the newer one.
    if let Some(last) = request.headers().get("last-event-id").filter(|last| !last.is_empty()) {
        let last = last.to_str().map_err(|_| Refusal::bad("Last-Event-ID", "not ASCII"))?;
        wish.after = parse_after("Last-Event-ID", last)?;
    }
    // The hub's events are chunks already, made once for everybody. HTTP/1.0 knows none: there the body ends with the
    // connection (RFC 9112, section 6.3). Later versions of HTTP have frames of their own.
    wish.is_chunked = request.version() == Version::HTTP_11;
    if let Some(native) = Native::of(&request) {
        native.open(&ctx.hub, &wish, || Role::Events(0))?;
        let mut response = head().insert_header((TRANSFER_ENCODING, "chunked")).finish();
        response.head_mut().no_chunking(true);
        return Ok(response);
    }
    let stream = ctx.hub.open(&wish)?;
    let mut response = head();
    if wish.is_chunked {
        response.insert_header((TRANSFER_ENCODING, "chunked"));
    } else {
        response.force_close();
    }
    let mut response = response.streaming(stream.map(Ok::<_, Infallible>));
    response.head_mut().no_chunking(true);
    Ok(response)
}

/// The same head and nothing more, for `HEAD`.
pub(crate) async fn sse_head(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    let wish = wish(&request, &ctx, Way::Sse, &Query::read(&request, &COMMON)?)?;
    ctx.hub.shared().feeds.find(&wish.namespace)?;
    Ok(head().finish())
}

fn head() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    unbuffered(&mut response).content_type(MEDIA_TYPE);
    response
}
