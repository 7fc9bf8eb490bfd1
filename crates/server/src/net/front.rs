//! The door: looks at the first request of a connection, and sends the connection where it belongs.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BodySize, to_bytes_limited};
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::{HttpMessage as _, Method, Protocol, Request, Response, ServiceConfig, StatusCode, Version};
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use bytes::BytesMut;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::net::gate::GatedIo;
use crate::net::guests::Guest;
use crate::net::native::{Claim, Native};
use crate::net::owned::{Owned, Start};
use crate::net::refusal::late;
use crate::net::wire::Wire;

/// The longest head of a request that is looked at here; actix's dispatcher refuses longer ones.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Room made for each read.
const READ_BYTES: usize = 1024;

/// The longest body of an answer that is no stream: refusals are short.
const REFUSAL_BYTES_MAX: usize = 1 << 20;

/// Calls the application.
pub(crate) type App = Rc<dyn Fn(Request) -> LocalBoxFuture<'static, HttpResponse<BoxBody>>>;

/// Serves a connection by actix's dispatcher until it ends.
pub(crate) type Dispatcher = Rc<dyn Fn(GatedIo, Protocol, Option<SocketAddr>) -> LocalBoxFuture<'static, ()>>;

/// What a worker's connections are attended by.
pub(crate) struct Front {
    pub(crate) app: App,
    pub(crate) dispatcher: Dispatcher,
    /// Takes over streams and polls; nobody with `fanout.way = "body"`.
    pub(crate) owned: Option<Rc<Owned>>,
    pub(crate) config: ServiceConfig,
    pub(crate) request_timeout: Duration,
    /// Resolves when the server stops.
    pub(crate) stops: Rc<dyn Fn() -> LocalBoxFuture<'static, ()>>,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("owned", &self.owned.is_some()).finish_non_exhaustive()
    }
}

/// What came first on a connection.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// A whole head that asks for a stream or a poll.
    Stream,
    /// Anything else.
    Other,
    /// Nothing whole in time.
    Late,
    /// The client has gone, or the server stops.
    Gone,
    /// Not clear yet, and nobody waits for the rest.
    Unsettled,
}

/// A connection at the door, and what was read of it.
#[derive(Debug)]
struct Caller {
    wire: Wire,
    ahead: BytesMut,
    peer: Option<SocketAddr>,
}

impl Caller {
    /// Lets the runtime wait for this client.
    fn settled(self) -> Option<Self> {
        let Self { wire, ahead, peer } = self;
        wire.settled().ok().map(|wire| Self { wire, ahead, peer })
    }
}

impl Front {
    /// Attends a connection until it ends or moves.
    pub(crate) async fn attend(
        self: Rc<Self>,
        wire: Wire,
        ahead: BytesMut,
        peer: Option<SocketAddr>,
        guest: Guest,
    ) {
        let mut caller = Caller { wire, ahead, peer };
        let owned = self.owned.clone().filter(|_| !caller.wire.is_h2());
        let Some(owned) = owned else {
            self.dispatch(caller, false).await;
            return;
        };
        loop {
            let back = match self.first(&mut caller).await {
                First::Other => self.dispatch(caller, true).await,
                First::Late => return part(caller, &late()).await,
                First::Gone => return,
                First::Unsettled => caller.settled(),
                First::Stream => match self.call(&owned, &mut caller).await {
                    Called::Taken(claim, start) => {
                        return owned.attach(claim.moved(), caller.wire, guest, start, &caller.ahead);
                    }
                    Called::Refused { answer, goes_on: false } => return part(caller, &answer).await,
                    Called::Refused { answer, .. } => write_to(caller, &answer).await,
                    // It would come back to this door for ever.
                    Called::Strange => self.dispatch(caller, false).await,
                },
            };
            match back {
                Some(back) => caller = back,
                None => return,
            }
        }
    }

    /// Attends a client of whom nothing was read: at once, if its request is here, and answered without waiting for
    /// anybody, as most are.
    pub(crate) fn welcome(self: Rc<Self>, mut wire: Wire, peer: SocketAddr, guest: Guest) {
        let mut piece = [0; READ_BYTES];
        let ahead = match wire.read_now(&mut piece) {
            Some(Ok(0)) => return,
            Some(Ok(count)) => BytesMut::from(&piece[..count]),
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => match &self.owned {
                Some(owned) => return owned.await_request(wire, peer, guest),
                None => BytesMut::new(),
            },
            Some(Err(_)) => return,
            None => BytesMut::new(),
        };
        let mut attended = Box::pin(self.attend(wire, ahead, Some(peer), guest));
        if attended.as_mut().now_or_never().is_none() {
            actix_web::rt::spawn(attended);
        }
    }

    /// Has actix serve a connection. With `leaves` it gives it back when it asks for a stream.
    async fn dispatch(&self, caller: Caller, leaves: bool) -> Option<Caller> {
        let peer = caller.peer;
        let caller = caller.settled()?;
        let protocol = if caller.wire.is_h2() { Protocol::Http2 } else { Protocol::Http1 };
        let io = GatedIo::new(caller.wire, caller.ahead, leaves, self.request_timeout);
        let ledger = io.ledger();
        (self.dispatcher)(io, protocol, peer).await;
        ledger.left().map(|(wire, ahead)| Caller { wire, ahead, peer })
    }

    /// Reads until it is clear what came first.
    async fn first(&self, caller: &mut Caller) -> First {
        // Most clients have sent their request by now, and need neither a timer nor a notice of the end.
        if let Some(first) = read_first(caller).now_or_never() {
            return first;
        }
        tokio::select! {
            biased;
            first = read_first(caller) => first,
            () = tokio::time::sleep(self.request_timeout) => First::Late,
            () = (self.stops)() => First::Gone,
        }
    }

    /// Has the application answer the request that stands in front.
    async fn call(&self, owned: &Rc<Owned>, caller: &mut Caller) -> Called {
        let mut codec = Codec::new(self.config.clone());
        let mut read = caller.ahead.clone();
        let whole = read.len();
        let Ok(Some(Message::Item(mut request))) = codec.decode(&mut read) else { return Called::Strange };
        let has_body = codec.message_type() == MessageType::Payload;
        if has_body || request.version() != Version::HTTP_11 || request.method() != Method::GET {
            return Called::Strange;
        }
        let request_head = caller.ahead.split_to(whole - read.len()).freeze();
        request.head_mut().peer_addr = caller.peer;
        let native = Native::new(owned);
        request.extensions_mut().insert(native.clone());
        let response = (self.app)(request).await;
        match native.take() {
            Some(mut claim) if is_granted(response.status()) => {
                let answer_head = encode(&mut codec, response.drop_body(), BodySize::Stream);
                let opening = std::mem::take(&mut claim.opening);
                let closes = !codec.keep_alive();
                Called::Taken(claim, Start { request_head, answer_head, opening, closes })
            }
            _ => refuse(&mut codec, response).await,
        }
    }
}

async fn read_first(caller: &mut Caller) -> First {
    loop {
        // The gate decides by the same: they must never send a connection back and forth.
        if let Some(first) = first_of(&caller.ahead) {
            return first;
        }
        let mut piece = [0; READ_BYTES];
        match caller.wire.read_now(&mut piece) {
            Some(Ok(0)) => return First::Gone,
            Some(Ok(count)) => caller.ahead.extend_from_slice(&piece[..count]),
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return First::Unsettled,
            Some(Err(_)) => return First::Gone,
            None => {
                caller.ahead.reserve(READ_BYTES);
                if !matches!(caller.wire.read_buf(&mut caller.ahead).await, Ok(1..)) {
                    return First::Gone;
                }
            }
        }
    }
}

/// What became of a request.
enum Called {
    /// It was granted, and the handler has taken the connection.
    Taken(Claim, Start),
    /// It was answered in one piece.
    Refused { answer: BytesMut, goes_on: bool },
    /// It is none for this door after all.
    Strange,
}

fn is_granted(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS
}

/// The head of an answer, as the dispatcher would write it.
fn encode(codec: &mut Codec, response: HttpResponse<()>, size: BodySize) -> BytesMut {
    let mut head = BytesMut::with_capacity(512);
    // Writing into memory does not fail.
    let _ = codec.encode(Message::Item((Response::from(response), size)), &mut head);
    head
}

async fn refuse(codec: &mut Codec, response: HttpResponse<BoxBody>) -> Called {
    let (response, body) = response.into_parts();
    let body = to_bytes_limited(body, REFUSAL_BYTES_MAX).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let mut answer = encode(codec, response, BodySize::Sized(body.len() as u64));
    answer.extend_from_slice(&body);
    Called::Refused { answer, goes_on: codec.keep_alive() }
}

/// Writes to a client. Gives it back unless it has gone.
async fn write_to(caller: Caller, bytes: &[u8]) -> Option<Caller> {
    let mut caller = caller.settled()?;
    caller.wire.write_all(bytes).await.is_ok().then_some(caller)
}

/// The last word to a client.
async fn part(caller: Caller, last: &[u8]) {
    if let Some(mut caller) = write_to(caller, last).await {
        // A client that has gone needs no end.
        let _ = caller.wire.shutdown().await;
    }
}

/// What stands first in what was read, if that is clear. A whole head counts whatever follows it.
fn first_of(ahead: &[u8]) -> Option<First> {
    match head_len(ahead) {
        _ if !may_be_stream(ahead) => Some(First::Other),
        Some(len) => Some(if is_stream(&ahead[..len]) { First::Stream } else { First::Other }),
        None => (ahead.len() > HEAD_BYTES_MAX).then_some(First::Other),
    }
}

/// What every request for a stream or a poll begins with.
const STREAMS: &[u8] = b"GET /v1/feeds/";

pub(crate) fn may_be_stream(ahead: &[u8]) -> bool {
    let len = ahead.len().min(STREAMS.len());
    ahead[..len] == STREAMS[..len]
}

/// The length of a whole head, with its empty line.
pub(crate) fn head_len(ahead: &[u8]) -> Option<usize> {
    memchr::memmem::find(ahead, b"\r\n\r\n").map(|at| at + 4)
}

/// Whether a whole head asks for one of the three transports.
pub(crate) fn is_stream(head: &[u8]) -> bool {
    if !head.starts_with(STREAMS) {
        return false;
    }
    let target = head.get(b"GET ".len()..).unwrap_or_default();
    let path = target.split(|byte| matches!(byte, b'?' | b' ' | b'\r')).next().unwrap_or_default();
    [&b"/poll"[..], b"/sse", b"/ws"].iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_door_keeps() {
        for kept in ["GET /v1/feeds/n/poll?wait=1 HTTP/1.1\r\n", "GET /v1/feeds/n/ws HTTP/1.1\r\n"] {
            assert!(may_be_stream(kept.as_bytes()) && is_stream(kept.as_bytes()), "{kept}");
        }
        for other in ["GET /v1/feeds/n/events HTTP/1.1\r\n", "GET /v1/feeds/n?x=/sse HTTP/1.1\r\n"] {
            assert!(!is_stream(other.as_bytes()), "{other}");
        }
        assert!(may_be_stream(b"") && may_be_stream(b"GET /v1") && !may_be_stream(b"POST /v1/feeds/"));
        assert_eq!(head_len(b"GET / HTTP/1.1\r\n\r"), None);
        assert_eq!(head_len(b"GET / HTTP/1.1\r\n\r\nrest"), Some(18));
    }

    /// Were a whole head judged by what follows it, gate and door would send the connection to each other for ever.
    #[test]
    fn what_follows_a_head_does_not_count() {
        let head = "GET /v1/feeds/n/poll HTTP/1.1\r\nhost: h\r\n\r\n";
        for more in [0, HEAD_BYTES_MAX, 2 * HEAD_BYTES_MAX] {
            let ahead = [head.as_bytes(), &vec![b'x'; more]].concat();
            assert_eq!(first_of(&ahead), Some(First::Stream), "{more} more");
        }
        let endless = [&head.as_bytes()[..20], &vec![b'x'; HEAD_BYTES_MAX]].concat();
        assert_eq!(first_of(&endless[..HEAD_BYTES_MAX]), None);
        assert_eq!(first_of(&endless), Some(First::Other));
    }
}
