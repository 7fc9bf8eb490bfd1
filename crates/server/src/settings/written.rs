//! Settings as they were written: dotted keys with a value each, and the place that it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::Value;

use crate::settings::{SettingsSource, keys};

/// A mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: a key and the place that it came from, or a file.
    pub place: String,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.detail)
    }
}

impl std::error::Error for Mistake {}

/// One value and its origin.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) origin: String,
}

/// All that was written.
#[derive(Debug, Default)]
pub struct Written {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Namespaces with a table of their own, be it empty, and the place of each.
    pub(crate) tables: BTreeMap<String, String>,
    pub(crate) mistakes: Vec<Mistake>,
}

impl Written {
    /// Gathers the sources, the later over the earlier.
    #[must_use]
    pub fn gather(source: &SettingsSource) -> Self {
        let mut written = Self::default();
        if let Some(file) = &source.file {
            written.add_file(file);
        }
        for (name, value) in &source.env {
            if let Some(key) = key_of_env(name) {
                written.set(key, Value::String(value.clone()), name.clone());
            }
        }
        for (key, value) in &source.flags {
            written.set(key.clone(), Value::String(value.clone()), "a flag".to_owned());
        }
        written
    }

    fn add_file(&mut self, file: &Path) {
        let place = file.display().to_string();
        let table = std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| text.parse::<toml::Table>().map_err(|error| error.to_string()));
        match table {
            Ok(table) => self.add_table("", table, &place),
            Err(detail) => self.mistakes.push(Mistake { place, detail: detail.trim_end().to_owned() }),
        }
    }

    fn add_table(&mut self, prefix: &str, table: toml::Table, origin: &str) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            match value {
                Value::Table(inner) => {
                    if prefix == "namespace" {
                        self.tables.insert(name_in(&key).to_owned(), origin.to_owned());
                    }
                    self.add_table(&key, inner, origin);
                }
                value => self.set(key, value, origin.to_owned()),
            }
        }
    }

    fn set(&mut self, key: String, value: Value, origin: String) {
        self.entries.insert(key, Entry { value, origin });
    }
}

/// `namespace.chat` is about `chat`.
fn name_in(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, name)| name)
}

/// `TRICAST_SERVER__LISTEN` is `server.listen`. Names without a section are somebody else's, but for the few settings
/// that have none.
fn key_of_env(name: &str) -> Option<String> {
    let key = name.strip_prefix("TRICAST_")?.replace("__", ".").to_ascii_lowercase();
    (key.contains('.') || keys().iter().any(|known| known.name == key)).then_some(key)
}
