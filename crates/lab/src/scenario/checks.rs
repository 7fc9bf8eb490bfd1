//! What a scenario is checked for once it has been read: names that tell things apart, and assertions that can be checked.

use std::collections::BTreeSet;

use toml::Spanned;

use super::written::Reading;
use super::{Assertion, Cell, Metric, Scenario};
use crate::result::Transport;

impl Reading<'_> {
    /// The scenario's name is part of a folder's.
    pub(super) fn scenario_name(&mut self, name: &Spanned<String>) {
        self.plain_name(name);
    }

    /// The names of cells and sweeps are parts of files' names, and stand in tables.
    pub(super) fn plain_name(&mut self, name: &Spanned<String>) {
        let text = name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || text.starts_with('.') || !text.chars().all(plain) {
            let what = format!("`name` is {text:?}, but must be of letters, digits, `-`, `_` and `.`");
            self.mistake(name.span(), &what);
        }
    }

    /// What is measured is told apart by the names of cells, which the steps of sweeps are as well.
    pub(super) fn sweep_names<'a>(
        &mut self,
        sweeps: impl Iterator<Item = &'a Spanned<String>>,
        cells: &[Cell],
    ) {
        for name in sweeps {
            self.plain_name(name);
            let mut steps = cells
                .iter()
                .filter(|cell| cell.workload.sweep.as_ref().is_some_and(|one| one.name == *name.get_ref()));
            let taken = |step: &&Cell| cells.iter().filter(|cell| cell.name == step.name).count() > 1;
            if let Some(step) = steps.find(taken) {
                self.mistake(name.span(), &format!("a second cell named `{}`", step.name));
            }
        }
    }

    /// And by their transports.
    pub(super) fn transports(&mut self, transports: &[Transport]) {
        let once = transports.iter().collect::<BTreeSet<_>>().len();
        if once < transports.len() {
            self.mistake(0..0, "`transports` names one twice");
        }
    }

    /// Whether an assertion is about something that the scenario measures.
    pub(super) fn assertion(&mut self, written: &Spanned<Assertion>, scenario: &Scenario) {
        let assertion = written.get_ref();
        if assertion.at_most.is_some() == assertion.at_least.is_some() {
            self.mistake(written.span(), "an assertion has either `at_most` or `at_least`");
        }
        if let Some(name) =
            assertion.cell.as_deref().filter(|name| scenario.cells.iter().all(|c| c.name != *name))
        {
            self.mistake(written.span(), &format!("no cell is named `{name}`"));
        }
        let flights = assertion.in_flight;
        if let Some(k) = flights.filter(|k| scenario.saturations.iter().all(|s| s.in_flight != *k)) {
            self.mistake(written.span(), &format!("nothing is saturated with `in_flight` {k}"));
        }
        if assertion.at_most.or(assertion.at_least).is_some_and(|bound| !bound.is_finite()) {
            self.mistake(written.span(), "the bound of an assertion must be a finite number");
        }
        if assertion.transport.is_some_and(|transport| !scenario.transports.contains(&transport)) {
            self.mistake(written.span(), "the assertion's transport is none of the scenario's `transports`");
        }
        let unmeasured = match assertion.metric {
            Metric::RawRatio | Metric::DeliveriesPerSecond | Metric::CpuUsPerDelivery => {
                scenario.saturations.is_empty().then_some("[[saturate]]")
            }
            Metric::KibPerConnection => scenario.memory_at.is_empty().then_some("[memory]"),
            _ => None,
        };
        if let Some(table) = unmeasured {
            let what = format!("nothing measures `{}` without `{table}`", assertion.metric.key());
            self.mistake(written.span(), &what);
        }
        if assertion.metric == Metric::RawRatio && assertion.transport == Some(Transport::Poll) {
            self.mistake(
                written.span(),
                "long polling has no raw ratio: its answers are not one send an event",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    const GOOD: &str = "name = \"t\"\nrepetitions = 3\nwarm_up_s = 0.5\n[[cell]]\nname = \"a\"\nsubscribers = 10\nrate = 50\npayload = 100\nseconds = 2\n";
    const SWEEP: &str = "[[sweep]]\nname = \"s\"\naxis = \"rate\"\nat = [1, 2, 3]\nsubscribers = 1\npayload = 100\nseconds = 1\n";

    fn told(text: &str, expected: &[&str]) {
        let error = parse("t", text).expect_err("a mistake was accepted").to_string();
        for part in expected {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }

    fn check(name: &str, expected: &[&str]) {
        told(&GOOD.replacen("name = \"t\"", name, 1), expected);
    }

    #[test]
    fn names_are_distinct() {
        check("name = \"../t\"", &["line 1", "`name` is"]);
        check("name = \"\"", &["line 1", "`name` is"]);
        check("name = \"t\"\ntransports = [\"sse\", \"sse\"]", &["names one twice"]);
        for bad in ["../x<b>|y", "", ".hidden", "two words"] {
            told(&GOOD.replace("\"a\"", &format!("{bad:?}")), &["line 5", "`name` is"]);
            told(
                &format!("{GOOD}{}", SWEEP.replace("\"s\"", &format!("{bad:?}"))),
                &["line 11", "`name` is"],
            );
        }
        told(&format!("{GOOD}{SWEEP}{SWEEP}"), &["line 11", "a second cell named `s-1`"]);
        told(
            &format!("{}{SWEEP}", GOOD.replace("\"a\"", "\"s-2\"")),
            &["line 11", "a second cell named `s-2`"],
        );
        assert_eq!(parse("t", &format!("{GOOD}{SWEEP}")).unwrap().cells.len(), 4);
    }

    #[test]
    fn assertions_can_be_checked() {
        let check = |assertion: &str, expected| {
            told(&format!("{GOOD}[[assert]]\n{assertion}\n"), &["line 10", expected]);
        };
        check("metric = \"p99_us\"", "either `at_most` or `at_least`");
        check("metric = \"p99_us\"\nat_most = 2\nat_least = 1", "either `at_most` or `at_least`");
        check("metric = \"p99_us\"\ncell = \"b\"\nat_most = 1.0", "no cell is named `b`");
        check("metric = \"p99_us\"\nin_flight = 4\nat_most = 1", "`in_flight` 4");
        check("metric = \"p99_us\"\nat_most = nan", "finite");
        check("metric = \"raw_ratio\"\nat_least = 1", "[[saturate]]");
        check("metric = \"raw_ratio\"\ntransport = \"poll\"\nat_least = 1", "no raw ratio");
        check("metric = \"kib_per_connection\"\nat_most = 1", "[memory]");
        let sse = GOOD.replacen("name = \"t\"", "name = \"t\"\ntransports = [\"sse\"]", 1);
        let other = "[[assert]]\nmetric = \"p99_us\"\ntransport = \"poll\"\nat_most = 1\n";
        told(&format!("{sse}{other}"), &["line 11", "none of the scenario's `transports`"]);
        parse("t", &format!("{GOOD}[[assert]]\nmetric = \"p99_us\"\ncell = \"a\"\nat_most = 1\n")).unwrap();
    }
}
