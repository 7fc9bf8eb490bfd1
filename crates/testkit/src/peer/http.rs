//! HTTP/1.1 by hand (RFC 9112), with a deadline on every read.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::peer::socket::Socket;
use crate::{PATIENCE, patience};

/// A connection, and what was read of it and not yet used.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    held: Vec<u8>,
    at: usize,
    body: Body,
}

/// How the rest of the current response is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy)]
enum Body {
    Chunked,
    Length(usize),
    UntilEnd,
}

/// The head of a response, and its body where that was read.
#[derive(Debug, Clone)]
pub struct Response {
    /// The version, as `HTTP/1.1`.
    pub version: String,
    /// The status.
    pub status: u16,
    /// Names in lower case, values without the white space around them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The socket's.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// Connects with a receive buffer of about this many bytes, so that a peer that does not read is felt soon.
    ///
    /// # Errors
    /// The socket's.
    pub fn narrow(address: SocketAddr, receive_buffer: usize) -> Result<Self> {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_recv_buffer_size(receive_buffer)?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket: Socket::Plain(stream), held: Vec::new(), at: 0, body: Body::Length(0) })
    }

    /// Puts TLS over a fresh connection.
    ///
    /// # Errors
    /// The socket's, or what is wrong with what the server sent.
    pub fn secured(self, client: &Arc<ClientConfig>) -> Result<Self> {
        Ok(Self { socket: self.socket.secured(client)?, ..self })
    }

    /// The protocol that the server chose in the handshake.
    #[must_use]
    pub fn protocol(&mut self) -> Option<Vec<u8>> {
        self.socket.tls().and_then(|tls| tls.conn.alpn_protocol().map(<[u8]>::to_vec))
    }

    /// Sends bytes in records of at most so many bytes, with so many of each record's bytes sent by themselves.
    ///
    /// # Errors
    /// The socket's.
    ///
    /// # Panics
    /// Without TLS.
    pub fn send_in_records(&mut self, bytes: &[u8], record: usize, piece: usize) -> Result<()> {
        let tls = self.socket.tls().unwrap_or_else(|| panic!("there is no TLS"));
        let mut sealed = Vec::new();
        for part in bytes.chunks(record) {
            tls.conn.writer().write_all(part)?;
            tls.conn.write_tls(&mut sealed)?;
        }
        sealed.chunks(piece).try_for_each(|part| tls.sock.write_all(part))
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The socket's.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.socket.write_all(bytes.as_ref()).and_then(|()| self.socket.flush())
    }

    /// A second handle on the socket, for sending while another thread reads. Under TLS what it sends is no record.
    ///
    /// # Errors
    /// The socket's.
    pub fn sender(&self) -> Result<TcpStream> {
        self.socket.tcp().try_clone()
    }

    /// Sends no more, and goes on reading.
    ///
    /// # Errors
    /// The socket's.
    pub fn half_close(&mut self) -> Result<()> {
        self.socket.half_close()
    }

    /// Reads what is there, or waits for it until the deadline. Zero is the end.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`], or the socket's.
    pub fn read_more(&mut self, deadline: Instant) -> Result<usize> {
        if self.at > 0 {
            self.held.drain(..self.at);
            self.at = 0;
        }
        let mut piece = [0; 64 << 10];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::from(ErrorKind::TimedOut));
            }
            self.socket.tcp().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.socket.read(&mut piece) {
                Ok(count) => {
                    self.held.extend_from_slice(&piece[..count]);
                    return Ok(count);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What was read and not yet used.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        &self.held[self.at..]
    }

    /// Takes exactly so many bytes; nothing is lost if the deadline passes before.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] where they end before, and as [`Connection::read_more`].
    pub fn take(&mut self, count: usize, deadline: Instant) -> Result<Vec<u8>> {
        self.fill(count, deadline)?;
        self.at += count;
        Ok(self.held[self.at - count..self.at].to_vec())
    }

    /// Waits until so many bytes are held.
    ///
    /// # Errors
    /// As [`Connection::take`].
    pub fn fill(&mut self, count: usize, deadline: Instant) -> Result<()> {
        while self.held().len() < count {
            if self.read_more(deadline)? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, format!("after {:?}", self.held())));
            }
        }
        Ok(())
    }

    /// Takes everything up to and with this mark.
    fn take_until(&mut self, mark: &[u8], deadline: Instant) -> Result<Vec<u8>> {
        loop {
            let found = self.held().windows(mark.len()).position(|window| window == mark);
            if let Some(place) = found {
                return self.take(place + mark.len(), deadline);
            }
            let held = self.held().len();
            self.fill(held + 1, deadline)?;
        }
    }

    /// Whether the server has ended the connection properly and sent nothing more.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] where it has not.
    pub fn is_ended(&mut self, deadline: Instant) -> Result<bool> {
        Ok(self.held().is_empty() && self.read_more(deadline)? == 0)
    }

    /// Reads a response's head and leaves its body to [`Connection::piece`].
    ///
    /// # Errors
    /// As [`Connection::take`]; [`ErrorKind::InvalidData`] for what is no head.
    pub fn head(&mut self, deadline: Instant) -> Result<Response> {
        let head = self.take_until(b"\r\n\r\n", deadline)?;
        let text = String::from_utf8(head).map_err(|error| invalid(&error.to_string()))?;
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let first = lines.next().ok_or_else(|| invalid("no status line"))?;
        let mut words = first.split(' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|word| word.parse().ok()).ok_or_else(|| invalid(first))?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.map(|line| header(line).ok_or_else(|| invalid(line))).collect::<Result<_>>()?;
        let response = Response { version, status, headers, body: Vec::new() };
        self.body = response.framing()?;
        Ok(response)
    }

    /// The next piece of the body, or `None` at its proper end.
    ///
    /// # Errors
    /// As [`Connection::take`]; [`ErrorKind::InvalidData`] for chunks that are none.
    pub fn piece(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>> {
        match self.body {
            Body::Length(0) => Ok(None),
            Body::Length(left) => {
                self.fill(1, deadline)?;
                let piece = self.take(left.min(self.held().len()), deadline)?;
                self.body = Body::Length(left - piece.len());
                Ok(Some(piece))
            }
            Body::UntilEnd => {
                if self.held().is_empty() && self.read_more(deadline)? == 0 {
                    return Ok(None);
                }
                self.take(self.held().len(), deadline).map(Some)
            }
            Body::Chunked => self.chunk(deadline),
        }
    }

    /// One chunk (RFC 9112, section 7.1). It is taken as a whole, so that a deadline between loses nothing.
    fn chunk(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>> {
        loop {
            let held = self.held();
            if let Some(line_len) = held.windows(2).position(|window| window == b"\r\n") {
                let size = std::str::from_utf8(&held[..line_len]).unwrap_or("not text");
                let size = usize::from_str_radix(size, 16).map_err(|_| invalid(&format!("size {size:?}")))?;
                self.fill(line_len + 2 + size + 2, deadline)?;
                let whole = self.take(line_len + 2 + size + 2, deadline)?;
                let (data, end) = whole[line_len + 2..].split_at(size);
                if end != b"\r\n" {
                    return Err(invalid(&format!("a chunk of {size} ends in {end:?}")));
                }
                if size == 0 {
                    self.body = Body::Length(0);
                    return Ok(None);
                }
                return Ok(Some(data.to_vec()));
            }
            let held = self.held().len();
            self.fill(held + 1, deadline)?;
        }
    }

    /// Reads a whole response.
    ///
    /// # Errors
    /// As [`Connection::head`] and [`Connection::piece`].
    pub fn response(&mut self, deadline: Instant) -> Result<Response> {
        let mut response = self.head(deadline)?;
        while let Some(piece) = self.piece(deadline)? {
            response.body.extend_from_slice(&piece);
        }
        Ok(response)
    }

    /// Sends a request and reads its whole response, within [`PATIENCE`].
    ///
    /// # Errors
    /// As [`Connection::response`].
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Result<Response> {
        self.send(request)?;
        self.response(patience())
    }
}

impl Response {
    fn framing(&self) -> Result<Body> {
        if matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Body::Length(0));
        }
        match (self.header("transfer-encoding"), self.header("content-length")) {
            (Some("chunked"), None) => Ok(Body::Chunked),
            (None, Some(length)) => length.parse().map(Body::Length).map_err(|_| invalid(length)),
            (None, None) => Ok(Body::UntilEnd),
            both => Err(invalid(&format!("a body of two lengths: {both:?}"))),
        }
    }

    /// The value of a header that is there once.
    ///
    /// # Panics
    /// If it is there more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice: {:?}", self.headers);
        value
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
