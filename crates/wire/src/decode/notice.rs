//! Notices as a client receives them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tricast_feed::{Cursor, Reason, Retry};

/// What the server tells about the stream itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// The stream starts here.
    Sync(Sync),
    /// The server is there.
    Beat(Beat),
    /// Some offsets will not come.
    Gap(Gap),
    /// The last thing on a stream.
    Close(Close),
    /// A notice of a later protocol; a client goes on without it.
    #[serde(other)]
    Unknown,
}

/// Where a stream starts, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sync {
    /// The session, to be handed back on the next request.
    pub session: String,
    /// The session's public name: others address it by this, and it is the `from` of what the session publishes in band.
    #[serde(default)]
    pub member: String,
    /// Everything after this cursor follows.
    #[serde(deserialize_with = "super::cursor")]
    pub cursor: Cursor,
    /// How the asked-for cursor was honoured.
    pub state: SyncState,
    /// How many of the namespace's events are gone; `None` where that cannot be known.
    #[serde(default)]
    pub missed: Option<u64>,
    /// The interval of beats.
    #[serde(deserialize_with = "seconds")]
    pub beat: Duration,
}

/// How a cursor was honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// No cursor was given.
    New,
    /// Nothing is missing.
    Resumed,
    /// The cursor could not be honoured: another epoch, older than the history, or in the future.
    Reset,
}

/// Proof of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Beat {
    /// The subscriber has everything up to here.
    #[serde(deserialize_with = "super::cursor")]
    pub cursor: Cursor,
}

/// Offsets that will not come on this subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Gap {
    /// The first offset that is gone.
    pub from: u64,
    /// The last offset that is gone.
    pub to: u64,
    /// Why: `slow`, `expired`, `conflated` or `engine`.
    pub reason: String,
    /// Where the subscription stands after the gap.
    #[serde(deserialize_with = "super::cursor")]
    pub cursor: Cursor,
}

/// Why a stream ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Close {
    /// The reason's name; see [`Close::known`].
    pub reason: String,
    /// Whether to come back, as told in the notice; see [`Close::retry`].
    #[serde(default, rename = "retry", deserialize_with = "told_retry")]
    pub told: Option<Retry>,
    /// How long to stay away first, in milliseconds.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// A sentence for people.
    #[serde(default)]
    pub detail: Option<String>,
}

impl Close {
    /// The reason, where this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Reason> {
        Reason::from_name(&self.reason)
    }

    /// Whether to come back: as told, else as the reason's row says. A reason that neither tells is worth a retry,
    /// since the backoff bounds what that costs.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.told.or_else(|| self.known().map(Reason::retry)).unwrap_or(Retry::Yes)
    }
}

impl Notice {
    /// Reads a notice whose name travelled beside its fields, as on SSE.
    ///
    /// # Errors
    /// What serde tells where a field is missing or has another shape.
    pub fn named(name: &str, fields: &str) -> serde_json::Result<Self> {
        Ok(match name {
            "sync" => Self::Sync(serde_json::from_str(fields)?),
            "beat" => Self::Beat(serde_json::from_str(fields)?),
            "gap" => Self::Gap(serde_json::from_str(fields)?),
            "close" => Self::Close(serde_json::from_str(fields)?),
            _ => Self::Unknown,
        })
    }
}

/// The longest beat that is believed; a longer one is taken as this.
const BEAT_MAX: Duration = Duration::from_secs(3600);

fn seconds<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(source)?;
    let beat = Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)?;
    Ok(beat.min(BEAT_MAX))
}

/// The retry class by its name. A name of a later protocol is as good as none.
fn told_retry<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Retry>, D::Error> {
    let told = Option::<String>::deserialize(source)?;
    let classes = [Retry::Yes, Retry::No, Retry::AfterNewToken];
    Ok(told.and_then(|name| classes.into_iter().find(|retry| crate::notice::retry_name(*retry) == name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tagged: &str, name: &str) -> Notice {
        let notice: Notice = serde_json::from_str(tagged).unwrap();
        assert_eq!(Notice::named(name, tagged).unwrap(), notice, "the two ways to carry the name agree");
        notice
    }

    #[test]
    fn sync_tells_session_cursor_and_beat() {
        let text = r#"{"notice":"sync","session":"s_a","cursor":"k3f4a2bq-7","state":"reset","missed":null,"beat":25,"x":0}"#;
        let Notice::Sync(sync) = check(text, "sync") else { panic!("not a sync") };
        assert_eq!((sync.state, sync.missed, sync.beat), (SyncState::Reset, None, Duration::from_secs(25)));
    }

    #[test]
    fn a_beat_without_a_cursor_or_with_an_impossible_interval_is_refused() {
        assert!(Notice::named("beat", "{}").is_err());
        let text = r#"{"session":"s","cursor":"k3f4a2bq-7","state":"new","beat":-1}"#;
        assert!(Notice::named("sync", text).is_err());
    }

    #[test]
    fn close_tells_whether_to_come_back() {
        for (text, expected) in [
            (r#"{"notice":"close","reason":"draining"}"#, Retry::Yes),
            (r#"{"notice":"close","reason":"kicked"}"#, Retry::No),
            (r#"{"notice":"close","reason":"token_expired"}"#, Retry::AfterNewToken),
            (r#"{"notice":"close","reason":"kicked","retry":"yes"}"#, Retry::Yes),
            (r#"{"notice":"close","reason":"draining","retry":"no"}"#, Retry::No),
            (r#"{"notice":"close","reason":"of_tomorrow","retry":"soon"}"#, Retry::Yes),
        ] {
            let Notice::Close(close) = check(text, "close") else { panic!("not a close") };
            assert_eq!(close.retry(), expected, "{text}");
        }
    }

    #[test]
    fn a_notice_of_a_later_protocol_is_no_error() {
        assert_eq!(check(r#"{"notice":"weather","sun":true}"#, "weather"), Notice::Unknown);
    }
}
