//! What a client may ask for on its WebSocket, whoever reads the socket.

use std::sync::Arc;

use bytes::Bytes;
use tricast_feed::{Namespace, SessionId};
use tricast_hub::{Batch, IdempotencyKey, Shared};
use tricast_wire::command::{self, Command, Op, Publish};
use tricast_wire::publish::PublishLimits;
use tricast_wire::ws::close_frame;
use tricast_wire::{Fault, text};

use crate::publish::durability_field;
use crate::sessions;

/// A client that gives commands.
#[derive(Debug)]
pub(crate) struct Voice {
    pub(crate) shared: Arc<Shared>,
    pub(crate) namespace: Namespace,
    pub(crate) session: SessionId,
    pub(crate) limits: PublishLimits,
}

impl Voice {
    /// Carries a command out. Gives the frame that answers it.
    pub(crate) async fn obey(&self, text: &str) -> Bytes {
        let Command { reference, op } = command::parse(text, self.limits, text::member_of(self.session));
        let done = match op {
            Ok(op) => self.carry_out(op).await,
            Err(fault) => Err(fault),
        };
        Bytes::from(match done {
            Ok(fields) => command::reply_ok(reference.as_deref(), &fields),
            Err(fault) => command::reply_refused(reference.as_deref(), &fault),
        })
    }

    /// Carries a command out. Gives the fields of its answer.
    async fn carry_out(&self, op: Op) -> Result<String, Fault> {
        let shared = &self.shared;
        let rooms_max = self.limits.rooms_max;
        let change = |join: Vec<_>, leave: Vec<_>| {
            shared.change_rooms(&self.namespace, self.session, &join, &leave, rooms_max)
        };
        match op {
            Op::Ping => Ok(String::new()),
            Op::Join(rooms) => sessions::rooms_field(change(rooms.iter().cloned().collect(), vec![])),
            Op::Leave(rooms) => sessions::rooms_field(change(vec![], rooms.iter().cloned().collect())),
            Op::Publish(Publish { draft, idempotency_key }) => {
                let idempotency = idempotency_key.as_deref().map(idempotency).transpose()?;
                let batch = Batch { drafts: vec![draft], idempotency };
                let appended = shared.publish(&self.namespace, batch).await.map_err(renamed)?;
                let ids = appended.ids().map(|id| format!("{{\"id\":\"{}\"}}", text::cursor(id)));
                let kept = durability_field(&appended);
                Ok(format!(",\"events\":[{}]{kept}", ids.collect::<Vec<_>>().join(",")))
            }
        }
    }
}

fn idempotency(key: &str) -> Result<IdempotencyKey, Fault> {
    let detail = "expected 1 to 255 visible ASCII characters";
    IdempotencyKey::new(key).ok_or_else(|| Fault::bad("idempotency_key", detail))
}

/// What is a header over HTTP is a field here.
fn renamed(mut fault: Fault) -> Fault {
    if fault.field.as_deref() == Some("Idempotency-Key") {
        fault.field = Some("idempotency_key".to_owned());
    }
    fault
}

/// The answer to a close frame (RFC 6455, section 5.5.1).
pub(crate) fn echo(code: u16) -> Bytes {
    Bytes::from(close_frame(if code == 1005 { 1000 } else { code }, ""))
}
