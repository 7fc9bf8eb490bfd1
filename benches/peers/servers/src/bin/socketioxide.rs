//! socketioxide on axum, one thread, WebSocket: every event to every client.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use tricast_peers::{CHANNEL_EVENTS, listen};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (layer, io) = SocketIo::builder().max_buffer_size(CHANNEL_EVENTS).build_layer();
    io.ns("/", async |_socket: SocketRef| {});
    let publish = async move |body: String| match serde_json::from_str::<Value>(&body) {
        Ok(event) => match io.emit("event", &event).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        },
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let router = Router::new().route("/publish", post(publish)).layer(layer);
    let listener = tokio::net::TcpListener::from_std(listen()?)?;
    let listener = listener.tap_io(|socket| {
        // A socket that cannot be set up fails at its first write.
        let _set = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await
}
