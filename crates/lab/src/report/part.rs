//! A section that is there only where something was measured for it: sentences, tables and charts under a heading.

use super::charts::{Chart, Table};
use super::scale::Section;
use super::text::Words;
use super::{factors, loss, micro, proxies, resilience, workloads};
use crate::result::Run;

/// A section with its place in the page.
pub(super) struct Part {
    /// The anchor, and the first word of its text keys.
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) lead: String,
    pub(super) section: Section,
}

impl Section {
    /// A section of tables alone.
    pub(super) fn of(tables: Vec<(String, Table)>) -> Self {
        Self { sentences: Vec::new(), tables, charts: Vec::new() }
    }

    pub(super) fn with(mut self, sentences: Vec<String>, charts: Vec<Chart>) -> Self {
        self.sentences.extend(sentences);
        self.charts.extend(charts);
        self
    }
}

/// A part's renderer: `None` where the run has nothing for it.
type Render = fn(&Run, Words) -> Option<Section>;

/// All parts that the run has something for, in the order of the page.
pub(super) fn parts(run: &Run, w: Words) -> Vec<Part> {
    let all: [(&'static str, Render); 6] = [
        ("workloads", workloads::section),
        ("resilience", resilience::section),
        ("proxies", proxies::section),
        ("factors", factors::section),
        ("loss", loss::section),
        ("micro", micro::section),
    ];
    let part = |(id, render): (&'static str, Render)| {
        Some(Part {
            id,
            title: w.get(&format!("{id}.title")).to_owned(),
            lead: w.get(&format!("{id}.lead")).to_owned(),
            section: render(run, w)?,
        })
    };
    all.into_iter().filter_map(part).collect()
}

/// A table with heads by their text keys.
pub(super) fn table(heads: &[&str], rows: Vec<Vec<String>>, w: Words) -> Table {
    Table { head: heads.iter().map(|key| w.get(key).to_owned()).collect(), rows }
}

/// A dash for what is not known.
pub(super) fn told(value: Option<f64>, of: impl Fn(f64) -> String) -> String {
    value.map_or("–".to_owned(), of)
}
