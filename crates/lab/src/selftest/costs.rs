//! Holds the reported costs against what the server wrote and burnt.

use super::case::{Case, Costs};
use super::judge::{Observed, Reference};
use super::{PAYLOAD_BYTES, wire};
use crate::result::{Bytes, Transport};

/// Of the CPU time that was burnt, at least so much has to be reported, percent: the rest of the server's work may have been
/// cheaper than without…
pub const CPU_LEAST_PERCENT: u64 = 80;
/// …and at most so much: it may have been dearer, as it is when others empty the caches.
pub const CPU_MOST_PERCENT: u64 = 150;

/// Every cost that is not what it has to be. CPU time is judged where there is a reference.
pub(super) fn costs(
    case: &Case,
    transport: Transport,
    observed: &Observed,
    reference: Option<Reference>,
) -> Vec<String> {
    match case.costs {
        Costs::Any => Vec::new(),
        Costs::Padded(padding) => bytes(observed, due(transport, observed, padding)),
        Costs::Burnt(us) => {
            let Some(honest) = reference else { return Vec::new() };
            let burnt_s = burnt_s(case, us);
            observed.cpu_s.zip(honest.cpu_s).map_or_else(
                || vec!["the server's CPU time was not read".to_owned()],
                |(seen, honest)| cpu(seen - honest, burnt_s).into_iter().collect(),
            )
        }
    }
}

fn burnt_s(case: &Case, us: u64) -> f64 {
    f64::from(case.shape.events) * us as f64 / 1e6
}

/// What the server sent for that many deliveries in that many poll answers.
fn due(transport: Transport, observed: &Observed, padding: u64) -> Bytes {
    let (deliveries, answers) = (observed.deliveries, observed.answers);
    let id = wire::id(1);
    let json = wire::event(&id, &"x".repeat(PAYLOAD_BYTES as usize));
    let event = json.len() as u64;
    let beside = |whole: usize| deliveries * (whole as u64 - event);
    let (framing, head_down) = match transport {
        Transport::Sse => (beside(wire::sse(&id, &json, padding as usize).len()), 0),
        Transport::Websocket => (beside(wire::websocket(&json, padding as usize).len()), 0),
        Transport::Poll => {
            let empty = wire::poll(&[], &id, 0);
            let head = empty.find("\r\n\r\n").map_or(0, |at| at + 4) as u64;
            let body = empty.len() as u64 - head;
            // A comma between two events of an answer; the padding is a header line.
            (answers * body + deliveries.saturating_sub(answers), answers * head + deliveries * padding)
        }
    };
    let payload = u64::from(PAYLOAD_BYTES);
    let envelope = deliveries * (event - payload);
    Bytes { payload: deliveries * payload, envelope, framing, head_down, up: 0 }
}

/// Every kind of bytes that is not as many as it has to be, on the way down.
fn bytes(observed: &Observed, due: Bytes) -> Vec<String> {
    let seen = observed.bytes;
    let kinds = [
        ("payload", seen.payload, due.payload),
        ("envelope", seen.envelope, due.envelope),
        ("framing", seen.framing, due.framing),
        ("heads", seen.head_down, due.head_down),
    ];
    let differing = kinds.iter().filter(|(_, seen, due)| seen != due);
    differing.map(|(what, seen, due)| format!("{seen} bytes of {what} instead of {due}")).collect()
}

fn cpu(more_s: f64, burnt_s: f64) -> Option<String> {
    let share = more_s * 100.0 / burnt_s;
    let within = (CPU_LEAST_PERCENT as f64..=CPU_MOST_PERCENT as f64).contains(&share);
    (!within).then(|| {
        format!(
            "{more_s:.3} s of CPU time more instead of {CPU_LEAST_PERCENT} to {CPU_MOST_PERCENT} % of {burnt_s:.3} s"
        )
    })
}

/// Bytes of a delivery, beside what a poll's answer takes for itself.
pub(super) fn bytes_per_delivery(transport: Transport, observed: &Observed) -> f64 {
    let Bytes { payload, envelope, framing, head_down, .. } = observed.bytes;
    let of_answers = match transport {
        Transport::Poll => {
            // The first event of an answer needs no comma.
            (wire::poll(&[], &wire::id(1), 0).len() as u64 - 1) * observed.answers
        }
        Transport::Sse | Transport::Websocket => 0,
    };
    (payload + envelope + framing + head_down).saturating_sub(of_answers) as f64
        / observed.deliveries.max(1) as f64
}

/// What was reported, in words.
pub(super) fn reported(
    case: &Case,
    transport: Transport,
    observed: &Observed,
    reference: Option<Reference>,
) -> Option<String> {
    match (case.costs, reference) {
        (Costs::Any, _) | (_, None) => None,
        (Costs::Padded(padding), Some(honest)) => {
            let each = bytes_per_delivery(transport, observed);
            let more =
                (padding > 0).then(|| format!(", {:.2} more than without", each - honest.delivery_bytes));
            Some(format!("{each:.2} bytes a delivery{}", more.unwrap_or_default()))
        }
        (Costs::Burnt(us), Some(honest)) => {
            let (seen, honest) = observed.cpu_s.zip(honest.cpu_s)?;
            let (more, burnt) = (seen - honest, burnt_s(case, us));
            Some(format!(
                "{seen:.3} s of CPU time, {more:.3} s more than without: {:.0} % of the {burnt:.3} s burnt",
                more * 100.0 / burnt
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_has_to_be_near_what_was_burnt() {
        for right in [0.161, 0.2, 0.299] {
            assert_eq!(cpu(right, 0.2), None);
        }
        for wrong in [-0.1, 0.0, 0.159, 0.301] {
            assert!(cpu(wrong, 0.2).is_some_and(|told| told.contains("80 to 150 % of 0.200 s")), "{wrong}");
        }
    }
}
