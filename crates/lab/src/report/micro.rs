//! Code paths, as criterion measured them.

use super::section::{Section, table};
use super::text::Words;
use crate::result::Run;

/// The section; `None` where no estimates were found beside the run.
pub(super) fn section(run: &Run, w: Words) -> Option<Section> {
    if run.micro.is_empty() {
        return None;
    }
    let rows = run.micro.iter().map(|one| {
        let interval = format!("{} – {}", time(one.low_ns, w), time(one.high_ns, w));
        vec![one.name.clone(), time(one.median_ns, w), interval]
    });
    let heads = ["micro.path", "table.value", "table.interval"];
    Some(Section::of(vec![(w.get("micro.table").to_owned(), table(&heads, rows.collect(), w))]))
}

fn time(ns: f64, w: Words) -> String {
    match ns {
        small if small < 1e3 => w.with_unit(small, "ns"),
        middle if middle < 1e6 => w.with_unit(middle / 1e3, w.get("unit.us")),
        large => w.with_unit(large / 1e6, w.get("unit.ms")),
    }
}
