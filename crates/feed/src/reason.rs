//! The closed list of reasons: one meaning on all transports.

use std::fmt;

/// Why a request was refused or a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Malformed JSON, an unknown field, a bad name or cursor.
    BadRequest,
    /// No credentials, or bad ones.
    Unauthorized,
    /// The credentials ran out.
    TokenExpired,
    /// The credentials do not cover this, or the Origin is not allowed.
    Forbidden,
    /// No such namespace, session or page.
    NotFound,
    /// A body, frame or message over its limit.
    TooLarge,
    /// Over a rate.
    RateLimited,
    /// Over a limit of connections.
    TooManyConnections,
    /// The client did not read.
    SlowConsumer,
    /// The session was opened elsewhere.
    Replaced,
    /// Ended by an operator.
    Kicked,
    /// The server stops.
    Draining,
    /// The engine is away.
    Degraded,
    /// A defect of the server.
    Internal,
}

/// Whether a client should come back after a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request will fail again.
    No,
    /// With new credentials only.
    AfterNewToken,
    /// Later, after the delay that was told.
    Yes,
}

/// One row of the table in `docs/protocol.md`.
struct Row {
    name: &'static str,
    http: u16,
    close: u16,
    retry: Retry,
    title: &'static str,
}

impl Reason {
    /// All of them, in the table's order.
    pub const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::Forbidden,
        Self::NotFound,
        Self::TooLarge,
        Self::RateLimited,
        Self::TooManyConnections,
        Self::SlowConsumer,
        Self::Replaced,
        Self::Kicked,
        Self::Draining,
        Self::Degraded,
        Self::Internal,
    ];

    fn row(self) -> Row {
        let (name, http, close, retry, title) = match self {
            Self::BadRequest => ("bad_request", 400, 4400, Retry::No, "The request is malformed"),
            Self::Unauthorized => {
                ("unauthorized", 401, 4401, Retry::AfterNewToken, "Credentials are missing or bad")
            }
            Self::TokenExpired => {
                ("token_expired", 401, 4403, Retry::AfterNewToken, "The credentials ran out")
            }
            Self::Forbidden => ("forbidden", 403, 4404, Retry::No, "This is not allowed"),
            Self::NotFound => ("not_found", 404, 4405, Retry::No, "There is no such thing"),
            Self::TooLarge => ("too_large", 413, 1009, Retry::No, "This is over a size limit"),
            Self::RateLimited => ("rate_limited", 429, 4429, Retry::Yes, "This is over a rate limit"),
            Self::TooManyConnections => {
                ("too_many_connections", 503, 4503, Retry::Yes, "There are too many connections")
            }
            Self::SlowConsumer => ("slow_consumer", 503, 4408, Retry::Yes, "The client did not read"),
            Self::Replaced => ("replaced", 409, 4409, Retry::No, "The session was opened elsewhere"),
            Self::Kicked => ("kicked", 403, 4410, Retry::No, "Ended by an operator"),
            Self::Draining => ("draining", 503, 1012, Retry::Yes, "The server stops"),
            Self::Degraded => ("degraded", 503, 1013, Retry::Yes, "The engine is away"),
            Self::Internal => ("internal", 500, 1011, Retry::Yes, "The server has a defect"),
        };
        Row { name, http, close, retry, title }
    }

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().http
    }

    /// The WebSocket close code (RFC 6455, section 7.4).
    #[must_use]
    pub fn close_code(self) -> u16 {
        self.row().close
    }

    /// Whether to come back.
    #[must_use]
    pub fn retry(self) -> Retry {
        self.row().retry
    }

    /// A short sentence for people, the `title` of RFC 9457.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The reason of this WebSocket close code.
    #[must_use]
    pub fn from_close_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.close_code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_close_codes_tell_reasons_apart() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
            assert_eq!(Reason::from_close_code(reason.close_code()), Some(reason));
        }
        assert_eq!(Reason::from_name("nonsense"), None);
    }
}
