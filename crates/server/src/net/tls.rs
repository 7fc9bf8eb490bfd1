//! TLS (RFC 8446) as the hub and actix use it alike: a state machine beside a socket, both taken by value.
//!
//! A library's stream would keep the two together; an owned connection changes its socket's reactor, so they are kept
//! apart here and pumped by hand.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::settings::TlsFiles;

/// Bytes that wait inside TLS for a socket that takes no more.
const UNSENT_BYTES_MAX: usize = 16 << 10;

/// HTTP/2, as it is called in the handshake (RFC 7301).
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// Reads the certificate and its key.
///
/// # Errors
/// One that names the setting and the file.
pub(crate) fn config(files: &TlsFiles) -> io::Result<Arc<ServerConfig>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read("tls.certificate", &files.certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong("tls.certificate", &files.certificate, error))?;
    if certificates.is_empty() {
        return Err(wrong("tls.certificate", &files.certificate, "there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(&read("tls.key", &files.key)?)
        .map_err(|error| wrong("tls.key", &files.key, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| wrong("tls.key", &files.key, error))?;
    config.alpn_protocols = vec![ALPN_H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(setting: &str, file: &Path) -> io::Result<Vec<u8>> {
    fs::read(file).map_err(|error| wrong(setting, file, error))
}

fn wrong(setting: &str, file: &Path, error: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{setting}: {}: {error}", file.display()))
}

/// One side of a TLS connection, without its socket.
#[derive(Debug)]
pub(crate) struct Tls(Box<ServerConnection>);

impl Tls {
    /// # Errors
    /// If the configuration cannot be used.
    pub(crate) fn new(config: &Arc<ServerConfig>) -> io::Result<Self> {
        let mut connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        connection.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        Ok(Self(Box::new(connection)))
    }

    /// Whether the client chose HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        self.0.alpn_protocol() == Some(ALPN_H2)
    }

    /// Whether something waits to be written to the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        self.0.wants_write()
    }

    /// Writes to the socket until nothing waits or it takes no more. True if nothing waits.
    pub(crate) fn pump(&mut self, mut socket: impl Write) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(&mut socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes as much as there is room for, and writes it to the socket as far as that takes it. Gives how many bytes
    /// were taken.
    pub(crate) fn write(&mut self, bytes: &[u8], mut socket: impl Write) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let now = self.0.writer().write(&bytes[taken..])?;
            taken += now;
            if !self.pump(&mut socket)? || taken == bytes.len() {
                return Ok(taken);
            }
        }
    }

    /// Reads what there is, deciphered. `WouldBlock` if the socket has no more; zero bytes are the end.
    pub(crate) fn read(&mut self, into: &mut [u8], mut socket: impl Read + Write) -> io::Result<usize> {
        loop {
            match self.0.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.take_in(&mut socket)? == 0 {
                return Ok(0);
            }
        }
    }

    /// Reads from the socket once. Gives how many bytes there were; zero is the end.
    fn take_in(&mut self, mut socket: impl Read + Write) -> io::Result<usize> {
        let count = self.0.read_tls(&mut socket)?;
        let processed = self.0.process_new_packets();
        // An alert, the next step of the handshake, or an answer to a key update.
        self.pump(&mut socket)?;
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(count)
    }

    /// Says that nothing more comes (RFC 8446, section 6.1).
    pub(crate) fn close(&mut self) {
        self.0.send_close_notify();
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }
}

/// A TLS connection on actix's runtime.
#[derive(Debug)]
pub(crate) struct TlsWire {
    stream: TcpStream,
    tls: Tls,
}

impl TlsWire {
    pub(crate) fn new(stream: TcpStream, tls: Tls) -> Self {
        Self { stream, tls }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// The socket's, or what is wrong with what the client sent.
    pub(crate) async fn accept(stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let mut wire = Self::new(stream, Tls::new(config)?);
        while wire.tls.is_handshaking() {
            std::future::poll_fn(|cx| wire.poll_out(cx)).await?;
            wire.stream.readable().await?;
            match wire.tls.take_in(Raw(&wire.stream)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        std::future::poll_fn(|cx| wire.poll_out(cx)).await?;
        Ok(wire)
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn into_parts(self) -> (TcpStream, Tls) {
        (self.stream, self.tls)
    }

    /// Writes until nothing waits inside TLS.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.tls.pump(Raw(&self.stream))? {
            ready!(self.stream.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// The socket without waiting.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for TlsWire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        loop {
            match wire.tls.read(into.initialize_unfilled(), Raw(&wire.stream)) {
                Ok(count) => {
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(wire.stream.poll_read_ready(cx))?;
                }
                // A client that leaves without a word has left.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for TlsWire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        loop {
            match wire.tls.write(bytes, Raw(&wire.stream))? {
                0 if !bytes.is_empty() => ready!(wire.stream.poll_write_ready(cx))?,
                taken => return Poll::Ready(Ok(taken)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.tls.close();
        ready!(wire.poll_out(cx))?;
        Pin::new(&mut wire.stream).poll_shutdown(cx)
    }
}
