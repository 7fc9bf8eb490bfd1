//! WebSocket: frames both ways on a connection that was an HTTP request.
//!
//! `actix-ws` shakes hands. Then the connection moves to this worker's table, or, where it cannot, the frames are the
//! body of the response. Outwards the hub's frames go as they are, already encoded and joined; inwards our own reader
//! refuses a frame from its header.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use actix_web::http::{ConnectionType, Version};
use actix_web::web::Bytes;
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, ResponseError as _, rt, web};
use futures::StreamExt as _;
use tricast_feed::Reason;
use tricast_hub::{Handle, Way};
use tricast_wire::problem::Problem;
use tricast_wire::ws::{FrameFault, FrameReader, Incoming, close_frame, pong_frame};

use crate::ctx::Ctx;
use crate::net::native::Native;
use crate::net::owned::{Role, Talk};
use crate::problem::Refusal;
use crate::query::Query;
use crate::transport::voice::{Voice, echo};
use crate::transport::{COMMON, UNBUFFERED, wish};

const SUBPROTOCOL: &str = "tricast.v1";

/// The version of the WebSocket protocol (RFC 6455, section 4.1).
const VERSION: &str = "13";

pub(crate) async fn ws(
    request: HttpRequest,
    payload: web::Payload,
    ctx: Ctx,
) -> Result<HttpResponse, Refusal> {
    let wish = wish(&request, &ctx, Way::Ws, &Query::read(&request, &COMMON)?)?;
    if is_another_version(&request) {
        return Ok(upgrade_required());
    }
    let mut response = shake_hands(&request).await?;
    for (name, value) in UNBUFFERED {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Some(native) = Native::of(&request) {
        let talk = || Role::Frames(Box::new(Talk::new(wish.namespace.clone())));
        native.open(&ctx.hub, &wish, talk)?;
        return Ok(response);
    }
    let stream = ctx.hub.open(&wish)?;
    let inbound = Inbound {
        handle: stream.handle(),
        voice: Voice {
            shared: Arc::clone(ctx.hub.shared()),
            namespace: wish.namespace,
            session: stream.session(),
            limits: ctx.settings.publish,
        },
    };
    rt::spawn(inbound.read(payload, FrameReader::new(ctx.settings.message_bytes_max)));
    Ok(response.set_body(BoxBody::new(BodyStream::new(stream.map(Ok::<_, Infallible>)))))
}

/// Whether a WebSocket is asked for in another version than ours, or in none.
fn is_another_version(request: &HttpRequest) -> bool {
    let values = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let mut protocols = values("upgrade").flat_map(|value| value.split(',')).map(str::trim);
    let mut versions = values("sec-websocket-version").map(str::trim);
    protocols.any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
        && !versions.any(|version| version == VERSION)
}

/// Tells which version is spoken (RFC 6455, section 4.4; RFC 9110, section 15.5.22).
fn upgrade_required() -> HttpResponse {
    let detail = format!("Sec-WebSocket-Version: only {VERSION} is spoken here");
    let mut response = Refusal(Problem::new(Reason::BadRequest, detail).with_status(426)).error_response();
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.head_mut().set_connection_type(ConnectionType::Upgrade);
    response
}

/// Checks the upgrade request (RFC 6455, section 4.2) and gives the head of the answer.
async fn shake_hands(request: &HttpRequest) -> Result<HttpResponse, Refusal> {
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::bad("Upgrade", "a WebSocket needs HTTP/1.1"));
    }
    // The payload stays with us: actix-ws gets an empty one.
    let nothing = web::Payload::from_request(request, &mut Payload::None).await;
    let nothing = nothing.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    let shaken = actix_ws::handle_with_protocols(request, nothing, &[SUBPROTOCOL]);
    shaken.map(|(response, ..)| response).map_err(|error| Refusal::bad("Upgrade", error))
}

/// The direction from the client. It ends with the connection, or by ending the stream.
///
/// Its inputs: the request's payload, and room in the stream for answers.
struct Inbound {
    handle: Handle,
    voice: Voice,
}

impl Inbound {
    async fn read(self, mut payload: web::Payload, mut reader: FrameReader) {
        while let Some(Ok(bytes)) = payload.next().await {
            self.handle.heard();
            if let Err(last) = self.take(&bytes, &mut reader).await {
                return self.handle.end_with(last);
            }
        }
        // The client has gone, or has half-closed, which means the same here.
        self.handle.end_with(Bytes::new());
    }

    /// Takes what a read brought. Fails with the close frame that ends the stream.
    async fn take(&self, bytes: &Bytes, reader: &mut FrameReader) -> Result<(), Bytes> {
        let mut input = bytes.as_ref();
        loop {
            match reader.next(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(Incoming::Text(text))) if self.handle.room().await => {
                    self.handle.reply(self.voice.obey(&text).await);
                }
                // The stream ends: what the client still asks for is not done.
                Ok(Some(Incoming::Text(_))) => return Err(Bytes::new()),
                Ok(Some(Incoming::Ping(payload))) => self.handle.pong(pong_frame(&payload)),
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Close(code))) => return Err(echo(code)),
                Err(FrameFault { code, detail }) => return Err(Bytes::from(close_frame(code, detail))),
            }
        }
    }
}
