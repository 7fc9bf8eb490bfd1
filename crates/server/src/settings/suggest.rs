//! What a misspelt setting was probably meant to be.

use crate::settings::keys;
use crate::settings::reader::of_namespace;
use crate::settings::table::OF_NAMESPACE;

/// Letters by which a name may differ from what was meant.
const TYPOS_MAX: usize = 3;

/// The likely meaning of a name that is no setting.
pub(super) fn nearest(name: &str) -> Option<String> {
    if let Some((namespace, key)) = name.strip_prefix("namespace.").and_then(|rest| rest.split_once('.')) {
        return near(key, &OF_NAMESPACE).map(|key| format!("namespace.{namespace}.{key}"));
    }
    let singular = name.strip_prefix("namespaces.").map(|rest| format!("namespace.{rest}"));
    if let Some(singular) = singular.filter(|name| of_namespace(name).is_some()) {
        return Some(singular);
    }
    let names: Vec<&'static str> = keys().iter().map(|key| key.name).collect();
    near(name, &names).map(str::to_owned)
}

/// One whose last part is the same, or that begins alike, or that differs by a few letters.
fn near(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let section = name.split('.').next().unwrap_or(name);
    let by_last = || known.iter().copied().find(|key| key.rsplit('.').next() == Some(last));
    let by_front = || {
        known.iter().copied().find(|key| {
            let (front, rest) = key.split_once('.').unwrap_or((key, ""));
            front == section && !rest.is_empty() && (rest.starts_with(last) || last.starts_with(rest))
        })
    };
    by_letters(name, known).or_else(by_last).or_else(by_front)
}

fn by_letters(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let distances = known.iter().map(|key| (strsim::osa_distance(name, key), *key));
    let (distance, key) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= TYPOS_MAX.min(key.len() / 3)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(nearest(name).as_deref(), expected, "{name}");
    }

    #[test]
    fn what_was_meant() {
        check("events", Some("history.events"));
        check("histroy.events", Some("history.events"));
        check("limits.events", Some("history.events"));
        check("server.work", Some("server.workers"));
        check("namespace.chat.presense", Some("namespace.chat.presence"));
        check("namespace.chat.slow.polcy", Some("namespace.chat.slow.policy"));
        check("namespace.chat.age_secs", Some("namespace.chat.history.age_secs"));
        check("namespaces.chat.history.events", Some("namespace.chat.history.events"));
        check("namespace.chat", None);
        check("colour.of.the.page", None);
    }
}
