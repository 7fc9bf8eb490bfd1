//! Rooms of a session, changed from beside its stream.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use tricast_feed::{Reason, Room, RoomSet};
use tricast_hub::SessionError;
use tricast_wire::Fault;
use tricast_wire::publish::{parse_rooms, read_object};

use crate::ctx::Ctx;
use crate::problem::Refusal;
use crate::publish::read_body;
use crate::query::{Query, namespace, session_in_path};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    join: Vec<String>,
    #[serde(default)]
    leave: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    rooms: Vec<String>,
}

/// `PATCH …/rooms`.
pub(crate) async fn change(
    request: HttpRequest,
    payload: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let (namespace, session) = addressed(&request, &ctx)?;
    let body = read_body(&request, payload, ctx.settings.body_bytes_max).await?;
    let change: Change = read_object("body", text_of(&body)?)?;
    let rooms_max = ctx.settings.publish.rooms_max;
    let join = rooms("join", &change.join, rooms_max)?;
    let leave = rooms("leave", &change.leave, rooms_max)?;
    let list = |rooms: &RoomSet| rooms.iter().cloned().collect::<Vec<_>>();
    answer(ctx.hub.shared().change_rooms(&namespace, session, &list(&join), &list(&leave), rooms_max))
}

/// `PUT …/rooms`.
pub(crate) async fn replace(
    request: HttpRequest,
    payload: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let (namespace, session) = addressed(&request, &ctx)?;
    let body = read_body(&request, payload, ctx.settings.body_bytes_max).await?;
    let replacement: Replacement = read_object("body", text_of(&body)?)?;
    let rooms_max = ctx.settings.publish.rooms_max;
    let rooms = rooms("rooms", &replacement.rooms, rooms_max)?;
    answer(ctx.hub.shared().replace_rooms(&namespace, session, &rooms, rooms_max))
}

fn text_of(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|error| Refusal::bad("body", format!("not UTF-8: {error}")))
}

fn addressed(
    request: &HttpRequest,
    ctx: &Ctx,
) -> Result<(tricast_feed::Namespace, tricast_feed::SessionId), Refusal> {
    crate::origin::check(request, &ctx.settings.origins)?;
    Query::read(request, &[])?;
    let namespace = namespace(request)?;
    ctx.hub.shared().feeds.find(&namespace)?;
    Ok((namespace, session_in_path(request)?))
}

fn rooms(field: &str, names: &[String], rooms_max: usize) -> Result<RoomSet, Refusal> {
    parse_rooms(names.iter().map(String::as_str), rooms_max).map_err(|mut fault| {
        fault.field = fault.field.map(|path| path.replacen("rooms", field, 1));
        fault.into()
    })
}

fn answer(changed: Result<Vec<Room>, SessionError>) -> Result<HttpResponse, Refusal> {
    let fields = rooms_field(changed)?;
    let body = format!("{{{}}}", fields.trim_start_matches(','));
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("cache-control", "no-store"))
        .body(body))
}

/// `,"rooms":["a","b"]`: the rooms that a session has now.
pub(crate) fn rooms_field(changed: Result<Vec<Room>, SessionError>) -> Result<String, Fault> {
    let rooms = changed.map_err(fault_of)?;
    let names: Vec<String> = rooms.iter().map(|room| format!("\"{room}\"")).collect();
    Ok(format!(",\"rooms\":[{}]", names.join(",")))
}

/// What a client is told that asked for a change of a session.
pub(crate) fn fault_of(error: SessionError) -> Fault {
    match error {
        SessionError::Unknown => {
            let detail = "there is no such session, or no longer".to_owned();
            Fault { reason: Reason::NotFound, field: Some("session".to_owned()), detail }
        }
        SessionError::TooManyRooms => Fault::bad("rooms", "more than limits.rooms_max"),
    }
}
