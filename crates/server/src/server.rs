//! Binding, running and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, dev};
use tricast_feed::Millis;
use tricast_hub::{Feeds, Hub, MemoryEngine, Shared, system_now};

use crate::ctx::Ctx;
use crate::demo::{self, DemoParts};
use crate::pages;
use crate::settings::Settings;
use crate::{app, cors, host};

/// How long the listener's queue of connections is that wait to be accepted.
const BACKLOG: u32 = 4096;

/// How long requests that are under way may take once every subscriber was told, in seconds.
const REQUESTS_END_SECS: u64 = 1;

/// How much longer the kernel waits for a client that takes nothing than the hub does.
const STALL_GRACE: Duration = Duration::from_secs(5);

/// A server that is bound and has not begun.
pub struct Server {
    inner: dev::Server,
    address: SocketAddr,
    shared: Arc<Shared>,
    desk: Option<Arc<demo::Desk>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Binds the address. With `demo` it also serves the page and runs the event source.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(settings: Settings, demo: Option<DemoParts>) -> std::io::Result<Self> {
        let shared = shared(&settings);
        let settings = Arc::new(settings);
        let desk = demo.map(|parts| Arc::new(demo::Desk::new(&parts, Arc::clone(&shared))));
        let routed = desk.clone();
        let listen = settings.listen;
        let workers = settings.workers;
        let tuned = Arc::clone(&settings);
        let state = Arc::clone(&shared);
        let server = HttpServer::new(move || {
            let ctx = Ctx { hub: Hub::start(&state), settings: Arc::clone(&settings) };
            let desk = routed.clone();
            App::new().app_data(ctx).wrap(from_fn(cors::share)).wrap(from_fn(host::guard)).configure(
                move |routes| {
                    if let Some(desk) = desk {
                        pages::configure(routes);
                        demo::configure(routes, desk);
                    }
                    app::configure(routes);
                },
            )
        })
        .workers(workers)
        .backlog(BACKLOG)
        .tcp_nodelay(true)
        .max_connections(tuned.connections_max)
        .client_request_timeout(tuned.request_timeout)
        // A client that has closed its side has gone: without this a stream is noticed only when a write fails.
        .h1_allow_half_closed(false)
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(REQUESTS_END_SECS)
        .disable_signals()
        .on_connect({
            // Later than the hub's own word, so that a client that reads again is told why.
            let stall = Duration::from_secs(tuned.hub.stall_secs) + STALL_GRACE;
            move |connection, _| tune_socket(connection, stall)
        })
        .bind(listen)?;
        let address = server.addrs().first().copied().unwrap_or(listen);
        Ok(Self { inner: server.run(), address, shared, desk })
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server as a signal would: subscribers are told, then connections close.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { handle: self.inner.handle(), shared: Arc::clone(&self.shared) }
    }

    /// Serves until SIGINT or SIGTERM, or a [`Stopper`], and then until every client was told.
    ///
    /// # Errors
    /// If accepting fails for good.
    pub async fn run(self) -> std::io::Result<()> {
        let stopper = self.stopper();
        let signals = actix_web::rt::spawn(async move {
            wait_for_signal().await;
            tokio::select! {
                () = stopper.stop() => {}
                // A second signal means: now.
                () = wait_for_signal() => stopper.handle.stop(false).await,
            }
        });
        let source = self.desk.map(demo::start);
        let served = self.inner.await;
        signals.abort();
        if let Some(source) = source {
            source.abort();
        }
        served
    }
}

/// Ends a server from elsewhere.
#[derive(Clone)]
pub struct Stopper {
    handle: dev::ServerHandle,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}

impl Stopper {
    /// Tells every subscriber, one by one, and then stops the server.
    pub async fn stop(&self) {
        tracing::info!(subscribers = self.shared.subscribers(), "draining");
        self.shared.drain();
        let deadline = tokio::time::Instant::now() + self.shared.limits.drain_max;
        while self.shared.subscribers() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.handle.stop(true).await;
    }
}

fn shared(settings: &Settings) -> Arc<Shared> {
    let declared: Vec<_> =
        settings.namespaces.iter().map(|name| (name.clone(), settings.retention)).collect();
    let feeds = Feeds::new(&declared, settings.retention, settings.is_dynamic, settings.namespaces_max);
    let window = Millis(u64::try_from(settings.hub.idempotency_window.as_millis()).unwrap_or(u64::MAX));
    let engine = MemoryEngine::new(window, settings.hub.idempotency_keys_max);
    Shared::new(feeds, Arc::new(engine), settings.hub, system_now)
}

/// A client that takes nothing for this long has gone, also when the kernel's buffers hide it from us.
fn tune_socket(connection: &dyn std::any::Any, stall: Duration) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>()
        && let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(stall))
    {
        tracing::debug!(%error, "TCP_USER_TIMEOUT");
    }
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
