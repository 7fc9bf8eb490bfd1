//! Where HTTP answers end in the bytes of a server, for a proxy that holds streams and lets whole answers through.

use crate::tap::{Chunked, Step};

/// A head longer than this is taken for no HTTP: everything after it is held like a stream.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 96;

#[derive(Debug, Default)]
enum State {
    /// Between two answers, or in the head of the next.
    #[default]
    Head,
    Counted(u64),
    Chunked(Chunked),
    /// Until the connection ends; also what is no HTTP.
    Endless,
    /// Behind a 101: no longer HTTP.
    Tunnel,
}

/// The reading state of a server's side.
#[derive(Debug, Default)]
pub(super) struct Answers {
    state: State,
    head: Vec<u8>,
}

impl Answers {
    /// Reads on; whether nothing is incomplete at the end of the piece.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            let used = self.step(piece);
            piece = &piece[used..];
        }
        matches!(self.state, State::Tunnel) || matches!(self.state, State::Head) && self.head.is_empty()
    }

    fn step(&mut self, piece: &[u8]) -> usize {
        match &mut self.state {
            State::Head => self.step_head(piece),
            State::Counted(left) => {
                let used = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
                *left -= used as u64;
                if *left == 0 {
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
                    self.state = State::Endless;
                    piece.len()
                }
            },
            State::Endless | State::Tunnel => piece.len(),
        }
    }

    fn step_head(&mut self, piece: &[u8]) -> usize {
        let held = self.head.len();
        self.head.extend_from_slice(piece);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let (used, state) = match response.parse(&self.head) {
            Ok(httparse::Status::Complete(len)) => (len - held, body(&response)),
            Ok(httparse::Status::Partial) if self.head.len() < HEAD_BYTES_MAX => return piece.len(),
            _ => (piece.len(), State::Endless),
        };
        self.state = state;
        self.head.clear();
        used
    }
}

/// How the body goes that follows this head (RFC 9112, section 6.3). Answers to HEAD are not told from others; the laboratory
/// sends none.
fn body(response: &httparse::Response<'_, '_>) -> State {
    let named = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    match response.code {
        Some(101) => return State::Tunnel,
        Some(100..200 | 204 | 304) => return State::Head,
        _ => {}
    }
    let is_chunked = |value: &[u8]| value.to_ascii_lowercase().ends_with(b"chunked");
    if named("transfer-encoding").is_some_and(|header| is_chunked(header.value)) {
        return State::Chunked(Chunked::new());
    }
    let length = named("content-length")
        .and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    match length {
        Some(0) => State::Head,
        Some(bytes) => State::Counted(bytes),
        None => State::Endless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 204 No Content\r\n\r\n";

    #[test]
    fn answers_end_where_they_end_however_they_come() {
        for size in 1..=TWO.len() {
            let mut answers = Answers::default();
            let mut ends = Vec::new();
            let mut at = 0;
            for piece in TWO.chunks(size) {
                at += piece.len();
                if answers.take(piece) {
                    ends.push(at);
                }
            }
            assert_eq!(ends.last(), Some(&TWO.len()), "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_http_never_ends() {
        let mut answers = Answers::default();
        assert!(!answers.take(b"\x00\x01\x02 nothing of it\r\n\r\n"));
        assert!(!answers.take(TWO));
    }

    #[test]
    fn chunked_answers_end_with_their_last_chunk() {
        let mut answers = Answers::default();
        assert!(!answers.take(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"));
        assert!(answers.take(b"0\r\n\r\n"));
    }
}
