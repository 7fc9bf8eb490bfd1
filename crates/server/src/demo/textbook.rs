//! The textbook's server: what an hour with the documents gives, for comparison. It runs for real, beside ours, on the same
//! source: a broadcast channel that drops for whoever lags, streams without ids, a poll without a cursor.
//!
//! What it leaves out is left out on purpose: history, resume, heartbeats, rooms. Its events carry the source's number `n`,
//! so that whoever reads can count what never came.

use std::time::Duration;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Desk;
use super::routes::allow;
use crate::ctx::Ctx;
use crate::problem::Refusal;

/// Events that the channel holds for a reader that lags; what is older is dropped.
pub(super) const CHANNEL_EVENTS: usize = 64;

/// How long a poll waits for the next event.
const POLL_WAIT: Duration = Duration::from_secs(25);

/// Adds `/textbook/poll`, `/textbook/sse` and `/textbook/ws`.
pub(super) fn configure(routes: &mut ServiceConfig, desk: Data<Desk>) {
    let scope = web::scope("/textbook")
        .app_data(desk)
        .route("/poll", web::get().to(poll))
        .route("/sse", web::get().to(sse))
        .route("/ws", web::get().to(ws));
    routes.service(scope);
}

/// The next event, whatever was missed.
async fn poll(desk: Data<Desk>, request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &["label"])?;
    let mut events = desk.textbook.subscribe();
    Ok(match tokio::time::timeout(POLL_WAIT, next(&mut events)).await {
        Ok(Some(event)) => HttpResponse::Ok().content_type("application/json").body(event),
        _ => HttpResponse::NoContent().finish(),
    })
}

async fn sse(desk: Data<Desk>, request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    allow(&request, &ctx, &["label"])?;
    let events = desk.textbook.subscribe();
    let stream = futures::stream::unfold(events, async |mut events| {
        let event = next(&mut events).await?;
        let text = Bytes::from([b"data: ".as_slice(), &event, b"\n\n"].concat());
        Some((Ok::<_, std::convert::Infallible>(text), events))
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(stream)))
}

async fn ws(
    desk: Data<Desk>,
    request: HttpRequest,
    body: Payload,
    ctx: Ctx,
) -> actix_web::Result<HttpResponse> {
    allow(&request, &ctx, &["label"])?;
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    let mut events = desk.textbook.subscribe();
    actix_web::rt::spawn(async move {
        loop {
            tokio::select! {
                event = next(&mut events) => {
                    let Some(text) = event.and_then(|event| String::from_utf8(event.to_vec()).ok()) else { break };
                    if session.text(text).await.is_err() { break }
                }
                message = messages.next() => match message {
                    Some(Ok(actix_ws::Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
            }
        }
    });
    Ok(response)
}

/// The next event that the channel still has; it says nothing of those that it dropped.
async fn next(events: &mut broadcast::Receiver<Bytes>) -> Option<Bytes> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
