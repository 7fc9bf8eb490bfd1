//! The publisher: one keep-alive connection on which requests follow each other without waiting for answers, so that
//! events keep their order and a server may join what it finds waiting.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use crate::error::{LabError, Result};
use crate::load::{AnswerReader, write_all};
use crate::peers::wire::Publishing;

/// Publishes numbered events to one server.
#[derive(Debug)]
pub(super) struct Publisher {
    stream: TcpStream,
    publishing: Publishing,
    answers: AnswerReader,
    request: Vec<u8>,
    pub(super) published: u64,
    pub(super) refused: u64,
}

impl Publisher {
    pub(super) fn open(address: SocketAddr, publishing: Publishing) -> Result<Self> {
        let stream = TcpStream::connect(address).map_err(LabError::io("connect the publisher"))?;
        let ready = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
        ready.map_err(LabError::io("prepare the publisher"))?;
        Ok(Self {
            stream,
            publishing,
            answers: AnswerReader::default(),
            request: Vec::new(),
            published: 0,
            refused: 0,
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Publishes the next event.
    pub(super) fn publish(&mut self, intended_us: u64) -> Result<()> {
        self.published += 1;
        self.request.clear();
        self.publishing.request(&mut self.request, self.published, intended_us);
        write_all(&mut self.stream, &self.request)
    }

    /// Reads answers; anything but a success is a refusal.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        let bytes = match self.stream.read(buffer) {
            Ok(0) => {
                return Err(LabError::Protocol("the server closed the publisher's connection".to_owned()));
            }
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(LabError::io("read a publish answer")(error)),
        };
        let refused = &mut self.refused;
        self.answers.feed(
            &buffer[..bytes],
            |_| (),
            |status, _| {
                *refused += u64::from(!(200..300).contains(&status));
                Ok(())
            },
        )
    }
}
