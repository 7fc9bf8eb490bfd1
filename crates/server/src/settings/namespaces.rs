//! The namespaces and what each asks for itself.

use std::path::Path;

use tricast_feed::{Millis, Namespace, Retention};
use tricast_hub::{Options, Presence, Slow, SlowPolicy};

use crate::admission::{Admission, Kinds, Schema};
use crate::settings::reader::Reader;
use crate::settings::written::Mistake;

/// The longest age, in seconds: longer than anybody will wait, and far from any overflow in milliseconds.
const AGE_SECS_MAX: u64 = 1 << 40;

impl Reader {
    /// The namespaces that are there from the start: `default`, those that are listed, and those that have settings of
    /// their own.
    pub(super) fn namespaces(&mut self) -> Vec<(Namespace, Options)> {
        let mut names = vec!["default".to_owned()];
        names.extend(self.list("namespaces.declared"));
        let mut found = Vec::new();
        for name in names {
            match Namespace::new(&name) {
                Ok(namespace) => found.push(namespace),
                Err(error) => self.wrong("namespaces.declared", format!("{name:?} is {error}")),
            }
        }
        for (name, origin) in self.tables.clone() {
            match Namespace::new(&name) {
                Ok(namespace) => found.push(namespace),
                Err(error) => {
                    let place = format!("namespace.{name} (from {origin})");
                    self.mistakes.push(Mistake { place, detail: format!("{name:?} is {error}") });
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        let options = |name: Namespace| {
            let options = self.within(&name, Self::options);
            (name, options)
        };
        found.into_iter().map(options).collect()
    }

    /// How many there may be; those that are there from the start must find room.
    pub(super) fn namespaces_max(&mut self, declared: usize) -> usize {
        let most = self.number("namespaces.max", 1, 100_000);
        if most != 0 && declared > most {
            self.wrong("namespaces.max", format!("{declared} are declared, `default` among them"));
        }
        most
    }

    /// The options of the namespace that it stands in, or of those that have none of their own.
    pub(super) fn options(&mut self) -> Options {
        Options {
            retention: self.retention(),
            slow: self.slow(),
            presence: match self.choice("presence", &["off", "listed", "told"]).as_str() {
                "listed" => Presence::Listed,
                "told" => Presence::Told,
                _ => Presence::Off,
            },
            check: Admission::of(self.kinds(), self.schema()),
        }
    }

    fn retention(&mut self) -> Retention {
        let age_secs: u64 = self.number("history.age_secs", 0, AGE_SECS_MAX);
        Retention {
            events_max: self.number("history.events", 1, 10_000_000),
            bytes_max: self.number("history.bytes", 1024, usize::MAX as u64),
            age_max: (age_secs > 0).then_some(Millis(age_secs * 1000)),
        }
    }

    fn slow(&mut self) -> Slow {
        let policy = match self.choice("slow.policy", &["close", "skip", "conflate"]).as_str() {
            "close" => SlowPolicy::Close,
            "conflate" => SlowPolicy::Conflate,
            _ => SlowPolicy::Skip,
        };
        let mut bound = |name, most| Some(self.number(name, 0, most)).filter(|bound| *bound > 0);
        Slow {
            policy,
            events_max: bound("slow.events_max", usize::MAX as u64),
            bytes_max: bound("slow.bytes_max", usize::MAX as u64),
            age_max: bound("slow.age_secs", AGE_SECS_MAX).map(|secs| Millis(secs * 1000)),
        }
    }

    fn kinds(&mut self) -> Kinds {
        let texts = self.list("types");
        Kinds::read(&texts).unwrap_or_else(|detail| {
            self.wrong("types", detail);
            Kinds::default()
        })
    }

    fn schema(&mut self) -> Option<Schema> {
        let file = self.file("schema");
        if file.is_empty() {
            return None;
        }
        Schema::load(Path::new(&file)).map_err(|detail| self.wrong("schema", detail)).ok()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tricast_feed::{Addressing, Draft, EventType};

    use super::*;
    use crate::settings::Settings;
    use crate::settings::meant::tests::load;

    fn options(settings: &Settings, name: &str) -> Options {
        let found = settings.namespaces.iter().find(|(namespace, _)| namespace.as_str() == name);
        found.unwrap_or_else(|| panic!("{name} is missing")).1.clone()
    }

    /// What publishing this would be answered.
    fn publish(options: &Options, kind: &str, data: &'static str) -> Result<(), String> {
        let draft = Draft {
            kind: EventType::new(kind).unwrap(),
            addressing: Addressing::default(),
            key: None,
            from: None,
            data: Bytes::from_static(data.as_bytes()),
        };
        options.check.as_ref().map_or(Ok(()), |check| check.check(&draft)).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_namespace_has_its_own_before_those_of_all() {
        let file = "presence = \"listed\"\n[history]\nevents = 7\n[slow]\nevents_max = 100\n\
                    [namespace.chat]\npresence = \"told\"\nhistory.age_secs = 0\n\
                    [namespace.chat.slow]\npolicy = \"conflate\"\nbytes_max = 5\nage_secs = 2\n";
        let env = [("TRICAST_NAMESPACE__CHAT__HISTORY__EVENTS", "5"), ("TRICAST_PRESENCE", "off")];
        let settings = load(file, &env, &[("namespace.chat.history.bytes", "2048")]).unwrap();
        let chat = options(&settings, "chat");
        assert_eq!(chat.retention, Retention { events_max: 5, bytes_max: 2048, age_max: None });
        assert_eq!(chat.presence, Presence::Told);
        let age_max = Some(Millis(2000));
        let slow = Slow { policy: SlowPolicy::Conflate, events_max: Some(100), bytes_max: Some(5), age_max };
        assert_eq!(chat.slow, slow);
        for other in [options(&settings, "default"), settings.options.clone()] {
            assert_eq!((other.retention.events_max, other.presence), (7, Presence::Off));
            assert_eq!(other.slow, Slow { events_max: Some(100), ..Slow::default() });
        }
    }

    #[test]
    fn a_table_declares_its_namespace() {
        let env =
            [("TRICAST_NAMESPACE__C__PRESENCE", "told"), ("TRICAST_NAMESPACES__DECLARED", "d,d,default")];
        let file = "[namespace.a]\n[namespace.default]\nhistory.events = 3\n[namespace.b-1.slow]\n";
        let settings = load(file, &env, &[("namespace.e.types", "x")]).unwrap();
        let names: Vec<&str> = settings.namespaces.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b-1", "c", "d", "default", "e"]);
        assert_eq!(options(&settings, "default").retention.events_max, 3);
    }

    #[test]
    fn types_and_schema_are_a_check() {
        let dir = tempfile::tempdir().unwrap();
        let number = dir.path().join("number.json");
        std::fs::write(&number, r#"{"type":"number"}"#).unwrap();
        let number = number.to_str().unwrap();
        let file = format!(
            "schema = {number:?}\n[namespace.open]\nschema = \"\"\n[namespace.order]\ntypes = [\"order.*\", \"note\"]\n"
        );
        let settings = load(&file, &[], &[]).unwrap();
        let order = options(&settings, "order");
        assert_eq!(publish(&order, "order.paid", "1"), Ok(()));
        assert_eq!(
            publish(&order, "order.paid", "{}"),
            Err("data: value is not of type \"number\"".to_owned())
        );
        assert!(
            publish(&order, "message", "1").unwrap_err().starts_with("type: message is not published here")
        );
        assert_eq!(publish(&order, "tricast.join", "{}"), Ok(()), "what the server itself tells");
        assert!(publish(&settings.options, "message", "{}").is_err());
        assert!(options(&settings, "open").check.is_none());
        let file = "types = [\"order.*\"]\n[namespace.open]\ntypes = []\n";
        let settings = load(file, &[("TRICAST_NAMESPACE__NOTES__TYPES", "note, memo")], &[]).unwrap();
        assert!(publish(&settings.options, "note", "1").is_err());
        assert!(options(&settings, "open").check.is_none());
        assert_eq!(publish(&options(&settings, "notes"), "memo", "1"), Ok(()));
    }

    #[test]
    fn every_mistake_is_told_once_with_its_place() {
        let file = "presence = \"loud\"\n[history]\nevents = 0\n[namespace.chat]\nhistory.events = 0\ncolour = 1\n\
                    slow.polcy = \"skip\"\nschema = \"/nonexistent/s.json\"\ntypes = [\"A\"]\n\
                    [namespace.Chat]\n[namespace]\nx = 5\n";
        let env = [("TRICAST_NAMESPACE__A__B__PRESENCE", "off"), ("TRICAST_NAMESPACES__C__PRESENCE", "off")];
        let flags = [("namespace.chat.slow.policy", "drop"), ("namespaces.max", "1")];
        let mistakes = load(file, &env, &flags).unwrap_err();
        let text = mistakes.join("\n");
        for part in [
            "presence (from /",
            "history.events (from /",
            "namespace.chat.history.events (from /",
            "namespace.chat.colour (from /",
            "did you mean namespace.chat.slow.policy?",
            "namespace.chat.slow.policy (from a flag): expected one of close, skip, conflate",
            "namespace.chat.schema (from /",
            "/nonexistent/s.json: No such file",
            "namespace.chat.types (from /",
            "\"A\" is no type with or without a * at its end: not a type",
            "namespace.Chat (from /",
            "\"Chat\" is not a namespace",
            "namespace.x (from /",
            "namespace.a.b.presence (from TRICAST_NAMESPACE__A__B__PRESENCE): there is no such setting; did you mean namespace.a.presence?",
            "did you mean namespace.c.presence?",
            "namespaces.max (from a flag): 2 are declared",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(mistakes.len(), 13, "{text}");
    }

    #[test]
    fn what_counts_is_listed() {
        let settings = load("[namespace.chat]\nhistory.events = 5\n", &[], &[("presence", "told")]).unwrap();
        let row =
            |key: &str| settings.rows.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(row("namespace.chat.history.events"), Some("5"));
        assert_eq!(row("namespace.chat.presence"), Some("\"told\""), "of all namespaces");
        assert_eq!((row("history.events"), row("namespace.default.presence")), (Some("10000"), None));
    }
}
