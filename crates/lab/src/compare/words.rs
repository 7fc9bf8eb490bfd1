//! The changes in words: for the terminal, and for a page or a Markdown table made of the same rows.

use super::{Change, Changes, Gone, Judgement, REPETITIONS_ENOUGH, Side};
use crate::report::{Language, Words, metric};

/// Changes in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangesText {
    /// The verdict, one sentence.
    pub verdict: String,
    /// Both sides, one sentence each.
    pub sides: [String; 2],
    /// What is to be known before the rows are read.
    pub remarks: Vec<String>,
    /// Names of the columns.
    pub head: Vec<String>,
    /// The judgement and the row of each figure that is gone, then of each change, regressions first.
    pub rows: Vec<(Judgement, Vec<String>)>,
}

/// Puts changes into words.
pub fn changes_in_words(changes: &Changes, language: Language) -> ChangesText {
    let w = Words(language);
    let columns = ["verdict", "metric", "transport", "place", "before", "after", "ratio", "noise"];
    ChangesText {
        verdict: verdict(changes, w),
        sides: [("before", &changes.before), ("after", &changes.after)]
            .map(|(key, side)| format!("{}: {}", w.get(&format!("compare.{key}")), side_text(side, w))),
        remarks: remarks(changes, w),
        head: columns.map(|key| w.get(&format!("compare.{key}")).to_owned()).to_vec(),
        rows: rows(changes, w),
    }
}

fn rows(changes: &Changes, w: Words) -> Vec<(Judgement, Vec<String>)> {
    let gone = changes.gone.iter().map(|gone| (Judgement::Untold, gone_row(gone, w)));
    gone.chain(changes.changes.iter().map(|change| (change.judgement, row(change, w)))).collect()
}

fn verdict(changes: &Changes, w: Words) -> String {
    if changes.is_void() {
        return w.get("compare.nothing").to_owned();
    }
    let count = |judgement| changes.count(judgement).to_string();
    w.fill(
        "compare.counts",
        &[
            ("regressed", &count(Judgement::Regressed)),
            ("improved", &count(Judgement::Improved)),
            ("within", &count(Judgement::WithinNoise)),
            ("untold", &count(Judgement::Untold)),
        ],
    )
}

pub(crate) fn side_text(side: &Side, w: Words) -> String {
    let told = |text: &str| if text.is_empty() { "?".to_owned() } else { text.to_owned() };
    w.fill(
        "compare.side",
        &[
            ("run", &side.run),
            ("repetitions", &side.repetitions.to_string()),
            ("server", &told(&side.server)),
            ("cores", &side.cores.to_string()),
            ("cpu", &told(&side.cpu)),
            ("kernel", &side.kernel),
        ],
    )
}

fn remarks(changes: &Changes, w: Words) -> Vec<String> {
    let mut remarks = Vec::new();
    if !changes.gone.is_empty() {
        remarks.push(w.fill("compare.gone", &[("count", &changes.gone.len().to_string())]));
    }
    if !changes.same_machine {
        let names =
            |metrics: &[_]| metrics.iter().map(|m| metric::name(*m, w)).collect::<Vec<_>>().join(", ");
        remarks.push(w.fill("compare.other_machine", &[("refused", &names(&changes.refused))]));
    } else if changes.before.kernel != changes.after.kernel {
        remarks.push(w.get("compare.other_kernel").to_owned());
    }
    if changes.before.optimised != changes.after.optimised {
        remarks.push(w.get("compare.other_build").to_owned());
    }
    if changes.before.partial || changes.after.partial {
        remarks.push(w.get("compare.partial").to_owned());
    }
    if changes.before.synthetic || changes.after.synthetic {
        remarks.push(w.get("synthetic").to_owned());
    }
    let is_few = |change: &Change| change.ratio.is_some_and(|ratio| ratio.repetitions < REPETITIONS_ENOUGH);
    if changes.changes.iter().any(is_few) {
        remarks.push(w.get("compare.few").to_owned());
    }
    if !changes.unmatched.is_empty() {
        remarks.push(w.fill("compare.unmatched", &[("cells", &changes.unmatched.join(", "))]));
    }
    remarks
}

fn row(change: &Change, w: Words) -> Vec<String> {
    let ratio = change.ratio.map_or("–".to_owned(), |r| {
        format!("{} ({}–{})", w.digits(r.value, 2), w.digits(r.low, 2), w.digits(r.high, 2))
    });
    let noise = change.noise.map_or("–".to_owned(), |n| format!("±{}", w.percent((n - 1.0) * 100.0)));
    vec![
        w.get(&format!("compare.{}", change.judgement.key())).to_owned(),
        metric::name(change.metric, w),
        format!("{} {}", metric::mark(change.transport), metric::transport(change.transport, w)),
        place(change.cell.as_deref(), change.in_flight, w),
        metric::printed(change.metric, change.before.value, w),
        metric::printed(change.metric, change.after.value, w),
        ratio,
        noise,
    ]
}

fn place(cell: Option<&str>, in_flight: Option<u32>, w: Words) -> String {
    let flight = || in_flight.map_or(String::new(), |k| w.fill("place.flight", &[("k", &k.to_string())]));
    cell.map_or_else(flight, str::to_owned)
}

fn gone_row(gone: &Gone, w: Words) -> Vec<String> {
    vec![
        w.get("compare.untold").to_owned(),
        metric::name(gone.metric, w),
        format!("{} {}", metric::mark(gone.transport), metric::transport(gone.transport, w)),
        place(gone.cell.as_deref(), gone.in_flight, w),
        metric::printed(gone.metric, gone.before.value, w),
        w.get("compare.missing").to_owned(),
        "–".to_owned(),
        "–".to_owned(),
    ]
}

impl std::fmt::Display for ChangesText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n", self.verdict)?;
        self.sides.iter().chain(&self.remarks).try_for_each(|line| writeln!(f, "{line}"))?;
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(&self.head);
        self.rows.iter().for_each(|(_, row)| {
            table.add_row(row);
        });
        writeln!(f, "\n{table}")
    }
}
