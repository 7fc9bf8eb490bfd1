//! The textbook server: actix-web and actix-ws as their documents show them, one worker, one broadcast channel, and a
//! task or a stream for each subscriber. Its long poll keeps the last events in a list and wakes every request.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, rt, web};
use actix_ws::Message;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::value::RawValue;
use tokio::sync::{broadcast, watch};
use tricast_peers::{CHANNEL_EVENTS, listen};

/// The one feed. There is one worker, so a cell is enough for the history.
struct Feed {
    events: broadcast::Sender<Bytes>,
    last: watch::Sender<u64>,
}

thread_local! {
    static HISTORY: RefCell<VecDeque<(u64, Bytes)>> = const { RefCell::new(VecDeque::new()) };
}

async fn publish(feed: web::Data<Feed>, body: Bytes) -> impl Responder {
    let number = *feed.last.borrow() + 1;
    HISTORY.with_borrow_mut(|history| {
        history.push_back((number, body.clone()));
        if history.len() > CHANNEL_EVENTS {
            history.pop_front();
        }
    });
    // Nobody may be there, which is fine.
    let _nobody = feed.events.send(body);
    feed.last.send_replace(number);
    HttpResponse::NoContent()
}

async fn sse(feed: web::Data<Feed>) -> impl Responder {
    let mut events = feed.events.subscribe();
    let stream = async_stream::stream! {
        while let Ok(event) = events.recv().await {
            let text = [b"data: ".as_slice(), &event, b"\n\n"].concat();
            yield Ok::<_, Infallible>(Bytes::from(text));
        }
    };
    HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(stream))
}

async fn websocket(
    request: HttpRequest,
    body: web::Payload,
    feed: web::Data<Feed>,
) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    let mut events = feed.events.subscribe();
    rt::spawn(async move {
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(text) = event.ok().and_then(|event| String::from_utf8(event.to_vec()).ok()) else { break };
                    if session.text(text).await.is_err() { break }
                }
                message = messages.next() => match message {
                    Some(Ok(Message::Ping(bytes))) => if session.pong(&bytes).await.is_err() { break },
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
            }
        }
    });
    Ok(response)
}

/// `/poll?after=7` answers `{"last":9,"events":[…]}`; without `after` it waits for the next event.
async fn poll(feed: web::Data<Feed>, query: web::Query<Vec<(String, u64)>>) -> impl Responder {
    let mut last = feed.last.subscribe();
    let after = query.iter().find(|(name, _)| name == "after").map_or(*last.borrow(), |(_, after)| *after);
    let closed = last.wait_for(|last| *last > after).await.is_err();
    if closed {
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Ok().content_type("application/json").body(answer(after))
}

fn answer(after: u64) -> String {
    HISTORY.with_borrow(|history| {
        let pending = history.iter().filter(|(number, _)| *number > after);
        let last = history.back().map_or(after, |(number, _)| *number);
        let events: Vec<&RawValue> =
            pending.filter_map(|(_, body)| serde_json::from_slice(body).ok()).collect();
        format!("{{\"last\":{last},\"events\":{}}}", serde_json::to_string(&events).unwrap_or_default())
    })
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let feed =
        web::Data::new(Feed { events: broadcast::Sender::new(CHANNEL_EVENTS), last: watch::Sender::new(0) });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(feed.clone())
            .route("/publish", web::post().to(publish))
            .route("/sse", web::get().to(sse))
            .route("/ws", web::get().to(websocket))
            .route("/poll", web::get().to(poll))
    });
    server.workers(1).keep_alive(actix_web::http::KeepAlive::Os).listen(listen()?)?.run().await
}
