//! Publishing over HTTP.

use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use tricast_feed::Reason;
use tricast_hub::{Appended, Batch, IdempotencyKey};
use tricast_wire::problem::Problem;
use tricast_wire::publish::{BodyForm, parse};
use tricast_wire::text;

use crate::ctx::Ctx;
use crate::problem::Refusal;
use crate::query::{Query, namespace};

pub(crate) async fn publish(
    request: HttpRequest,
    payload: Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    crate::origin::check(&request, &ctx.settings.origins)?;
    Query::read(&request, &[])?;
    let namespace = namespace(&request)?;
    let form = body_form(&request)?;
    let idempotency = idempotency_key(&request)?;
    let body = read_body(&request, payload, ctx.settings.body_bytes_max).await?;
    let drafts = parse(&body, form, ctx.settings.publish)?;
    let batch = Batch { drafts, idempotency };
    let appended = ctx.hub.shared().publish(&namespace, batch).await.map_err(refused)?;
    Ok(created(&request, &appended))
}

/// A reused key is a fault in the request's meaning, not in its form (RFC 9110, section 15.5.21).
fn refused(fault: tricast_wire::Fault) -> Refusal {
    let reused = fault.field.as_deref() == Some("Idempotency-Key");
    let problem = Problem::from(fault);
    Refusal(if reused { problem.with_status(422) } else { problem })
}

fn created(request: &HttpRequest, appended: &Appended) -> HttpResponse {
    let ids: Vec<String> = appended.ids().map(text::cursor).collect();
    let mut response = HttpResponse::Created();
    response.content_type("application/json").insert_header(("cache-control", "no-store"));
    if let [id] = ids.as_slice() {
        response.insert_header((LOCATION, format!("{}/{id}", request.path())));
    }
    let events: Vec<String> = ids.iter().map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
    response.body(format!("{{\"events\":[{}]{}}}", events.join(","), durability_field(appended)))
}

/// What an answer to a publish says of its events being kept: a field with a leading comma, or nothing.
pub(crate) fn durability_field(appended: &Appended) -> String {
    appended.durability.map_or_else(String::new, |kept| format!(",\"durability\":\"{}\"", kept.name()))
}

/// Without a media type a body is taken for JSON: `curl -d` users will thank us, and a browser's form cannot pass the
/// check of the origin anyway.
fn body_form(request: &HttpRequest) -> Result<BodyForm, Refusal> {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return Ok(BodyForm::Json) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" | "application/x-www-form-urlencoded" | "" => Ok(BodyForm::Json),
        "application/x-ndjson" | "application/jsonl" => Ok(BodyForm::Lines),
        _ => {
            let detail = "Content-Type: expected application/json or application/x-ndjson";
            Err(Refusal(Problem::new(Reason::BadRequest, detail).with_status(415)))
        }
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Refusal> {
    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::bad("Idempotency-Key", "given twice"));
    }
    let key = value.to_str().ok().and_then(IdempotencyKey::new);
    let detail = "expected 1 to 255 visible ASCII characters";
    key.map(Some).ok_or_else(|| Refusal::bad("Idempotency-Key", detail))
}

/// Reads a body up to a size; more is refused as soon as it is declared or comes.
pub(crate) async fn read_body(
    request: &HttpRequest,
    mut payload: Payload,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
    let too_large =
        || Refusal::new(Reason::TooLarge, format!("body: more than limits.body_bytes, {bytes_max}"));
    let declared =
        request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > bytes_max) {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(declared.unwrap_or(0).min(BODY_RESERVE_BYTES));
    let deadline = tokio::time::Instant::now() + BODY_WAIT_MAX;
    let too_slow = |_| {
        let detail = format!("body: it did not come within {} seconds", BODY_WAIT_MAX.as_secs());
        Refusal(Problem::new(Reason::BadRequest, detail).with_status(408))
    };
    while let Some(bytes) = tokio::time::timeout_at(deadline, payload.next()).await.map_err(too_slow)? {
        let bytes = bytes.map_err(|error| Refusal::bad("body", error))?;
        if body.len() + bytes.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Bytes::from(body))
}

/// How long a body may take to come.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Memory that is set aside because a header asks for it; the rest when it comes.
const BODY_RESERVE_BYTES: usize = 64 << 10;
