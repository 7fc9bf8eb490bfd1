//! The socket of an owned connection.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;

use actix_web::rt::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::net::wire::Wire;

/// A client's connection, registered with this worker's own epoll instance, edge-triggered.
#[derive(Debug)]
pub(crate) enum Io {
    /// Plain TCP.
    Plain(mio::net::TcpStream),
}

impl Io {
    /// Takes a connection over from actix's runtime.
    pub(crate) fn own(wire: Wire, registry: &Registry, token: Token) -> io::Result<Self> {
        match wire {
            Wire::Plain(stream) => {
                let mut stream = mio::net::TcpStream::from_std(stream.into_std()?);
                registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                Ok(Self::Plain(stream))
            }
        }
    }

    /// Gives it back.
    pub(crate) fn disown(self, registry: &Registry) -> io::Result<Wire> {
        match self {
            Self::Plain(mut stream) => {
                registry.deregister(&mut stream)?;
                TcpStream::from_std(stream.into()).map(Wire::Plain)
            }
        }
    }

    /// Writes until all is out or the connection takes no more. Gives the number of bytes that it took.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            let Self::Plain(stream) = self;
            match stream.write(&bytes[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Reads once. `None` if there is nothing now; zero bytes are the end.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let Self::Plain(stream) = self;
        loop {
            match stream.read(into) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn shut(&mut self) {
        let Self::Plain(stream) = self;
        // A connection that is gone already needs no word.
        let _ = stream.shutdown(Shutdown::Write);
    }
}
