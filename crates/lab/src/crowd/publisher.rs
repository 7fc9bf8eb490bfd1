//! The publisher of a crowd: like the one that compares transports, but into any room of any namespace.

use std::net::SocketAddr;

use crate::error::Result;
use crate::load::{Lines, Turns, event_data, write_request};

/// Events that leave in one request, all intended for the same time: one for each of the rooms, where `None` is a
/// broadcast.
#[derive(Debug, Clone)]
pub(super) struct Post<'a> {
    pub(super) namespace: &'a str,
    pub(super) rooms: Vec<Option<String>>,
    /// Deliveries that it causes among those that count.
    pub(super) deliveries: u64,
}

impl<'a> Post<'a> {
    /// One event for everybody in a namespace.
    pub(super) fn broadcast(namespace: &'a str, audience: u64) -> Self {
        Self { namespace, rooms: vec![None], deliveries: audience }
    }

    /// One event for a room.
    pub(super) fn room(namespace: &'a str, room: &str, audience: u64) -> Self {
        Self { namespace, rooms: vec![Some(room.to_owned())], deliveries: audience }
    }
}

/// Publishes posts. Its connections take turns: in a soak of minutes one may rest for long.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) lines: Lines,
    payload: usize,
    body: Vec<u8>,
    request: Vec<u8>,
}

impl Publisher {
    /// Opens the connections; every event carries `payload` bytes of `data`.
    pub(super) fn open(address: SocketAddr, payload: usize) -> Result<Self> {
        let lines = Lines::open(address, Turns::Oldest)?;
        Ok(Self { lines, payload, body: Vec::new(), request: Vec::new() })
    }

    /// Publishes a post whose events are intended for `intended_us`.
    pub(super) fn publish(&mut self, intended_us: u64, post: &Post<'_>) -> Result<()> {
        self.compose(intended_us, post);
        self.lines.send(post.rooms.len() as u64, &self.request)
    }

    fn compose(&mut self, intended_us: u64, post: &Post<'_>) {
        self.body.clear();
        self.body.push(b'[');
        for (index, room) in post.rooms.iter().enumerate() {
            if index > 0 {
                self.body.push(b',');
            }
            match room {
                Some(room) => {
                    self.body.extend_from_slice(format!("{{\"rooms\":[\"{room}\"],\"data\":").as_bytes());
                }
                None => self.body.extend_from_slice(b"{\"data\":"),
            }
            event_data(&mut self.body, intended_us, self.payload);
            self.body.push(b'}');
        }
        self.body.push(b']');
        write_request(&mut self.request, post.namespace, &self.body);
    }
}
