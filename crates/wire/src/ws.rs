//! WebSocket frames (RFC 6455, section 5): the server's own, and a reader of the client's.
//!
//! The reader refuses from the header. A frame that declares a terabyte, a reserved bit or a missing mask costs the
//! server fourteen bytes, whatever follows.

use bytes::Bytes;

/// What a frame carries (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message before.
    Continuation = 0,
    /// Text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// A question after life.
    Ping = 9,
    /// Its answer.
    Pong = 10,
}

impl Opcode {
    fn read(bits: u8) -> Option<Self> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|opcode| *opcode as u8 == bits)
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Appends the header of a whole, unmasked frame.
pub fn push_header(out: &mut Vec<u8>, opcode: Opcode, len: usize) {
    out.push(0x80 | opcode as u8);
    if len < 126 {
        out.push(len as u8);
    } else if let Ok(short) = u16::try_from(len) {
        out.push(126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    push_header(&mut out, opcode, payload.len());
    out.extend_from_slice(payload);
    out
}

/// A text frame.
#[must_use]
pub fn text_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Text, payload)
}

/// The answer to a ping. The payload of a control frame is at most 125 bytes; the reader has seen to that.
#[must_use]
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Pong, payload)
}

/// An empty ping.
pub const PING_FRAME: [u8; 2] = [0x89, 0];

/// A close frame with a code and a reason, which is cut at 123 bytes (section 5.5.1).
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(Opcode::Close, &payload)
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A ping, to be answered with the same payload.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The client closes; the code is its own, or 1005 where it gave none.
    Close(u16),
}

/// A breach of the protocol, and the code to close with (section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFault {
    /// 1002, 1003, 1007 or 1009.
    pub code: u16,
    /// What was wrong, in a few words.
    pub detail: &'static str,
}

const fn breach(detail: &'static str) -> FrameFault {
    FrameFault { code: 1002, detail }
}

const BINARY: FrameFault = FrameFault { code: 1003, detail: "binary messages are not understood" };
const NOT_TEXT: FrameFault = FrameFault { code: 1007, detail: "a text message is not UTF-8" };
const TOO_LONG: FrameFault = FrameFault { code: 1009, detail: "a message is over its limit" };

/// The most frames that one message may come in: a bound on the work of a message of empty frames.
const FRAGMENTS_MAX: u32 = 1024;

#[derive(Debug, Clone, Copy)]
struct Header {
    finished: bool,
    opcode: Opcode,
    mask: [u8; 4],
    len: usize,
}

/// Reads a client's frames from bytes split anywhere. Holds at most one message and one control frame.
#[derive(Debug)]
pub struct FrameReader {
    message_max: usize,
    head: [u8; 14],
    head_len: usize,
    header: Option<Header>,
    /// How much of the frame's payload has come.
    taken: usize,
    payload: Vec<u8>,
    control: Vec<u8>,
    fragments: u32,
}

impl FrameReader {
    /// A reader that refuses messages of more than `message_max` bytes.
    #[must_use]
    pub fn new(message_max: usize) -> Self {
        Self {
            message_max,
            head: [0; 14],
            head_len: 0,
            header: None,
            taken: 0,
            payload: Vec::new(),
            control: Vec::new(),
            fragments: 0,
        }
    }

    /// Takes bytes from the front of `input` until one thing is whole, or the input is used up (`None`).
    ///
    /// # Errors
    /// [`FrameFault`]. The connection must be closed: the reader cannot go on.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, FrameFault> {
        loop {
            let header = match self.header {
                Some(header) => header,
                None => match self.take_header(input)? {
                    Some(header) => header,
                    None => return Ok(None),
                },
            };
            if !self.take_payload(header, input) {
                return Ok(None);
            }
            self.header = None;
            if let Some(incoming) = self.whole_frame(header)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Whether it holds nothing: no frame and no message has begun.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.head_len == 0 && self.header.is_none() && self.fragments == 0
    }

    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, FrameFault> {
        while let Some((byte, rest)) = input.split_first() {
            self.head[self.head_len] = *byte;
            self.head_len += 1;
            *input = rest;
            if let Some(header) = self.parse_header()? {
                self.head_len = 0;
                self.header = Some(header);
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Checks what is there of a header, and gives it once it is whole.
    fn parse_header(&self) -> Result<Option<Header>, FrameFault> {
        let head = &self.head[..self.head_len];
        let finished = head[0] & 0x80 != 0;
        if head[0] & 0x70 != 0 {
            return Err(breach("a reserved bit is set"));
        }
        let opcode = Opcode::read(head[0] & 0x0f).ok_or(breach("an unknown opcode"))?;
        self.check_sequence(opcode, finished)?;
        let Some(second) = head.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(breach("a client's frame without a mask"));
        }
        let short = second & 0x7f;
        if opcode.is_control() && short > 125 {
            return Err(breach("a control frame of more than 125 bytes"));
        }
        let len_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if head.len() < 2 + len_bytes {
            return Ok(None);
        }
        let len = declared_len(short, &head[2..2 + len_bytes])?;
        if !opcode.is_control() && len > (self.message_max - self.payload.len()) as u64 {
            return Err(TOO_LONG);
        }
        let Some(mask) = head.get(2 + len_bytes..6 + len_bytes) else { return Ok(None) };
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        Ok(Some(Header { finished, opcode, mask, len: usize::try_from(len).map_err(|_| TOO_LONG)? }))
    }

    fn check_sequence(&self, opcode: Opcode, finished: bool) -> Result<(), FrameFault> {
        let inside = self.fragments > 0;
        match opcode {
            Opcode::Continuation if !inside => Err(breach("a continuation of nothing")),
            Opcode::Text if inside => Err(breach("a new message inside another")),
            Opcode::Binary => Err(BINARY),
            _ if opcode.is_control() && !finished => Err(breach("a fragmented control frame")),
            _ => Ok(()),
        }
    }

    /// Takes what is there of the payload and unmasks it (section 5.3). True once it is whole.
    fn take_payload(&mut self, header: Header, input: &mut &[u8]) -> bool {
        let take = input.len().min(header.len - self.taken);
        let (now, rest) = input.split_at(take);
        let phase = self.taken;
        let into = if header.opcode.is_control() { &mut self.control } else { &mut self.payload };
        into.extend(now.iter().enumerate().map(|(place, byte)| byte ^ header.mask[(phase + place) & 3]));
        *input = rest;
        self.taken += take;
        self.taken == header.len
    }

    fn whole_frame(&mut self, header: Header) -> Result<Option<Incoming>, FrameFault> {
        self.taken = 0;
        match header.opcode {
            Opcode::Ping => Ok(Some(Incoming::Ping(Bytes::from(std::mem::take(&mut self.control))))),
            Opcode::Pong => {
                self.control.clear();
                Ok(Some(Incoming::Pong))
            }
            Opcode::Close => {
                close_code(&std::mem::take(&mut self.control)).map(|code| Some(Incoming::Close(code)))
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => self.whole_fragment(header.finished),
        }
    }

    fn whole_fragment(&mut self, finished: bool) -> Result<Option<Incoming>, FrameFault> {
        self.fragments += 1;
        if self.fragments > FRAGMENTS_MAX {
            return Err(TOO_LONG);
        }
        if !finished {
            return Ok(None);
        }
        self.fragments = 0;
        match String::from_utf8(std::mem::take(&mut self.payload)) {
            Ok(text) => Ok(Some(Incoming::Text(text))),
            Err(_) => Err(NOT_TEXT),
        }
    }
}

/// The code of a close frame's payload (sections 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<u16, FrameFault> {
    match payload {
        [] => Ok(1005),
        [_] => Err(breach("a close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if !sent {
                return Err(breach("a close code that is never sent"));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(NOT_TEXT);
            }
            Ok(code)
        }
    }
}

fn declared_len(short: u8, long: &[u8]) -> Result<u64, FrameFault> {
    let len = match long.len() {
        0 => u64::from(short),
        _ => long.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
    };
    match (long.len(), len) {
        (2, ..126) | (8, ..65_536) => Err(breach("a length that is not written the shortest way")),
        _ => Ok(len),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a client writes it.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut unmasked = Vec::new();
        push_header(&mut unmasked, Opcode::Text, payload.len());
        unmasked[0] = first;
        unmasked[1] |= 0x80;
        unmasked.extend_from_slice(&mask);
        unmasked.extend(payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place & 3]));
        unmasked
    }

    fn read(bytes: &[u8], piece: usize) -> (Vec<Incoming>, Option<FrameFault>) {
        let mut reader = FrameReader::new(1000);
        let mut got = Vec::new();
        for mut input in bytes.chunks(piece) {
            loop {
                match reader.next(&mut input) {
                    Ok(Some(incoming)) => got.push(incoming),
                    Ok(None) => break,
                    Err(fault) => return (got, Some(fault)),
                }
            }
            assert!(input.is_empty());
        }
        (got, None)
    }

    fn check_refused(bytes: &[u8], code: u16) {
        for piece in [1, 3, bytes.len()] {
            let (_, fault) = read(bytes, piece);
            assert_eq!(fault.map(|fault| fault.code), Some(code), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_refused_and_how() {
        check_refused(&[0xc1], 1002); // RSV1
        check_refused(&[0x83], 1002); // unknown opcode
        check_refused(&[0x81, 0x05], 1002); // no mask
        check_refused(&[0x80], 1002); // continuation of nothing
        check_refused(&[0x09], 1002); // fragmented ping
        check_refused(&[0x89, 0x80 | 126], 1002); // long ping
        check_refused(&[0x82], 1003); // binary
        check_refused(&[0x81, 0xfe, 0x00, 0x05], 1002); // not the shortest length
        check_refused(&client_frame(0x81, b"\xff"), 1007);
        check_refused(&client_frame(0x88, b"\x03"), 1002);
        check_refused(&client_frame(0x88, &1005_u16.to_be_bytes()), 1002);
        check_refused(&[client_frame(0x01, b"a"), client_frame(0x81, b"b")].concat(), 1002);
        check_refused(&[client_frame(0x01, &[b'a'; 600]), client_frame(0x80, &[b'a'; 600])].concat(), 1009);
        check_refused(&[client_frame(0x01, b""), client_frame(0x00, b"").repeat(1100)].concat(), 1009);
    }

    #[test]
    fn a_terabyte_is_refused_from_its_header() {
        let mut declared = vec![0x81, 0xff];
        declared.extend_from_slice(&(1_u64 << 40).to_be_bytes());
        check_refused(&declared, 1009);
        check_refused(&[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009);
    }

    #[test]
    fn close_and_ping_are_told() {
        let (got, fault) =
            read(&[client_frame(0x89, b"hi"), client_frame(0x88, &1000_u16.to_be_bytes())].concat(), 4);
        assert_eq!(got, [Incoming::Ping(Bytes::from_static(b"hi")), Incoming::Close(1000)]);
        assert_eq!(fault, None);
    }

    #[test]
    fn golden_server_frames() {
        assert_eq!(text_frame(b"a"), [0x81, 1, b'a']);
        assert_eq!(text_frame(&[0; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(text_frame(&[0; 65_536])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(close_frame(1001, "é".repeat(70).as_str()).len(), 2 + 2 + 122);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_messages(texts in proptest::collection::vec(".{0,150}", 0..6), cut in 1_usize..50, piece in 1_usize..40) {
            let mut bytes = Vec::new();
            for text in &texts {
                let parts: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
                let count = parts.len().max(1);
                for place in 0..count {
                    let first = u8::from(place == 0) | if place + 1 == count { 0x80 } else { 0 };
                    bytes.extend(client_frame(first, parts.get(place).copied().unwrap_or_default()));
                    if place + 1 < count {
                        bytes.extend(client_frame(0x8a, b"pong"));
                    }
                }
            }
            let (got, fault) = read(&bytes, piece);
            prop_assert_eq!(fault, None);
            let got: Vec<String> = got.into_iter().filter_map(|incoming| match incoming {
                Incoming::Text(text) => Some(text),
                _ => None,
            }).collect();
            prop_assert_eq!(got, texts);
        }

        #[test]
        fn no_bytes_make_it_hold_more_than_its_bound(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut reader = FrameReader::new(100);
            let mut input = bytes.as_slice();
            while let Ok(Some(_)) = reader.next(&mut input) {}
            prop_assert!(reader.payload.len() <= 100 && reader.control.len() <= 125);
        }
    }
}
