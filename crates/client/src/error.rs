//! Why a subscription ended or a publish failed, and, inside the crate, why a connection did.

use std::fmt;
use std::time::Duration;

use tricast_wire::decode::{Close, Problem, Reason, Retry};

/// What a user of the client may have to deal with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base URL cannot be used.
    #[error("url: {0}")]
    Url(String),
    /// The base URL asks for TLS.
    #[error("url: {0}:// needs TLS, and this build has none; use http:// behind something that ends TLS")]
    Tls(String),
    /// A setting or a field of what shall be published is wrong.
    #[error("{field}: {detail}")]
    Field {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The server refused for a reason of the protocol's table.
    #[error("{0}")]
    Refused(Refusal),
    /// Something answered that is no tricast server, or a server that does not know this path.
    #[error("the answer was HTTP {status}, without a reason: {detail}")]
    Stranger {
        /// The HTTP status.
        status: u16,
        /// What is known about it.
        detail: String,
    },
    /// The server could not be reached, or the connection broke.
    #[error("{0}")]
    Connection(String),
    /// The server sent something that cannot be read, or that is over the client's own limit.
    #[error("{0}")]
    Answer(String),
    /// The limit of failures in a row was reached.
    #[error("gave up after {failures} failures in a row; the last: {last}")]
    GaveUp {
        /// How many.
        failures: u32,
        /// The last one.
        last: String,
    },
}

/// A refusal with a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason's name on the wire.
    pub reason: String,
    /// Whether to come back.
    pub retry: Retry,
    /// How long the server asks to stay away first.
    pub retry_after: Option<Duration>,
    /// What exactly was wrong; names the field.
    pub detail: Option<String>,
}

impl Refusal {
    /// The reason, where this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Reason> {
        Reason::from_name(&self.reason)
    }

    /// A refusal known by its row alone.
    pub(crate) fn of(reason: Reason) -> Self {
        Self { reason: reason.name().to_owned(), retry: reason.retry(), retry_after: None, detail: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.detail.as_deref() {
            Some(detail) if !detail.is_empty() => write!(f, ": {detail}"),
            _ => Ok(()),
        }
    }
}

impl From<Close> for Refusal {
    fn from(close: Close) -> Self {
        let retry = close.retry();
        let retry_after = close.retry_after_ms.map(Duration::from_millis);
        Self { reason: close.reason, retry, retry_after, detail: close.detail }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let retry = problem.known().map_or(Retry::Yes, Reason::retry);
        let retry_after = problem.retry_after_ms.map(Duration::from_millis);
        Self { reason: problem.reason, retry, retry_after, detail: problem.detail }
    }
}

/// Why a connection could not be had or did not last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody is there: no name, no listener, no answer to the connection.
    Unreachable(String),
    /// Something answered, without a reason of the protocol.
    Stranger { status: u16, retry_after: Option<Duration>, detail: String },
    /// The server gave a reason.
    Refused(Refusal),
    /// Connected, and nothing came in time.
    Mute,
    /// The connection ended without a reason.
    Broken(String),
    /// What came is over the client's own limit, or cannot be read.
    Unreadable(String),
}

impl Failure {
    /// Whether another transport may fare better: what stands between client and server showed itself.
    ///
    /// A way that has worked before is `proven`: a connection that breaks there, or a gateway's 5xx, says that the
    /// server or the network is away, not that this transport is kept out.
    pub(crate) fn blames_the_way(&self, proven: bool) -> bool {
        match self {
            Self::Mute | Self::Unreadable(_) => true,
            Self::Stranger { status, .. } => !proven || *status < 500,
            Self::Broken(_) => !proven,
            Self::Unreachable(_) | Self::Refused(_) => false,
        }
    }

    /// How long the server asked to stay away.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Stranger { retry_after, .. } => *retry_after,
            Self::Unreachable(_) | Self::Mute | Self::Broken(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether the same request would fail again for ever.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retry != Retry::Yes,
            // 408, 425 and 429 say to come back (RFC 9110, RFC 8470, RFC 6585); other 4xx say that it is us.
            Self::Stranger { status, .. } => (400..500).contains(status) && ![408, 425, 429].contains(status),
            Self::Unreadable(_) => true,
            Self::Unreachable(_) | Self::Mute | Self::Broken(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(detail) | Self::Broken(detail) | Self::Unreadable(detail) => {
                f.write_str(detail)
            }
            Self::Stranger { status, detail, .. } => write!(f, "HTTP {status}: {detail}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Mute => f.write_str("nothing came in time"),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Stranger { status, detail, .. } => Self::Stranger { status, detail },
            Failure::Unreadable(detail) => Self::Answer(detail),
            other @ (Failure::Unreachable(_) | Failure::Mute | Failure::Broken(_)) => {
                Self::Connection(other.to_string())
            }
        }
    }
}
