//! Void visits, each with its place and its reasons, in the language of the report.

use super::{Words, metric, scale};
use crate::result::Run;

/// What an account counts, by its words in a stored result, and the key of the text that says so.
const COUNTS: [(&str, &str); 8] = [
    ("lost", "void.lost"),
    ("duplicated", "void.duplicated"),
    ("out of order", "void.out_of_order"),
    ("received before their time", "void.negative"),
    ("unreadable or of another epoch", "void.foreign"),
    ("streams ended", "void.ended"),
    ("publish requests refused", "void.refused"),
    ("ticks missed", "void.ticks"),
];

/// All of a run.
pub(super) fn visits(run: &Run, w: Words) -> Vec<String> {
    let flight = |k: u32| w.fill("place.flight", &[("k", &k.to_string())]);
    let joined = |count: u32| w.fill("void.raw", &[("count", &count.to_string())]);
    let open = run.latency.iter().map(|v| (&v.void, v.transport, v.cell.clone(), v.repetition));
    let closed = run.saturation.iter().map(|v| (&v.void, v.transport, flight(v.in_flight), v.repetition));
    let raw = run.raw.iter().map(|v| (&v.void, v.transport, joined(v.joined), v.repetition));
    let memory =
        run.memory.iter().map(|v| (&v.void, v.transport, w.get("place.idle").to_owned(), v.repetition));
    let all = open.chain(closed).chain(raw).chain(memory).filter(|(void, ..)| !void.is_empty());
    let told = all.map(|(void, transport, place, repetition)| {
        format!("{} · {place} · {}: {}", metric::transport(transport, w), repetition + 1, reasons(void, w))
    });
    told.chain(scale::void(run, w)).collect()
}

/// The reasons of one visit. What an account counts is put into words, and anything else is what a program said.
pub(super) fn reasons(void: &[String], w: Words) -> String {
    void.iter().map(|reason| one(reason, w)).collect::<Vec<_>>().join(", ")
}

fn one(reason: &str, w: Words) -> String {
    let counted = reason.split_once(' ').and_then(|(count, what)| {
        let count: u64 = count.parse().ok()?;
        let (_, key) = COUNTS.iter().find(|(words, _)| *words == what)?;
        Some(w.fill(key, &[("count", &w.digits(count as f64, 0))]))
    });
    counted.unwrap_or_else(|| w.fill("void.said", &[("reason", reason)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Language;
    use crate::result::Integrity;

    #[test]
    fn every_count_of_an_account_has_words_in_both_languages() {
        let account = Integrity {
            lost: 1,
            duplicated: 2,
            out_of_order: 3,
            negative: 4,
            foreign: 5,
            ended: 6,
            refused: 7,
            missed_ticks: 3125,
            published: 1,
            ..Integrity::default()
        };
        let faults = account.faults();
        assert_eq!(faults.len(), COUNTS.len());
        let english = reasons(&faults, Words(Language::English));
        assert_eq!(english, faults.join(", "));
        let french = reasons(&faults, Words(Language::French));
        assert!(french.starts_with("perdus : 1, en double : 2") && !french.contains('«'), "{french}");
        let said = ["start x: No such file".to_owned()];
        assert_eq!(reasons(&said, Words(Language::English)), said[0]);
        assert_eq!(reasons(&said, Words(Language::French)), "« start x: No such file »");
    }
}
