//! The fault proxy: all its connections go to one server, under the same conditions.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::relay::{Gate, Verdict, relay, reset};
use super::{Conditions, OneWay, api};
use crate::error::{LabError, Result};

/// Connections at once; one more is reset as soon as it is accepted.
const CONNECTIONS_MAX: usize = 8192;
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// A pause after the system refused to accept, as it does out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often connections are looked at that may have been idle for too long, or are cut by chance.
const WATCH_TICK: Duration = Duration::from_millis(25);

/// What a proxy is told when it starts.
#[derive(Debug, Clone)]
pub struct ProxyOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server behind it.
    pub upstream: SocketAddr,
    /// Where it can be steered over HTTP; nowhere if absent.
    pub api: Option<SocketAddr>,
    /// What it does to connections at first.
    pub conditions: Conditions,
    /// Decides its chances.
    pub seed: u64,
}

/// A connection as the proxy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConnectionView {
    /// Counts from 1 in the order of arrival.
    pub id: u64,
    /// Since it was accepted, seconds.
    pub age_s: f64,
    /// Since the last byte in either direction, seconds.
    pub idle_s: f64,
    /// Bytes that came from the client.
    pub up_bytes: u64,
    /// Bytes that came from the server.
    pub down_bytes: u64,
}

#[derive(Debug)]
struct Seat {
    severed: Arc<Notify>,
    /// Ends in order instead of by reset.
    since: Instant,
    moved: Instant,
    bytes: [u64; 2],
}

#[derive(Debug)]
struct State {
    conditions: Conditions,
    refuse_until: Option<Instant>,
    seats: HashMap<u64, Seat>,
    accepted: u64,
    chance: fastrand::Rng,
    looked: Instant,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    seed: u64,
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn conditions(&self) -> Conditions {
        self.locked().conditions
    }

    pub(super) fn set(&self, conditions: Conditions) -> std::result::Result<(), String> {
        conditions.check()?;
        self.locked().conditions = conditions;
        Ok(())
    }

    pub(super) fn cut(&self, length: Duration) {
        self.locked().refuse_until = Instant::now().checked_add(length);
        self.reset();
    }

    pub(super) fn reset(&self) {
        self.locked().seats.values().for_each(|seat| seat.severed.notify_one());
    }

    pub(super) fn connections(&self) -> Vec<ConnectionView> {
        let view = |(id, seat): (&u64, &Seat)| ConnectionView {
            id: *id,
            age_s: seat.since.elapsed().as_secs_f64(),
            idle_s: seat.moved.elapsed().as_secs_f64(),
            up_bytes: seat.bytes[0],
            down_bytes: seat.bytes[1],
        };
        let mut views: Vec<ConnectionView> = self.locked().seats.iter().map(view).collect();
        views.sort_unstable_by_key(|view| view.id);
        views
    }

    /// A seat for a new connection, unless it is refused.
    fn open(&self) -> Option<(u64, Arc<Notify>)> {
        let (mut state, now) = (self.locked(), Instant::now());
        let is_cut = state.refuse_until.is_some_and(|until| now < until);
        if state.conditions.refuse || is_cut || state.seats.len() >= CONNECTIONS_MAX {
            return None;
        }
        state.accepted += 1;
        let (id, severed) = (state.accepted, Arc::new(Notify::new()));
        state.seats.insert(id, Seat { severed: Arc::clone(&severed), since: now, moved: now, bytes: [0; 2] });
        Some((id, severed))
    }

    fn close(&self, id: u64) {
        self.locked().seats.remove(&id);
    }

    /// Ends what was idle for too long, and by chance.
    fn watch(&self) {
        let (mut state, now) = (self.locked(), Instant::now());
        let State { conditions, seats, chance, looked, .. } = &mut *state;
        let passed_ms = now.duration_since(*looked).as_secs_f64() * 1e3;
        *looked = now;
        for seat in seats.values() {
            let idle = conditions.idle_ms.is_some_and(|ms| now - seat.moved >= Duration::from_millis(ms));
            let cut = conditions.cut_every_ms.is_some_and(|ms| chance.f64() < passed_ms / ms as f64);
            if idle || cut {
                seat.severed.notify_one();
            }
        }
    }
}

/// One direction of a connection of the proxy.
struct Way {
    shared: Arc<Shared>,
    id: u64,
    /// 0 up, 1 down.
    index: usize,
}

impl Gate for Way {
    fn pass(&mut self, piece: &[u8]) -> Verdict {
        let mut state = self.shared.locked();
        if let Some(seat) = state.seats.get_mut(&self.id) {
            seat.bytes[self.index] += piece.len() as u64;
            seat.moved = Instant::now();
        }
        Verdict::Forward
    }

    fn terms(&self) -> OneWay {
        let conditions = self.shared.conditions();
        if self.index == 0 { conditions.up } else { conditions.down }
    }
}

/// A bound proxy.
struct Bound {
    listener: StdListener,
    api: Option<StdListener>,
    upstream: SocketAddr,
    shared: Arc<Shared>,
}

fn listen(address: SocketAddr) -> Result<StdListener> {
    let bound = StdListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(LabError::io(format!("listen on {address}")))
}

fn bind(options: &ProxyOptions) -> Result<Bound> {
    options.conditions.check().map_err(LabError::Conditions)?;
    let state = State {
        conditions: options.conditions,
        refuse_until: None,
        seats: HashMap::new(),
        accepted: 0,
        chance: fastrand::Rng::with_seed(options.seed),
        looked: Instant::now(),
    };
    Ok(Bound {
        listener: listen(options.listen)?,
        api: options.api.map(listen).transpose()?,
        upstream: options.upstream,
        shared: Arc::new(Shared { state: Mutex::new(state), seed: options.seed }),
    })
}

impl Bound {
    async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let mut tasks = JoinSet::new();
        if let Some(api) = self.api {
            tasks.spawn(api::answer(TcpListener::from_std(api)?, Arc::clone(&self.shared)));
        }
        let mut tick = tokio::time::interval(WATCH_TICK);
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                Some(_) = tasks.join_next() => {}
                _ = tick.tick() => self.shared.watch(),
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => match self.shared.open() {
                        Some(seat) => drop(tasks.spawn(forward(client, self.upstream, Arc::clone(&self.shared), seat))),
                        None => reset(&client),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }
}

async fn forward(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>, seat: (u64, Arc<Notify>)) {
    let (id, severed) = seat;
    let connected = async {
        client.set_nodelay(true)?;
        let server = timeout(CONNECT_WAIT, TcpStream::connect(upstream)).await??;
        server.set_nodelay(true)?;
        io::Result::Ok(server)
    };
    match connected.await {
        Ok(server) => {
            let way = |index| Way { shared: Arc::clone(&shared), id, index };
            let seed = shared.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(id << 1);
            relay(client, server, way(0), way(1), &severed, seed).await;
        }
        Err(error) => {
            tracing::debug!(%error, %upstream, "the server behind the proxy is not there");
            reset(&client);
        }
    }
    shared.close(id);
}

/// A proxy that runs on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    api: Option<SocketAddr>,
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens and forwards from now on.
    ///
    /// # Errors
    /// Conditions that cannot be, an address that cannot be listened on, no thread.
    pub fn start(options: &ProxyOptions) -> Result<Self> {
        let bound = bind(options)?;
        let address = bound.listener.local_addr().map_err(LabError::io("ask for the proxy's address"))?;
        let api = bound.api.as_ref().and_then(|api| api.local_addr().ok());
        let (shared, stop) = (Arc::clone(&bound.shared), Arc::new(Notify::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LabError::io("start the proxy's runtime"))?;
        let stopped = Arc::clone(&stop);
        let run = move || {
            if let Err(error) = runtime.block_on(bound.run(async move { stopped.notified().await })) {
                tracing::warn!(%error, "the fault proxy has ended");
            }
        };
        let thread = std::thread::Builder::new().name("fault-proxy".to_owned()).spawn(run);
        let thread = thread.map_err(LabError::io("start the proxy's thread"))?;
        Ok(Self { address, api, shared, stop, thread: Some(thread) })
    }

    /// A proxy in front of a loopback server, on a free port.
    ///
    /// # Errors
    /// As for [`FaultProxy::start`].
    pub fn before(upstream: SocketAddr, conditions: Conditions, seed: u64) -> Result<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start(&ProxyOptions { listen, upstream, api: None, conditions, seed })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is steered over HTTP.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// What it does at the moment.
    pub fn conditions(&self) -> Conditions {
        self.shared.conditions()
    }

    /// Does something else from now on, also to the connections that are there.
    ///
    /// # Errors
    /// Values that cannot be, by their fields.
    pub fn set(&self, conditions: Conditions) -> Result<()> {
        self.shared.set(conditions).map_err(LabError::Conditions)
    }

    /// Resets all connections, and refuses others for a time.
    pub fn cut(&self, length: Duration) {
        self.shared.cut(length);
    }

    /// Resets all connections once.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// The connections that are there.
    pub fn connections(&self) -> Vec<ConnectionView> {
        self.shared.connections()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Serves in the foreground until ^C; `told` is called once with where it listens and is steered.
///
/// # Errors
/// As for [`FaultProxy::start`].
pub fn serve(options: &ProxyOptions, told: impl FnOnce(SocketAddr, Option<SocketAddr>)) -> Result<()> {
    let bound = bind(options)?;
    let address = bound.listener.local_addr().map_err(LabError::io("ask for the proxy's address"))?;
    told(address, bound.api.as_ref().and_then(|api| api.local_addr().ok()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(LabError::io("start the proxy's runtime"))?;
    let stopped = async { drop(tokio::signal::ctrl_c().await) };
    runtime.block_on(bound.run(stopped)).map_err(LabError::io("serve"))
}
