//! What a worker does with a connection that was accepted.

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request, ServiceConfigBuilder};
use actix_service::{IntoServiceFactory, Service as _, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::{Error, HttpResponse};
use bytes::{Bytes, BytesMut};
use rustls::ServerConfig;
use socket2::Socket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tricast_feed::Reason;
use tricast_hub::Hub;
use tricast_wire::problem::Problem;

use crate::net::front::{App, Dispatcher, Front};
use crate::net::gate::{GatedIo, Ledger, Serving};
use crate::net::guests::{Guest, Guests};
use crate::net::owned::Owned;
use crate::net::refusal::refusal;
use crate::net::tls::{self, TlsWire};
use crate::net::wire::{Fresh, Wire};
use crate::settings::{FanoutWay, Settings};

/// How long a connection between two requests is kept.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How much longer the kernel waits for a client that takes nothing than the hub does.
const STALL_GRACE: Duration = Duration::from_secs(5);

/// How far actix's clock may lag: what it times ends that much too early.
const CLOCK_STEP: Duration = Duration::from_millis(500);

/// Connections that are being told that there is no room; further ones are closed without a word.
pub(crate) const TURNED_AWAY_MAX: usize = 1024;

/// How long a client that was turned away may take to close, and how much it may send.
const FAREWELL: Duration = Duration::from_millis(500);
const FAREWELL_BYTES_MAX: u64 = 64 << 10;

/// Seconds between two warnings that the house is full, and between two that the process is out of descriptors.
const WARNING_SECS: u64 = 10;

/// What all workers' connections share.
#[derive(Debug)]
pub(crate) struct Lobby {
    pub(crate) settings: Arc<Settings>,
    pub(crate) guests: Arc<Guests>,
    /// Those who are being told that there is no room.
    away: Arc<Guests>,
    tls: Option<Arc<ServerConfig>>,
    /// Where workers with owned connections accept by themselves.
    listener: TcpListener,
    full_told: Seldom,
    pause_told: Seldom,
}

impl Lobby {
    /// # Errors
    /// If the certificate or its key cannot be used.
    pub(crate) fn new(settings: Arc<Settings>, listener: TcpListener) -> std::io::Result<Arc<Self>> {
        let guests = Guests::new(settings.connections_max);
        let away = Guests::new(TURNED_AWAY_MAX);
        let tls = settings.tls.as_ref().map(tls::config).transpose()?;
        Ok(Arc::new(Self {
            settings,
            guests,
            away,
            tls,
            listener,
            full_told: Seldom::default(),
            pause_told: Seldom::default(),
        }))
    }

    /// Shakes hands, if the server speaks TLS.
    async fn greet(&self, stream: TcpStream) -> Option<Wire> {
        let Some(tls) = &self.tls else { return Some(Wire::Plain(stream)) };
        let greeted = tokio::time::timeout(self.settings.request_timeout, TlsWire::accept(stream, tls)).await;
        match greeted {
            Ok(Ok(wire)) => Some(Wire::Tls(wire)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no TLS");
                None
            }
            Err(_) => None,
        }
    }

    /// Takes a place, or tells in the log that there is none.
    fn enter(&self) -> Option<Guest> {
        let guest = self.guests.enter();
        if guest.is_none() && self.full_told.may_warn(tricast_hub::system_now().0 / 1000) {
            tracing::warn!(limits.connections_max = self.guests.most(), "refusing connections");
        }
        guest
    }

    /// Tells that accepting pauses, and why.
    fn warn_of_pause(&self, error: &std::io::Error) {
        if self.pause_told.may_warn(tricast_hub::system_now().0 / 1000) {
            tracing::warn!(%error, "accepting pauses");
        }
    }
}

/// When a warning was given last, in seconds since 1970.
#[derive(Debug, Default)]
struct Seldom(AtomicU64);

impl Seldom {
    /// Whether the last warning is long enough ago. Of workers that ask at once, one may.
    fn may_warn(&self, second: u64) -> bool {
        let before = self.0.load(Ordering::Relaxed);
        let is_due = before.checked_add(WARNING_SECS).is_none_or(|due| second >= due);
        is_due && self.0.compare_exchange(before, second, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Resolves when the server stops.
pub(crate) type Stops = Rc<dyn Fn() -> futures::future::LocalBoxFuture<'static, ()>>;

/// One worker's door, and the factory of its service.
pub(crate) fn factory<A, I, B>(
    lobby: Arc<Lobby>,
    hub: Hub,
    app: A,
    stops: Stops,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = (), Service: 'static>
where
    A: IntoServiceFactory<I, Request> + 'static,
    I: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let app = std::cell::Cell::new(Some(app));
    fn_factory(move || {
        let (app, lobby, hub, stops) = (app.take(), Arc::clone(&lobby), hub.clone(), Rc::clone(&stops));
        async move {
            let app = serve_app(app.ok_or(())?).await?;
            let front = front(&lobby, &hub, app, stops).await?;
            accept_here(&front, &lobby)?;
            Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                welcome(Rc::clone(&front), Arc::clone(&lobby), stream)
            }))
        }
    })
}

/// The application as a function.
async fn serve_app<A, I, B>(app: A) -> Result<App, ()>
where
    A: IntoServiceFactory<I, Request>,
    I: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let service = Rc::new(map_config(app, |()| AppConfig::default()).new_service(()).await?);
    Ok(Rc::new(move |request| {
        let answered = service.call(request);
        Box::pin(async move {
            match answered.await {
                Ok(response) => HttpResponse::from(response).map_into_boxed_body(),
                Err(error) => HttpResponse::from_error(error),
            }
        })
    }))
}

async fn front(lobby: &Lobby, hub: &Hub, app: App, stops: Stops) -> Result<Rc<Front>, ()> {
    let settings = &lobby.settings;
    let dispatcher = dispatcher(settings, Rc::clone(&app), Rc::clone(&stops)).await?;
    let config = ServiceConfigBuilder::new().keep_alive(KeepAlive::Timeout(KEEP_ALIVE)).build();
    let owned = match settings.fanout {
        FanoutWay::Body => None,
        FanoutWay::Owned => Some(Owned::start(hub, settings).map_err(|error| {
            tracing::error!(%error, "no epoll for owned connections");
        })?),
    };
    let request_timeout = settings.request_timeout;
    let front = Rc::new(Front { app, dispatcher, owned, config, request_timeout, stops });
    if let Some(owned) = front.owned.clone() {
        owned.give_back_to(&front);
        let stopped = (front.stops)();
        actix_web::rt::spawn(async move {
            stopped.await;
            owned.close();
        });
    }
    Ok(front)
}

/// actix's own dispatcher.
async fn dispatcher(settings: &Settings, app: App, stops: Stops) -> Result<Dispatcher, ()> {
    let service = fn_factory(move || {
        let app = Rc::clone(&app);
        async move {
            Ok::<_, ()>(fn_service(move |request: Request| {
                let serving = request.conn_data::<Rc<Ledger>>().map(Ledger::serving);
                let answered = app(request);
                async move {
                    let response = answered.await;
                    Ok::<_, Error>(response.map_body(|_, body| Served { body, _serving: serving }))
                }
            }))
        }
    });
    let http = HttpService::<GatedIo, _, _>::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(settings.request_timeout + CLOCK_STEP)
        // A client that has closed its side has gone: without this a stream is noticed only when a write fails.
        .h1_allow_half_closed(false)
        .on_connect_ext(|io, data| {
            data.insert(io.ledger());
        })
        .graceful_shutdown_signal(move || stops())
        .finish(service);
    let handler = Rc::new(http.new_service(()).await?);
    Ok(Rc::new(move |io, protocol, peer| {
        let served = handler.call((io, protocol, peer));
        Box::pin(async move {
            // What went wrong with one connection is told at debug level by actix.
            let _ = served.await;
        })
    }))
}

/// The body of an answer, by whose end the gate knows that the request was served.
struct Served {
    body: BoxBody,
    _serving: Option<Serving>,
}

impl MessageBody for Served {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// Has a worker with owned connections accept by itself: no thread between the kernel and the one that serves.
fn accept_here(front: &Rc<Front>, lobby: &Arc<Lobby>) -> Result<(), ()> {
    let Some(owned) = &front.owned else { return Ok(()) };
    let porter = Porter { front: Rc::downgrade(front), lobby: Arc::clone(lobby) };
    let accepting = lobby.listener.try_clone().and_then(|listener| owned.accept_from(listener, porter));
    accepting.map_err(|error| tracing::error!(%error, "a worker cannot accept"))
}

/// Lets clients in that a worker has accepted by itself.
#[derive(Debug)]
pub(crate) struct Porter {
    front: Weak<Front>,
    lobby: Arc<Lobby>,
}

impl Porter {
    /// Takes a client in.
    pub(crate) fn greet(&self, stream: mio::net::TcpStream, peer: SocketAddr) {
        let Some(front) = self.front.upgrade() else { return };
        let Some(guest) = self.lobby.enter() else { return self.send_away(stream) };
        if self.lobby.tls.is_some() {
            let lobby = Arc::clone(&self.lobby);
            actix_web::rt::spawn(async move {
                let Ok(stream) = TcpStream::from_std(stream.into()) else { return };
                if let Some(wire) = lobby.greet(stream).await {
                    front.attend(wire, BytesMut::new(), Some(peer), guest).await;
                }
            });
            return;
        }
        front.welcome(Wire::Fresh(Fresh { stream, registry: None }), peer, guest);
    }

    fn send_away(&self, stream: mio::net::TcpStream) {
        if let Ok(stream) = TcpStream::from_std(stream.into()) {
            actix_web::rt::spawn(turn_away(Arc::clone(&self.lobby), stream));
        }
    }

    /// Tells that accepting pauses, and why.
    pub(crate) fn pause(&self, error: &std::io::Error) {
        self.lobby.warn_of_pause(error);
    }
}

/// Attends a connection, if there is room.
async fn welcome(front: Rc<Front>, lobby: Arc<Lobby>, stream: TcpStream) -> Result<(), ()> {
    let peer: Option<SocketAddr> = stream.peer_addr().ok();
    match lobby.enter() {
        Some(guest) => {
            if let Some(wire) = lobby.greet(stream).await {
                front.attend(wire, BytesMut::new(), peer, guest).await;
            }
        }
        None => turn_away(lobby, stream).await,
    }
    Ok(())
}

/// The options of every connection, given to the listening socket: what it accepts inherits them.
///
/// # Errors
/// If the kernel does not know one of them.
pub(crate) fn tune(listener: &Socket, settings: &Settings) -> std::io::Result<()> {
    listener.set_tcp_nodelay(true)?;
    // A client that takes nothing for this long has gone, also when the kernel's buffers hide it from us. It is later
    // than the hub's own word, so that a client that reads again is told why.
    let stall = Duration::from_secs(settings.hub.stall_secs) + STALL_GRACE;
    listener.set_tcp_user_timeout(Some(stall))?;
    listener.set_tcp_notsent_lowat(settings.unsent_max)
}

/// Tells a client that there is no room (RFC 9110, section 15.6.4), and waits a moment for it to close: what it sent is
/// not read by anybody, and closing over it would take the answer back.
async fn turn_away(lobby: Arc<Lobby>, stream: TcpStream) {
    let Some(_place) = lobby.away.enter() else { return };
    let Some(mut wire) = lobby.greet(stream).await else { return };
    let problem = Problem::new(Reason::TooManyConnections, "limits.connections_max is reached");
    let last = if wire.is_h2() { Vec::new() } else { refusal(&problem) };
    let told = wire.write_all(&last).await.is_ok() && wire.shutdown().await.is_ok();
    if told {
        let mut rest = wire.take(FAREWELL_BYTES_MAX);
        let _ = tokio::time::timeout(FAREWELL, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_in_a_while_however_many_are_refused() {
        let told = Seldom::default();
        let warned: Vec<u64> = (1000..1025).filter(|second| told.may_warn(*second)).collect();
        assert_eq!(warned, [1000, 1010, 1020]);
        assert!(!told.may_warn(1020));
    }
}
