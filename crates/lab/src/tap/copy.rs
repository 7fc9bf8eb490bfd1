//! The copy loop: bytes from one socket to the other, both ways, unchanged.
//!
//! Each direction reads a piece, shows it to its gate, and writes it; it reads on only when all is written, so a
//! slow reader slows its writer down and no more than one piece a direction is ever held. The end of one direction
//! is passed on as a half-close, and an error on either socket as a reset of both.
//!
//! The gate is the seam for network conditions: it sees every piece before it goes on, it may take its time, and it
//! may end the connection. This loop knows nothing of lanes or HTTP.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The most bytes of one piece, and so the most that a direction holds: 16 KiB.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;

/// How long one direction may outlive the other. It is long, as an event stream may well go on after its client has
/// closed its own side; it is not for ever, as a peer may have vanished.
pub const HALF_CLOSED_MAX: Duration = Duration::from_mins(10);

/// What happens to a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Forward,
    /// It does not, and the connection ends at once, with a reset.
    Sever,
}

/// What stands in one direction of a connection.
pub(super) trait Gate {
    /// Judges a piece before it is written. The copy waits for the answer: to delay is to wait here.
    fn pass(&mut self, piece: &[u8]) -> impl Future<Output = Verdict> + Send;
}

/// Copies both ways until both directions have ended, one fails, a gate severs, or `severed` is notified.
/// `up` judges what the client sends, `down` what the server sends.
pub(super) async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    up: impl Gate,
    down: impl Gate,
    severed: &Notify,
) {
    let ended = tokio::select! {
        biased;
        () = severed.notified() => Err(io::ErrorKind::ConnectionAborted.into()),
        ended = both_ways(&mut client, &mut server, up, down) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection reset");
        reset(&client);
        reset(&server);
    }
}

/// Makes the coming close of this socket a reset, so that its peer sees an error and not an orderly end.
pub(super) fn reset(socket: &TcpStream) {
    if let Err(error) = socket.set_zero_linger() {
        tracing::debug!(%error, "the socket will close in order instead of by reset");
    }
}

async fn both_ways(
    client: &mut TcpStream,
    server: &mut TcpStream,
    up: impl Gate,
    down: impl Gate,
) -> io::Result<()> {
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let up = pin!(pump(client_reader, server_writer, up));
    let down = pin!(pump(server_reader, client_writer, down));
    match select(up, down).await {
        Either::Left((Ok(()), down)) => timeout(HALF_CLOSED_MAX, down).await?,
        Either::Right((Ok(()), up)) => timeout(HALF_CLOSED_MAX, up).await?,
        Either::Left((failed, _)) | Either::Right((failed, _)) => failed,
    }
}

/// Copies one direction until its end, which it passes on.
async fn pump(mut reader: ReadHalf<'_>, mut writer: WriteHalf<'_>, mut gate: impl Gate) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    loop {
        let len = reader.read(&mut buffer).await?;
        if len == 0 {
            return writer.shutdown().await;
        }
        if gate.pass(&buffer[..len]).await == Verdict::Sever {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        writer.write_all(&buffer[..len]).await?;
    }
}
