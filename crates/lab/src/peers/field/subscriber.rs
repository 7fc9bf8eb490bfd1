//! One subscriber of a field: a socket, the reader of its wire, and its tally.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use super::Counts;
use super::tally::Tally;
use crate::error::{LabError, Result};
use crate::load::{Found, pong, reply, write_all};
use crate::machine::now_ns;
use crate::peers::wire::{Reader, Sighting, Wire};
use crate::result::Latency;

/// One open stream or parked poll.
#[derive(Debug)]
pub(super) struct Subscriber {
    stream: TcpStream,
    reader: Reader,
    tally: Tally,
}

/// What all subscribers write into.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Streams that told that they stand.
    pub(super) standing: usize,
    /// How many have each event that is not complete, the oldest first.
    pub(super) counts: Counts,
    /// Events that everybody has.
    pub(super) completed: u64,
    /// Poll answers with events.
    pub(super) answers: u64,
    /// Open while an open loop is measured.
    pub(super) latency: Option<Latency>,
    /// Bytes that the first subscriber read, as far as they are kept.
    pub(super) pass: Vec<u8>,
    /// The first subscriber's last request.
    pub(super) request: Vec<u8>,
    sightings: Vec<Option<Sighting>>,
    out: Vec<u8>,
}

/// Bytes of the first subscriber's stream that are kept.
const PASS_BYTES_MAX: usize = 1 << 20;

impl Subscriber {
    /// Connects and sends the request that opens the stream.
    pub(super) fn open(address: SocketAddr, wire: &Wire) -> Result<Self> {
        let mut stream = TcpStream::connect(address).map_err(LabError::io("connect a subscriber"))?;
        let ready = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
        ready.map_err(LabError::io("prepare a subscriber"))?;
        let reader = wire.reader();
        let mut request = Vec::new();
        wire.request(&reader, &mut request);
        write_all(&mut stream, &request)?;
        Ok(Self { stream, reader, tally: Tally::default() })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Reads once and enters what came. `first` tells whether the bytes are kept.
    pub(super) fn read(
        &mut self,
        first: bool,
        wire: &Wire,
        buffer: &mut [u8],
        shared: &mut Shared,
    ) -> Result<()> {
        let bytes = match self.stream.read(buffer) {
            Ok(0) => 0,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => 0,
        };
        if bytes == 0 {
            self.tally.ended = true;
            return Err(LabError::Protocol("the server closed a subscriber's connection".to_owned()));
        }
        if first && shared.pass.len() < PASS_BYTES_MAX {
            shared.pass.extend_from_slice(&buffer[..bytes]);
        }
        let due = self.take(wire, &buffer[..bytes], shared)?;
        self.enter(now_ns() / 1000, shared);
        self.answer(first, due, wire, shared)
    }

    /// Reads the bytes; whether the next poll is due.
    fn take(&mut self, wire: &Wire, bytes: &[u8], shared: &mut Shared) -> Result<bool> {
        let Self { reader, tally, .. } = self;
        let raw = matches!(reader, Reader::RawPoll(_));
        let Shared { sightings, out, standing, answers, .. } = shared;
        let (mut due, mut ended) = (false, false);
        wire.feed(reader, bytes, &mut |found| match found {
            Found::Head(_) => {}
            Found::Ready => *standing += 1,
            Found::Sync(_) | Found::Gap(_) => {}
            Found::Event(event) => sightings.push(Sighting::read(event)),
            Found::Answer(events) => {
                due = true;
                *answers += u64::from(events > 0);
                if raw {
                    sightings.push(Some(Sighting { number: tally.next(), intended_us: 0 }));
                }
            }
            Found::Reply(text) => out.extend_from_slice(&reply(text)),
            Found::Ping(payload) => out.extend_from_slice(&pong(payload)),
            Found::Ended => ended = true,
        })?;
        if ended {
            self.tally.ended = true;
            return Err(LabError::Protocol("the server ended a stream".to_owned()));
        }
        Ok(due)
    }

    fn enter(&mut self, now_us: u64, shared: &mut Shared) {
        let Shared { sightings, counts, completed, latency, .. } = shared;
        for sighting in sightings.drain(..) {
            let fresh = self.tally.enter(sighting, now_us);
            let (true, Some(Sighting { number, intended_us })) = (fresh, sighting) else { continue };
            let place = number.checked_sub(*completed + 1).and_then(|place| usize::try_from(place).ok());
            if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                *count += 1;
            }
            if let Some(latency) = latency {
                latency.record(now_us.saturating_sub(intended_us));
            }
        }
    }

    /// Sends what is due: pongs, replies, the next poll.
    fn answer(&mut self, first: bool, due: bool, wire: &Wire, shared: &mut Shared) -> Result<()> {
        if due {
            wire.request(&self.reader, &mut shared.out);
            if first {
                shared.out.clone_into(&mut shared.request);
            }
        }
        if shared.out.is_empty() {
            return Ok(());
        }
        let written = write_all(&mut self.stream, &shared.out);
        shared.out.clear();
        written
    }
}
