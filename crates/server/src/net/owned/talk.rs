//! The client's side of an owned WebSocket.

use bytes::Bytes;
use tricast_feed::{Namespace, SessionId};
use tricast_wire::ws::{FrameFault, FrameReader, Incoming, close_frame, pong_frame};

use crate::transport::voice::echo;

/// What a client says on its WebSocket.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) namespace: Namespace,
    pub(crate) session: Option<SessionId>,
    /// Read and not yet looked at, because a command is being carried out or answers stand.
    pub(crate) ahead: Vec<u8>,
    /// Whether a command is being carried out.
    pub(crate) is_busy: bool,
    /// There while a frame or a message is not whole.
    reader: Option<Box<FrameReader>>,
}

/// What stood first in the bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing more.
    Nothing,
    /// A command.
    Command(String),
    /// The client closes, or must be closed, with this frame.
    Last(Bytes),
}

impl Talk {
    pub(crate) fn new(namespace: Namespace) -> Self {
        Self { namespace, session: None, ahead: Vec::new(), is_busy: false, reader: None }
    }

    /// Takes bytes until there is a command, or something that ends the connection. Of the pings the newest is put into
    /// `pong`.
    pub(crate) fn hear(&mut self, input: &mut &[u8], message_max: usize, pong: &mut Option<Bytes>) -> Heard {
        let mut reader = self.reader.take().unwrap_or_else(|| Box::new(FrameReader::new(message_max)));
        let heard = loop {
            match reader.next(input) {
                Ok(None) => break Heard::Nothing,
                Ok(Some(Incoming::Text(text))) => break Heard::Command(text),
                Ok(Some(Incoming::Ping(payload))) => *pong = Some(Bytes::from(pong_frame(&payload))),
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Close(code))) => break Heard::Last(echo(code)),
                Err(FrameFault { code, detail }) => {
                    break Heard::Last(Bytes::from(close_frame(code, detail)));
                }
            }
        };
        self.reader = (!reader.is_between()).then_some(reader);
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ping and a text, each with the mask 0.
    const PING: &[u8] = &[0x89, 0x81, 0, 0, 0, 0, b'p'];
    const TEXT: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];

    fn talk() -> Talk {
        Talk::new(Namespace::new("n").unwrap())
    }

    #[test]
    fn a_reader_is_kept_only_within_a_frame() {
        let (mut talk, mut pong) = (talk(), None);
        let bytes = [PING, TEXT].concat();
        let (mut first, mut second) = bytes.split_at(9);
        assert_eq!(talk.hear(&mut first, 100, &mut pong), Heard::Nothing);
        assert!(talk.reader.is_some() && pong.is_some());
        assert_eq!(talk.hear(&mut second, 100, &mut pong), Heard::Command("hi".to_owned()));
        assert!(talk.reader.is_none());
    }

    #[test]
    fn what_follows_a_command_stays() {
        let (mut talk, mut pong) = (talk(), None);
        let bytes = [TEXT, PING].concat();
        let mut input = &bytes[..];
        assert_eq!(talk.hear(&mut input, 100, &mut pong), Heard::Command("hi".to_owned()));
        assert_eq!((input, &pong), (PING, &None));
    }
}
