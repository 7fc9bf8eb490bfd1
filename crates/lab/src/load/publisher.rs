//! The publisher of a comparison: into one namespace, for everybody.

use std::net::SocketAddr;

use super::event;
use super::lines::{Lines, Turns, write_request};
use crate::error::Result;
use crate::machine::now_ns;

/// Publishes into one namespace.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) lines: Lines,
    namespace: String,
    payload: usize,
    body: Vec<u8>,
    request: Vec<u8>,
}

impl Publisher {
    /// Opens the connections; every event carries `payload` bytes of `data`.
    pub(super) fn open(address: SocketAddr, namespace: &str, payload: usize) -> Result<Self> {
        Ok(Self {
            lines: Lines::open(address, Turns::Latest)?,
            namespace: namespace.to_owned(),
            payload,
            body: Vec::new(),
            request: Vec::new(),
        })
    }

    /// Publishes `count` events in one request, all intended for `intended_us`.
    pub(super) fn publish(&mut self, intended_us: u64, count: u32) -> Result<()> {
        self.compose(intended_us, count);
        self.lines.send(u64::from(count), &self.request)
    }

    fn compose(&mut self, intended_us: u64, count: u32) {
        self.body.clear();
        let sent_us = now_ns() / 1000;
        for index in 0..count {
            let open: &[u8] = if index > 0 {
                b",{\"data\":"
            } else if count > 1 {
                b"[{\"data\":"
            } else {
                b"{\"data\":"
            };
            self.body.extend_from_slice(open);
            event::stamped(&mut self.body, intended_us, sent_us, self.payload);
            self.body.push(b'}');
        }
        if count > 1 {
            self.body.push(b']');
        }
        write_request(&mut self.request, &self.namespace, &self.body);
    }
}
