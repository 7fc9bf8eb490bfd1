//! A poll as its carrier sees it: a future of the answer's body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::key::Key;
use crate::out::Out;
use crate::worker::Hub;

/// A poll that waits for its answer. Dropping it unsubscribes; the session lives on for its grace.
#[derive(Debug)]
pub struct Waiting {
    hub: Hub,
    key: Key,
}

impl Waiting {
    pub(crate) fn new(hub: Hub, key: Key) -> Self {
        Self { hub, key }
    }

    /// The answer: at once if there is something to tell, at the latest after `wait`, then empty.
    pub async fn answer(mut self, wait: Duration) -> Bytes {
        if wait.is_zero() {
            // No timer for what ends at once: it would round up to its own resolution.
            self.hub.state.borrow_mut().answer_without_events(self.key, &[]);
            return Answer(&mut self).await;
        }
        match tokio::time::timeout(wait, Answer(&mut self)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.hub.state.borrow_mut().answer_without_events(self.key, &[]);
                Answer(&mut self).await
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.hub.state.borrow_mut().remove(self.key);
    }
}

struct Answer<'a>(&'a mut Waiting);

impl Future for Answer<'_> {
    type Output = Bytes;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Waiting { hub, key } = &*self.0;
        let mut state = hub.state.borrow_mut();
        match state.find(*key).map(|subscriber| &mut subscriber.out) {
            Some(Out::Parked(parked)) => parked.take(cx.waker()).map_or(Poll::Pending, Poll::Ready),
            _ => Poll::Ready(Bytes::new()),
        }
    }
}
