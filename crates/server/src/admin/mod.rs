//! The console's API under `/v1/admin`: what an operator sees of the server, and the one thing that it lets them do
//! beyond the protocol, which is to end a session.
//!
//! Nothing is kept for it: every answer is asked of the hub and its workers at that moment.
//!
//! Start reading at [`configure`]; [`access`] decides who may ask.

mod access;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};
use tricast_feed::{Cursor, Room};
use tricast_hub::{Choice, Connection, Feed, FeedState, Way};
use tricast_wire::text;

use crate::ctx::Ctx;
use crate::history::json;
use crate::metrics::House;
use crate::problem::{Refusal, wrong_method};
use crate::query::{Query, namespace};
use crate::sessions::fault_of;

const LIMIT: std::ops::RangeInclusive<u64> = 0..=1000;
const LIMIT_DEFAULT: u64 = 100;

/// Adds the routes.
pub(crate) fn configure(routes: &mut ServiceConfig) {
    let only = |allowed| web::route().to(wrong_method(allowed));
    let scope = web::scope("/v1/admin")
        .service(web::resource("/state").get(state).default_service(only("GET")))
        .service(web::resource("/feeds/{namespace}/rooms").get(rooms).default_service(only("GET")))
        .service(
            web::resource("/feeds/{namespace}/connections").get(connections).default_service(only("GET")),
        )
        .service(
            web::resource("/feeds/{namespace}/sessions/{session}")
                .delete(kick)
                .default_service(only("DELETE")),
        );
    routes.service(scope);
}

/// `GET /v1/admin/state`: the node, and its namespaces by name.
async fn state(request: HttpRequest, ctx: Ctx, house: House) -> Result<HttpResponse, Refusal> {
    access::check(&request, &ctx.settings)?;
    Query::read(&request, &[])?;
    let shared = ctx.hub.shared();
    let mut feeds = shared.feeds.all();
    feeds.sort_unstable_by(|one, other| one.namespace().cmp(other.namespace()));
    let namespaces: Vec<Value> = feeds.iter().map(|feed| seen(feed, &feed.state())).collect();
    let node = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_secs": house.started.elapsed().as_secs(),
        "workers": ctx.settings.workers,
        "connections": house.guests.here(),
        "connections_max": house.guests.most(),
        "sessions": shared.sessions(),
        "subscribers": shared.subscribers(),
        "deliveries": shared.deliveries(),
        "draining": shared.is_draining(),
    });
    Ok(json(json!({ "nodes": [node], "namespaces": namespaces }).to_string()))
}

fn seen(feed: &Feed, state: &FeedState) -> Value {
    let subscribers: Map<String, Value> = Way::ALL
        .iter()
        .zip(state.subscribers)
        .map(|(way, count)| (way.name().to_owned(), Value::from(count)))
        .collect();
    json!({
        "namespace": feed.namespace().as_str(),
        "cursor": text::cursor(Cursor { epoch: feed.epoch(), offset: state.cursor.offset }),
        "first": state.first.0,
        "events": state.events,
        "bytes": state.bytes,
        "published": state.published,
        "subscribers": subscribers,
    })
}

/// `GET /v1/admin/feeds/{namespace}/rooms`: the rooms in which somebody is, the largest first.
async fn rooms(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    access::check(&request, &ctx.settings)?;
    let query = Query::read(&request, &["limit"])?;
    let limit = query.number("limit", LIMIT, LIMIT_DEFAULT)? as usize;
    let found = ctx.hub.shared().rooms(&namespace(&request)?, limit).await?;
    let room = |(room, count): &(Room, usize)| json!({ "room": room.as_str(), "connections": count });
    let rooms: Vec<Value> = found.first.iter().map(room).collect();
    Ok(json(json!({ "count": found.count, "rooms": rooms }).to_string()))
}

/// `GET /v1/admin/feeds/{namespace}/connections`: those that lag most first.
async fn connections(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    access::check(&request, &ctx.settings)?;
    let query = Query::read(&request, &["limit", "room", "transport"])?;
    let choice = Choice {
        way: query.text("transport").map(way).transpose()?,
        room: query.text("room").map(Room::new).transpose().map_err(|error| Refusal::bad("room", error))?,
        limit: query.number("limit", LIMIT, LIMIT_DEFAULT)? as usize,
    };
    let found = ctx.hub.shared().connections(&namespace(&request)?, &choice).await?;
    let connections: Vec<Value> = found.first.iter().map(connection).collect();
    Ok(json(json!({ "count": found.count, "connections": connections }).to_string()))
}

fn way(name: &str) -> Result<Way, Refusal> {
    let found = Way::ALL.into_iter().find(|way| way.name() == name);
    found.ok_or_else(|| Refusal::bad("transport", "expected one of poll, sse, ws"))
}

fn connection(found: &Connection) -> Value {
    let rooms: Vec<&str> = found.rooms.iter().map(Room::as_str).collect();
    json!({
        "member": text::member(found.member),
        "transport": found.way.name(),
        "state": found.stance.name(),
        "since": text::time(found.since),
        "lag": found.lag,
        "rooms": rooms,
        "peer": found.link.and_then(|link| link.peer).map(|peer| peer.to_string()),
        "sent": found.link.map(|link| link.sent),
    })
}

/// `DELETE /v1/admin/feeds/{namespace}/sessions/{session}`: ends a session.
async fn kick(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    access::check(&request, &ctx.settings)?;
    Query::read(&request, &[])?;
    let namespace = namespace(&request)?;
    let named = request.match_info().get("session").unwrap_or_default();
    let member = text::parse_member(named).map_err(|fault| fault.within("session"))?;
    let shared = ctx.hub.shared();
    shared.feeds.find(&namespace)?;
    shared.kick(&namespace, member).map_err(fault_of)?;
    tracing::info!(%namespace, member = text::member(member), "kicked");
    Ok(HttpResponse::NoContent().insert_header(("cache-control", "no-store")).finish())
}
