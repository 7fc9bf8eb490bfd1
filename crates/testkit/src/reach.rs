//! Where a server is and how it is spoken to.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::{Connection, Response};

/// Where a server is, and whether it speaks TLS.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Reach {
    /// Connects, with a small receive buffer where one is named.
    pub(crate) fn connect(&self, receive_buffer: Option<usize>) -> Result<Connection> {
        let connection = match receive_buffer {
            Some(bytes) => Connection::narrow(self.address, bytes)?,
            None => Connection::open(self.address)?,
        };
        match &self.tls {
            Some(client) => connection.secured(client),
            None => Ok(connection),
        }
    }

    /// Sends one request over a connection of its own.
    #[track_caller]
    pub(crate) fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}{length}\r\n{body}"
        );
        self.connect(None)
            .and_then(|mut connection| connection.exchange(head))
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }
}
