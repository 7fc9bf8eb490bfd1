//! A publisher that sends one event at a time and waits for its answer, over whatever carries bytes.

use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::client::connect;
use crate::error::{LabError, Result};
use crate::load::{AnswerReader, event_data};
use crate::machine::now_ns;

const CREATED: u16 = 201;
/// How long the answer to one publish may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 4096;

/// What carries the publisher's requests: a socket, or TLS on one.
pub(crate) trait Carrier: Read + Write + Send {}

impl<T: Read + Write + Send> Carrier for T {}

/// Publishes into one namespace.
pub(crate) struct Poster {
    carrier: Box<dyn Carrier>,
    answers: AnswerReader,
    namespace: String,
    payload_bytes: usize,
    /// Events that were accepted.
    pub(crate) accepted: u32,
}

impl Poster {
    pub(crate) fn open(address: SocketAddr, namespace: &str, payload_bytes: u32) -> Result<Self> {
        let stream = connect(address)?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(LabError::io("prepare a connection"))?;
        Ok(Self::over(Box::new(stream), namespace, payload_bytes))
    }

    /// The same over something that is connected already and does not block for ever.
    pub(crate) fn over(carrier: Box<dyn Carrier>, namespace: &str, payload_bytes: u32) -> Self {
        Self {
            carrier,
            answers: AnswerReader::default(),
            namespace: namespace.to_owned(),
            payload_bytes: payload_bytes as usize,
            accepted: 0,
        }
    }

    /// Publishes one event that is intended for now.
    pub(crate) fn publish(&mut self) -> Result<()> {
        self.publish_at(now_ns() / 1000)
    }

    /// Publishes one event that was intended for a time, microseconds of the monotonic clock.
    pub(crate) fn publish_at(&mut self, intended_us: u64) -> Result<()> {
        let mut body = b"{\"data\":".to_vec();
        event_data(&mut body, intended_us, self.payload_bytes);
        body.push(b'}');
        let mut request = format!(
            "POST /v1/feeds/{}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.namespace,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        let sent = self.carrier.write_all(&request).and_then(|()| self.carrier.flush());
        sent.map_err(LabError::io("publish"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<()> {
        let mut buffer = [0; READ_BYTES];
        let mut status = None;
        while status.is_none() {
            let bytes = self.carrier.read(&mut buffer).map_err(LabError::io("read a publish answer"))?;
            if bytes == 0 {
                return Err(LabError::Protocol("the server closed a publish connection".to_owned()));
            }
            self.answers.feed(
                &buffer[..bytes],
                |_| (),
                |code, _| {
                    status = Some(code);
                    Ok(())
                },
            )?;
        }
        match status {
            Some(CREATED) => {
                self.accepted += 1;
                Ok(())
            }
            other => Err(LabError::Protocol(format!("publish answered with {other:?}"))),
        }
    }
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
