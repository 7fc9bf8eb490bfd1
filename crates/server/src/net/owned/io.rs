//! The socket of an owned connection.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::rc::Rc;

use actix_web::rt::net::TcpStream;
use mio::{Interest, Registry, Token};
use tricast_hub::LinkFacts;

use crate::net::tls::{Tls, TlsWire};
use crate::net::wire::{Fresh, Wire};

/// A client's connection, registered with this worker's own epoll instance, edge-triggered.
#[derive(Debug)]
pub(crate) struct Io {
    stream: mio::net::TcpStream,
    tls: Option<Tls>,
    /// Bytes that it took, before encryption.
    sent: u64,
}

impl Io {
    /// Takes a connection over from actix's runtime.
    pub(crate) fn own(wire: Wire, registry: &Registry, token: Token) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let (mut stream, tls) = match wire {
            Wire::Fresh(mut fresh) if fresh.registry.is_some() => {
                registry.reregister(&mut fresh.stream, token, interest)?;
                return Ok(Self { stream: fresh.stream, tls: None, sent: 0 });
            }
            Wire::Fresh(fresh) => (fresh.stream, None),
            Wire::Plain(stream) => (mio::net::TcpStream::from_std(stream.into_std()?), None),
            Wire::Tls(wire) => {
                let (stream, tls) = wire.into_parts();
                (mio::net::TcpStream::from_std(stream.into_std()?), Some(tls))
            }
            #[cfg(test)]
            Wire::Memory(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        registry.register(&mut stream, token, interest)?;
        Ok(Self { stream, tls, sent: 0 })
    }

    /// Gives it back.
    pub(crate) fn disown(mut self, registry: &Registry) -> io::Result<Wire> {
        registry.deregister(&mut self.stream)?;
        let stream = TcpStream::from_std(self.stream.into())?;
        Ok(match self.tls {
            None => Wire::Plain(stream),
            Some(tls) => Wire::Tls(TlsWire::new(stream, tls)),
        })
    }

    /// Takes a plain connection out, still registered with `registry`.
    pub(crate) fn fresh(self, registry: &Rc<Registry>) -> Wire {
        Wire::Fresh(Fresh { stream: self.stream, registry: Some(Rc::clone(registry)) })
    }

    /// What an operator is told of it.
    pub(crate) fn facts(&self) -> LinkFacts {
        LinkFacts { peer: self.stream.peer_addr().ok(), sent: self.sent }
    }

    /// Whether there may be more to read although a read was short: what TLS gives at once is a record.
    pub(crate) fn reads_in_records(&self) -> bool {
        self.tls.is_some()
    }

    /// Writes until all is out or the connection takes no more. Gives the number of bytes that it took, and whether it
    /// takes more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        if let Some(tls) = &mut self.tls {
            let taken = tls.write(bytes, &mut self.stream)?;
            self.sent += taken as u64;
            return Ok((taken, taken == bytes.len() && !tls.has_unsent()));
        }
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    self.sent += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((written, false)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok((written, true))
    }

    /// Reads once. `None` if there is nothing now; zero bytes are the end.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let read = match &mut self.tls {
                None => self.stream.read(into),
                Some(tls) => tls.read(into, &mut self.stream),
            };
            match read {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says goodbye, where the protocol has a word for it.
    pub(crate) fn part(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
            // A client that does not take this last word is not waited for.
            let _ = tls.pump(&mut self.stream);
        }
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn shut(&mut self) {
        self.part();
        // A connection that is gone already needs no word.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}
