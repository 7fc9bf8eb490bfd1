//! A client's connection.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use mio::Registry;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::tls::TlsWire;

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Plain TCP that actix's runtime does not wait for; it must be settled before it does.
    Fresh(Fresh),
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(TlsWire),
    /// Memory.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

/// A connection that only a worker's own epoll instance may know.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) stream: mio::net::TcpStream,
    /// Where it is registered, if it is.
    pub(crate) registry: Option<Rc<Registry>>,
}

impl Wire {
    /// The client's address.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Fresh(fresh) => fresh.stream.peer_addr().ok(),
            Self::Plain(stream) => stream.peer_addr().ok(),
            Self::Tls(wire) => wire.stream().peer_addr().ok(),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Reads what is there now, if nobody waits for this connection yet. Zero bytes are the end.
    pub(crate) fn read_now(&mut self, into: &mut [u8]) -> Option<io::Result<usize>> {
        match self {
            Self::Fresh(fresh) => Some(fresh.stream.read(into)),
            Self::Plain(_) | Self::Tls(_) => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Lets actix's runtime wait for this connection.
    pub(crate) fn settled(self) -> io::Result<Self> {
        match self {
            Self::Fresh(mut fresh) => {
                if let Some(registry) = fresh.registry {
                    registry.deregister(&mut fresh.stream)?;
                }
                TcpStream::from_std(fresh.stream.into()).map(Self::Plain)
            }
            Self::Plain(_) | Self::Tls(_) => Ok(self),
            #[cfg(test)]
            Self::Memory(_) => Ok(self),
        }
    }

    /// Whether the client chose HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        matches!(self, Self::Tls(wire) if wire.tls().is_h2())
    }
}

/// Nobody waits for a fresh connection.
fn unsettled() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Fresh(_) => Poll::Ready(Err(unsettled())),
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(wire) => Pin::new(wire).poll_read(cx, into),
            #[cfg(test)]
            Self::Memory(pipe) => Pin::new(pipe).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Fresh(_) => Poll::Ready(Err(unsettled())),
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(wire) => Pin::new(wire).poll_write(cx, bytes),
            #[cfg(test)]
            Self::Memory(pipe) => Pin::new(pipe).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Fresh(_) => Poll::Ready(Err(unsettled())),
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(wire) => Pin::new(wire).poll_flush(cx),
            #[cfg(test)]
            Self::Memory(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Fresh(_) => Poll::Ready(Err(unsettled())),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(wire) => Pin::new(wire).poll_shutdown(cx),
            #[cfg(test)]
            Self::Memory(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}
