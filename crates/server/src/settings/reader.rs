//! Reads one setting after the other and collects what is wrong, with the place that it came from.

use std::collections::BTreeMap;

use toml::Value;
use tricast_feed::Namespace;

use crate::settings::keys;
use crate::settings::suggest::nearest;
use crate::settings::table::OF_NAMESPACE;
use crate::settings::written::{Entry, Mistake, Written};

/// What was written over the defaults.
///
/// A reader may stand in a namespace: then a setting is the namespace's own where it has one, and that of all
/// namespaces otherwise.
pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    /// Namespaces that have a table or a setting of their own, with the place of the first.
    pub(super) tables: BTreeMap<String, String>,
    /// The namespace that it stands in.
    scope: Option<Namespace>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Reader {
    /// Lays what was written over the defaults; keys that the table does not have are mistakes.
    pub(super) fn new(written: Written) -> Self {
        let entries = keys().iter().map(|key| {
            let entry = Entry { value: default_value(key.default), origin: "the default".to_owned() };
            (key.name.to_owned(), entry)
        });
        let entries = entries.collect();
        let mut reader = Self { entries, tables: written.tables, scope: None, mistakes: written.mistakes };
        written.entries.into_iter().for_each(|(name, entry)| reader.lay(name, entry));
        reader
    }

    fn lay(&mut self, name: String, entry: Entry) {
        let own = of_namespace(&name).map(|(namespace, _)| namespace.to_owned());
        if own.is_none() && !self.entries.contains_key(&name) {
            let place = format!("{name} (from {})", entry.origin);
            let near = nearest(&name).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            return self.mistakes.push(Mistake { place, detail: format!("there is no such setting{near}") });
        }
        if let Some(namespace) = own {
            self.tables.entry(namespace).or_insert_with(|| entry.origin.clone());
        }
        self.entries.insert(name, entry);
    }

    /// Reads within a namespace. Mistakes in what it shares with all namespaces are not told again.
    pub(super) fn within<T>(&mut self, namespace: &Namespace, read: impl FnOnce(&mut Self) -> T) -> T {
        self.scope = Some(namespace.clone());
        let found = read(self);
        self.scope = None;
        found
    }

    /// The namespace's own name of a setting, if it has written it.
    fn own(&self, name: &str) -> Option<String> {
        let own = format!("namespace.{}.{name}", self.scope.as_ref()?);
        self.entries.contains_key(&own).then_some(own)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.own(name).and_then(|own| self.entries.get(&own)).or_else(|| self.entries.get(name))
    }

    pub(super) fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        let own = self.own(name);
        if self.scope.is_some() && own.is_none() {
            return;
        }
        let origin = self.entry(name).map_or("nowhere", |entry| entry.origin.as_str());
        let place = format!("{} (from {origin})", own.as_deref().unwrap_or(name));
        self.mistakes.push(Mistake { place, detail: detail.into() });
    }

    pub(super) fn value(&self, name: &str) -> Value {
        self.entry(name).map_or(Value::Boolean(false), |entry| entry.value.clone())
    }

    pub(super) fn number<T: TryFrom<u64> + Default>(&mut self, name: &str, least: u64, most: u64) -> T {
        let number = match self.value(name) {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::String(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        };
        let found = number
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok());
        found.unwrap_or_else(|| {
            let range = if most == usize::MAX as u64 {
                format!("{least} or more")
            } else {
                format!("{least} to {most}")
            };
            self.wrong(name, format!("expected a whole number, {range}"));
            T::default()
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(flag) => return flag,
            Value::String(text) if text == "true" => return true,
            Value::String(text) if text == "false" => return false,
            _ => self.wrong(name, "expected true or false"),
        }
        false
    }

    pub(super) fn text(&mut self, name: &str) -> String {
        match self.value(name) {
            Value::String(text) if !text.is_empty() => text,
            _ => {
                self.wrong(name, "expected a text");
                String::new()
            }
        }
    }

    /// The name of a file, or an empty text where there is none.
    pub(super) fn file(&mut self, name: &str) -> String {
        match self.value(name) {
            Value::String(text) => text,
            _ => {
                self.wrong(name, "expected the name of a file");
                String::new()
            }
        }
    }

    pub(super) fn choice(&mut self, name: &str, choices: &[&str]) -> String {
        let text = self.text(name);
        if !text.is_empty() && !choices.contains(&text.as_str()) {
            self.wrong(name, format!("expected one of {}", choices.join(", ")));
        }
        text
    }

    /// An array of texts; from the environment and from flags a text with commas.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let texts: Option<Vec<String>> = match self.value(name) {
            Value::String(text) => Some(
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            ),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.wrong(name, "expected an array of texts");
            Vec::new()
        })
    }

    /// Every setting with the value that counts: first those of the server, then those of each namespace that has some
    /// of its own.
    pub(super) fn rows(&mut self) -> Vec<(String, String)> {
        let mut rows: Vec<(String, String)> =
            keys().iter().map(|key| (key.name.to_owned(), self.value(key.name).to_string())).collect();
        let names: Vec<Namespace> = self.tables.keys().filter_map(|name| Namespace::new(name).ok()).collect();
        for name in names {
            let own = OF_NAMESPACE
                .map(|key| (format!("namespace.{name}.{key}"), self.within(&name, |own| own.value(key))));
            rows.extend(own.map(|(key, value)| (key, value.to_string())));
        }
        rows
    }
}

/// The namespace and the setting in `namespace.<name>.<setting>`, where there is such a setting.
pub(super) fn of_namespace(name: &str) -> Option<(&str, &'static str)> {
    let (namespace, key) = name.strip_prefix("namespace.")?.split_once('.')?;
    let key = OF_NAMESPACE.iter().find(|known| **known == key)?;
    Some((namespace, key))
}

/// The table's defaults are TOML that a test reads.
fn default_value(text: &str) -> Value {
    let table: Result<toml::Table, _> = format!("value = {text}").parse();
    table.ok().and_then(|mut table| table.remove("value")).unwrap_or(Value::Boolean(false))
}
