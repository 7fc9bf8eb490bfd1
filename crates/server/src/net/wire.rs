//! A client's connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
