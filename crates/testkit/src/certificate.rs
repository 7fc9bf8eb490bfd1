//! A certificate of the tests' own, and clients that trust nothing else.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// The name that servers are asked under.
pub(crate) const NAME: &str = "test";

/// A certificate and its key, in files as a server wants them.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
    trust: RootCertStore,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Panics
    /// If it cannot be made or written.
    #[must_use]
    pub fn make() -> Self {
        Self::try_make().unwrap_or_else(|error| panic!("a certificate: {error}"))
    }

    /// The one that the servers of this process share: making one takes time, and none of them minds.
    ///
    /// # Panics
    /// As [`Certificate::make`].
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Certificate> = OnceLock::new();
        SHARED.get_or_init(Self::make)
    }

    fn try_make() -> Result<Self, Box<dyn std::error::Error>> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned(), "127.0.0.1".to_owned()])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("certificate.pem"), made.cert.pem())?;
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem())?;
        let mut trust = RootCertStore::empty();
        trust.add(made.cert.der().clone())?;
        Ok(Self { folder, trust })
    }

    /// The file of the certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The file of the key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// What a client needs that trusts this certificate and offers these protocols.
    ///
    /// # Panics
    /// If the library has none of the usual versions.
    #[must_use]
    pub fn client(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let versions = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut client = versions.with_root_certificates(self.trust.clone()).with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(client)
    }
}
