//! Steps over a chunked request body (RFC 9112, section 7.1) without keeping any of it.

use super::scan::HEAD_BYTES_MAX;

/// Where in a chunked body the connection stands.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In the line that tells the next chunk's size.
    Size { value: u64, digits_over: bool },
    /// In a chunk's data; the count includes the line end after it.
    Data { left_bytes: u64 },
    /// After the last chunk; `line_empty` until something stands on the line.
    Trailer { line_empty: bool },
}

/// The state of one chunked body.
#[derive(Debug)]
pub(crate) struct Chunked {
    place: Place,
    /// Bytes of size lines and trailers since the last data, bounded like a head.
    lines_bytes: usize,
}

/// What a step found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The whole piece belongs to the body, which goes on.
    Within,
    /// The body ended after so many bytes of the piece.
    Ended(usize),
    /// This is no chunked body.
    Malformed,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { place: Place::Size { value: 0, digits_over: false }, lines_bytes: 0 }
    }

    /// Steps over what belongs to the body.
    pub(crate) fn skip(&mut self, piece: &[u8]) -> Step {
        let mut at = 0;
        while at < piece.len() {
            if let Place::Data { left_bytes } = self.place {
                at += self.skip_data(left_bytes, piece.len() - at);
                continue;
            }
            self.lines_bytes += 1;
            match self.line_byte(piece[at]) {
                _ if self.lines_bytes > HEAD_BYTES_MAX => return Step::Malformed,
                None => return Step::Malformed,
                Some(true) => return Step::Ended(at + 1),
                Some(false) => at += 1,
            }
        }
        Step::Within
    }

    fn skip_data(&mut self, left_bytes: u64, available: usize) -> usize {
        let step = usize::try_from(left_bytes).map_or(available, |left| left.min(available));
        let left_bytes = left_bytes - step as u64;
        self.place = Place::Data { left_bytes };
        if left_bytes == 0 {
            *self = Self::new();
        }
        step
    }

    /// Takes a byte of a size line or trailer: whether the body ended with it, or `None` if it cannot stand here.
    fn line_byte(&mut self, byte: u8) -> Option<bool> {
        match (&mut self.place, byte) {
            (Place::Size { value: 0, .. }, b'\n') => self.place = Place::Trailer { line_empty: true },
            (Place::Size { value, .. }, b'\n') => {
                self.place = Place::Data { left_bytes: value.checked_add(2)? };
            }
            (Place::Size { digits_over: true, .. }, _) | (Place::Trailer { .. }, b'\r') => {}
            (Place::Size { digits_over, .. }, b';' | b'\r' | b' ' | b'\t') => *digits_over = true,
            (Place::Size { value, .. }, digit) => {
                let digit = char::from(digit).to_digit(16)?;
                *value = value.checked_mul(16)?.checked_add(u64::from(digit))?;
            }
            (Place::Trailer { line_empty: true }, b'\n') => return Some(true),
            (Place::Trailer { line_empty }, byte) => *line_empty = byte == b'\n',
            (Place::Data { .. }, _) => {}
        }
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same answer whatever the pieces: whole, and byte by byte.
    fn check(body: &[u8], expected: &Step) {
        assert_eq!(&Chunked::new().skip(body), expected, "whole {:?}", String::from_utf8_lossy(body));
        let mut chunked = Chunked::new();
        let mut found = Step::Within;
        for (at, byte) in body.iter().enumerate() {
            found = match chunked.skip(&[*byte]) {
                Step::Within => continue,
                Step::Ended(_) => Step::Ended(at + 1),
                Step::Malformed => Step::Malformed,
            };
            break;
        }
        assert_eq!(&found, expected, "by byte {:?}", String::from_utf8_lossy(body));
    }

    #[test]
    fn ends_where_the_body_ends() {
        check(b"0\r\n\r\n", &Step::Ended(5));
        check(b"3\r\nabc\r\n0\r\n\r\nGET", &Step::Ended(13));
        check(b"A;name=value\r\n0123456789\r\n0\r\n\r\n", &Step::Ended(31));
        check(b"1\r\n0\r\n0\r\nTrailer: x\r\n\r\n", &Step::Ended(23));
        check(b"5\r\nGET /\r\n", &Step::Within);
        check(b"", &Step::Within);
    }

    #[test]
    fn refuses_what_is_no_chunk() {
        check(b"xyz\r\n", &Step::Malformed);
        check(b"11111111111111111\r\n", &Step::Malformed);
        check(&b"0;".iter().copied().chain([b'e'; HEAD_BYTES_MAX]).collect::<Vec<u8>>(), &Step::Malformed);
    }
}
