//! One open connection, by any transport. This file knows all three; they do not know each other.

mod poll;
mod refusal;
mod sse;
mod ws;

use std::time::Duration;

use tricast_wire::decode::{After, Cursor, Message};
use url::Url;

use crate::core::Attempt;
use crate::error::Failure;
use crate::{Error, Way};

pub(crate) use refusal::{body, broken, refused};

/// What every connection of a client has in common.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) namespace: String,
    pub(crate) rooms: Vec<String>,
    pub(crate) label: Option<String>,
    pub(crate) event_bytes_max: usize,
    pub(crate) poll_wait: Duration,
}

/// What one read gave.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Whole messages, in order.
    pub(crate) messages: Vec<Message>,
    /// Everything up to here has come, where the transport tells that by itself.
    pub(crate) caught_up: Option<Cursor>,
    /// The server's `retry:`, in milliseconds.
    pub(crate) retry_ms: Option<u64>,
}

/// An open connection.
pub(crate) enum Line {
    Poll(poll::PollLine),
    Sse(sse::SseLine),
    Ws(Box<ws::WsLine>),
}

impl Line {
    /// Connects, up to the server's answer. Waits without a limit: the caller has one.
    pub(crate) async fn open(dial: &Dial, attempt: Attempt) -> Result<Self, Failure> {
        Ok(match attempt.way {
            Way::Poll => Self::Poll(poll::PollLine::new(dial.clone(), attempt)),
            Way::Sse => Self::Sse(sse::SseLine::open(dial, &attempt).await?),
            Way::Ws => Self::Ws(Box::new(ws::WsLine::open(dial, &attempt).await?)),
        })
    }

    /// The next bytes, read. An empty batch tells that bytes came, but no whole message yet. May be dropped
    /// half-way and called again: a stream loses nothing by it, and a poll is asked again from the same place.
    pub(crate) async fn read(&mut self) -> Result<Batch, Failure> {
        match self {
            Self::Poll(line) => line.read().await,
            Self::Sse(line) => line.read().await,
            Self::Ws(line) => line.read().await,
        }
    }

    /// Says good-bye where the transport has a word for it.
    pub(crate) async fn close(self) {
        if let Self::Ws(line) = self {
            line.close().await;
        }
    }
}

impl Dial {
    /// The address of an endpoint of the namespace.
    pub(crate) fn endpoint(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "feeds", &self.namespace, name]);
        }
        url
    }

    /// The address of a subscription, with what all transports ask for in the same way.
    fn subscribe(&self, way: Way, after: After, session: Option<&str>, turn: u64) -> Url {
        let mut url = self.endpoint(way.name());
        let mut query = url.query_pairs_mut();
        query.append_pair("after", &after_text(after));
        if !self.rooms.is_empty() {
            query.append_pair("rooms", &self.rooms.join(","));
        }
        if let Some(session) = session {
            query.append_pair("session", session);
        }
        query.append_pair("turn", &turn.to_string());
        if let Some(label) = &self.label {
            query.append_pair("label", label);
        }
        drop(query);
        url
    }
}

fn after_text(after: After) -> String {
    match after {
        After::Tip => "tip".to_owned(),
        After::Earliest => "earliest".to_owned(),
        After::Cursor(cursor) => tricast_wire::text::cursor(cursor),
    }
}

/// Checks the base URL: plain HTTP, a host, and nothing behind the path.
pub(crate) fn base(text: &str) -> Result<Url, Error> {
    let mut url = Url::parse(text).map_err(|error| Error::Url(format!("{text:?} is not a URL: {error}")))?;
    let plain = match url.scheme() {
        "http" | "ws" => url.set_scheme("http"),
        tls @ ("https" | "wss") => return Err(Error::Tls(tls.to_owned())),
        other => return Err(Error::Url(format!("the scheme must be http or ws, not {other:?}"))),
    };
    if plain.is_err() || !url.has_host() {
        return Err(Error::Url(format!("{text:?} names no host")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::Url(format!("{text:?} must be the server's base, without a query or fragment")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(text: &str) -> Dial {
        Dial {
            http: reqwest::Client::new(),
            base: base(text).unwrap(),
            namespace: "default".to_owned(),
            rooms: vec!["a".to_owned(), "b:1".to_owned()],
            label: None,
            event_bytes_max: 1024,
            poll_wait: Duration::from_secs(25),
        }
    }

    #[test]
    fn endpoints_stand_below_the_base() {
        for (base, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/feeds/default/sse"),
            ("ws://h/", "http://h/v1/feeds/default/sse"),
            ("http://[::1]:9/below/it/", "http://[::1]:9/below/it/v1/feeds/default/sse"),
        ] {
            assert_eq!(dial(base).endpoint("sse").as_str(), expected);
        }
    }

    #[test]
    fn the_query_says_where_to_go_on() {
        let url = dial("http://h").subscribe(Way::Ws, After::Earliest, Some("s_1"), 3);
        assert_eq!(url.query(), Some("after=earliest&rooms=a%2Cb%3A1&session=s_1&turn=3"));
    }

    #[test]
    fn a_base_that_cannot_work_is_refused_with_the_cause() {
        for (text, cause) in [
            ("https://h", "https:// needs TLS"),
            ("wss://h", "wss:// needs TLS"),
            ("ftp://h", "the scheme must be http or ws"),
            ("127.0.0.1:8080", "not a URL"),
            ("http://h/?a=1", "without a query"),
        ] {
            let error = base(text).unwrap_err().to_string();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
