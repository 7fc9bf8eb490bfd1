//! A socket, bare or under TLS.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::certificate::NAME;

/// A socket, bare or under TLS.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Puts TLS over it; hands are shaken before this returns.
    pub(crate) fn secured(self, client: &Arc<ClientConfig>) -> Result<Self> {
        let Self::Plain(mut stream) = self else { return Err(ErrorKind::InvalidInput.into()) };
        let name = ServerName::try_from(NAME).map_err(Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(client), name).map_err(Error::other)?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, stream))))
    }

    /// The bare socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.sock,
        }
    }

    /// The TLS, where there is one.
    pub(crate) fn tls(&mut self) -> Option<&mut StreamOwned<ClientConnection, TcpStream>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls),
        }
    }

    /// Sends no more. TLS says so first (RFC 8446, section 6.1).
    pub(crate) fn half_close(&mut self) -> Result<()> {
        if let Self::Tls(tls) = self {
            tls.conn.send_close_notify();
            tls.flush()?;
        }
        self.tcp().shutdown(Shutdown::Write)
    }
}

/// Reads, also where nothing can be written any more. The end of the socket without the end of TLS is an error, as it
/// should be.
fn read_tls(tls: &mut StreamOwned<ClientConnection, TcpStream>, into: &mut [u8]) -> Result<usize> {
    loop {
        match tls.conn.reader().read(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            done => return done,
        }
        tls.conn.read_tls(&mut tls.sock)?;
        tls.conn.process_new_packets().map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(tls) => read_tls(tls, into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
