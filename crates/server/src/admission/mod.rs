//! What may be published in a namespace: its types of events, and a schema for their data.
//!
//! Both are read once, with the settings. What is refused here is refused before anything of its batch is appended,
//! and on HTTP and WebSocket alike: the hub asks, not the transport.

mod kinds;
mod measured;
mod reading;
mod schema;

use std::sync::Arc;

use tricast_feed::Draft;
use tricast_hub::Check;
use tricast_wire::Fault;
use tricast_wire::publish::RESERVED_TYPES;

pub(crate) use kinds::Kinds;
pub(crate) use schema::Schema;

/// The rules of one namespace.
#[derive(Debug)]
pub(crate) struct Admission {
    kinds: Kinds,
    schema: Option<Schema>,
}

impl Admission {
    /// The rules, where there are any.
    pub(crate) fn of(kinds: Kinds, schema: Option<Schema>) -> Option<Arc<dyn Check>> {
        let is_open = kinds.is_any() && schema.is_none();
        (!is_open).then(|| Arc::new(Self { kinds, schema }) as Arc<dyn Check>)
    }
}

impl Check for Admission {
    fn check(&self, draft: &Draft) -> Result<(), Fault> {
        // No publisher can name these: whoever publishes them is the server.
        if draft.kind.as_str().starts_with(RESERVED_TYPES) {
            return Ok(());
        }
        self.kinds.check(&draft.kind)?;
        self.schema.as_ref().map_or(Ok(()), |schema| schema.check(&draft.data))
    }
}
