//! What a section of the report consists of: sentences, tables and charts.

use super::charts::{Chart, Table};
use super::text::Words;

/// What a section says and shows.
pub(super) struct Section {
    pub(super) sentences: Vec<String>,
    /// Tables with a heading each.
    pub(super) tables: Vec<(String, Table)>,
    pub(super) charts: Vec<Chart>,
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

/// A table with heads by their text keys.
pub(super) fn table(heads: &[&str], rows: Vec<Vec<String>>, w: Words) -> Table {
    Table { head: heads.iter().map(|key| w.get(key).to_owned()).collect(), rows }
}

/// A dash for what is not known.
pub(super) fn told(value: Option<f64>, of: impl Fn(f64) -> String) -> String {
    value.map_or("–".to_owned(), of)
}
