//! Words and numbers in the report's two languages. All text stands in `locales/*.json`, one flat table a language with
//! the same keys; a test holds them together.

use std::collections::BTreeMap;
use std::sync::OnceLock;

const ENGLISH: &str = include_str!("../../locales/en.json");
const FRENCH: &str = include_str!("../../locales/fr.json");
/// The space inside numbers and before units: narrow, and no line ends at it.
pub(crate) const THIN: char = '\u{202f}';

/// A language of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
}

impl Language {
    /// Both, in the order of the report's files.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// The language of a tag such as `fr`; English for any other.
    pub fn of(tag: &str) -> Self {
        if tag.to_ascii_lowercase().starts_with("fr") { Self::French } else { Self::English }
    }

    /// The tag for `lang=` and file names.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The other one, for the link between the two pages.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::English => Self::French,
            Self::French => Self::English,
        }
    }

    /// The report's file of a kind: `report.html`, `report.fr.html`.
    pub(crate) fn file(self, extension: &str) -> String {
        match self {
            Self::English => format!("report.{extension}"),
            Self::French => format!("report.fr.{extension}"),
        }
    }
}

type Table = BTreeMap<String, String>;

fn tables() -> &'static (Table, Table) {
    static TABLES: OnceLock<(Table, Table)> = OnceLock::new();
    let table = |text| serde_json::from_str(text).expect("the embedded tables are parsed by a test");
    TABLES.get_or_init(|| (table(ENGLISH), table(FRENCH)))
}

/// The text table of one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(pub(crate) Language);

impl Words {
    /// The text of a key; the key itself where there is none, which a test excludes.
    pub(crate) fn get<'k>(&self, key: &'k str) -> &'k str
    where
        'static: 'k,
    {
        let (english, french) = tables();
        let table = if self.0 == Language::English { english } else { french };
        table.get(key).map_or(key, String::as_str)
    }

    /// The text of a key with `{name}` filled in.
    pub(crate) fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let text = self.get(key).to_owned();
        values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// A number with three significant digits, or whole where it is large.
    pub(crate) fn number(&self, value: f64) -> String {
        let digits = match value.abs() {
            0.0 => 0,
            small if small < 0.0995 => 3,
            small if small < 9.995 => 2,
            middle if middle < 99.95 => 1,
            _ => 0,
        };
        self.digits(value, digits)
    }

    /// A number with so many digits after the decimal mark, and thousands set apart.
    pub(crate) fn digits(&self, value: f64, digits: usize) -> String {
        let plain = format!("{value:.digits$}");
        let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(w, f)| (w, Some(f)));
        let mut text = String::new();
        for (index, digit) in whole.char_indices() {
            let left = whole.len() - index;
            if index > 0 && left % 3 == 0 && whole.len() > 4 && digit.is_ascii_digit() {
                text.push(THIN);
            }
            text.push(digit);
        }
        if let Some(fraction) = fraction {
            text.push(if self.0 == Language::French { ',' } else { '.' });
            text.push_str(fraction);
        }
        text
    }

    /// A number with its unit.
    pub(crate) fn with_unit(&self, value: f64, unit: &str) -> String {
        let number = self.number(value);
        if unit.is_empty() { number } else { format!("{number}{THIN}{unit}") }
    }

    /// A share of 1 in percent.
    pub(crate) fn percent(&self, percent: f64) -> String {
        let space = if self.0 == Language::French { "\u{202f}" } else { "" };
        format!("{}{space}%", self.number(percent))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::result::{DoubtKind, Transport};

    fn placeholders(text: &str) -> BTreeSet<String> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}'))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    #[test]
    fn both_tables_have_the_same_keys_and_placeholders() {
        let (english, french) = tables();
        assert_eq!(english.keys().collect::<Vec<_>>(), french.keys().collect::<Vec<_>>());
        for (key, text) in english {
            assert_eq!(placeholders(text), placeholders(&french[key]), "{key}");
            assert!(!text.trim().is_empty() && !french[key].trim().is_empty(), "{key} is empty");
        }
    }

    #[test]
    fn what_may_be_one_is_no_plural_behind_its_number() {
        let (english, french) = tables();
        for (key, text) in english.iter().chain(french) {
            for counted in ["{repetitions}", "{rounds}", "{visits}"] {
                let before = text.split(counted).next().unwrap_or_default();
                let is_named = !text.contains(counted) || before.trim_end().ends_with([':', ',']);
                assert!(is_named, "{key}: {text}");
            }
        }
    }

    #[test]
    fn keys_used_are_there_and_keys_there_are_used() {
        let page = include_str!("../../../../static/templates/report.html");
        let mut sources = page.to_owned() + include_str!("../run/live.rs");
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/report")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("text.rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
        let (english, _) = tables();
        let composed = [
            "doubt.",
            "transport.",
            "metric.",
            "unit.",
            "case.",
            "limit.",
            "method.",
            "bytes.",
            "outcome.",
            "peers.",
            "advise.",
            "compare.",
            "merge.",
            "factors.",
            "proxies.",
            "loss.",
            "micro.",
            "workloads.",
            "resilience.",
            "chart.sweep.",
        ];
        for key in english.keys().filter(|key| composed.iter().all(|prefix| !key.starts_with(prefix))) {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        for part in sources.split("w.get(\"").chain(sources.split("w.fill(\"")).skip(1) {
            let key = part.split('"').next().unwrap_or_default();
            if key.len() < 60 && key.contains('.') && !key.contains('{') && !key.contains('\n') {
                assert!(english.contains_key(key), "{key} has no text");
            }
        }
        DoubtKind::ALL
            .iter()
            .for_each(|kind| assert!(english.contains_key(&format!("doubt.{}", kind.key()))));
        Transport::ALL.iter().for_each(|t| assert!(english.contains_key(&format!("transport.{}", t.key()))));
    }

    #[test]
    fn numbers_follow_the_language() {
        let check = |value: f64, english: &str, french: &str| {
            assert_eq!(Words(Language::English).number(value), english);
            assert_eq!(Words(Language::French).number(value), french);
        };
        check(0.0, "0", "0");
        check(0.0314, "0.031", "0,031");
        check(1.236, "1.24", "1,24");
        check(12.34, "12.3", "12,3");
        check(4321.0, "4321", "4321");
        check(1_234_567.8, "1\u{202f}234\u{202f}568", "1\u{202f}234\u{202f}568");
    }
}
