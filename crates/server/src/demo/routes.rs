//! The demo's HTTP API under `/demo`. It is for the page alone and no part of the protocol.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};
use serde::Serialize;
use serde_json::{Map, Value};
use tricast_feed::{Label, Reason};
use tricast_wire::Fault;

use super::Desk;
use super::view::WireAnswer;
use crate::ctx::Ctx;
use crate::problem::{Refusal, wrong_method};
use crate::publish::read_body;
use crate::query::Query;

/// The longest body that a route reads, in bytes.
const BODY_BYTES_MAX: usize = 4096;

/// The longest cut, in milliseconds.
const CUT_MS_MAX: u64 = 60_000;

/// The longest that the server stays away, in milliseconds.
const AWAY_MS_MAX: u64 = 30_000;

/// Adds the demo's routes, which all work on this desk.
pub(crate) fn configure(routes: &mut ServiceConfig, desk: Arc<Desk>) {
    let desk = Data::from(desk);
    super::textbook::configure(routes, desk.clone());
    let scope = web::scope("/demo")
        .app_data(desk)
        .service(
            web::resource("/bots")
                .route(web::get().to(bots))
                .route(web::put().to(want_bots))
                .default_service(web::route().to(wrong_method("GET, PUT"))),
        )
        .service(at("/advice", "POST", web::post().to(advice)))
        .service(at("/state", "GET", web::get().to(state)))
        .service(at("/source", "PATCH", web::patch().to(change_source)))
        .service(at("/scene", "POST", web::post().to(begin_scene)))
        .service(at("/scene/{id}", "DELETE", web::delete().to(end_scene)))
        .service(at("/restart", "POST", web::post().to(restart)))
        .service(at("/lanes/{label}/cut", "POST", web::post().to(cut)))
        .service(at("/lanes/{label}/kill", "POST", web::post().to(kill)))
        .service(
            web::resource("/lanes/{label}/conditions")
                .route(web::get().to(conditions))
                .route(web::put().to(set_conditions))
                .default_service(web::route().to(wrong_method("GET, PUT"))),
        )
        .service(at("/lanes/{label}/wire", "GET", web::get().to(wire)));
    routes.service(scope);
}

/// A path with one route; every other method is refused.
fn at(path: &'static str, method: &'static str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::route().to(wrong_method(method)))
}

async fn state(desk: Data<Desk>, request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    Ok(json(&desk.state()))
}

async fn change_source(
    desk: Data<Desk>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let query = allow(&request, &ctx, &["scene"])?;
    let body = read_body(&request, body, BODY_BYTES_MAX).await?;
    Ok(json(&desk.change(&body, query.text("scene"))?))
}

async fn begin_scene(
    desk: Data<Desk>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    let body = read_body(&request, body, BODY_BYTES_MAX).await?;
    Ok(json(&desk.stage.begin(&body)?))
}

async fn end_scene(
    desk: Data<Desk>,
    id: Path<String>,
    request: HttpRequest,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    desk.stage.end(&id)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restart(
    desk: Data<Desk>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    let away = length(&read_body(&request, body, BODY_BYTES_MAX).await?, AWAY_MS_MAX)?;
    desk.power.restart(away);
    Ok(HttpResponse::Accepted().finish())
}

async fn cut(
    desk: Data<Desk>,
    label: Path<String>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    let label = checked(&label)?;
    let length = length(&read_body(&request, body, BODY_BYTES_MAX).await?, CUT_MS_MAX)?;
    desk.network.cut(label.as_str(), length);
    Ok(HttpResponse::NoContent().finish())
}

async fn kill(
    desk: Data<Desk>,
    label: Path<String>,
    request: HttpRequest,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    desk.network.kill(checked(&label)?.as_str());
    Ok(HttpResponse::NoContent().finish())
}

async fn conditions(
    desk: Data<Desk>,
    label: Path<String>,
    request: HttpRequest,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    Ok(json(&desk.network.conditions(checked(&label)?.as_str())))
}

async fn set_conditions(
    desk: Data<Desk>,
    label: Path<String>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    let label = checked(&label)?;
    let body = read_body(&request, body, BODY_BYTES_MAX).await?;
    let set = desk.network.set_conditions(label.as_str(), &body);
    set.map_err(|wrong| Fault::bad("conditions", wrong))?;
    Ok(json(&desk.network.conditions(label.as_str())))
}

async fn bots(desk: Data<Desk>, request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &[])?;
    Ok(json(&desk.bots.state()))
}

async fn want_bots(
    desk: Data<Desk>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let query = allow(&request, &ctx, &["scene"])?;
    let max = desk.bots.state().max;
    let body = read_body(&request, body, BODY_BYTES_MAX).await?;
    let count = number(&body, "count", 0, max as u64)?;
    desk.stage.want_bots(usize::try_from(count).unwrap_or(max), query.text("scene"))?;
    Ok(json(&desk.bots.state()))
}

async fn advice(
    desk: Data<Desk>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let language = allow(&request, &ctx, &["lang"])?.text("lang").unwrap_or("en").to_owned();
    let body = read_body(&request, body, BODY_BYTES_MAX).await?;
    // The first question reads a stored run, which is no work for a thread that serves others.
    let answer = web::block(move || desk.adviser.advise(&body, &language)).await;
    let answer = answer.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    Ok(json(&answer.map_err(|wrong| Fault::bad("question", wrong))?))
}

async fn wire(
    desk: Data<Desk>,
    label: Path<String>,
    request: HttpRequest,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let since = allow(&request, &ctx, &["since"])?.number("since", 0..=u64::MAX, 0)?;
    let view = desk.network.wire(checked(&label)?.as_str(), since);
    let unknown = || Refusal::new(Reason::NotFound, "label: nothing has passed on such a lane");
    Ok(json(&WireAnswer::of(&view.ok_or_else(unknown)?, since)))
}

/// What every route checks first: no page of another site, no unknown parameter.
pub(super) fn allow(request: &HttpRequest, ctx: &Ctx, parameters: &[&str]) -> Result<Query, Refusal> {
    crate::origin::check(request, &ctx.settings.origins)?;
    Query::read(request, parameters)
}

fn checked(label: &str) -> Result<Label, Fault> {
    Label::new(label).map_err(|error| Fault::bad("label", error))
}

/// Reads `{"ms":<n>}`.
fn length(body: &[u8], ms_max: u64) -> Result<Duration, Fault> {
    number(body, "ms", 1, ms_max).map(Duration::from_millis)
}

/// Reads an object of one field, a whole number.
fn number(body: &[u8], name: &str, least: u64, most: u64) -> Result<u64, Fault> {
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Fault::bad("body", format!("not a JSON object: {error}")))?;
    if let Some(unknown) = fields.keys().find(|found| *found != name) {
        return Err(Fault::bad(unknown.as_str(), format!("there is no such field: expected {name}")));
    }
    let value = fields.get(name).and_then(Value::as_u64).filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| Fault::bad(name, format!("expected a whole number from {least} to {most}")))
}

fn json(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer)
}
