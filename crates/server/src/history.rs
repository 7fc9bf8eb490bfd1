//! Pages of history, and what a namespace looks like.

use actix_web::{HttpRequest, HttpResponse};
use tricast_feed::{After, Cursor, Gap, Interest, Offset, ReadLimit, Reason, StartState};
use tricast_hub::Way;
use tricast_wire::notice::{Notice, Sync};
use tricast_wire::{poll, text};

use crate::ctx::Ctx;
use crate::problem::Refusal;
use crate::query::{Query, namespace};

const LIMIT: std::ops::RangeInclusive<u64> = 1..=1000;
const LIMIT_DEFAULT: u64 = 100;

/// `GET /v1/feeds/{namespace}/events`.
pub(crate) async fn page(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    crate::origin::check(&request, &ctx.settings.origins)?;
    let query = Query::read(&request, &["after", "limit", "rooms"])?;
    let feed = ctx.hub.shared().feeds.find(&namespace(&request)?)?;
    let after = query.after(After::Earliest)?;
    let rooms = query.rooms(ctx.settings.publish.rooms_max)?;
    let interest = Interest { rooms, ..Interest::everything() };
    let limit = ReadLimit {
        events: query.number("limit", LIMIT, LIMIT_DEFAULT)? as usize,
        bytes: ctx.settings.body_bytes_max.max(1 << 20),
    };
    let (start, read, last) = feed.page(after, &interest, limit);
    let pieces: Vec<_> = read.entries.iter().map(|entry| entry.payload.json()).collect();
    let cursor = Cursor { epoch: feed.epoch(), offset: read.upto };
    let was_reset = matches!(start.state, StartState::Reset { .. });
    let sync = was_reset.then(|| Sync {
        session: None,
        cursor: Cursor { epoch: feed.epoch(), offset: start.offset },
        state: start.state,
        beat_secs: ctx.hub.shared().limits.beat_secs,
    });
    let notice = |gap: &Gap| Notice::Gap {
        from: gap.from,
        to: Cursor { epoch: feed.epoch(), offset: gap.to },
        reason: gap.reason,
    };
    let gaps: Vec<Notice> = read.gaps.iter().map(notice).collect();
    let pieces = pieces.iter().map(AsRef::as_ref);
    let body = poll::history(sync.as_ref(), pieces, &gaps, cursor, read.upto < last);
    Ok(json(body))
}

/// `GET /v1/feeds/{namespace}/events/{id}`: one event, as long as it is retained.
pub(crate) async fn event(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    crate::origin::check(&request, &ctx.settings.origins)?;
    let query = Query::read(&request, &["debug"])?;
    let feed = ctx.hub.shared().feeds.find(&namespace(&request)?)?;
    let id = text::parse_cursor(request.match_info().get("id").unwrap_or_default());
    let id = id.map_err(|fault| fault.within("id"))?;
    if let Some(session) = query.text("debug") {
        return crate::balance::explain(&ctx, feed.namespace(), id, session).await;
    }
    let missing = || Refusal::new(Reason::NotFound, "id: there is no such event, or no longer");
    let before =
        id.offset.0.checked_sub(1).map(Offset).filter(|_| id.epoch == feed.epoch()).ok_or_else(missing)?;
    let read =
        feed.read(before, id.offset, &Interest::everything(), ReadLimit { events: 1, bytes: usize::MAX });
    let found = read.entries.first().filter(|entry| entry.offset == id.offset).ok_or_else(missing)?;
    Ok(json(found.payload.json()))
}

/// `GET /v1/feeds/{namespace}`.
pub(crate) async fn state(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    crate::origin::check(&request, &ctx.settings.origins)?;
    Query::read(&request, &[])?;
    let feed = ctx.hub.shared().feeds.find(&namespace(&request)?)?;
    let state = feed.state();
    let subscribers: Vec<String> = Way::ALL
        .iter()
        .zip(state.subscribers)
        .map(|(way, count)| format!("\"{}\":{count}", way.name()))
        .collect();
    Ok(json(format!(
        "{{\"namespace\":\"{}\",\"epoch\":\"{}\",\"first\":{},\"last\":{},\"cursor\":\"{}\",\"events\":{},\"bytes\":{},\
         \"subscribers\":{{{}}}}}",
        feed.namespace(),
        feed.epoch(),
        state.first,
        state.cursor.offset,
        text::cursor(state.cursor),
        state.events,
        state.bytes,
        subscribers.join(",")
    )))
}

pub(crate) fn json(body: impl actix_web::body::MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("cache-control", "no-store"))
        .body(body)
}
