//! A connection as actix reads and writes it: the socket, and bytes of it that were read before.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Plain TCP.
    Plain(TcpStream),
}

impl Wire {
    /// The client's address.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        let Self::Plain(stream) = self;
        stream.peer_addr().ok()
    }
}

/// A connection and what was read of it ahead.
#[derive(Debug)]
pub(crate) struct FrontIo {
    wire: Wire,
    ahead: BytesMut,
}

impl FrontIo {
    pub(crate) fn new(wire: Wire, ahead: BytesMut) -> Self {
        Self { wire, ahead }
    }

    /// What was read and not yet taken.
    pub(crate) fn ahead(&self) -> &BytesMut {
        &self.ahead
    }

    /// Takes the first bytes of what was read.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        self.ahead.split_to(count).freeze()
    }

    pub(crate) fn into_parts(self) -> (Wire, BytesMut) {
        (self.wire, self.ahead)
    }

    /// Reads more ahead. Gives the number of bytes; zero is the end.
    pub(crate) async fn read_ahead(&mut self) -> io::Result<usize> {
        self.ahead.reserve(READ_BYTES);
        match &mut self.wire {
            Wire::Plain(stream) => stream.read_buf(&mut self.ahead).await,
        }
    }

    fn wire(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream),
        }
    }
}

/// Room made for each read ahead.
const READ_BYTES: usize = 1024;

impl AsyncRead for FrontIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return self.wire().poll_read(cx, into);
        }
        let now = self.ahead.len().min(into.remaining());
        into.put_slice(&self.ahead[..now]);
        self.ahead.advance(now);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FrontIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_shutdown(cx)
    }
}
