//! WebSocket: one connection, one text frame a message.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tricast_wire::decode::{Message, Reason};

use super::{Batch, Dial, refusal};
use crate::Way;
use crate::core::Attempt;
use crate::error::{Failure, Refusal};

/// The read buffer of a connection. The library's own default is 128 KiB, which is more than a client of a feed of
/// notifications ever needs.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// The write buffer of a connection: pongs and a close frame.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// What the write buffer may grow to while the peer does not read.
const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How long the good-bye may take.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// An open WebSocket.
pub(crate) struct WsLine {
    socket: WebSocketStream<TcpStream>,
}

impl WsLine {
    pub(crate) async fn open(dial: &Dial, attempt: &Attempt) -> Result<Self, Failure> {
        let url = dial.subscribe(Way::Ws, attempt.after, attempt.session.as_deref(), attempt.turn);
        let stream = connect(&url).await.map_err(|error| Failure::Unreachable(error.to_string()))?;
        // "http" and "ws" differ in name only: the handshake is a request like any other (RFC 6455, section 1.3).
        let address = format!("ws{}", url.as_str().trim_start_matches("http"));
        let request = address.into_client_request().map_err(failure)?;
        let (socket, _) = client_async_with_config(request, stream, Some(config(dial.event_bytes_max)))
            .await
            .map_err(failure)?;
        Ok(Self { socket })
    }

    pub(crate) async fn read(&mut self) -> Result<Batch, Failure> {
        let frame = self.socket.next().await.ok_or_else(|| Failure::Broken("the socket ended".to_owned()))?;
        match frame.map_err(failure)? {
            Frame::Text(text) => {
                let message =
                    Message::from_ws(&text).map_err(|error| Failure::Unreadable(error.to_string()))?;
                Ok(Batch { messages: vec![message], ..Batch::default() })
            }
            Frame::Close(frame) => Err(closed(frame.as_ref())),
            // Any byte is a sign of life. The library answers pings by itself at the next read.
            Frame::Ping(_) | Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_) => Ok(Batch::default()),
        }
    }

    pub(crate) async fn close(mut self) {
        // The connection is given up either way, so how the good-bye fares does not matter.
        let _ = tokio::time::timeout(CLOSE_WAIT, self.socket.send(Frame::Close(None))).await;
    }
}

async fn connect(url: &url::Url) -> std::io::Result<TcpStream> {
    let host = url.host_str().unwrap_or_default();
    let stream = TcpStream::connect(format!("{host}:{}", url.port_or_known_default().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn config(event_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(event_bytes_max))
        .max_frame_size(Some(event_bytes_max))
}

/// A close frame is judged by its code: the notice before it, where there was one, has told more.
fn closed(frame: Option<&CloseFrame>) -> Failure {
    let Some(frame) = frame else { return Failure::Broken("the socket was closed".to_owned()) };
    let code = u16::from(frame.code);
    match Reason::from_close_code(code) {
        Some(reason) => {
            let detail = Some(frame.reason.to_string()).filter(|text| !text.is_empty());
            Failure::Refused(Refusal { detail, ..Refusal::of(reason) })
        }
        None => Failure::Broken(format!("the socket was closed with code {code}")),
    }
}

fn failure(error: WsError) -> Failure {
    match error {
        WsError::Http(response) => {
            let retry_after = refusal::retry_after(response.headers());
            let body = response.body().as_deref().unwrap_or_default();
            refusal::judge(response.status().as_u16(), retry_after, body)
        }
        WsError::Capacity(_) => Failure::Unreadable(error.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}
