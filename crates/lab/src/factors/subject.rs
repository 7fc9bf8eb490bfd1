//! The server under test over a carriage, and how to connect to it.

use std::fs;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::wire::{Counted, Counter, Line};
use crate::error::{LabError, Result};
use crate::machine::{PeerChild, Placement, Readiness};
use crate::proxies::Poster;
use crate::result::Carriage;

const NAME: &str = "localhost";
const CERTIFICATE: &str = "factors-certificate.pem";
const KEY: &str = "factors-key.pem";
/// How long a publisher's connection may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A certificate made for one run, which only this run's clients trust.
#[derive(Debug)]
pub(super) struct Trust {
    certificate: PathBuf,
    key: PathBuf,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

impl Trust {
    /// Makes a certificate and its key, and writes both into a folder.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let tls = |error: &dyn std::fmt::Display| LabError::Server(format!("certificate: {error}"));
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(|e| tls(&e))?;
        let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        fs::write(&certificate, made.cert.pem())
            .and_then(|()| fs::write(&key, made.signing_key.serialize_pem()))
            .map_err(LabError::io("write the certificate"))?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).map_err(|e| tls(&e))?;
        let config = |protocol: &[u8]| -> Result<Arc<ClientConfig>> {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider);
            let versions = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(|e| tls(&e))?;
            let mut config = versions.with_root_certificates(roots.clone()).with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            // Every connection makes its whole handshake, as those of different clients do.
            config.resumption = rustls::client::Resumption::disabled();
            Ok(Arc::new(config))
        };
        let (h1, h2) = (config(b"http/1.1")?, config(b"h2")?);
        Ok(Self { certificate, key, h1, h2 })
    }

    /// The client's settings for a carriage; none where it is not encrypted.
    fn client(&self, carriage: Carriage) -> Option<&Arc<ClientConfig>> {
        match carriage {
            Carriage::H1Plain => None,
            Carriage::H1Tls => Some(&self.h1),
            Carriage::H2Tls => Some(&self.h2),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    child: PeerChild,
    trust: &'a Trust,
    carriage: Carriage,
}

impl<'a> Subject<'a> {
    /// Starts a fresh server that speaks a carriage.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        place: Placement,
        trust: &'a Trust,
        carriage: Carriage,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        let known = std::env::vars_os().map(|(name, _)| name);
        known.filter(|name| name.to_string_lossy().starts_with("TRICAST_")).for_each(|name| {
            command.env_remove(name);
        });
        command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"]);
        command.env("TRICAST_SERVER__REQUEST_TIMEOUT_MS", "120000");
        if carriage.is_secure() {
            command.env("TRICAST_TLS__CERTIFICATE", &trust.certificate).env("TRICAST_TLS__KEY", &trust.key);
        }
        let log = folder.join("factors-server.log");
        let child = PeerChild::start(&mut command, place, Readiness::Told, &log)?;
        Ok(Self { child, trust, carriage })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub(super) fn carriage(&self) -> Carriage {
        self.carriage
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.child.address
    }

    /// Connects a subscriber; what passes is counted below TLS.
    pub(super) async fn connect(&self, counter: &Counter) -> Result<Line> {
        let stream = TcpStream::connect(self.address()).await.map_err(LabError::io("connect"))?;
        stream.set_nodelay(true).map_err(LabError::io("prepare a connection"))?;
        let counted = Counted::new(stream, counter);
        let Some(config) = self.trust.client(self.carriage) else { return Ok(Box::new(counted)) };
        let connector = TlsConnector::from(Arc::clone(config));
        let tls = connector.connect(name()?, counted).await.map_err(LabError::io("TLS handshake"))?;
        Ok(Box::new(tls))
    }

    /// A publisher, over HTTP/1.1 and encrypted where the server is.
    pub(super) fn poster(&self, payload_bytes: u32) -> Result<Poster> {
        let stream = StdStream::connect(self.address()).map_err(LabError::io("connect the publisher"))?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(ANSWER_MAX)))
            .map_err(LabError::io("prepare the publisher"))?;
        if !self.carriage.is_secure() {
            return Ok(Poster::over(Box::new(stream), super::NAMESPACE, payload_bytes));
        }
        let tls = ClientConnection::new(Arc::clone(&self.trust.h1), name()?);
        let tls = tls.map_err(|e| LabError::Server(format!("TLS of the publisher: {e}")))?;
        Ok(Poster::over(Box::new(StreamOwned::new(tls, stream)), super::NAMESPACE, payload_bytes))
    }
}

fn name() -> Result<ServerName<'static>> {
    ServerName::try_from(NAME).map_err(|e| LabError::Server(format!("server's name: {e}")))
}
