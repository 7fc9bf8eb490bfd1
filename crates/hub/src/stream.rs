//! A stream as its carrier sees it: bytes to write, until it is dropped.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tricast_feed::{Reason, SessionId};
use tricast_wire::notice::Close;

use crate::key::Key;
use crate::worker::Hub;

/// The bytes of one SSE response or WebSocket, from `sync` to the end. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Stream {
    hub: Hub,
    key: Key,
    session: SessionId,
}

impl Stream {
    pub(crate) fn new(hub: Hub, key: Key, session: SessionId) -> Self {
        Self { hub, key, session }
    }

    /// The session that the stream belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// For the other direction: what the client sends is answered through this.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { hub: self.hub.clone(), key: self.key }
    }
}

impl futures::Stream for Stream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.hub.state.borrow_mut().next_bytes(self.key, cx.waker())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.hub.state.borrow_mut().remove(self.key);
    }
}

/// Answers a client on its own stream. Does nothing once the stream is gone.
#[derive(Debug, Clone)]
pub struct Handle {
    hub: Hub,
    key: Key,
}

impl Handle {
    /// The client was heard.
    pub fn heard(&self) {
        if let Some(pipe) = self.hub.state.borrow_mut().pipe(self.key) {
            pipe.heard();
        }
    }

    /// Writes a frame between events. To be called after [`Handle::room`].
    pub fn reply(&self, frame: impl Into<Bytes>) {
        if let Some(pipe) = self.hub.state.borrow_mut().pipe(self.key) {
            pipe.reply(frame.into());
        }
    }

    /// Answers a ping, in place of the answer to an older one that was not written yet.
    pub fn pong(&self, frame: impl Into<Bytes>) {
        if let Some(pipe) = self.hub.state.borrow_mut().pipe(self.key) {
            pipe.pong(frame.into());
        }
    }

    /// Waits until there is room for a reply: a client that does not read its answers is not read from. False once the
    /// stream ends: nothing more is owed then.
    pub async fn room(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.hub.state.borrow_mut();
            let replies_max = state.shared.limits.replies_max;
            match state.pipe(self.key) {
                Some(pipe) if !pipe.is_open() => Poll::Ready(false),
                Some(pipe) if pipe.has_room(replies_max) => Poll::Ready(true),
                Some(pipe) => {
                    pipe.wait_for_room(cx.waker());
                    Poll::Pending
                }
                None => Poll::Ready(false),
            }
        })
        .await
    }

    /// Ends the stream for a reason, after what it holds.
    pub fn end(&self, reason: Reason, detail: &str) {
        self.hub.state.borrow_mut().end(self.key, &Close::new(reason, detail));
    }

    /// Ends the stream with these last bytes.
    pub fn end_with(&self, last: impl Into<Bytes>) {
        if let Some(pipe) = self.hub.state.borrow_mut().pipe(self.key) {
            pipe.end(last.into());
        }
    }
}
