//! A lean reader of WebSocket frames from a server (RFC 6455, section 5).

use super::{Found, UNREAD_BYTES_MAX, head};
use crate::error::{LabError, Result};

const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// What text messages mean on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dialect {
    /// tricast's own messages.
    #[default]
    Tricast,
    /// Every message is an event; the stream stands with the head.
    Plain,
    /// Socket.IO's packets in Engine.IO's, protocol version 4.
    SocketIo,
    /// Centrifugo's JSON protocol: one reply or push a line.
    Centrifugo,
}

/// Reads one WebSocket connection.
#[derive(Debug, Default)]
pub(crate) struct WsReader {
    dialect: Dialect,
    unread: Vec<u8>,
    upgraded: bool,
    /// The fragments of a message that is not complete.
    message: Option<Vec<u8>>,
}

/// A frame inside a buffer.
struct Frame {
    last: bool,
    opcode: u8,
    payload: std::ops::Range<usize>,
}

impl WsReader {
    pub(crate) fn of(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Reads the next bytes of the connection.
    pub(crate) fn feed(&mut self, input: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<()> {
        self.unread.extend_from_slice(input);
        if !self.upgraded && !self.head(found)? {
            return Ok(());
        }
        let unread = std::mem::take(&mut self.unread);
        let mut at = 0;
        while let Some(frame) = frame(&unread[at..])? {
            let payload = &unread[at + frame.payload.start..at + frame.payload.end];
            self.take(&frame, payload, found)?;
            at += frame.payload.end;
        }
        self.unread = unread;
        self.unread.drain(..at);
        Ok(())
    }

    fn head(&mut self, found: &mut impl FnMut(Found<'_>)) -> Result<bool> {
        let Some(head) = head::parse(&self.unread)? else { return Ok(false) };
        if head.status != 101 {
            return Err(LabError::Protocol(format!("WebSocket answered with status {}", head.status)));
        }
        found(Found::Head(head.bytes));
        if self.dialect == Dialect::Plain {
            found(Found::Ready);
        }
        self.unread.drain(..head.bytes);
        self.upgraded = true;
        Ok(true)
    }

    fn take(&mut self, frame: &Frame, payload: &[u8], found: &mut impl FnMut(Found<'_>)) -> Result<()> {
        let dialect = self.dialect;
        match (frame.opcode, &mut self.message) {
            (TEXT, None) if frame.last => dialect.text(payload, found),
            (TEXT, message @ None) => *message = Some(payload.to_vec()),
            (CONTINUATION, Some(message)) => {
                message.extend_from_slice(payload);
                if frame.last {
                    dialect.text(&self.message.take().unwrap_or_default(), found);
                }
            }
            (PING, _) => found(Found::Ping(payload)),
            (PONG, _) => {}
            (CLOSE, _) => found(Found::Ended),
            (opcode, _) => return Err(LabError::Protocol(format!("WebSocket frame of opcode {opcode}"))),
        }
        Ok(())
    }
}

impl Dialect {
    /// Takes a whole text message.
    fn text(self, message: &[u8], found: &mut impl FnMut(Found<'_>)) {
        match self {
            Self::Tricast => tricast(message, found),
            Self::Plain => found(Found::Event(message)),
            Self::SocketIo => socket_io(message, found),
            Self::Centrifugo => message.split(|byte| *byte == b'\n').for_each(|line| centrifugo(line, found)),
        }
    }
}

/// An event begins with its id, everything else is a notice or a reply.
fn tricast(message: &[u8], found: &mut impl FnMut(Found<'_>)) {
    if message.starts_with(b"{\"id\":") {
        found(Found::Event(message));
    } else if message.starts_with(b"{\"notice\":\"sync\"") {
        found(Found::Sync(message));
        found(Found::Ready);
    } else if message.starts_with(b"{\"notice\":\"gap\"") {
        found(Found::Gap(message));
    } else if message.starts_with(b"{\"notice\":\"close\"") {
        found(Found::Ended);
    }
}

/// The first digit is Engine.IO's: `0` open, `1` close, `2` ping, `4` message. The second, of a message, is Socket.IO's:
/// `0` connected, `1` disconnected, `2` event.
fn socket_io(message: &[u8], found: &mut impl FnMut(Found<'_>)) {
    match message {
        [b'0', ..] => found(Found::Reply("40")),
        [b'2', ..] => found(Found::Reply("3")),
        [b'4', b'0', ..] => found(Found::Ready),
        [b'4', b'2', event @ ..] => found(Found::Event(event)),
        [b'1', ..] | [b'4', b'1', ..] => found(Found::Ended),
        _ => {}
    }
}

/// An empty object is a ping, which is answered by the same; the reply to the second command says that the channel is subscribed.
fn centrifugo(message: &[u8], found: &mut impl FnMut(Found<'_>)) {
    let has = |part: &[u8]| memchr::memmem::find(message, part).is_some();
    if message == b"{}" {
        found(Found::Reply("{}"));
    } else if has(b"\"push\":") && has(b"\"pub\":") {
        found(Found::Event(message));
    } else if has(b"\"id\":2") && !has(b"\"error\":") {
        found(Found::Ready);
    } else if has(b"\"disconnect\":") || has(b"\"error\":") {
        found(Found::Ended);
    }
}

/// The first frame of a buffer; `None` while it is incomplete.
fn frame(buffer: &[u8]) -> Result<Option<Frame>> {
    let &[first, second, ..] = buffer else { return Ok(None) };
    if second & 0x80 != 0 || first & 0x70 != 0 {
        return Err(LabError::Protocol("WebSocket frame that is masked or uses an extension".to_owned()));
    }
    let (length, start) = match second {
        126 => (buffer.get(2..4).map(|b| u64::from(u16::from_be_bytes([b[0], b[1]]))), 4),
        127 => (buffer.get(2..10).and_then(|b| Some(u64::from_be_bytes(b.try_into().ok()?))), 10),
        short => (Some(u64::from(short)), 2),
    };
    let Some(length) = length else { return Ok(None) };
    if length > UNREAD_BYTES_MAX as u64 {
        return Err(LabError::Protocol(format!("WebSocket frame of {length} bytes")));
    }
    let payload = start..start + length as usize;
    let frame = Frame { last: first & 0x80 != 0, opcode: first & 0x0F, payload };
    Ok((buffer.len() >= frame.payload.end).then_some(frame))
}

/// Writes a client frame of a short control payload. The mask is zero: it protects proxies from scripts, and here
/// there are neither.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    short(PONG, payload)
}

/// Writes a client frame of a text so short that one byte tells its length.
pub(crate) fn reply(text: &str) -> Vec<u8> {
    short(TEXT, text.as_bytes())
}

/// Writes a client frame of a text of any length, unmasked in effect as above.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(0x80 | TEXT);
    match text.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        middle @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
}

fn short(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::super::sse::tests::{at_every_split, told};
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            medium @ 126..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn check(frames: &[Vec<u8>], expected: &[&str]) {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n".to_vec();
        let mut words = vec![format!("Head({})", stream.len())];
        frames.iter().for_each(|frame| stream.extend_from_slice(frame));
        words.extend(expected.iter().map(|&word| word.to_owned()));
        at_every_split(&stream, &words, |pieces| {
            let (mut reader, mut words) = (WsReader::default(), Vec::new());
            for piece in pieces {
                reader.feed(piece, &mut |found| words.push(told(found))).unwrap();
            }
            words
        });
    }

    #[test]
    fn frames_may_be_split_anywhere() {
        let long = format!("{{\"id\":\"{}\"}}", "x".repeat(300));
        check(
            &[
                server_frame(0x81, b"{\"notice\":\"sync\"}"),
                server_frame(0x81, b"{\"id\":\"a\"}"),
                server_frame(0x89, b"hi"),
                server_frame(0x81, long.as_bytes()),
                server_frame(0x01, b"{\"id\""),
                server_frame(0x89, b""),
                server_frame(0x80, b":\"b\"}"),
                server_frame(0x81, b"{\"notice\":\"beat\"}"),
                server_frame(0x88, b"\x03\xe8"),
            ],
            &[
                "sync {\"notice\":\"sync\"}",
                "Ready",
                "event {\"id\":\"a\"}",
                "ping hi",
                &format!("event {long}"),
                "ping ",
                "event {\"id\":\"b\"}",
                "Ended",
            ],
        );
    }

    /// Centrifugo's JSON protocol, by its documents.
    #[test]
    fn centrifugo_is_read_line_by_line() {
        let replies = b"{\"id\":1,\"connect\":{\"client\":\"c\",\"ping\":25}}\n{\"id\":2,\"subscribe\":{}}";
        let push = b"{\"push\":{\"channel\":\"lab\",\"pub\":{\"data\":{\"a\":1}}}}";
        let mut words = Vec::new();
        for message in [replies.as_slice(), b"{}", push] {
            Dialect::Centrifugo.text(message, &mut |found| words.push(told(found)));
        }
        let event = format!("event {}", String::from_utf8_lossy(push));
        assert_eq!(words, ["Ready".to_owned(), "Reply(\"{}\")".to_owned(), event]);
    }

    /// What a Socket.IO 4.8 server sends at the start of a session, then an event, a ping and a disconnection.
    #[test]
    fn socket_io_is_answered_where_it_asks() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let open = br#"0{"sid":"7d3jAAAB","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        let packets = [&open[..], br#"40{"sid":"cJX2AAAC"}"#, br#"42["event",{"a":1}]"#, b"2", b"41"];
        packets.iter().for_each(|packet| stream.extend_from_slice(&server_frame(0x81, packet)));
        let words =
            ["Head(56)", "Reply(\"40\")", "Ready", "event [\"event\",{\"a\":1}]", "Reply(\"3\")", "Ended"];
        at_every_split(&stream, &words.map(str::to_owned), |pieces| {
            let (mut reader, mut words) = (WsReader::of(Dialect::SocketIo), Vec::new());
            for piece in pieces {
                reader.feed(piece, &mut |found| words.push(told(found))).unwrap();
            }
            words
        });
        assert_eq!(reply("40"), [0x81, 0x82, 0, 0, 0, 0, b'4', b'0']);
    }

    /// As Nchan 1.3.6 sent it.
    #[test]
    fn a_plain_stream_stands_with_its_head() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let head = stream.len();
        stream.extend_from_slice(b"\x81\x1c{\"a\":1,\"b\":12345,\"pad\":\"xx\"}");
        let words =
            [format!("Head({head})"), "Ready".to_owned(), r#"event {"a":1,"b":12345,"pad":"xx"}"#.to_owned()];
        at_every_split(&stream, &words, |pieces| {
            let (mut reader, mut words) = (WsReader::of(Dialect::Plain), Vec::new());
            for piece in pieces {
                reader.feed(piece, &mut |found| words.push(told(found))).unwrap();
            }
            words
        });
    }

    #[test]
    fn a_frame_of_64_kib_is_read() {
        let json = format!("{{\"id\":\"{}\"}}", "x".repeat(70_000));
        let bytes = server_frame(0x81, json.as_bytes());
        assert!(frame(&bytes[..bytes.len() - 1]).unwrap().is_none());
        assert_eq!(frame(&bytes).unwrap().unwrap().payload.len(), json.len());
    }

    #[test]
    fn frames_that_no_server_sends_are_refused() {
        assert!(frame(&[0x81, 0x85, 0, 0]).is_err());
        assert!(frame(&[0xC1, 0x01, 0]).is_err());
        assert!(frame(&[0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn pongs_are_masked_and_short() {
        assert_eq!(pong(b"hi"), [0x8A, 0x82, 0, 0, 0, 0, b'h', b'i']);
        assert_eq!(pong(&[0; 200]).len(), 6 + 125);
    }
}
