//! Reads along on the client's side of a connection: where request heads begin and end, and what lane they name.
//!
//! The scanner never holds bytes back; the tap forwards them whatever they are. What it cannot parse makes it
//! blind: it stops looking for requests and calls everything from there on part of what came last. A WebSocket
//! needs no rule of its own. A client's frame has a first byte that starts no HTTP token, or a second one (the mask
//! bit is always set, RFC 6455, section 5.1) that continues none, so the first frame makes the scanner blind, while
//! a refused upgrade leaves it reading the next request.

use super::chunked::{Chunked, Step};
use super::label::Label;

/// The longest request head that is parsed: 16 KiB. A longer one makes the scanner blind.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most header fields that are parsed, as many as the server reads.
const HEADERS_MAX: usize = 96;

/// What the scanner saw in the bytes it was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    /// A whole request head, which may have begun in an earlier piece, and the lane it names.
    Head { bytes: &'a [u8], label: Option<Label> },
    /// Bytes that belong to the request before them: a body, frames, or what nobody can parse.
    Rest(&'a [u8]),
}

#[derive(Debug)]
enum State {
    Head,
    Body { left_bytes: u64 },
    Chunked(Chunked),
    Blind,
}

/// The reading state of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// The head that has begun and not ended.
    head: Vec<u8>,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { state: State::Head, head: Vec::new() }
    }

    /// Reads a piece and tells what is in it, in order. Stops, and answers `false`, where `tell` answers `false`.
    pub(super) fn scan(&mut self, mut piece: &[u8], mut tell: impl FnMut(Seen<'_>) -> bool) -> bool {
        while !piece.is_empty() {
            let (used, go_on) = if matches!(self.state, State::Head) {
                self.read_head(piece, &mut tell)
            } else {
                let used = self.skip_rest(piece);
                (used, used == 0 || tell(Seen::Rest(&piece[..used])))
            };
            if !go_on {
                return false;
            }
            piece = &piece[used..];
        }
        true
    }

    /// Steps over what belongs to the current request: how many bytes of the piece. Zero only where the scanner
    /// has just gone blind, and takes the rest on the next turn.
    fn skip_rest(&mut self, piece: &[u8]) -> usize {
        match &mut self.state {
            State::Body { left_bytes } => {
                let used = usize::try_from(*left_bytes).map_or(piece.len(), |left| left.min(piece.len()));
                *left_bytes -= used as u64;
                if *left_bytes == 0 {
                    self.state = State::Head;
                }
                used
            }
            State::Chunked(body) => match body.skip(piece) {
                Step::Within => piece.len(),
                Step::Ended(used) => {
                    self.state = State::Head;
                    used
                }
                Step::Malformed => {
                    self.state = State::Blind;
                    0
                }
            },
            State::Head | State::Blind => piece.len(),
        }
    }

    /// Takes the piece into the head: how many of its bytes were used, and whether to go on.
    fn read_head(&mut self, piece: &[u8], tell: &mut impl FnMut(Seen<'_>) -> bool) -> (usize, bool) {
        let held = self.head.len();
        let taken = piece.len().min(HEAD_BYTES_MAX - held);
        self.head.extend_from_slice(&piece[..taken]);
        let (used, seen) = match parse(&self.head) {
            Parsed::Whole { len, label, body } => {
                self.state = body;
                (len - held, Seen::Head { bytes: &self.head[..len], label })
            }
            Parsed::Begun if self.head.len() < HEAD_BYTES_MAX => return (taken, true),
            Parsed::Begun | Parsed::Unreadable => {
                self.state = State::Blind;
                (taken, Seen::Rest(&self.head))
            }
        };
        let go_on = tell(seen);
        self.head = Vec::new();
        (used, go_on)
    }
}

/// What a buffer that starts with a request head turns out to be.
enum Parsed {
    Whole { len: usize, label: Option<Label>, body: State },
    Begun,
    Unreadable,
}

fn parse(buffer: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let len = match request.parse(buffer) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Parsed::Begun,
        Err(_) => return Parsed::Unreadable,
    };
    match body_of(&request) {
        Some(body) => Parsed::Whole { len, label: request.path.and_then(Label::of_target), body },
        None => Parsed::Unreadable,
    }
}

/// What follows the head (RFC 9112, section 6.3); `None` where its end cannot be known for certain.
fn body_of(request: &httparse::Request<'_, '_>) -> Option<State> {
    let named = |name: &'static str| {
        request
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    if request.method == Some("CONNECT") {
        return None;
    }
    let mut codings = named("transfer-encoding");
    let mut lengths = named("content-length");
    match (codings.next(), lengths.next()) {
        (None, None) => Some(State::Head),
        (Some(coding), None) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
            Some(State::Chunked(Chunked::new()))
        }
        (None, Some(length)) if lengths.next().is_none() => length_state(length),
        _ => None,
    }
}

fn length_state(length: &[u8]) -> Option<State> {
    let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    let left_bytes = std::str::from_utf8(length).ok().filter(|_| digits)?.parse().ok()?;
    Some(if left_bytes == 0 { State::Head } else { State::Body { left_bytes } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The heads' labels (`-` for none) and the rest, as one line of text; the same in one piece and byte by byte.
    fn check(stream: &[u8], expected: &[&str]) {
        for piece_bytes in [stream.len().max(1), 1, 7] {
            let mut scanner = Scanner::new();
            let mut found: Vec<String> = Vec::new();
            let mut rest = String::new();
            for piece in stream.chunks(piece_bytes) {
                scanner.scan(piece, |seen| {
                    match seen {
                        Seen::Head { label, .. } => {
                            found.extend((!rest.is_empty()).then(|| format!("rest {rest:?}")));
                            rest.clear();
                            found.push(format!("head {}", label.as_ref().map_or("-", Label::as_str)));
                        }
                        Seen::Rest(bytes) => rest.push_str(&String::from_utf8_lossy(bytes)),
                    }
                    true
                });
            }
            found.extend((!rest.is_empty()).then(|| format!("rest {rest:?}")));
            assert_eq!(found, expected, "in pieces of {piece_bytes}");
        }
    }

    #[test]
    fn finds_heads_between_bodies() {
        check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &["head -"]);
        check(
            b"GET /v1/feeds/d/poll?label=a HTTP/1.1\r\n\r\nGET /v1/feeds/d/poll?label=b HTTP/1.1\r\n\r\n",
            &["head a", "head b"],
        );
        check(
            b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /GET /v1/feeds/d/sse?label=a HTTP/1.1\r\n\r\n",
            &["head -", "rest \"GET /\"", "head a"],
        );
        check(
            b"POST /x HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            &["head -", "rest \"2\\r\\nab\\r\\n0\\r\\n\\r\\n\"", "head -"],
        );
    }

    #[test]
    fn goes_blind_where_it_cannot_know() {
        check(b"\x16\x03\x01 hello", &["rest \"\\u{16}\\u{3}\\u{1} hello\""]);
        for fields in [
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: +1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
            "Content-Length: 99999999999999999999",
        ] {
            let stream = format!("POST /v1/feeds/d/sse?label=a HTTP/1.1\r\n{fields}\r\n\r\n");
            check(stream.as_bytes(), &[&format!("rest {stream:?}")]);
        }
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        check(long.as_bytes(), &[&format!("rest {long:?}")]);
    }

    #[test]
    fn a_websocket_frame_ends_the_parsing_and_a_refused_upgrade_does_not() {
        let upgrade =
            "GET /v1/feeds/d/ws?label=w HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let plain = "GET / HTTP/1.1\r\n\r\n";
        // 0x41 is the letter A: with compression a fragment can begin so, and only the mask bit tells it.
        for first in [0x81_u8, 0x01, 0x41, 0x89] {
            let mut stream = upgrade.as_bytes().to_vec();
            stream.extend([first, 0x80 | 18, 0, 0, 0, 0]);
            stream.extend(plain.as_bytes());
            let rest = String::from_utf8_lossy(&stream[upgrade.len()..]).into_owned();
            let mut scanner = Scanner::new();
            let mut heads = 0;
            let mut after = Vec::new();
            scanner.scan(&stream, |seen| {
                match seen {
                    Seen::Head { .. } => heads += 1,
                    Seen::Rest(bytes) => after.extend_from_slice(bytes),
                }
                true
            });
            assert_eq!((heads, String::from_utf8_lossy(&after).into_owned()), (1, rest));
        }
        check(format!("{upgrade}{plain}").as_bytes(), &["head w", "head -"]);
    }

    #[test]
    fn stops_where_it_is_told() {
        let stream = b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let mut heads = 0;
        let went_on = Scanner::new().scan(stream, |_| {
            heads += 1;
            false
        });
        assert!(!went_on);
        assert_eq!(heads, 1);
    }
}
