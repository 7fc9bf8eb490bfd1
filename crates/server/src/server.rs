//! Binding, running and stopping.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::middleware::from_fn;
use actix_web::{App, dev};
use futures::FutureExt as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tricast_feed::Millis;
use tricast_hub::{Engine, Feeds, Hub, MemoryEngine, Shared, system_now};
use tricast_store::{DurableEngine, StoreOptions};

use crate::ctx::Ctx;
use crate::demo::{self, DemoParts};
use crate::metrics::House;
use crate::net::guests::Guests;
use crate::net::service::{self, Lobby, Stops, TURNED_AWAY_MAX};
use crate::pages;
use crate::settings::{FanoutWay, Settings};
use crate::{app, cors, host};

/// How long the listener's queue of connections is that wait to be accepted.
const BACKLOG: i32 = 4096;

/// How long requests that are under way may take once every subscriber was told, in seconds.
const REQUESTS_END_SECS: u64 = 1;

/// A server that is bound and has not begun.
pub struct Server {
    inner: dev::Server,
    address: SocketAddr,
    shared: Arc<Shared>,
    guests: Arc<Guests>,
    stop: Arc<watch::Sender<bool>>,
    /// Whether the workers accept by themselves.
    accepts: bool,
    signals: Signals,
    desk: Option<Arc<demo::Desk>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Binds the address, and from now on takes SIGINT and SIGTERM. With `demo` it also serves the page and runs the event
    /// source.
    ///
    /// # Errors
    /// If the address cannot be bound, a certificate or its key cannot be used, or the store cannot.
    ///
    /// # Panics
    /// Outside of [`block_on`](crate::block_on).
    pub fn bind(settings: Settings, demo: Option<DemoParts>) -> std::io::Result<Self> {
        let shared = shared(&settings)?;
        let settings = Arc::new(settings);
        let desk = demo.map(|parts| Arc::new(demo::Desk::new(&parts, Arc::clone(&shared))));
        let routed = desk.clone();
        let listen = settings.listen;
        let workers = settings.workers;
        let state = Arc::clone(&shared);
        let listener = listener(listen, &settings)?;
        let address = listener.local_addr()?;
        let lobby = Lobby::new(Arc::clone(&settings), listener.try_clone()?)?;
        let guests = Arc::clone(&lobby.guests);
        let house = House { guests: Arc::clone(&guests), started: Instant::now() };
        let builder = dev::Server::build()
            .workers(workers)
            // Never reached: the lobby counts for all workers, and answers instead of letting clients wait.
            .max_concurrent_connections(settings.connections_max.saturating_add(TURNED_AWAY_MAX))
            .shutdown_timeout(REQUESTS_END_SECS)
            .disable_signals();
        let signals = Signals::listen()?;
        let (stop, stops) = watch::channel(false);
        let accepts = settings.fanout == FanoutWay::Owned;
        let builder = builder.listen("tricast", listener, move || {
            let hub = Hub::start(&state);
            let ctx = Ctx { hub: hub.clone(), settings: Arc::clone(&settings) };
            let desk = routed.clone();
            let app = App::new()
                .app_data(ctx)
                .app_data(house.clone())
                .wrap(from_fn(cors::share))
                .wrap(from_fn(host::guard))
                .configure(move |routes| {
                    if let Some(desk) = desk {
                        pages::configure_demo(routes);
                        demo::configure(routes, desk);
                    }
                    app::configure(routes);
                    pages::configure(routes);
                });
            let stops = stops.clone();
            let stops: Stops = Rc::new(move || {
                let mut stops = stops.clone();
                async move {
                    // Without a sender there is no server any more.
                    let _ = stops.wait_for(|is_stopped| *is_stopped).await;
                }
                .boxed_local()
            });
            service::factory(Arc::clone(&lobby), hub, app, stops)
        })?;
        Ok(Self {
            inner: builder.run(),
            address,
            shared,
            guests,
            stop: Arc::new(stop),
            accepts,
            signals,
            desk,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server as a signal would: subscribers are told, then connections close.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper {
            handle: self.inner.handle(),
            shared: Arc::clone(&self.shared),
            guests: Arc::clone(&self.guests),
            stop: Arc::clone(&self.stop),
        }
    }

    /// Serves until SIGINT or SIGTERM, or a [`Stopper`], and then until every client was told.
    ///
    /// # Errors
    /// If accepting fails for good.
    pub async fn run(self) -> std::io::Result<()> {
        let stopper = self.stopper();
        let mut caught = self.signals;
        let signals = actix_web::rt::spawn(async move {
            caught.next().await;
            tokio::select! {
                () = stopper.stop() => {}
                // A second signal means: now.
                () = caught.next() => stopper.handle.stop(false).await,
            }
        });
        if self.accepts {
            // The workers accept; actix's own thread for that has nothing to do.
            let handle = self.inner.handle();
            actix_web::rt::spawn(async move { handle.pause().await });
        }
        let source = self.desk.map(demo::start);
        let served = self.inner.await;
        signals.abort();
        // Nobody publishes any more; what was published is kept before the process may end.
        self.shared.engine.close();
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
    guests: Arc<Guests>,
    stop: Arc<watch::Sender<bool>>,
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}

impl Stopper {
    /// Tells every subscriber, one by one, and then stops the server.
    pub async fn stop(&self) {
        tracing::info!(subscribers = self.shared.subscribers(), connections = self.guests.here(), "draining");
        self.shared.drain();
        let deadline = tokio::time::Instant::now() + self.shared.limits.drain_max;
        while self.shared.subscribers() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Connections that wait for nothing close now; requests that are under way have their time.
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(REQUESTS_END_SECS);
        while self.guests.here() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.handle.stop(true).await;
    }
}

/// The engine and the feeds, with all that was kept of them.
fn shared(settings: &Settings) -> std::io::Result<Arc<Shared>> {
    let engine = engine(settings)?;
    let feeds = Feeds::over(
        Arc::clone(&engine),
        &settings.namespaces,
        settings.options.clone(),
        settings.is_dynamic,
        settings.namespaces_max,
    );
    Ok(Shared::new(feeds.map_err(std::io::Error::other)?, engine, settings.hub, system_now))
}

fn engine(settings: &Settings) -> std::io::Result<Arc<dyn Engine>> {
    let window = Millis(u64::try_from(settings.hub.idempotency_window.as_millis()).unwrap_or(u64::MAX));
    let keys_max = settings.hub.idempotency_keys_max;
    let Some(store) = settings.store.clone() else {
        return Ok(Arc::new(MemoryEngine::new(window, keys_max)));
    };
    let options = StoreOptions {
        path: store.path,
        durability: store.durability,
        flush: store.flush,
        queue_bytes_max: store.queue_bytes_max,
        window,
        keys_max,
        clock: system_now,
    };
    Ok(Arc::new(DurableEngine::open(options).map_err(std::io::Error::other)?))
}

fn listener(address: SocketAddr, settings: &Settings) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that starts again must not wait for the connections of the one before.
    socket.set_reuse_address(true)?;
    service::tune(&socket, settings)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The signals that end a server. What comes between the binding and the running is not lost.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
