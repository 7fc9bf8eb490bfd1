//! HTTP/1.1 bodies: of a given length, chunked, or until the connection ends (RFC 9112, section 6).

use memchr::memchr;

use crate::error::{LabError, Result};

/// A chunk's size line, extensions included, is at most this long.
const SIZE_LINE_BYTES_MAX: usize = 256;

/// Where a body's reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UntilEnd,
    Sized(u64),
    /// Before a chunk's size line.
    Size,
    /// Inside a chunk.
    Chunk(u64),
    /// Before the line end that closes a chunk.
    ChunkEnd,
    /// Inside the trailer section, line by line, to the empty line.
    Trailer,
    Done,
}

impl Body {
    pub(super) fn until_end() -> Self {
        Self { state: State::UntilEnd }
    }

    pub(super) fn sized(bytes: u64) -> Self {
        Self { state: if bytes == 0 { State::Done } else { State::Sized(bytes) } }
    }

    pub(super) fn chunked() -> Self {
        Self { state: State::Size }
    }

    pub(super) fn is_done(self) -> bool {
        self.state == State::Done
    }

    /// Moves body bytes from `input` to `out` and gives how many bytes of `input` are dealt with; the rest has to be
    /// shown again, with more behind it.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let mut at = 0;
        while let Some(step) = self.step(&input[at..], out)? {
            at += step;
        }
        Ok(at)
    }

    /// One step; `None` where nothing more can be done with the input.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>> {
        if self.is_done() || input.is_empty() {
            return Ok(None);
        }
        match self.state {
            State::UntilEnd => {
                out.extend_from_slice(input);
                Ok(Some(input.len()))
            }
            State::Sized(left) => Ok(Some(self.copy(left, State::Done, State::Sized, input, out))),
            State::Chunk(left) => Ok(Some(self.copy(left, State::ChunkEnd, State::Chunk, input, out))),
            State::Size | State::ChunkEnd | State::Trailer => self.line(input),
            State::Done => Ok(None),
        }
    }

    fn copy(
        &mut self,
        left: u64,
        end: State,
        on: fn(u64) -> State,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> usize {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        out.extend_from_slice(&input[..take]);
        let left = left - take as u64;
        self.state = if left == 0 { end } else { on(left) };
        take
    }

    fn line(&mut self, input: &[u8]) -> Result<Option<usize>> {
        let end = memchr(b'\n', input);
        // The same bound whether the line's end has come or not, so that it does not matter how the stream is split.
        if end.unwrap_or(input.len()) > SIZE_LINE_BYTES_MAX && self.state != State::Trailer {
            return Err(wrong("line too long"));
        }
        let Some(end) = end else { return Ok(None) };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        self.state = match self.state {
            State::Size => match size(line)? {
                0 => State::Trailer,
                bytes => State::Chunk(bytes),
            },
            State::ChunkEnd if line.is_empty() => State::Size,
            State::ChunkEnd => return Err(wrong("chunk is longer than its size")),
            _ if line.is_empty() => State::Done,
            trailer => trailer,
        };
        Ok(Some(end + 1))
    }
}

fn size(line: &[u8]) -> Result<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| wrong("size"))?.trim();
    u64::from_str_radix(text, 16).map_err(|_| wrong("size"))
}

fn wrong(what: &str) -> LabError {
    LabError::Protocol(format!("chunked body: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut body: Body, stream: &[u8], expected: &[u8]) {
        let whole = body;
        for split in 0..=stream.len() {
            body = whole;
            let mut out = Vec::new();
            let mut rest = Vec::new();
            for part in [&stream[..split], &stream[split..]] {
                rest.extend_from_slice(part);
                let used = body.read(&rest, &mut out).unwrap();
                rest.drain(..used);
            }
            assert_eq!(out, expected, "split at {split}");
            assert!(body.is_done() && rest.is_empty(), "split at {split}");
        }
    }

    #[test]
    fn bodies_may_be_split_anywhere() {
        check(Body::chunked(), b"5\r\nhello\r\nA;x=y\r\n, wonderfu\r\n0\r\nt: 1\r\n\r\n", b"hello, wonderfu");
        check(Body::sized(5), b"hello", b"hello");
        check(Body::sized(0), b"", b"");
    }

    #[test]
    fn wrong_chunks_are_refused() {
        for stream in [&b"xyz\r\n"[..], b"1\r\nab\r\n", b"\r\n"] {
            assert!(Body::chunked().read(stream, &mut Vec::new()).is_err());
        }
    }
}
