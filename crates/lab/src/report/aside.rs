//! Pages made of several runs: two compared, or those of several machines side by side. They are tables alone.

use std::fs;
use std::path::{Path, PathBuf};

use askama::Template;

use super::charts::Table;
use super::markdown::rows_of;
use super::metric;
use super::page::STYLE;
use super::scorecard::{Row, rows};
use super::text::{Language, Words};
use super::verdict::Verdict;
use super::write;
use crate::compare::{Changes, Judgement, Side, changes_in_words, side_text};
use crate::error::{LabError, Result};
use crate::peers;
use crate::result::{FILE, Run, Transport};

/// A table with a heading; the first word of each row is how it came out, for its colour.
struct Block {
    title: String,
    lead: String,
    head: Vec<String>,
    rows: Vec<(&'static str, Vec<String>)>,
}

#[derive(Template)]
#[template(path = "aside.html")]
struct Page<'a> {
    w: Words,
    title: &'a str,
    style: &'a str,
    sub: String,
    remarks: Vec<String>,
    blocks: Vec<Block>,
}

impl Page<'_> {
    fn finish(&self) -> Result<String> {
        self.render().map_err(|e| LabError::Render(e.to_string()))
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n\n", self.title, self.sub);
        self.remarks.iter().for_each(|remark| text.push_str(&format!("- {remark}\n")));
        for block in &self.blocks {
            text.push_str(&format!("\n## {}\n\n", block.title));
            let rows = block.rows.iter().map(|(_, row)| row.clone()).collect();
            rows_of(&Table { head: block.head.clone(), rows }, &mut text);
        }
        text
    }
}

fn outcome(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Regressed => "fail",
        Judgement::Improved => "pass",
        Judgement::WithinNoise | Judgement::Untold => "plain",
    }
}

fn of_changes(changes: &Changes, language: Language) -> Page<'static> {
    let w = Words(language);
    let text = changes_in_words(changes, language);
    let rows = text.rows.into_iter().map(|(judgement, row)| (outcome(judgement), row)).collect();
    let lead = w.get("compare.lead").to_owned();
    let block = Block { title: w.get("compare.verdict").to_owned(), lead, head: text.head, rows };
    Page {
        w,
        title: w.get("compare.title"),
        style: STYLE,
        sub: text.verdict,
        remarks: text.sides.into_iter().chain(text.remarks).collect(),
        blocks: vec![block],
    }
}

/// Two runs against each other as a page: one self-contained HTML file.
///
/// # Errors
/// A template that cannot be filled in, which a test excludes.
pub fn changes_page(changes: &Changes, language: Language) -> Result<String> {
    of_changes(changes, language).finish()
}

/// Two runs against each other as Markdown.
pub fn changes_markdown(changes: &Changes, language: Language) -> String {
    of_changes(changes, language).markdown()
}

/// Writes the runs of several machines side by side into a folder: a page and a Markdown file in both languages. Gives
/// the page in the language asked for.
///
/// # Errors
/// Fewer than two runs, one that compares nothing or is given twice, a folder that holds a run itself, or one that cannot be
/// written to.
pub fn merge(runs: &[Run], folder: &Path, language: Language) -> Result<PathBuf> {
    if runs.len() < 2 {
        return Err(LabError::Render("a report of several machines wants two runs at least".to_owned()));
    }
    if let Some(run) = runs.iter().find(|run| !run.compares()) {
        return Err(LabError::Render(format!("the run {} has no comparison of transports", run.id)));
    }
    if let Some(run) = runs.iter().enumerate().find_map(|(i, run)| runs[..i].iter().find(|o| o.id == run.id))
    {
        return Err(LabError::Render(format!("the run {} is given twice", run.id)));
    }
    if let Some(own) = [FILE, peers::result::FILE].into_iter().find(|name| folder.join(name).exists()) {
        let what = format!(
            "{} holds a {own}, whose own report would be overwritten: name another folder",
            folder.display()
        );
        return Err(LabError::Render(what));
    }
    fs::create_dir_all(folder).map_err(LabError::io(format!("make {}", folder.display())))?;
    for one in Language::ALL {
        let page = merged(runs, one);
        write(folder, &one.file("html"), &page.finish()?)?;
        write(folder, &one.file("md"), &page.markdown())?;
    }
    Ok(folder.join(language.file("html")))
}

fn merged(runs: &[Run], language: Language) -> Page<'static> {
    let w = Words(language);
    Page {
        w,
        title: w.get("merge.title"),
        style: STYLE,
        sub: w.get("merge.lead").to_owned(),
        remarks: if runs.iter().any(|r| r.synthetic) { vec![w.get("synthetic").to_owned()] } else { vec![] },
        blocks: vec![machines(runs, w), cases(runs, w), figures(runs, w)],
    }
}

/// The letter that stands for a run in the tables' heads.
fn letter(index: usize) -> String {
    char::from_u32('A' as u32 + index as u32 % 26).unwrap_or('?').to_string()
}

fn machines(runs: &[Run], w: Words) -> Block {
    let row = |(index, run): (usize, &Run)| ("", vec![letter(index), side_text(&Side::of(run), w)]);
    Block {
        title: w.get("merge.machines").to_owned(),
        lead: String::new(),
        head: vec![String::new(), String::new()],
        rows: runs.iter().enumerate().map(row).collect(),
    }
}

fn cases(runs: &[Run], w: Words) -> Block {
    let verdicts: Vec<_> = runs.iter().map(|run| Verdict { run, w }.cases()).collect();
    let count = verdicts.iter().map(Vec::len).min().unwrap_or(0);
    let row = |index: usize| {
        let cases: Vec<_> = verdicts.iter().map(|cases| &cases[index]).collect();
        let choices = cases.iter().filter(|case| case.is_measured).map(|case| &case.choice);
        let (outcome, word) = agreement(&choices.collect::<Vec<_>>(), w);
        let told = cases.iter().map(|case| format!("{}: {}", case.choice, case.because));
        let cells = [word, cases[0].name.clone()].into_iter().chain(told).collect();
        (outcome, cells)
    };
    let head = ["merge.holds", "merge.case"].map(|key| w.get(key).to_owned()).into_iter();
    Block {
        title: w.get("merge.cases").to_owned(),
        lead: String::new(),
        head: head.chain((0..runs.len()).map(letter)).collect(),
        rows: (0..count).map(row).collect(),
    }
}

/// Whether what was measured is the same on all machines: how it is coloured, and the word for it.
fn agreement<T: PartialEq>(measured: &[T], w: Words) -> (&'static str, String) {
    let same = measured.iter().all(|one| *one == measured[0]);
    let (outcome, key) = match (measured.len() < 2, same) {
        (true, _) => ("plain", "merge.unknown"),
        (false, true) => ("pass", "merge.same"),
        (false, false) => ("plain", "merge.differs"),
    };
    (outcome, w.get(key).to_owned())
}

/// The scorecard's rows that all runs have, a line a transport, and whether the same one leads everywhere.
fn figures(runs: &[Run], w: Words) -> Block {
    let cards: Vec<Vec<Row>> = runs.iter().map(|run| rows(run, w)).collect();
    let twin = |card: &[Row], row: &Row| {
        card.iter().find(|one| one.name == row.name && one.place == row.place).cloned()
    };
    let mut all = Vec::new();
    for row in &cards[0] {
        let twins: Option<Vec<Row>> = cards.iter().map(|card| twin(card, row)).collect();
        if let Some(twins) = twins {
            all.extend(Transport::ALL.iter().filter_map(|t| figure_row(&twins, *t, w)));
        }
    }
    let head = ["merge.holds", "compare.metric", "compare.transport"].map(|key| w.get(key).to_owned());
    Block {
        title: w.get("merge.figures").to_owned(),
        lead: w.get("score.lead").to_owned(),
        head: head.into_iter().chain((0..runs.len()).map(letter)).collect(),
        rows: all,
    }
}

fn figure_row(twins: &[Row], transport: Transport, w: Words) -> Option<(&'static str, Vec<String>)> {
    let entries: Option<Vec<_>> =
        twins.iter().map(|row| row.entries.iter().find(|e| e.transport == transport)).collect();
    let entries = entries?;
    let first = &twins[0];
    let known = entries.iter().filter(|entry| !entry.void).map(|entry| entry.best);
    let (outcome, word) = agreement(&known.collect::<Vec<_>>(), w);
    let told = entries.iter().map(|entry| {
        let best = if entry.best { format!(" ({})", w.get("score.best")) } else { String::new() };
        format!("{} {}{best}", entry.text, first.unit)
    });
    let name = format!("{}, {}", first.name, first.place);
    let marked = format!("{} {}", metric::mark(transport), metric::transport(transport, w));
    let cells = [word, name, marked].into_iter().chain(told).collect();
    Some((outcome, cells))
}
