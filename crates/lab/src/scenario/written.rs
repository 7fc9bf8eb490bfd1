//! The scenario as written, and the step to the scenario as meant. Every number keeps its place in the text, so that
//! a mistake found after parsing names its line too.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::crowd::{self, WrittenCells, WrittenCrowd, WrittenScale, WrittenSoak, WrittenStalled};
use super::surroundings::{self, Surroundings, WrittenFactors, WrittenLoss, WrittenProxies};
use super::{Assertion, Cell, CrowdCells, Saturation, Scenario};
use crate::conditions::{Conditions, OneWay};
use crate::error::{LabError, Result};
use crate::result::{Burst, Deploy, Publishing, SlowReaders, Sweep, SweepAxis, Transport, Workload};

const REPETITIONS: RangeInclusive<f64> = 1.0..=100.0;
const SECONDS: RangeInclusive<f64> = 0.1..=600.0;
const WARM_UP_SECONDS: RangeInclusive<f64> = 0.0..=60.0;
const SUBSCRIBERS: RangeInclusive<f64> = 1.0..=18_000.0;
const RATE_PER_SECOND: RangeInclusive<f64> = 1.0..=100_000.0;
const PAYLOAD_BYTES: RangeInclusive<f64> = 64.0..=60_000.0;
const IN_FLIGHT: RangeInclusive<f64> = 1.0..=1000.0;
const ROOMS: RangeInclusive<f64> = 1.0..=10_000.0;
const MEMORY_POINTS_MIN: usize = 2;
const SWEEP_STEPS_MIN: usize = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    repetitions: Spanned<f64>,
    warm_up_s: Spanned<f64>,
    #[serde(default = "all_transports")]
    transports: Vec<Transport>,
    #[serde(default)]
    memory: Option<WrittenMemory>,
    #[serde(default)]
    cell: Vec<WrittenCell>,
    #[serde(default)]
    sweep: Vec<WrittenSweep>,
    #[serde(default)]
    network: BTreeMap<String, Spanned<Conditions>>,
    #[serde(default)]
    saturate: Vec<WrittenSaturation>,
    #[serde(default)]
    crowd: Vec<WrittenCrowd>,
    #[serde(default)]
    scale: Vec<WrittenScale>,
    #[serde(default)]
    stalled: Option<WrittenStalled>,
    #[serde(default)]
    soak: Option<WrittenSoak>,
    #[serde(default)]
    proxies: Option<WrittenProxies>,
    #[serde(default)]
    factors: Option<WrittenFactors>,
    #[serde(default)]
    browser: bool,
    #[serde(default)]
    loss: Option<WrittenLoss>,
    #[serde(default)]
    assert: Vec<Spanned<Assertion>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMemory {
    subscribers: Spanned<Vec<Spanned<f64>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCell {
    name: Spanned<String>,
    subscribers: Spanned<f64>,
    rate: Spanned<f64>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
    repetitions: Option<Spanned<f64>>,
    rooms: Option<Spanned<f64>>,
    burst: Option<Spanned<Burst>>,
    #[serde(default)]
    publishing: Publishing,
    network: Option<Spanned<String>>,
    slow: Option<Spanned<SlowReaders>>,
    deploy: Option<Spanned<Deploy>>,
}

/// Cells that differ in one number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSweep {
    name: Spanned<String>,
    axis: SweepAxis,
    at: Spanned<Vec<Spanned<f64>>>,
    subscribers: Option<Spanned<f64>>,
    rate: Option<Spanned<f64>>,
    payload: Option<Spanned<f64>>,
    seconds: Spanned<f64>,
    repetitions: Option<Spanned<f64>>,
    #[serde(default)]
    transports: Vec<Transport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSaturation {
    in_flight: Spanned<f64>,
    subscribers: Spanned<f64>,
    payload: Spanned<f64>,
    seconds: Spanned<f64>,
}

fn all_transports() -> Vec<Transport> {
    Transport::ALL.to_vec()
}

/// The text with a place to put mistakes found in it.
pub(super) struct Reading<'a> {
    text: &'a str,
    /// The scenario's own, of which a cell may have fewer.
    repetitions: u32,
    mistakes: Vec<String>,
}

impl Reading<'_> {
    pub(super) fn mistake(&mut self, span: Range<usize>, what: &str) {
        let line = 1 + self.text.get(..span.start).unwrap_or(self.text).matches('\n').count();
        self.mistakes.push(format!("line {line}: {what}"));
    }

    pub(super) fn number(&mut self, field: &str, value: &Spanned<f64>, bounds: &RangeInclusive<f64>) -> f64 {
        let number = *value.get_ref();
        // What cannot be used is told, and the smallest of what can be stands for it.
        if !bounds.contains(&number) {
            let what = format!("`{field}` is {number}, but must be {} to {}", bounds.start(), bounds.end());
            self.mistake(value.span(), &what);
            return *bounds.start();
        }
        number
    }

    /// A number that has to be whole; bounds keep it inside `u32`.
    pub(super) fn count(&mut self, field: &str, value: &Spanned<f64>, bounds: &RangeInclusive<f64>) -> u32 {
        let number = self.number(field, value, bounds);
        if number.fract() != 0.0 {
            self.mistake(value.span(), &format!("`{field}` is {number}, but must be a whole number"));
        }
        number as u32
    }

    fn seconds(&mut self, value: &Spanned<f64>) -> Duration {
        Duration::from_secs_f64(self.number("seconds", value, &SECONDS).clamp(0.0, *SECONDS.end()))
    }

    /// How often a cell is repeated: as often as the scenario, or less.
    fn repetitions(&mut self, value: Option<&Spanned<f64>>) -> u32 {
        let all = self.repetitions;
        value.map_or(all, |value| self.count("repetitions", value, &(1.0..=f64::from(all))))
    }

    fn cell(&mut self, cell: &WrittenCell) -> Cell {
        Cell {
            name: cell.name.get_ref().clone(),
            subscribers: self.count("subscribers", &cell.subscribers, &SUBSCRIBERS),
            rate: self.count("rate", &cell.rate, &RATE_PER_SECOND),
            payload: self.count("payload", &cell.payload, &PAYLOAD_BYTES),
            duration: self.seconds(&cell.seconds),
            repetitions: self.repetitions(cell.repetitions.as_ref()),
            workload: self.workload(cell),
        }
    }

    fn workload(&mut self, cell: &WrittenCell) -> Workload {
        let seconds = *cell.seconds.get_ref();
        if let Some(burst) = &cell.burst {
            let Burst { events, every_s } = *burst.get_ref();
            self.within("burst.events", f64::from(events), 1.0..=10_000.0, burst.span());
            self.within("burst.every_s", every_s, 0.05..=seconds.max(0.05), burst.span());
        }
        if let Some(slow) = &cell.slow {
            let SlowReaders { percent, bytes_per_s } = *slow.get_ref();
            self.within("slow.percent", percent, 1.0..=90.0, slow.span());
            self.within("slow.bytes_per_s", f64::from(bytes_per_s), 20.0..=1e9, slow.span());
            if cell.rooms.is_some() {
                self.mistake(slow.span(), "`slow` and `rooms` may not stand together: what a slow reader is told counts events of all rooms");
            }
        }
        if let Some(deploy) = &cell.deploy {
            let Deploy { at_s, away_s } = *deploy.get_ref();
            self.within("deploy.at_s", at_s, 0.0..=seconds, deploy.span());
            self.within("deploy.away_s", away_s, 0.0..=10.0, deploy.span());
            if cell.publishing == Publishing::Subscribers {
                self.mistake(deploy.span(), "`deploy` needs `publishing = \"post\"`: what is published in band while the server goes away is not repeated");
            }
        }
        Workload {
            rooms: cell.rooms.as_ref().map(|rooms| self.count("rooms", rooms, &ROOMS)),
            burst: cell.burst.as_ref().map(|burst| *burst.get_ref()),
            publishing: cell.publishing,
            network: cell.network.as_ref().map(|network| network.get_ref().clone()),
            slow: cell.slow.as_ref().map(|slow| *slow.get_ref()),
            deploy: cell.deploy.as_ref().map(|deploy| *deploy.get_ref()),
            sweep: None,
        }
    }

    fn within(&mut self, field: &str, value: f64, bounds: RangeInclusive<f64>, span: Range<usize>) {
        if !bounds.contains(&value) {
            let what = format!("`{field}` is {value}, but must be {} to {}", bounds.start(), bounds.end());
            self.mistake(span, &what);
        }
    }

    /// The cells of a sweep, one for each step.
    fn sweep(&mut self, written: &WrittenSweep) -> Vec<Cell> {
        let steps = written.at.get_ref();
        if steps.len() < SWEEP_STEPS_MIN || !steps.is_sorted_by(|a, b| a.get_ref() < b.get_ref()) {
            self.mistake(written.at.span(), "`at` must be three or more rising numbers");
        }
        steps.iter().map(|step| self.sweep_step(written, step)).collect()
    }

    fn sweep_step(&mut self, written: &WrittenSweep, step: &Spanned<f64>) -> Cell {
        let axis = written.axis;
        let mut value = |field: &str,
                         fixed: Option<&Spanned<f64>>,
                         is_axis: bool,
                         bounds: &RangeInclusive<f64>| match (fixed, is_axis) {
            (_, true) if fixed.is_none() => self.count(field, step, bounds),
            (Some(fixed), false) => self.count(field, fixed, bounds),
            (fixed, _) => {
                let span = fixed.map_or(written.name.span(), Spanned::span);
                let what = if is_axis { "is what the sweep changes, and not fixed" } else { "is missing" };
                self.mistake(span, &format!("`{field}` {what}"));
                0
            }
        };
        let subscribers =
            value("subscribers", written.subscribers.as_ref(), axis == SweepAxis::Subscribers, &SUBSCRIBERS);
        let rate = value("rate", written.rate.as_ref(), axis == SweepAxis::Rate, &RATE_PER_SECOND);
        let payload = value("payload", written.payload.as_ref(), axis == SweepAxis::Payload, &PAYLOAD_BYTES);
        let name = written.name.get_ref();
        let sweep = Sweep { name: name.clone(), axis, transports: written.transports.clone() };
        Cell {
            name: format!("{name}-{}", step.get_ref()),
            subscribers,
            rate,
            payload,
            duration: self.seconds(&written.seconds),
            repetitions: self.repetitions(written.repetitions.as_ref()),
            workload: Workload { sweep: Some(sweep), ..Workload::default() },
        }
    }

    /// The networks, and whether each cell's is one of them.
    fn networks(
        &mut self,
        written: &BTreeMap<String, Spanned<Conditions>>,
        cells: &[WrittenCell],
    ) -> BTreeMap<String, Conditions> {
        for (name, conditions) in written {
            if let Err(fault) = conditions.get_ref().check() {
                self.mistake(conditions.span(), &format!("network `{name}`: {fault}"));
            }
        }
        for named in cells.iter().filter_map(|cell| cell.network.as_ref()) {
            if !written.contains_key(named.get_ref()) {
                self.mistake(named.span(), &format!("no `[network.{}]`", named.get_ref()));
            }
        }
        for cell in cells.iter().filter(|cell| cell.publishing == Publishing::Subscribers) {
            let network =
                cell.network.as_ref().and_then(|named| Some((named, written.get(named.get_ref())?)));
            if let Some((named, _)) = network.filter(|(_, network)| breaks(network.get_ref())) {
                self.mistake(named.span(), "a network that breaks connections needs `publishing = \"post\"`: what is published in band meanwhile is not repeated");
            }
        }
        written.iter().map(|(name, conditions)| (name.clone(), *conditions.get_ref())).collect()
    }

    fn saturation(&mut self, cell: &WrittenSaturation) -> Saturation {
        Saturation {
            in_flight: self.count("in_flight", &cell.in_flight, &IN_FLIGHT),
            subscribers: self.count("subscribers", &cell.subscribers, &SUBSCRIBERS),
            payload: self.count("payload", &cell.payload, &PAYLOAD_BYTES),
            duration: self.seconds(&cell.seconds),
        }
    }

    fn cells(&mut self, written: &[WrittenCell]) -> Vec<Cell> {
        let mut names = BTreeSet::new();
        for cell in written {
            self.plain_name(&cell.name);
            if !names.insert(cell.name.get_ref()) {
                self.mistake(cell.name.span(), &format!("a second cell named `{}`", cell.name.get_ref()));
            }
        }
        written.iter().map(|cell| self.cell(cell)).collect()
    }

    fn saturations(&mut self, written: &[WrittenSaturation]) -> Vec<Saturation> {
        let meant: Vec<Saturation> = written.iter().map(|cell| self.saturation(cell)).collect();
        for (index, cell) in meant.iter().enumerate() {
            if meant[..index].iter().any(|other| other.in_flight == cell.in_flight) {
                let what = format!("`in_flight` {} is saturated twice", cell.in_flight);
                self.mistake(written[index].in_flight.span(), &what);
            }
        }
        meant
    }

    fn memory(&mut self, written: Option<&WrittenMemory>) -> Vec<u32> {
        let Some(written) = written else { return Vec::new() };
        let points = written.subscribers.get_ref();
        let counts: Vec<u32> =
            points.iter().map(|point| self.count("subscribers", point, &SUBSCRIBERS)).collect();
        if counts.len() < MEMORY_POINTS_MIN || !counts.is_sorted_by(|a, b| a < b) {
            self.mistake(written.subscribers.span(), "`subscribers` must be two or more rising numbers");
        }
        counts
    }
}

/// Whether a network ends connections.
pub(crate) fn breaks(network: &Conditions) -> bool {
    let ends =
        |way: &OneWay| way.vanish || way.close_after_bytes.is_some() || way.reset_after_bytes.is_some();
    network.refuse
        || network.idle_ms.is_some()
        || network.cut_every_ms.is_some()
        || ends(&network.up)
        || ends(&network.down)
}

/// Reads a scenario from TOML; `name` is only for error messages.
///
/// # Errors
/// All mistakes at once, each with its line; for a syntax error or an unknown key the first one.
pub fn parse(name: &str, text: &str) -> Result<Scenario> {
    let error = |detail: String| LabError::Scenario { name: name.to_owned(), detail };
    let written: Written = toml::from_str(text).map_err(|e| error(e.to_string().trim_end().to_owned()))?;
    let mut reading = Reading { text, repetitions: 0, mistakes: Vec::new() };
    let scenario = meant(&mut reading, written);
    if reading.mistakes.is_empty() { Ok(scenario) } else { Err(error(reading.mistakes.join("; "))) }
}

fn meant(reading: &mut Reading<'_>, written: Written) -> Scenario {
    let warm_up = reading.number("warm_up_s", &written.warm_up_s, &WARM_UP_SECONDS);
    let repetitions = reading.count("repetitions", &written.repetitions, &REPETITIONS);
    reading.repetitions = repetitions;
    let mut cells = reading.cells(&written.cell);
    written.sweep.iter().for_each(|sweep| cells.extend(reading.sweep(sweep)));
    reading.scenario_name(&written.name);
    reading.sweep_names(written.sweep.iter().map(|sweep| &sweep.name), &cells);
    reading.transports(&written.transports);
    let mut scenario = Scenario {
        name: written.name.into_inner(),
        text: reading.text.to_owned(),
        repetitions,
        warm_up: Duration::from_secs_f64(warm_up.clamp(0.0, *WARM_UP_SECONDS.end())),
        transports: written.transports,
        cells,
        networks: reading.networks(&written.network, &written.cell),
        saturations: reading.saturations(&written.saturate),
        memory_at: reading.memory(written.memory.as_ref()),
        crowd: CrowdCells::default(),
        surroundings: Surroundings::default(),
        assertions: Vec::new(),
    };
    let crowd = WrittenCells {
        crowd: written.crowd,
        scale: written.scale,
        stalled: written.stalled,
        soak: written.soak,
    };
    scenario.crowd = crowd::meant(reading, &crowd);
    scenario.surroundings = surroundings::meant(
        reading,
        written.proxies.as_ref(),
        written.factors.as_ref(),
        written.browser,
        written.loss.as_ref(),
    );
    let nothing = !scenario.compares() && scenario.crowd.is_empty() && scenario.surroundings.is_empty();
    if scenario.transports.is_empty() || nothing {
        let what = "a scenario needs a transport, and a `[[cell]]`, a `[[saturate]]`, a crowd, `[proxies]`, `[factors]`, `browser` or `[loss]`";
        reading.mistake(0..0, what);
    }
    for assertion in &written.assert {
        reading.assertion(assertion, &scenario);
    }
    scenario.assertions = written.assert.into_iter().map(Spanned::into_inner).collect();
    scenario
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"t\"\nrepetitions = 3\nwarm_up_s = 0.5\n[[cell]]\nname = \"a\"\nsubscribers = 10\nrate = 50\npayload = 100\nseconds = 2\n";

    fn check(from: &str, to: &str, expected: &[&str]) {
        assert!(from.is_empty() || GOOD.contains(from), "{from} is not in the text");
        let text = if from.is_empty() { format!("{GOOD}{to}") } else { GOOD.replacen(from, to, 1) };
        let error = parse("t", &text).expect_err("a mistake was accepted").to_string();
        for part in expected {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }

    #[test]
    fn a_good_scenario_is_read() {
        let scenario = parse("t", GOOD).unwrap();
        assert_eq!(scenario.transports, Transport::ALL);
        assert_eq!((scenario.cells[0].rate, scenario.cells[0].repetitions), (50, 3));
        assert_eq!(parse("t", &format!("{GOOD}repetitions = 2\n")).unwrap().cells[0].repetitions, 2);
        assert_eq!(scenario.warm_up, Duration::from_millis(500));
    }

    #[test]
    fn mistakes_name_their_line() {
        check("subscribers", "subscirbers", &["line 6", "subscirbers"]);
        check("warm_up_s = 0.5", "warm_up_s = nan", &["line 3", "`warm_up_s` is NaN"]);
        check("seconds = 2", "seconds = nan", &["line 9", "`seconds` is NaN"]);
        check("subscribers = 10", "subscribers = 0", &["line 6", "`subscribers` is 0"]);
        check("rate = 50", "rate = 1.5", &["line 7", "whole number"]);
        check("seconds = 2", "seconds = \"2\"", &["line 9"]);
        check("repetitions = 3", "repetitions = ", &["line 2"]);
        check("", "[memory]\nsubscribers = [5, 5]\n", &["line 11", "rising"]);
    }

    #[test]
    fn workloads_are_read_and_their_mistakes_name_the_line() {
        let more = "rooms = 4\nburst = { events = 5, every_s = 0.5 }\nnetwork = \"far\"\n[network.far]\nup = { latency_ms = 60 }\n[[sweep]]\nname = \"s\"\naxis = \"rate\"\nat = [1, 2, 3]\nsubscribers = 2\npayload = 100\nseconds = 1\n";
        let scenario = parse("t", &format!("{GOOD}{more}")).unwrap();
        assert_eq!((scenario.cells.len(), scenario.cells[0].workload.rooms), (4, Some(4)));
        assert_eq!((scenario.cells[3].name.as_str(), scenario.cells[3].rate), ("s-3", 3));
        assert_eq!(scenario.networks["far"].up.latency_ms, 60);
        check("", "network = \"nowhere\"\n", &["line 10", "[network.nowhere]"]);
        check("", "slow = { percent = 100, bytes_per_s = 100 }\n", &["line 10", "`slow.percent` is 100"]);
        check(
            "",
            "slow = { percent = 10, bytes_per_s = 100 }\nrooms = 2\n",
            &["line 10", "may not stand together"],
        );
        check("", "repetitions = 4\n", &["line 10", "`repetitions` is 4, but must be 1 to 3"]);
        check("", "deploy = { at_s = 5, away_s = 0 }\n", &["line 10", "`deploy.at_s` is 5"]);
        check("", "burst = { events = 5, evry_s = 1 }\n", &["line 10", "evry_s"]);
        check("", "[network.far]\nidle_ms = 1\n", &["line 10", "`idle_ms` is 1"]);
        check("", "[network.far]\ndown = { latency = 1 }\n", &["line 11", "latency"]);
        check(
            "",
            "publishing = \"subscribers\"\nnetwork = \"far\"\n[network.far]\ncut_every_ms = 1000\n",
            &["line 11", "breaks connections"],
        );
        let sweep = "[[sweep]]\nname = \"s\"\naxis = \"rate\"\nat = [3, 2]\npayload = 100\nseconds = 1\n";
        check("", sweep, &["line 13", "rising", "`subscribers` is missing"]);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        check("rate = 50\npayload = 100", "rate = 0\npayload = 3", &["line 7", "line 8"]);
    }

    #[test]
    fn embedded_scenarios_are_good() {
        for (name, _) in super::super::EMBEDDED {
            assert_eq!(super::super::load(name).unwrap().name, name);
        }
    }
}
