//! What a subscriber asks for.

use crate::Lane;

/// What a subscriber asks for. `Default` asks for the `default` namespace from the tip, without rooms.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    namespace: Option<String>,
    parameters: Vec<(String, String)>,
    wait_secs: Option<u64>,
}

impl Opening {
    /// From the tip, without rooms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// After a cursor, `earliest` or `tip`.
    #[must_use]
    pub fn after(self, after: &str) -> Self {
        self.with("after", after)
    }

    /// In these rooms, by comma.
    #[must_use]
    pub fn rooms(self, rooms: &str) -> Self {
        self.with("rooms", rooms)
    }

    /// Going on with a session.
    #[must_use]
    pub fn session(self, session: &str) -> Self {
        self.with("session", session)
    }

    /// In another namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// How long a poll waits, in seconds. The other lanes do not look at it.
    #[must_use]
    pub fn wait(mut self, secs: u64) -> Self {
        self.wait_secs = Some(secs);
        self
    }

    /// A query parameter; one of that name that is there already is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.retain(|(known, _)| known != name);
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(known, _)| known != name);
        self
    }

    /// The value of a query parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long a poll waits, in seconds, if that was said.
    #[must_use]
    pub fn wait_secs(&self) -> Option<u64> {
        self.wait_secs
    }

    /// `/v1/feeds/<namespace>`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("/v1/feeds/{}", self.namespace.as_deref().unwrap_or("default"))
    }

    /// Path and query of the request. Values go as they are: tests write them so that they may stand in a query.
    #[must_use]
    pub fn target(&self, lane: Lane) -> String {
        let pairs: Vec<String> =
            self.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}/{lane}?{}", self.base(), pairs.join("&"))
    }
}
