//! An incremental reader of `text/event-stream` (WHATWG HTML, section 9.2.6).

/// Reads a stream in pieces of any size. Nothing is held but the line and the event that are not complete yet, and
/// both are bounded.
#[derive(Debug)]
pub struct SseDecoder {
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    /// The last byte was CR: a LF that follows at once belongs to it.
    after_cr: bool,
    /// No line has been read, so that one byte order mark may be skipped.
    at_start: bool,
    /// The size limit was passed; what follows cannot be trusted to start at a field.
    failed: bool,
    name: String,
    data: String,
    /// The last event id: it outlives its event, as the standard says.
    id: String,
    limit_bytes: usize,
}

/// One thing that a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SseItem {
    /// An event.
    Event(SseEvent),
    /// The server's wish for the time between connections, in milliseconds.
    Retry(u64),
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// The `event:` field; empty where there was none.
    pub name: String,
    /// The `data:` fields, joined by line feeds.
    pub data: String,
    /// The last event id of the stream so far; empty where there was none.
    pub id: String,
}

/// A line, or the data of one event, is longer than the limit. The stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit_bytes} bytes")]
pub struct TooLong {
    /// The limit that was passed, in bytes.
    pub limit_bytes: usize,
}

impl SseDecoder {
    /// A reader for one response. No line and no event's data may be longer than the limit, in bytes.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            failed: false,
            name: String::new(),
            data: String::new(),
            id: String::new(),
            limit_bytes,
        }
    }

    /// Takes the next bytes and hands every item that they complete to `out`, in order.
    ///
    /// # Errors
    /// [`TooLong`] at the limit, and at every call after that.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut impl FnMut(SseItem)) -> Result<(), TooLong> {
        if self.failed {
            return Err(self.too_long());
        }
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            self.end_line(&bytes[..end], out)?;
            let rest = &bytes[end + 1..];
            bytes = if bytes[end] == b'\r' { self.past_lf(rest) } else { rest };
        }
        self.hold(bytes)
    }

    /// What follows a CR, without the LF that belongs to it. The LF may still be on its way.
    fn past_lf<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.after_cr = rest.is_empty();
        rest.strip_prefix(b"\n").unwrap_or(rest)
    }

    /// Keeps the start of a line.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.within(self.line.len() + bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// A line is complete: what was held of it, and these bytes.
    fn end_line(&mut self, bytes: &[u8], out: &mut impl FnMut(SseItem)) -> Result<(), TooLong> {
        if self.line.is_empty() {
            return self.read_line(bytes, out);
        }
        self.hold(bytes)?;
        let mut line = std::mem::take(&mut self.line);
        let read = self.read_line(&line, out);
        line.clear();
        self.line = line;
        read
    }

    fn read_line(&mut self, line: &[u8], out: &mut impl FnMut(SseItem)) -> Result<(), TooLong> {
        self.within(line.len())?;
        let line = self.past_mark(line);
        if line.is_empty() {
            self.dispatch(out);
            return Ok(());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        self.field(field, value.strip_prefix(b" ").unwrap_or(value), out)
    }

    /// The line without a byte order mark, which may stand before the first one.
    fn past_mark<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let first = std::mem::take(&mut self.at_start);
        if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
    }

    /// One field. A comment has an empty name and is ignored like any unknown field.
    fn field(&mut self, field: &[u8], value: &[u8], out: &mut impl FnMut(SseItem)) -> Result<(), TooLong> {
        match field {
            b"data" => {
                self.within(self.data.len() + value.len() + 1)?;
                self.data.push_str(&String::from_utf8_lossy(value));
                self.data.push('\n');
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.id = String::from_utf8_lossy(value).into_owned(),
            b"retry" => {
                if let Some(retry) = digits(value) {
                    out(SseItem::Retry(retry));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An empty line ends an event; one without data is none.
    fn dispatch(&mut self, out: &mut impl FnMut(SseItem)) {
        let name = std::mem::take(&mut self.name);
        if self.data.pop().is_some() {
            let data = std::mem::take(&mut self.data);
            out(SseItem::Event(SseEvent { name, data, id: self.id.clone() }));
        }
    }

    fn within(&mut self, bytes: usize) -> Result<(), TooLong> {
        if bytes <= self.limit_bytes {
            return Ok(());
        }
        self.failed = true;
        self.line = Vec::new();
        Err(self.too_long())
    }

    fn too_long(&self) -> TooLong {
        TooLong { limit_bytes: self.limit_bytes }
    }
}

/// A number of ASCII digits alone; one that does not fit is ignored like any other bad value.
fn digits(value: &[u8]) -> Option<u64> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if plain { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
