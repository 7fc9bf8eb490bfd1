//! What subscribers were owed, against what became of it; and what became of one event for one session.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};
use tricast_feed::{Cursor, Namespace, Offset};
use tricast_hub::{Tally, Way, Why};
use tricast_wire::text;

use crate::ctx::Ctx;
use crate::history::json;
use crate::problem::Refusal;
use crate::query::{Query, namespace};

/// `GET /v1/feeds/{namespace}/balance`.
pub(crate) async fn balance(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    crate::origin::check(&request, &ctx.settings.origins)?;
    Query::read(&request, &[])?;
    let namespace = namespace(&request)?;
    let balance = ctx.hub.shared().balance(&namespace).await?;
    let ways: Map<String, Value> =
        Way::ALL.iter().map(|way| (way.name().to_owned(), tally(balance.of(*way)))).collect();
    let body = json!({
        "namespace": namespace.as_str(),
        "published": balance.published,
        "transports": ways,
        "imbalance": balance.fault(),
    });
    Ok(json(body.to_string()))
}

fn tally(tally: &Tally) -> Value {
    json!({
        "owed": tally.owed,
        "delivered": tally.delivered,
        "replayed": tally.replayed,
        "skipped": tally.skipped,
        "conflated": tally.conflated,
        "returned": tally.returned,
        "pending": tally.pending,
        "imbalance": tally.fault(),
    })
}

/// `GET /v1/feeds/{namespace}/events/{id}?debug={session}`: why the session did, or did not, get the event.
pub(crate) async fn explain(
    ctx: &Ctx,
    namespace: &Namespace,
    event: Cursor,
    session: &str,
) -> Result<HttpResponse, Refusal> {
    let member = text::parse_member(session).map_err(|fault| fault.within("debug"))?;
    let why = ctx.hub.shared().why(namespace, member, event).await?;
    let mut body = told(why, event);
    body["id"] = Value::from(text::cursor(event));
    body["member"] = Value::from(text::member(member));
    Ok(json(body.to_string()))
}

fn told(why: Why, event: Cursor) -> Value {
    let cursor = |offset: Offset| text::cursor(Cursor { offset, ..event });
    match why {
        Why::NoSession => {
            json!({"verdict": "no_session", "detail": "there is no such session, or no longer"})
        }
        Why::Expired => json!({"verdict": "expired", "detail": "the event is no longer retained"}),
        Why::NotAddressed => {
            json!({"verdict": "not_addressed", "detail": "it was for another session alone"})
        }
        Why::Excluded => json!({"verdict": "excluded", "detail": "its publisher left this session out"}),
        Why::NeverJoined => {
            json!({"verdict": "never_joined", "detail": "the session is in none of the event's rooms"})
        }
        Why::JoinedAfter(offset) => json!({
            "verdict": "joined_later",
            "detail": "the session joined the room after it",
            "after": cursor(offset),
        }),
        Why::StartedAfter(offset) => json!({
            "verdict": "started_later",
            "detail": "the session's first connection began after it",
            "after": cursor(offset),
        }),
        Why::Claimed => json!({
            "verdict": "claimed",
            "detail": "the client came back with a cursor that was past it already",
        }),
        Why::Forgotten => json!({
            "verdict": "forgotten",
            "detail": "what became of it is no longer remembered: the session has had many gaps since, or other rooms then",
        }),
        Why::Told(gap) => json!({
            "verdict": gap.reason.name(),
            "detail": "it was told as a part of a gap",
            "from": gap.from.0,
            "to": gap.to.0,
        }),
        Why::Delivered { way, from, to } if from == to => json!({
            "verdict": "delivered",
            "detail": "it was handed to a connection at this time",
            "transport": way.name(),
            "at": text::time(from),
        }),
        Why::Delivered { way, from, to } => json!({
            "verdict": "delivered",
            "detail": "it was handed to a connection that began and ended, or still was, at these times",
            "transport": way.name(),
            "from": text::time(from),
            "to": text::time(to),
        }),
        Why::Pending { way, stands } => json!({
            "verdict": "pending",
            "detail": "it is still to come: the session stands before it",
            "transport": way.map(Way::name),
            "cursor": cursor(stands),
        }),
    }
}
