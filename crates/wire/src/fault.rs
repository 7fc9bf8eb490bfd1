//! What is wrong with something that came in.

use std::fmt;

use tricast_feed::Reason;

/// A refusal: its reason, the field that is at fault, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The row of the reasons table.
    pub reason: Reason,
    /// The field, parameter or header at fault, as a path such as `events[2].rooms[0]`.
    pub field: Option<String>,
    /// What is wrong, a lower-case fragment.
    pub detail: String,
}

impl Fault {
    /// A [`Reason::BadRequest`] that names its field.
    pub fn bad(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self { reason: Reason::BadRequest, field: Some(field.into()), detail: detail.to_string() }
    }

    /// A refusal without a field.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, field: None, detail: detail.to_string() }
    }

    /// The same fault, further down a path: `events[2]` and `rooms[0]` give `events[2].rooms[0]`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = Some(match self.field {
            Some(inner) => format!("{outer}.{inner}"),
            None => outer.to_owned(),
        });
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{field}: {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

impl std::error::Error for Fault {}
