//! axum's own SSE and WebSocket on one thread, with one broadcast channel, as its examples show them.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::sync::broadcast;
use tricast_peers::{CHANNEL_EVENTS, listen};

type Events = broadcast::Sender<String>;

async fn publish(State(events): State<Events>, body: String) -> StatusCode {
    // Nobody may be there, which is fine.
    let _nobody = events.send(body);
    StatusCode::NO_CONTENT
}

async fn sse(State(events): State<Events>) -> impl IntoResponse {
    let mut events = events.subscribe();
    Sse::new(async_stream::stream! {
        while let Ok(event) = events.recv().await {
            yield Ok::<_, Infallible>(Event::default().data(event));
        }
    })
}

async fn websocket(upgrade: WebSocketUpgrade, State(events): State<Events>) -> impl IntoResponse {
    upgrade.on_upgrade(move |socket| carry(socket, events.subscribe()))
}

async fn carry(mut socket: WebSocket, mut events: broadcast::Receiver<String>) {
    loop {
        tokio::select! {
            event = events.recv() => {
                let Ok(event) = event else { break };
                if socket.send(Message::Text(event.into())).await.is_err() { break }
            }
            message = socket.recv() => if !matches!(message, Some(Ok(_))) { break },
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let router = Router::new()
        .route("/publish", post(publish))
        .route("/sse", get(sse))
        .route("/ws", get(websocket))
        .with_state(Events::new(CHANNEL_EVENTS));
    let listener = tokio::net::TcpListener::from_std(listen()?)?;
    let listener = listener.tap_io(|socket| {
        // A socket that cannot be set up fails at its first write.
        let _set = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await
}
