//! A TCP forwarder that stands in front of a server and listens in.
//!
//! The tap forwards bytes unchanged in both directions, and reads along on the client's side: a request for
//! `/v1/feeds/{ns}/(poll|sse|ws)` with a `label` puts its connection on the *lane* of that name until the next
//! request on it. Per lane there are totals and the latest bytes of each direction, and a lane can be cut: its
//! connections are reset, and its requests refused until a deadline, as a broken network would do.
//!
//! It is not an HTTP proxy: it changes nothing, adds no header, and forwards what it cannot parse just the same.
//! It speaks no TLS. What it does to bytes under way is said by [`crate::conditions`], for each lane.
//!
//! Start reading at [`Tap::run`], then `gate`, then `board`, which decides.
//!
//! Invariants:
//! 1. Bytes leave as they came and in order, or the connection ends with a reset, or the lane's conditions hold them.
//! 2. A request of a cut lane never reaches the server whole.
//! 3. A connection holds one head and what its conditions hold; all lanes together at most
//!    [`LANES_MAX`] × 2 × [`RING_BYTES_MAX`].

mod board;
mod chunked;
mod gate;
mod label;
mod ring;
mod scan;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::conditions::{Conditions, relay, reset};
use board::Board;
use gate::{DownGate, UpGate};
use scan::Scanner;

pub use board::{LANES_MAX, Totals, Wire};
pub(crate) use chunked::{Chunked, Step};
pub use label::{LABEL_CHARS_MAX, Label};
pub use ring::{Direction, Piece, RING_BYTES_MAX, RING_PIECES_MAX};
pub use scan::HEAD_BYTES_MAX;

/// The most connections at once. One more is reset as soon as it is accepted.
pub const CONNECTIONS_MAX: usize = 4096;

/// How long the tap waits for the server to accept a connection.
pub const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long the tap pauses after the system refused to accept a connection, as it does out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long open connections may go on after the tap was told to stop. The server ends them; this only bounds it.
pub const STOP_WAIT: Duration = Duration::from_secs(2);

/// What the connections of a tap share.
#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    /// Whether the server did not answer last time: that is told once, not at every connection.
    is_alone: AtomicBool,
}

/// The board is consistent between any two of its calls, so a panic elsewhere does not spoil it.
fn locked(shared: &Shared) -> MutexGuard<'_, Board> {
    shared.board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bound tap, which does nothing before [`Tap::run`].
#[derive(Debug)]
pub struct Tap {
    listener: StdListener,
    local: SocketAddr,
    upstream: SocketAddr,
    shared: Arc<Shared>,
}

/// What can be asked of a tap while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lanes {
    shared: Arc<Shared>,
}

impl Lanes {
    /// Resets all connections of a lane now, and refuses its requests in the same way for `length`. A later call
    /// replaces an earlier one.
    pub fn cut(&self, label: &Label, length: Duration) {
        locked(&self.shared).cut(label, Instant::now(), length);
    }

    /// Resets all connections of a lane once.
    pub fn kill(&self, label: &Label) {
        locked(&self.shared).kill(label);
    }

    /// Puts a lane under conditions from now on, also its connections that are there. What is wrong with them is
    /// answered by its field.
    ///
    /// # Errors
    /// Values that cannot be.
    pub fn set(&self, label: &Label, conditions: Conditions) -> Result<(), String> {
        conditions.check()?;
        locked(&self.shared).set(label, conditions);
        Ok(())
    }

    /// The conditions of a lane.
    #[must_use]
    pub fn conditions(&self, label: &Label) -> Conditions {
        locked(&self.shared).conditions(label)
    }

    /// What passed on a lane after piece `since`, as far as it is retained; `None` for a lane that was never seen
    /// or is forgotten.
    #[must_use]
    pub fn wire(&self, label: &Label, since: u64) -> Option<Wire> {
        locked(&self.shared).wire(label, since)
    }
}

impl Tap {
    /// Listens on `listen`; port 0 takes a free one. Connections will go to `upstream`.
    ///
    /// # Errors
    /// What the system says to the address.
    pub fn bind(listen: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        let listener = StdListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok(Self { listener, local, upstream, shared: Arc::default() })
    }

    /// Where the tap listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What can be asked of this tap while it runs.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        Lanes { shared: Arc::clone(&self.shared) }
    }

    /// Forwards until `shutdown` resolves; then accepts nothing more, and gives open connections [`STOP_WAIT`].
    /// Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// If the runtime does not take the socket. A connection that fails ends alone.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                client = accepted(&listener) => {
                    if connections.len() >= CONNECTIONS_MAX {
                        reset(&client);
                    } else {
                        connections.spawn(forward(client, self.upstream, Arc::clone(&self.shared)));
                    }
                }
            }
        }
        drop(listener);
        // Past the wait, dropping the set ends what is left.
        let emptied = async { while connections.join_next().await.is_some() {} };
        let _late = timeout(STOP_WAIT, emptied).await;
        Ok(())
    }
}

/// For tests only: what a client's side holds, without what would be done about it.
#[cfg(feature = "fuzz")]
pub(crate) fn scan_all(pieces: &[&[u8]]) -> (Vec<String>, usize) {
    let (mut scanner, mut heads, mut told) = (Scanner::new(), Vec::new(), 0);
    for piece in pieces {
        scanner.scan(piece, |seen| {
            match seen {
                scan::Seen::Head { bytes, label } => {
                    told += bytes.len();
                    heads.push(format!("{} {label:?}", bytes.len()));
                }
                scan::Seen::Rest(bytes) => told += bytes.len(),
            }
            true
        });
    }
    (heads, told)
}

/// The next connection. A refusal by the system is logged and waited out, not passed on.
async fn accepted(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, from accept to close.
async fn forward(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) {
    match connected(&client, upstream).await {
        Ok(server) => {
            shared.is_alone.store(false, Ordering::Relaxed);
            let (id, severed) = locked(&shared).open();
            let up = UpGate { shared: Arc::clone(&shared), id, scanner: Scanner::new() };
            let down = DownGate { shared: Arc::clone(&shared), id };
            relay(client, server, up, down, &severed, id.seed()).await;
            locked(&shared).close(id);
        }
        Err(error) => {
            if !shared.is_alone.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, %upstream, "the server behind the tap is not there");
            }
            reset(&client);
        }
    }
}

/// The connection to the server. Neither side waits to fill its segments: the tap must add no delay of its own.
async fn connected(client: &TcpStream, upstream: SocketAddr) -> io::Result<TcpStream> {
    client.set_nodelay(true)?;
    let server = timeout(CONNECT_WAIT, TcpStream::connect(upstream)).await??;
    server.set_nodelay(true)?;
    Ok(server)
}
