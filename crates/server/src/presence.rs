//! Who is there.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use tricast_feed::Room;
use tricast_hub::{Present, Way};
use tricast_wire::text;

use crate::ctx::Ctx;
use crate::history::json;
use crate::problem::Refusal;
use crate::query::{Query, namespace};

const LIMIT: std::ops::RangeInclusive<u64> = 0..=10_000;
const LIMIT_DEFAULT: u64 = 1000;

/// `GET /v1/feeds/{namespace}/presence`.
pub(crate) async fn presence(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    crate::origin::check(&request, &ctx.settings.origins)?;
    let query = Query::read(&request, &["room", "limit"])?;
    let room = query.text("room").map(Room::new).transpose().map_err(|error| Refusal::bad("room", error))?;
    let limit = query.number("limit", LIMIT, LIMIT_DEFAULT)? as usize;
    let found = ctx.hub.shared().attendance(&namespace(&request)?, room.as_ref(), limit)?;
    let member = |present: &Present| {
        json!({
            "member": text::member(present.member),
            "transport": present.way.map(Way::name),
            "since": text::time(present.since),
        })
    };
    let members: Vec<_> = found.members.iter().map(member).collect();
    Ok(json(json!({ "count": found.count, "members": members }).to_string()))
}
