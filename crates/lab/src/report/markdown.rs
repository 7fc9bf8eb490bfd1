//! The same content in brief, as Markdown, and the table for a README.

use std::fmt::Write;

use super::charts::Table;
use super::metric::{mark, transport};
use super::page::{claims, doubts, facts, limits, subtitle, title};
use super::part::parts;
use super::peers::Section as PeersSection;
use super::scale;
use super::scorecard::{Entry, Row, rows};
use super::section::Section;
use super::text::{Language, Words};
use super::verdict::Verdict;
use super::void;
use crate::result::{CellRecord, Run};

/// The scorecard as a Markdown table, with where it comes from under it.
///
/// Figures in a document must come from a run: generate the table again instead of editing it.
pub fn table(run: &Run, language: Language) -> String {
    let w = Words(language);
    let mut text = scorecard(&brief(run), w);
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

/// A run without the workloads that a short table leaves to the report: those that differ from the first two in their
/// numbers alone, and slow readers and publishers.
fn brief(run: &Run) -> Run {
    let mut brief = run.clone();
    let cells = std::mem::take(&mut brief.scenario.cells);
    let is_told = |cell: &CellRecord| {
        let load = &cell.workload;
        load.rooms.is_some() || load.network.is_some() || load.deploy.is_some()
    };
    let kept = cells.into_iter().enumerate().filter(|(index, cell)| *index < 2 || is_told(cell));
    brief.scenario.cells = kept.map(|(_, cell)| cell).collect();
    brief
}

/// The whole report in brief. A section on other servers follows it where there is one.
pub(super) fn report(run: &Run, peers: Option<&PeersSection>, language: Language) -> String {
    let w = Words(language);
    let mut text = format!("# {}\n\n{}\n\n", title(run, w), subtitle(peers, w));
    if run.synthetic {
        push(&mut text, format_args!("**{}**\n\n", w.get("synthetic")));
    }
    if run.partial {
        push(&mut text, format_args!("**{}**\n\n", w.get("partial")));
    }
    if run.compares() {
        comparison(run, w, &mut text);
    }
    crowds(run, w, &mut text);
    for part in parts(run, w) {
        push(&mut text, format_args!("\n## {}\n\n{}\n\n", part.title, part.lead));
        section_of(&part.section, &mut text);
    }
    push(&mut text, format_args!("\n## {}\n\n", w.get("assertions.title")));
    for claim in claims(run, w) {
        push(&mut text, format_args!("- **{}** {}: {}\n", claim.word, claim.text, claim.value));
    }
    push(&mut text, format_args!("\n## {}\n\n", w.get("doubts.title")));
    doubts(run, w).iter().for_each(|doubt| push(&mut text, format_args!("- {doubt}\n")));
    let voids = void::visits(run, w);
    if !voids.is_empty() {
        push(&mut text, format_args!("\n### {}\n\n", w.get("doubts.void")));
        voids.iter().for_each(|one| push(&mut text, format_args!("- {one}\n")));
    }
    push(&mut text, format_args!("\n## {}\n\n", w.get("reproduce.title")));
    facts(run, w).iter().for_each(|(name, value)| push(&mut text, format_args!("- {name}: {value}\n")));
    push(&mut text, format_args!("\n## {}\n\n", w.get("limits.title")));
    limits(run, peers.is_some(), w).iter().for_each(|limit| push(&mut text, format_args!("- {limit}\n")));
    text.push('\n');
    text
}

fn comparison(run: &Run, w: Words, text: &mut String) {
    let verdict = Verdict { run, w };
    verdict.sentences().iter().for_each(|sentence| push(text, format_args!("{sentence}\n\n")));
    push(
        text,
        format_args!(
            "| {} | {} | {} |\n| --- | --- | --- |\n",
            w.get("case.head"),
            w.get("case.choice"),
            w.get("case.why")
        ),
    );
    for case in verdict.cases() {
        push(text, format_args!("| {} | {} | {} |\n", case.name, case.choice, case.because));
    }
    push(text, format_args!("\n## {}\n\n{}", w.get("score.title"), scorecard(run, w)));
}

/// The section on scale: its sentences, and the figures of its drawings as tables.
fn crowds(run: &Run, w: Words, text: &mut String) {
    let Some(section) = scale::section(run, w) else { return };
    push(text, format_args!("\n## {}\n\n", w.get("scale.title")));
    section_of(&section, text);
}

fn section_of(section: &Section, text: &mut String) {
    section.sentences.iter().for_each(|sentence| push(text, format_args!("{sentence}\n\n")));
    for (heading, rows) in &section.tables {
        push(text, format_args!("### {heading}\n\n"));
        rows_of(rows, text);
    }
    for chart in &section.charts {
        push(text, format_args!("### {}\n\n{}\n\n", chart.title, chart.caption));
        rows_of(&chart.table, text);
    }
}

pub(super) fn rows_of(table: &Table, text: &mut String) {
    let rule = vec!["---".to_owned(); table.head.len()];
    let lines = [&table.head, &rule].into_iter().chain(&table.rows);
    lines.for_each(|line| push(text, format_args!("| {} |\n", line.join(" | "))));
    text.push('\n');
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
