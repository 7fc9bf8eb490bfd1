//! Types of events that may be published.

use std::fmt;

use tricast_feed::EventType;
use tricast_wire::Fault;
use tricast_wire::publish::RESERVED_TYPES;

/// Types that one namespace may list.
const KINDS_MAX: usize = 1000;

/// How many of them a refusal lists.
const TOLD_MAX: usize = 8;

/// The types of a namespace; none means any.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(Vec<Kind>);

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// This one.
    Exactly(Box<str>),
    /// Every one that begins so.
    Beginning(Box<str>),
}

impl Kinds {
    /// Reads the types of a setting: each is a type, or the beginning of one and a `*`.
    ///
    /// # Errors
    /// What is wrong with the first that is wrong.
    pub(crate) fn read(texts: &[String]) -> Result<Self, String> {
        if texts.len() > KINDS_MAX {
            return Err(format!("{} types, at most {KINDS_MAX} are allowed", texts.len()));
        }
        texts.iter().map(|text| Kind::read(text)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn check(&self, kind: &EventType) -> Result<(), Fault> {
        if self.is_any() || self.0.iter().any(|known| known.covers(kind.as_str())) {
            return Ok(());
        }
        let told: Vec<String> = self.0.iter().take(TOLD_MAX).map(ToString::to_string).collect();
        let more = if self.0.len() > TOLD_MAX { ", …" } else { "" };
        Err(Fault::bad("type", format!("{kind} is not published here, only {}{more}", told.join(", "))))
    }
}

impl Kind {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no type with or without a * at its end: {why}");
        let (beginning, is_whole) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (text, true),
        };
        if text.starts_with(RESERVED_TYPES) {
            return Err(wrong("it is reserved to the server"));
        }
        if is_whole || !beginning.is_empty() {
            EventType::new(beginning).map_err(|error| wrong(&error.to_string()))?;
        }
        Ok(if is_whole { Self::Exactly(beginning.into()) } else { Self::Beginning(beginning.into()) })
    }

    fn covers(&self, kind: &str) -> bool {
        match self {
            Self::Exactly(known) => **known == *kind,
            Self::Beginning(known) => kind.starts_with(&**known),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(kind) => f.write_str(kind),
            Self::Beginning(kind) => write!(f, "{kind}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(texts: &[&str]) -> Result<Kinds, String> {
        Kinds::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn check(texts: &[&str], kind: &str, expected: Result<(), &str>) {
        let told = kinds(texts).unwrap().check(&EventType::new(kind).unwrap());
        assert_eq!(told.map_err(|fault| fault.to_string()), expected.map_err(str::to_owned), "{kind}");
    }

    #[test]
    fn what_is_listed_may_be_published() {
        check(&[], "any.thing", Ok(()));
        check(&["*"], "any.thing", Ok(()));
        check(&["order.*", "note"], "order.shipped", Ok(()));
        check(&["order.*", "note"], "note", Ok(()));
        check(&["order.*", "note"], "notes", Err("type: notes is not published here, only order.*, note"));
        check(&["order.*"], "order", Err("type: order is not published here, only order.*"));
    }

    #[test]
    fn a_long_list_is_not_told_whole() {
        let many: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
        let told = Kinds::read(&many).unwrap().check(&EventType::new("x").unwrap()).unwrap_err().to_string();
        assert!(told.ends_with("t7, …"), "{told}");
        assert!(Kinds::read(&vec!["a".to_owned(); KINDS_MAX + 1]).is_err());
    }

    #[test]
    fn what_is_no_type() {
        for bad in ["", "Order", "a*b", "**", "a b", "tricast.join", "tricast.*", "*a", &"a".repeat(65)] {
            assert!(kinds(&[bad]).is_err(), "{bad}");
        }
    }
}
