//! Server-Sent Events: one long response.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tricast_wire::decode::{Message, SseDecoder, SseItem};

use super::refusal::broken;
use super::{Batch, Dial, refused};
use crate::Way;
use crate::core::Attempt;
use crate::error::Failure;

const EVENT_STREAM: &str = "text/event-stream";

/// An open stream.
pub(crate) struct SseLine {
    response: reqwest::Response,
    decoder: SseDecoder,
}

impl SseLine {
    pub(crate) async fn open(dial: &Dial, attempt: &Attempt) -> Result<Self, Failure> {
        let url = dial.subscribe(Way::Sse, attempt.after, attempt.session.as_deref(), attempt.turn);
        let request = dial.http.get(url).header(ACCEPT, EVENT_STREAM);
        let response = request.send().await.map_err(broken)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(refused(response).await);
        }
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.starts_with(EVENT_STREAM) {
            let detail = format!("the content type is {kind:?}, not {EVENT_STREAM}");
            return Err(Failure::Stranger { status: 200, retry_after: None, detail });
        }
        Ok(Self { response, decoder: SseDecoder::new(dial.event_bytes_max) })
    }

    pub(crate) async fn read(&mut self) -> Result<Batch, Failure> {
        let chunk = self.response.chunk().await.map_err(broken)?;
        let chunk = chunk.ok_or_else(|| Failure::Broken("the stream ended".to_owned()))?;
        let mut items = Vec::new();
        let read = self.decoder.push(&chunk, &mut |item| items.push(item));
        let mut batch = Batch::default();
        for item in items {
            match item {
                SseItem::Retry(millis) => batch.retry_ms = Some(millis),
                SseItem::Event(event) => {
                    let message = Message::from_sse(&event);
                    batch.messages.push(message.map_err(|error| Failure::Unreadable(error.to_string()))?);
                }
            }
        }
        read.map_err(|error| Failure::Unreadable(error.to_string()))?;
        Ok(batch)
    }
}
