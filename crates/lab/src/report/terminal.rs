//! The scorecard for a terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table};

use super::metric::{mark, transport};
use super::page::claims;
use super::peers::section;
use super::scale;
use super::scorecard::rows;
use super::text::{Language, Words};
use super::void;
use crate::peers::result::Peers;
use crate::result::Run;

/// Void visits that a terminal is told of; the report has all.
const VOIDS_SHOWN: usize = 5;

/// The scorecard, the assertions, what was void and the number of doubts, to be printed when a run has ended.
pub fn scorecard(run: &Run, language: Language) -> String {
    let w = Words(language);
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    let transports = run.scenario.transports.iter().map(|t| format!("{} {}", mark(*t), transport(*t, w)));
    let noise = w.get("score.noise").to_owned();
    table.set_header(std::iter::once(w.get("score.metric").to_owned()).chain(transports).chain([noise]));
    for row in rows(run, w) {
        let entry = |entry: &super::scorecard::Entry| {
            let cell = Cell::new(&entry.text).set_alignment(CellAlignment::Right);
            if entry.best { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        let name =
            if row.unit.is_empty() { row.name.clone() } else { format!("{} ({})", row.name, row.unit) };
        let first = Cell::new(format!("{name}\n{}", row.place));
        let noise = Cell::new(&row.noise).set_alignment(CellAlignment::Right);
        table.add_row(std::iter::once(first).chain(row.entries.iter().map(entry)).chain([noise]));
    }
    let claims =
        claims(run, w).into_iter().map(|claim| format!("{:4}  {}: {}", claim.word, claim.text, claim.value));
    let doubts = w.fill("doubts.count", &[("count", &run.doubts.len().to_string())]);
    let partial = run.partial.then(|| w.get("partial").to_owned());
    let voids = void::visits(run, w);
    let more = voids.len().saturating_sub(VOIDS_SHOWN);
    let voids = voids.into_iter().take(VOIDS_SHOWN).map(|one| format!("{}: {one}", w.get("score.void")));
    let voids: Vec<String> = voids.chain((more > 0).then(|| format!("… +{more}"))).collect();
    let compared = partial.into_iter().chain(run.compares().then(|| table.to_string()));
    let crowds = scale::section(run, w).map(|section| section.sentences).unwrap_or_default();
    compared.chain(crowds).chain(claims).chain(voids).chain([doubts]).collect::<Vec<_>>().join("\n")
}

/// The claims of a comparison with other servers, to be printed when it has ended.
pub fn peers_scorecard(peers: &Peers, language: Language) -> String {
    let section = section(peers, language);
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(claims) = section.sheets.first() {
        table.set_header(&claims.head);
        table.add_rows(&claims.rows);
    }
    let doubts = Words(language).fill("doubts.count", &[("count", &section.doubts.len().to_string())]);
    let void = section.void.into_iter();
    std::iter::once(table.to_string()).chain(void).chain([doubts]).collect::<Vec<_>>().join("\n")
}
