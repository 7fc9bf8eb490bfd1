//! How each lane brings its messages. A line reads; what it reads means the same on all three.

use std::io::{ErrorKind, Result};
use std::time::Instant;

use crate::message::read_answer;
use crate::{Connection, Frame, Lane, Message, Opening, SseReader, Sync, WsPeer, patience};

/// One client's way to the server.
#[derive(Debug)]
pub(crate) enum Line {
    Poll(PollLine),
    Sse(SseLine),
    Ws(WsLine),
}

/// How a line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Polls have no end of their own: the last answer was there.
    Answered,
    /// The response ended properly: by its last chunk.
    Stream,
    /// The server sent a close frame with this code, and ended the connection.
    Code(u16),
}

impl Line {
    pub(crate) fn open(lane: Lane, connection: Connection, opening: &Opening) -> Result<Self> {
        match lane {
            Lane::Poll => PollLine::open(connection, opening).map(Self::Poll),
            Lane::Sse => SseLine::open(connection, opening).map(Self::Sse),
            Lane::Ws => {
                let (peer, head) = WsPeer::open_over(connection, &opening.target(lane))?;
                check_head(&head);
                Ok(Self::Ws(WsLine { peer, end: None }))
            }
        }
    }

    /// Reads on: the messages that came next, or `None` at the proper end.
    pub(crate) fn read(&mut self, deadline: Instant) -> Result<Option<Vec<Message>>> {
        match self {
            Self::Poll(line) => line.read(deadline),
            Self::Sse(line) => {
                let block = line.reader.next(&mut line.connection, deadline)?;
                Ok(block.map(|block| vec![block.message()]))
            }
            Self::Ws(line) => line.read(deadline),
        }
    }

    /// How it ended, once [`Line::read`] has given `None`.
    pub(crate) fn end(&mut self) -> Result<End> {
        match self {
            Self::Poll(_) => Ok(End::Answered),
            // The server may keep the connection for another request; what counts is the response's own end.
            Self::Sse(line) if line.connection.held().is_empty() => Ok(End::Stream),
            Self::Sse(_) => Err(crate::peer::http::invalid("bytes after the last chunk")),
            Self::Ws(line) => {
                let code = line.end.ok_or_else(|| crate::peer::http::invalid("no close frame"))?;
                Ok(End::Code(code))
            }
        }
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        match self {
            Self::Poll(line) => &mut line.connection,
            Self::Sse(line) => &mut line.connection,
            Self::Ws(line) => &mut line.peer.connection,
        }
    }
}

/// What every answer of a transport carries.
#[track_caller]
fn check_head(head: &crate::Response) {
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"), "{head:?}");
    assert_eq!(head.header("x-accel-buffering"), Some("no"), "{head:?}");
}

/// Polls, one parked as soon as the last one was answered.
#[derive(Debug)]
pub(crate) struct PollLine {
    connection: Connection,
    opening: Opening,
    wait_secs: u64,
    is_parked: bool,
    is_over: bool,
    /// What the first answer brought.
    first: Option<Vec<Message>>,
}

/// The wait of a poll, unless the test names one: longer than anything here takes.
const WAIT_SECS: u64 = 25;

impl PollLine {
    /// The first poll does not wait: its answer tells session and cursor.
    fn open(connection: Connection, opening: &Opening) -> Result<Self> {
        let wait_secs = opening.wait_secs().unwrap_or(WAIT_SECS);
        let mut line = Self {
            connection,
            opening: opening.clone(),
            wait_secs: 0,
            is_parked: false,
            is_over: false,
            first: None,
        };
        line.ask()?;
        line.wait_secs = wait_secs;
        let mut first = line.answer(patience())?;
        if let Some(sync) = implied_sync(opening, &first) {
            first.retain(|message| !matches!(message, Message::Beat(_)));
            first.insert(0, Message::Sync(sync));
        }
        line.first = Some(first);
        Ok(line)
    }

    fn ask(&mut self) -> Result<()> {
        let target = self.opening.clone().with("wait", &self.wait_secs.to_string()).target(Lane::Poll);
        self.connection.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))?;
        self.is_parked = true;
        Ok(())
    }

    fn read(&mut self, deadline: Instant) -> Result<Option<Vec<Message>>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.is_over {
            return Ok(None);
        }
        self.answer(deadline).map(Some)
    }

    /// Reads the answer of the parked poll and parks the next one.
    fn answer(&mut self, deadline: Instant) -> Result<Vec<Message>> {
        if !self.is_parked {
            self.ask()?;
        }
        // An answer comes in one piece, or after the deadline: a test does not go on with half of one.
        self.connection.fill(1, deadline)?;
        let response = self.connection.response(patience())?;
        self.is_parked = false;
        if response.status != 200 {
            return Err(crate::peer::http::invalid(&format!("{response:?} {}", response.text())));
        }
        check_head(&response);
        let (messages, cursor) = read_answer(response.text());
        if let Some(Message::Sync(sync)) = messages.first() {
            self.opening = self.opening.clone().session(&sync.session);
        }
        // The session has its rooms now, and may get others while this line is open: named again, they would replace
        // those.
        self.opening = self.opening.clone().without("rooms").after(&cursor);
        self.is_over = matches!(messages.last(), Some(Message::Close(_)));
        if !self.is_over {
            self.ask()?;
        }
        Ok(messages)
    }
}

/// An answer leaves `sync` out when session and cursor were both honoured. This is what it then says.
fn implied_sync(opening: &Opening, first: &[Message]) -> Option<Sync> {
    if matches!(first.first(), Some(Message::Sync(_))) {
        return None;
    }
    let (session, cursor) =
        (opening.parameter("session")?.to_owned(), opening.parameter("after")?.to_owned());
    Some(Sync {
        session,
        member: String::new(),
        cursor,
        state: "resumed".to_owned(),
        missed: Some(0),
        beat: 0,
    })
}

/// One SSE response.
#[derive(Debug)]
pub(crate) struct SseLine {
    connection: Connection,
    reader: SseReader,
}

impl SseLine {
    fn open(mut connection: Connection, opening: &Opening) -> Result<Self> {
        let target = opening.target(Lane::Sse);
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))?;
        let head = connection.head(patience())?;
        if head.status != 200 {
            return Err(crate::peer::http::invalid(&format!("{head:?}")));
        }
        check_head(&head);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Ok(Self { connection, reader: SseReader::default() })
    }
}

/// One WebSocket.
#[derive(Debug)]
pub(crate) struct WsLine {
    pub(crate) peer: WsPeer,
    end: Option<u16>,
}

impl WsLine {
    fn read(&mut self, deadline: Instant) -> Result<Option<Vec<Message>>> {
        loop {
            match self.peer.next(deadline)? {
                Some(Frame::Text(text)) => return Ok(Some(vec![Message::read(&text)])),
                Some(Frame::Ping(_) | Frame::Pong(_)) => {}
                Some(Frame::Close(code, _)) => self.end = Some(code),
                None if self.end.is_some() => return Ok(None),
                None => return Err(std::io::Error::from(ErrorKind::UnexpectedEof)),
            }
        }
    }
}
