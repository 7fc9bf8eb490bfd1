//! Notices: what the server tells a subscriber beside events.

pub use tricast_feed::GapReason;
use tricast_feed::{Cursor, Offset, Reason, Retry, SessionId, StartState};

use crate::{json, sse, text, ws};

/// The first thing on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    /// The session, to go on with; none for a page of history, which belongs to nobody.
    pub session: Option<SessionId>,
    /// The stream gives everything after this.
    pub cursor: Cursor,
    /// How the wish for a start was honoured.
    pub state: StartState,
    /// The time between beats, in seconds.
    pub beat_secs: u64,
}

/// The last thing on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Why it ends.
    pub reason: Reason,
    /// When to come back, in milliseconds, where the reason says to come back.
    pub retry_after_ms: Option<u64>,
    /// A sentence for people.
    pub detail: String,
}

/// A notice of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// See [`Sync`].
    Sync(Sync),
    /// Proof of life: the subscriber has everything up to the cursor.
    Beat(Cursor),
    /// Offsets that will not come, both ends included.
    Gap {
        /// The first of them.
        from: Offset,
        /// The last of them, in the cursor's epoch.
        to: Cursor,
        /// Why.
        reason: GapReason,
    },
    /// See [`Close`].
    Close(Close),
}

impl Notice {
    /// The name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sync(_) => "sync",
            Self::Beat(_) => "beat",
            Self::Gap { .. } => "gap",
            Self::Close(_) => "close",
        }
    }

    fn cursor(&self) -> Option<Cursor> {
        match self {
            Self::Sync(sync) => Some(sync.cursor),
            Self::Beat(cursor) | Self::Gap { to: cursor, .. } => Some(*cursor),
            Self::Close(_) => None,
        }
    }

    /// The notice as one JSON object with its name in `notice`.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut out = format!("{{\"notice\":\"{}\",", self.name()).into_bytes();
        match self {
            Self::Sync(sync) => sync.push_fields(&mut out),
            Self::Beat(cursor) => {
                out.extend_from_slice(format!("\"cursor\":\"{}\"", text::cursor(*cursor)).as_bytes());
            }
            Self::Gap { from, to, reason } => out.extend_from_slice(
                format!(
                    "\"from\":{from},\"to\":{},\"reason\":\"{}\",\"cursor\":\"{}\"",
                    to.offset,
                    reason.name(),
                    text::cursor(*to)
                )
                .as_bytes(),
            ),
            Self::Close(close) => close.push_fields(&mut out),
        }
        out.push(b'}');
        out
    }

    /// The notice as an SSE event.
    #[must_use]
    pub fn sse(&self) -> Vec<u8> {
        let id = self.cursor().map(text::cursor);
        sse::named_event(self.name(), id.as_deref().map(str::as_bytes), &self.json())
    }

    /// The notice as a WebSocket text frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        ws::text_frame(&self.json())
    }
}

impl Sync {
    /// The object of a poll answer's `sync`.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        self.push_fields(&mut out);
        out.push(b'}');
        out
    }

    fn push_fields(&self, out: &mut Vec<u8>) {
        let (state, missed) = match self.state {
            StartState::New => ("new", Some(0)),
            StartState::Resumed => ("resumed", Some(0)),
            StartState::Reset { missed } => ("reset", missed),
        };
        let missed = missed.map_or_else(|| "null".to_owned(), |count| count.to_string());
        if let Some(session) = self.session {
            let (own, public) = (text::session(session), text::member(text::member_of(session)));
            out.extend_from_slice(format!("\"session\":\"{own}\",\"member\":\"{public}\",").as_bytes());
        }
        out.extend_from_slice(
            format!(
                "\"cursor\":\"{}\",\"state\":\"{state}\",\"missed\":{missed},\"beat\":{}",
                text::cursor(self.cursor),
                self.beat_secs
            )
            .as_bytes(),
        );
    }
}

impl Close {
    /// A close without a delay.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, retry_after_ms: None, detail: detail.into() }
    }

    fn push_fields(&self, out: &mut Vec<u8>) {
        let after = self.retry_after_ms.map_or_else(|| "null".to_owned(), |millis| millis.to_string());
        out.extend_from_slice(
            format!(
                "\"reason\":\"{}\",\"retry\":\"{}\",\"retry_after_ms\":{after},\"detail\":",
                self.reason.name(),
                retry_name(self.reason.retry())
            )
            .as_bytes(),
        );
        json::push_string(out, &self.detail);
    }
}

/// The name of a retry class on the wire.
#[must_use]
pub fn retry_name(retry: Retry) -> &'static str {
    match retry {
        Retry::No => "no",
        Retry::AfterNewToken => "after_new_token",
        Retry::Yes => "yes",
    }
}

#[cfg(test)]
mod tests {
    use tricast_feed::Epoch;

    use super::*;

    fn check(notice: &Notice, json: &str, id: Option<&str>) {
        assert_eq!(String::from_utf8(notice.json()).unwrap(), json);
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        assert_eq!(
            String::from_utf8(notice.sse()).unwrap(),
            format!("event: {}\n{id}data: {json}\n\n", notice.name())
        );
        assert_eq!(notice.frame(), ws::text_frame(json.as_bytes()));
    }

    #[test]
    fn golden_notices() {
        let cursor = Cursor { epoch: Epoch::from_random(0), offset: Offset(7) };
        let state = StartState::Reset { missed: Some(3) };
        check(
            &Notice::Sync(Sync { session: Some(SessionId(0)), cursor, state, beat_secs: 15 }),
            r#"{"notice":"sync","session":"s_AAAAAAAAAAAAAAAAAAAAAA","member":"p_3cEC_ffcdW9leicdVzm0oA","cursor":"aaaaaaaa-7","state":"reset","missed":3,"beat":15}"#,
            Some("aaaaaaaa-7"),
        );
        check(&Notice::Beat(cursor), r#"{"notice":"beat","cursor":"aaaaaaaa-7"}"#, Some("aaaaaaaa-7"));
        check(
            &Notice::Gap { from: Offset(2), to: cursor, reason: GapReason::Expired },
            r#"{"notice":"gap","from":2,"to":7,"reason":"expired","cursor":"aaaaaaaa-7"}"#,
            Some("aaaaaaaa-7"),
        );
        check(
            &Notice::Close(Close {
                reason: Reason::Draining,
                retry_after_ms: Some(250),
                detail: "a \"b\"\n".into(),
            }),
            r#"{"notice":"close","reason":"draining","retry":"yes","retry_after_ms":250,"detail":"a \"b\"\n"}"#,
            None,
        );
    }
}
