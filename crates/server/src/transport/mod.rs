//! The three transports. None of them knows another: each is a file here, an encoding in `tricast-wire` and a line
//! among the routes.

pub(crate) mod poll;
pub(crate) mod sse;
pub(crate) mod voice;
pub(crate) mod ws;

use std::ops::RangeInclusive;

use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::{HttpRequest, HttpResponseBuilder};
use tricast_feed::After;
use tricast_hub::{Way, Wish};

use crate::ctx::Ctx;
use crate::problem::Refusal;
use crate::query::{Query, namespace};

/// The parameters that all three transports know.
pub(crate) const COMMON: [&str; 6] = ["rooms", "after", "session", "label", "rate", "turn"];

/// Deliveries a second that a subscriber may ask for as its most.
const RATE: RangeInclusive<u64> = 1..=100;

/// Numbers of connections: those that JSON's parsers agree on (RFC 8259, section 6).
const TURN: RangeInclusive<u64> = 0..=(1 << 53);

/// Reads what a client asks for.
pub(crate) fn wish(request: &HttpRequest, ctx: &Ctx, way: Way, query: &Query) -> Result<Wish, Refusal> {
    crate::origin::check(request, &ctx.settings.origins)?;
    Ok(Wish {
        namespace: namespace(request)?,
        way,
        is_chunked: false,
        after: query.after(After::Tip)?,
        rooms: query.rooms(ctx.settings.publish.rooms_max)?,
        session: query.session()?,
        label: query.label()?,
        rate: query.optional("rate", RATE)?.map(|rate| rate as u32),
        turn: query.optional("turn", TURN)?,
    })
}

/// What every answer of a transport carries, so that no cache keeps it and no proxy holds it back.
pub(crate) const UNBUFFERED: [(HeaderName, &str); 2] =
    [(CACHE_CONTROL, "no-store, no-transform"), (HeaderName::from_static("x-accel-buffering"), "no")];

/// Puts those headers on an answer.
pub(crate) fn unbuffered(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    UNBUFFERED.into_iter().for_each(|header| {
        response.insert_header(header);
    });
    response
}
