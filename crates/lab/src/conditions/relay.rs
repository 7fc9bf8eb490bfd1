//! The copy loop: bytes from one socket to the other, both ways, under the terms of each direction.
//!
//! Each direction reads a piece, shows it to its gate, and puts it on its line, which says when it leaves. It reads on while
//! the line has room, so a slow reader slows its writer down. The end of one direction is passed on as a half-close once
//! everything before it has left, and an error on either socket as a reset of both.
//!
//! The gate is the seam: it sees every piece before it goes on, may end the connection, and says what the terms are now.
//! This loop knows nothing of lanes.

use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use super::OneWay;
use super::line::Line;

/// The most bytes of one piece: 16 KiB.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;

/// How long one direction may outlive the other. It is long, as an event stream may well go on after its client has
/// closed its own side; it is not for ever, as a peer may have vanished.
pub const HALF_CLOSED_MAX: Duration = Duration::from_mins(10);

/// How long a connection that was closed in order may still send what nobody reads any more.
const LINGER_MAX: Duration = Duration::from_secs(5);

/// How often the terms are looked at again while nothing else happens and they hold something up.
const TERMS_TICK: Duration = Duration::from_millis(20);

/// What happens to a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Forward,
    /// It does not, and the connection ends at once, with a reset.
    Sever,
}

/// What stands in one direction of a connection.
pub(crate) trait Gate {
    /// Judges a piece before it goes on.
    fn pass(&mut self, piece: &[u8]) -> Verdict;

    /// The terms of this direction at the moment.
    fn terms(&self) -> OneWay {
        OneWay::default()
    }
}

/// Copies both ways until both directions have ended, one fails, a gate severs, or `severed` is notified.
/// `up` judges what the client sends, `down` what the server sends; the seed decides their chances.
pub(crate) async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    up: impl Gate,
    down: impl Gate,
    severed: &Notify,
    seed: u64,
) {
    let ended = tokio::select! {
        biased;
        () = severed.notified() => Err(io::ErrorKind::ConnectionAborted.into()),
        ended = async {
            if both_ways(&mut client, &mut server, up, down, seed).await? == End::Closed {
                close_in_order(&mut client, &mut server).await?;
            }
            io::Result::Ok(())
        } => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection reset");
        reset(&client);
        reset(&server);
    }
}

/// Makes the coming close of this socket a reset, so that its peer sees an error and not an orderly end.
pub(crate) fn reset(socket: &TcpStream) {
    if let Err(error) = socket.set_zero_linger() {
        tracing::debug!(%error, "the socket will close in order instead of by reset");
    }
}

/// Tells both ends that nothing more comes, and reads what they have sent until they close, too: a socket that is closed with
/// bytes unread resets its connection, and then its peer may lose what was sent to it before.
async fn close_in_order(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
    client.shutdown().await?;
    server.shutdown().await?;
    let both = async { tokio::join!(read_away(client), read_away(server)) };
    // Whoever goes on sending for longer is told by a reset.
    let _sends_on = timeout(LINGER_MAX, both).await;
    Ok(())
}

async fn read_away(socket: &mut TcpStream) {
    let mut waste = vec![0; PIECE_BYTES_MAX];
    while matches!(socket.read(&mut waste).await, Ok(1..)) {}
}

async fn both_ways(
    client: &mut TcpStream,
    server: &mut TcpStream,
    up: impl Gate,
    down: impl Gate,
    seed: u64,
) -> io::Result<End> {
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let up = pin!(Pump::new(up, Line::new(seed, false)).run(client_reader, server_writer));
    let down = pin!(Pump::new(down, Line::new(seed ^ 1, true)).run(server_reader, client_writer));
    match select(up, down).await {
        Either::Left((Ok(End::Closed), _)) | Either::Right((Ok(End::Closed), _)) => Ok(End::Closed),
        Either::Left((Ok(End::Passed), down)) => timeout(HALF_CLOSED_MAX, down).await?,
        Either::Right((Ok(End::Passed), up)) => timeout(HALF_CLOSED_MAX, up).await?,
        Either::Left((Err(failed), _)) | Either::Right((Err(failed), _)) => Err(failed),
    }
}

/// How a direction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its writer's end was passed on; the other direction may go on.
    Passed,
    /// The whole connection is to be closed.
    Closed,
}

/// One direction under way.
struct Pump<G> {
    gate: G,
    line: Line,
    /// Bytes that have left.
    left: u64,
    /// Something went nowhere, so that nothing may follow.
    is_lost: bool,
    has_ended: bool,
}

impl<G: Gate> Pump<G> {
    fn new(gate: G, line: Line) -> Self {
        Self { gate, line, left: 0, is_lost: false, has_ended: false }
    }

    /// Copies one direction until its end.
    async fn run(mut self, mut reader: ReadHalf<'_>, mut writer: WriteHalf<'_>) -> io::Result<End> {
        let mut buffer = vec![0; PIECE_BYTES_MAX];
        loop {
            let terms = self.gate.terms();
            if let Some(piece) = self.due(&terms) {
                if let Some(end) = self.write(&mut writer, &piece, &terms).await? {
                    return Ok(end);
                }
                continue;
            }
            if self.has_ended && self.line.is_empty() && !terms.stall && !self.is_lost {
                writer.shutdown().await?;
                return Ok(End::Passed);
            }
            let wait = self.wait(&terms);
            let reads = !self.has_ended && !terms.stall && self.line.has_room();
            tokio::select! {
                read = reader.read(&mut buffer), if reads => self.take(&buffer[..read?])?,
                () = sleep_until(wait.unwrap_or_else(Instant::now).into()), if wait.is_some() => {}
            }
        }
    }

    fn due(&mut self, terms: &OneWay) -> Option<Vec<u8>> {
        if terms.vanish || self.is_lost {
            self.is_lost |= !self.line.is_empty();
            self.line.lose();
            return None;
        }
        if terms.stall { None } else { self.line.due(Instant::now(), terms) }
    }

    /// When to look again though nothing came. Whatever holds something up may be lifted at any time.
    fn wait(&self, terms: &OneWay) -> Option<Instant> {
        let tick = Instant::now() + TERMS_TICK;
        let next = self.line.next_at(terms);
        let is_held_up = terms.stall || self.has_ended || !self.line.is_empty();
        match next {
            Some(next) if !terms.stall => Some(next.min(tick)),
            _ => is_held_up.then_some(tick),
        }
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        // The terms may have changed while nothing came.
        let (now, terms) = (Instant::now(), self.gate.terms());
        if piece.is_empty() {
            self.has_ended = true;
            self.is_lost |= terms.vanish;
            self.line.end(now, &terms);
            return Ok(());
        }
        if self.gate.pass(piece) == Verdict::Sever {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.line.push(now, piece, &terms);
        Ok(())
    }

    /// Writes a piece, as far as the connection may live.
    async fn write(
        &mut self,
        writer: &mut WriteHalf<'_>,
        piece: &[u8],
        terms: &OneWay,
    ) -> io::Result<Option<End>> {
        let most = [terms.close_after_bytes, terms.reset_after_bytes].into_iter().flatten().min();
        let room = most.map_or(u64::MAX, |most| most.saturating_sub(self.left));
        let fits = usize::try_from(room).map_or(piece.len(), |room| room.min(piece.len()));
        writer.write_all(&piece[..fits]).await?;
        self.left += fits as u64;
        if fits as u64 != room {
            return Ok(None);
        }
        if terms.reset_after_bytes == most {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(Some(End::Closed))
    }
}
