//! A socket that counts, below TLS, what passes through it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a subscriber speaks over: a socket, or TLS on one.
pub(crate) type Line = Box<dyn Duplex>;

/// Both directions of a connection.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// Bytes of all connections that share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    down: Rc<Cell<u64>>,
    up: Rc<Cell<u64>>,
}

impl Counter {
    /// From the server and to it, so far.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.down.get(), self.up.get())
    }
}

/// A socket and its counter.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: TcpStream,
    counter: Counter,
}

impl Counted {
    pub(crate) fn new(stream: TcpStream, counter: &Counter) -> Self {
        Self { stream, counter: counter.clone() }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let came = buf.filled().len() - before;
        this.counter.down.set(this.counter.down.get() + came as u64);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            this.counter.up.set(this.counter.up.get() + *count as u64);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
