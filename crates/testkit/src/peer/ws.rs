//! A WebSocket client by hand (RFC 6455).

use std::io::Result;
use std::time::Instant;

use crate::peer::http::invalid;
use crate::{Connection, Response, TestServer, patience};

/// The example of RFC 6455, section 1.3, and the answer that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// A ping, which the peer has answered.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The server closes.
    Close(u16, String),
}

/// A client of a WebSocket.
#[derive(Debug)]
pub struct WsPeer {
    /// The connection below, for bytes that are no frames.
    pub connection: Connection,
    masks: u32,
}

/// A frame as a client sends it, with its first byte as given and the payload masked (section 5.3).
#[must_use]
pub fn client_frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

impl WsPeer {
    /// Shakes hands.
    ///
    /// # Errors
    /// The socket's; the whole response, as text, where the server refused.
    pub fn open(server: &TestServer, target: &str) -> Result<Self> {
        Self::open_over(server.connect()?, target).map(|(peer, _)| peer)
    }

    /// Shakes hands over a connection, and gives the head of the answer too.
    ///
    /// # Errors
    /// As [`WsPeer::open`].
    pub fn open_over(mut connection: Connection, target: &str) -> Result<(Self, Response)> {
        connection.send(Self::request(target, ""))?;
        let head = connection.head(patience())?;
        if head.status != 101 {
            let mut body = Vec::new();
            while let Some(piece) = connection.piece(patience())? {
                body.extend_from_slice(&piece);
            }
            return Err(invalid(&format!("{head:?} {}", String::from_utf8_lossy(&body))));
        }
        if head.header("sec-websocket-accept") != Some(ACCEPT) {
            return Err(invalid(&format!("{head:?}")));
        }
        Ok((Self { connection, masks: 0x9e37_79b9 }, head))
    }

    /// The request of the handshake, with more header lines, each with its line end.
    #[must_use]
    pub fn request(target: &str, more: &str) -> String {
        format!(
            "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
        )
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The socket's.
    pub fn say(&mut self, text: &str) -> Result<()> {
        self.send_frame(0x81, text.as_bytes())
    }

    /// Sends a frame with this first byte.
    ///
    /// # Errors
    /// The socket's.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) -> Result<()> {
        // Another mask for every frame: a server that forgets to unmask, or goes on with the last mask, is found out.
        self.masks = self.masks.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        self.connection.send(client_frame(first, payload, self.masks.to_be_bytes()))
    }

    /// The next frame; `None` where the connection has ended. Pings are answered.
    ///
    /// # Errors
    /// As [`Connection::take`]; `InvalidData` for a frame that a server may not send.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Frame>> {
        if self.connection.held().is_empty() && self.connection.read_more(deadline)? == 0 {
            return Ok(None);
        }
        let frame = self.frame(deadline)?;
        if let Frame::Ping(payload) = &frame {
            // A server that has just ended cannot hear the answer.
            let _ = self.send_frame(0x8a, payload);
        }
        Ok(Some(frame))
    }

    /// Reads a frame once all of it is there, so that a deadline between loses nothing.
    fn frame(&mut self, deadline: Instant) -> Result<Frame> {
        self.connection.fill(2, deadline)?;
        let (first, second) = (self.connection.held()[0], self.connection.held()[1]);
        let len_bytes = match second {
            0..126 => 0,
            126 => 2,
            127 => 8,
            _ => return Err(invalid("a server's frame with a mask")),
        };
        self.connection.fill(2 + len_bytes, deadline)?;
        let long = &self.connection.held()[2..2 + len_bytes];
        let long = long.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
        let len = if len_bytes == 0 { usize::from(second) } else { long };
        let whole = self.connection.take(2 + len_bytes + len, deadline)?;
        read_frame(first, &whole[2 + len_bytes..])
    }
}

fn read_frame(first: u8, payload: &[u8]) -> Result<Frame> {
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| invalid(&error.to_string()))
    };
    match (first, payload) {
        (0x81, payload) => text(payload).map(Frame::Text),
        (0x88, []) => Ok(Frame::Close(1005, String::new())),
        (0x88, [high, low, reason @ ..]) => {
            Ok(Frame::Close(u16::from_be_bytes([*high, *low]), text(reason)?))
        }
        (0x89, payload) if payload.len() < 126 => Ok(Frame::Ping(payload.to_vec())),
        (0x8a, payload) if payload.len() < 126 => Ok(Frame::Pong(payload.to_vec())),
        _ => Err(invalid(&format!("a frame of {first:#x} with {} bytes", payload.len()))),
    }
}
