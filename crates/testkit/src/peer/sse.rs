//! Server-Sent Events, read by the standard's own rules (WHATWG HTML, section 9.2.6).

use std::io::Result;
use std::time::Instant;

use crate::peer::http::invalid;
use crate::{Connection, Message};

/// One dispatched event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The value of its last `event` field.
    pub event: Option<String>,
    /// The value of its last `id` field.
    pub id: Option<String>,
    /// Its `data` fields, joined by line feeds.
    pub data: Option<String>,
    /// The value of its last `retry` field.
    pub retry: Option<u64>,
}

/// Makes events of the pieces of a body.
#[derive(Debug, Default)]
pub struct SseReader {
    held: Vec<u8>,
    block: Block,
    /// What the server said about coming back, in milliseconds.
    pub retry_ms: Option<u64>,
}

impl SseReader {
    /// The next event that has data, or `None` at the response's proper end.
    ///
    /// # Errors
    /// As [`Connection::piece`]; `InvalidData` for a line that the server would never send.
    pub fn next(&mut self, connection: &mut Connection, deadline: Instant) -> Result<Option<Block>> {
        loop {
            while let Some(line) = self.line() {
                if let Some(block) = self.take_line(&line)? {
                    return Ok(Some(block));
                }
            }
            match connection.piece(deadline)? {
                Some(piece) => self.held.extend_from_slice(&piece),
                None if self.held.is_empty() && self.block == Block::default() => return Ok(None),
                None => return Err(invalid(&format!("the stream ends inside of {:?}", self.held))),
            }
        }
    }

    /// Takes a line. A carriage return ends a line too; one at the end of what is held waits for what follows it.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.held.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let end_len = match &self.held[end..] {
            [b'\r'] => return None,
            [b'\r', b'\n', ..] => 2,
            _ => 1,
        };
        let line = self.held[..end].to_vec();
        self.held.drain(..end + end_len);
        Some(line)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Block>> {
        let line = std::str::from_utf8(line).map_err(|error| invalid(&error.to_string()))?;
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').ok_or_else(|| invalid(line))?;
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "event" => self.block.event = Some(value),
            "id" => self.block.id = Some(value),
            "retry" => self.block.retry = Some(value.parse().map_err(|_| invalid(line))?),
            "data" => match &mut self.block.data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => self.block.data = Some(value),
            },
            // A comment or an unknown field is nothing to a browser, and nothing that this server should send.
            _ => return Err(invalid(line)),
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Block> {
        let block = std::mem::take(&mut self.block);
        self.retry_ms = block.retry.or(self.retry_ms);
        block.data.is_some().then_some(block)
    }
}

impl Block {
    /// What the event tells, with its fields held against its data.
    ///
    /// # Panics
    /// If they do not fit together.
    #[must_use]
    pub fn message(&self) -> Message {
        let message = Message::read(self.data.as_deref().unwrap_or_default());
        assert_eq!(self.event.as_deref(), message.notice_name(), "{self:?}");
        assert_eq!(self.id.as_deref(), message.cursor(), "{self:?}");
        message
    }
}
