//! The same content in brief, as Markdown, and the table for a README.

use std::fmt::Write;

use super::metric::{mark, transport};
use super::page::{claims, doubts, facts};
use super::scorecard::{Entry, Row, rows};
use super::text::{Language, Words};
use super::verdict::Verdict;
use crate::result::Run;

/// The scorecard as a Markdown table, with where it comes from under it.
///
/// Figures in a document must come from a run: generate the table again instead of editing it.
pub fn table(run: &Run, language: Language) -> String {
    let w = Words(language);
    let mut text = scorecard(run, w);
    let cpu = run.environment.cpu.as_deref().unwrap_or("?");
    let values = [
        ("scenario", run.scenario.name.as_str()),
        ("date", run.started.split('T').next().unwrap_or_default()),
        ("cpu", cpu),
        ("repetitions", &run.scenario.repetitions.to_string()),
    ];
    text.push('\n');
    text.push_str(&w.fill("table.source", &values));
    text.push('\n');
    text
}

/// The whole report in brief.
pub(super) fn report(run: &Run, language: Language) -> String {
    let w = Words(language);
    let verdict = Verdict { run, w };
    let mut text = format!("# {}\n\n", w.get("title"));
    if run.synthetic {
        push(&mut text, format_args!("**{}**\n\n", w.get("synthetic")));
    }
    verdict.sentences().iter().for_each(|sentence| push(&mut text, format_args!("{sentence}\n\n")));
    push(
        &mut text,
        format_args!(
            "| {} | {} | {} |\n| --- | --- | --- |\n",
            w.get("case.head"),
            w.get("case.choice"),
            w.get("case.why")
        ),
    );
    for case in verdict.cases() {
        push(&mut text, format_args!("| {} | {} | {} |\n", case.name, case.choice, case.because));
    }
    push(&mut text, format_args!("\n## {}\n\n{}", w.get("score.title"), scorecard(run, w)));
    push(&mut text, format_args!("\n## {}\n\n", w.get("assertions.title")));
    for claim in claims(run, w) {
        push(&mut text, format_args!("- **{}** {}: {}\n", claim.word, claim.text, claim.value));
    }
    push(&mut text, format_args!("\n## {}\n\n", w.get("doubts.title")));
    doubts(run, w).iter().for_each(|doubt| push(&mut text, format_args!("- {doubt}\n")));
    push(&mut text, format_args!("\n## {}\n\n", w.get("reproduce.title")));
    facts(run, w).iter().for_each(|(name, value)| push(&mut text, format_args!("- {name}: {value}\n")));
    text
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing to a string does not fail");
}

fn scorecard(run: &Run, w: Words) -> String {
    let mut text = format!("| {} |", w.get("score.metric"));
    for one in &run.scenario.transports {
        push(&mut text, format_args!(" {} {} |", mark(*one), transport(*one, w)));
    }
    push(
        &mut text,
        format_args!(
            " {} |\n| --- |{} ---: |\n",
            w.get("score.noise"),
            " ---: |".repeat(run.scenario.transports.len())
        ),
    );
    for row in rows(run, w) {
        push(&mut text, format_args!("| {} |", heading(&row)));
        row.entries.iter().for_each(|entry| push(&mut text, format_args!(" {} |", cell(entry))));
        push(&mut text, format_args!(" {} |\n", row.noise));
    }
    text
}

fn heading(row: &Row) -> String {
    let unit = if row.unit.is_empty() { String::new() } else { format!(" ({})", row.unit) };
    format!("{}{unit}, {}", row.name, row.place)
}

fn cell(entry: &Entry) -> String {
    if entry.best { format!("**{}**", entry.text) } else { entry.text.clone() }
}
