//! The page: everything that the template prints, in words.

use askama::Template;

use super::charts::{Chart, Charts};
use super::metric;
use super::part::{Part, parts};
use super::peers::Section as PeersSection;
use super::scale;
use super::scorecard::{Row, rows};
use super::section::Section;
use super::text::{Language, Words};
use super::verdict::{Case, Verdict};
use super::void;
use crate::error::{LabError, Result};
use crate::result::{Doubt, Environment, Run, Transport};
use crate::scenario::Assertion;
use crate::summary::{Checked, Outcome, check};

/// The page of a run that goes on asks for itself again after so many seconds.
pub(crate) const REFRESH_S: u32 = 5;
/// Stands in a rendered page where the progress goes.
pub(crate) const PROGRESS: &str = "<!--progress-->";

pub(super) const STYLE: &str = include_str!("../../../../static/css/report.css");

/// Limits of the method, each a text key; what was not measured is as much part of the result as what was.
const LIMITS: [&str; 13] = [
    "loopback",
    "radio",
    "loss",
    "proxies",
    "tls",
    "http2",
    "http3",
    "deflate",
    "browser",
    "tcpip",
    "resilience",
    "kernel",
    "peers",
];
/// Charts of percentiles that are shown at once; the others unfold.
const PERCENTILES_SHOWN: usize = 4;
const METHOD: [&str; 9] =
    ["one_source", "open_loop", "histogram", "integrity", "order", "noise", "polling", "raw", "memory"];
/// Those that hold for crowds as well.
const METHOD_OF_CROWDS: [&str; 3] = ["histogram", "integrity", "polling"];

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    w: Words,
    run: &'a Run,
    /// Whether more is to come, where the page is served while the run is made.
    live: Option<bool>,
    title: &'static str,
    subtitle: String,
    style: &'a str,
    sentences: Vec<String>,
    cases: Vec<Case>,
    transports: Vec<Transport>,
    rows: Vec<Row>,
    percentiles: Vec<Chart>,
    /// Those of the workloads beyond the first cells, folded away.
    folded: Vec<Chart>,
    more_latency: Vec<Chart>,
    throughput: Vec<Chart>,
    cpu: Vec<Chart>,
    memory: Option<Chart>,
    bytes: Option<Chart>,
    scale: Option<Section>,
    parts: Vec<Part>,
    bytes_parts: Vec<(&'static str, String)>,
    assertions: Vec<Claim>,
    doubts: Vec<String>,
    void: Vec<String>,
    facts: Vec<(String, String)>,
    method: Vec<String>,
    limits: Vec<String>,
    peers: Option<PeersSection>,
}

/// An assertion in words.
pub(super) struct Claim {
    pub(super) text: String,
    pub(super) value: String,
    pub(super) outcome: &'static str,
    pub(super) word: String,
}

impl Page<'_> {
    fn other(&self) -> Language {
        self.w.0.other()
    }

    fn name(&self, transport: &Transport) -> &str {
        metric::transport(*transport, self.w)
    }

    fn refresh_s(&self) -> Option<u32> {
        self.live.filter(|goes_on| *goes_on).map(|_| REFRESH_S)
    }

    fn mark(&self, transport: &Transport) -> &'static str {
        metric::mark(*transport)
    }

    /// A dash and shape as drawn in the charts, for the legend.
    fn sample(&self, transport: &Transport) -> String {
        let mark = metric::shape(*transport).at(18.0, 8.0);
        let key = transport.key();
        format!(
            r#"<svg class="sample" viewBox="0 0 36 16" aria-hidden="true"><path class="line {key}" d="M0 8H36"/><g class="point {key}">{mark}</g></svg>"#
        )
    }
}

/// Renders the page.
pub(super) fn render(run: &Run, peers: Option<PeersSection>, language: Language) -> Result<String> {
    render_as(run, peers, language, None)
}

/// Renders the page of a run that is being made, or has just ended. Its progress is put in by whoever serves it.
pub(crate) fn live_page(run: &Run, language: Language, goes_on: bool) -> Result<String> {
    render_as(run, None, language, Some(goes_on))
}

fn render_as(
    run: &Run,
    peers: Option<PeersSection>,
    language: Language,
    live: Option<bool>,
) -> Result<String> {
    let w = Words(language);
    let charts = Charts { run, w };
    let verdict = Verdict { run, w };
    let mut percentiles = charts.percentiles();
    let bytes = charts.bytes();
    let tcp = bytes.as_ref().is_some_and(|chart| chart.svg.contains("tcp_ip"));
    let tcp = tcp.then_some("tcp_ip");
    let bytes_parts = ["payload", "envelope", "framing", "head_down", "up"].into_iter().chain(tcp);
    let page = Page {
        w,
        run,
        live,
        title: title(run, w),
        subtitle: subtitle(peers.as_ref(), w),
        style: STYLE,
        sentences: verdict.sentences(),
        cases: verdict.cases(),
        transports: run.scenario.transports.clone(),
        rows: rows(run, w),
        folded: percentiles.split_off(percentiles.len().min(PERCENTILES_SHOWN)),
        percentiles,
        more_latency: charts
            .shares()
            .into_iter()
            .chain(charts.corrected())
            .chain(charts.over_time())
            .collect(),
        throughput: throughput(&charts),
        cpu: charts.cpu().into_iter().chain(charts.both_sides()).collect(),
        memory: charts.memory(),
        bytes,
        scale: scale::section(run, w),
        parts: parts(run, w),
        bytes_parts: bytes_parts.map(|part| (part, w.get(&format!("bytes.{part}")).to_owned())).collect(),
        assertions: claims(run, w),
        doubts: doubts(run, w),
        void: void::visits(run, w),
        facts: facts(run, w),
        method: method(run, w),
        limits: limits(run, peers.is_some(), w),
        peers,
    };
    page.render().map_err(|e| LabError::Render(e.to_string()))
}

/// Where the figures come from: this run, but for those of a section on other servers.
pub(super) fn subtitle(peers: Option<&PeersSection>, w: Words) -> String {
    peers.map_or_else(|| w.get("subtitle").to_owned(), |peers| peers.subtitle.clone())
}

/// Throughput, and what a growing load does: the sweeps, or where there are none p99 over the cells' rates.
pub(super) fn throughput(charts: &Charts<'_>) -> Vec<Chart> {
    let sweeps = charts.sweeps();
    let by_rate = if sweeps.is_empty() { charts.against_rate() } else { None };
    charts.throughput().into_iter().chain(by_rate).chain(sweeps).collect()
}

/// What is said of the method: of the comparison only where there is one, and of crowds only where there are some.
fn method(run: &Run, w: Words) -> Vec<String> {
    let compared: &[&str] = if run.compares() { &METHOD } else { &METHOD_OF_CROWDS };
    let crowd: &[&str] = if run.crowd.is_some() { &["crowd"] } else { &[] };
    compared.iter().chain(crowd).map(|key| w.get(&format!("method.{key}")).to_owned()).collect()
}

/// What was not measured: limits of the method, where this run does not lift them, and what was left out of it.
pub(super) fn limits(run: &Run, beside_others: bool, w: Words) -> Vec<String> {
    let visits = || run.latency.iter();
    let lifted = |key: &str| match key {
        "tls" | "http2" => run.factors.as_ref().is_some_and(|f| !f.visits.is_empty()),
        "tcpip" => visits().any(|v| v.tcp.is_some()),
        "proxies" => run.proxies.is_some(),
        "loss" => run.loss.as_ref().is_some_and(|l| !l.visits.is_empty()),
        "resilience" => visits().any(|v| v.recovery.is_some()),
        "peers" => beside_others,
        _ => false,
    };
    let own = LIMITS.iter().filter(|key| !lifted(key)).map(|key| w.get(&format!("limit.{key}")).to_owned());
    let absent = [
        ("proxies", run.proxies.as_ref().and_then(|p| p.not_measured.as_ref())),
        ("factors", run.factors.as_ref().and_then(|f| f.not_measured.as_ref())),
        ("browser", run.browser.as_ref().and_then(|b| b.not_measured.as_ref())),
        ("loss", run.loss.as_ref().and_then(|l| l.not_measured.as_ref())),
    ];
    let absent = absent.into_iter().filter_map(|(part, why)| Some(omitted(part, why?, w)));
    let proxies = run.proxies.iter().filter(|p| p.cells.is_empty()).flat_map(|p| &p.proxies);
    let missing = proxies.filter(|one| one.absent.is_some()).map(|one| one.proxy.name()).collect::<Vec<_>>();
    let missing =
        (!missing.is_empty()).then(|| w.fill("proxies.absent", &[("proxies", &missing.join(", "))]));
    own.chain(absent)
        .chain(missing)
        .chain(run.omitted.iter().map(|one| omitted(&one.part, &one.reason, w)))
        .collect()
}

fn omitted(part: &str, reason: &str, w: Words) -> String {
    w.fill("limits.omitted", &[("part", part), ("reason", reason)])
}

/// The page's title: what the run was about.
pub(super) fn title(run: &Run, w: Words) -> &'static str {
    let round = run.proxies.is_some() || run.factors.is_some() || run.browser.is_some() || run.loss.is_some();
    w.get(match (run.compares(), run.crowd.is_some()) {
        (true, _) => "title",
        (false, false) if round => "title.parts",
        _ => "title.crowd",
    })
}

/// The assertions in words, those of crowds last.
pub(super) fn claims(run: &Run, w: Words) -> Vec<Claim> {
    let crowds = scale::claims(run, w).into_iter().map(|(text, value, checked)| {
        let outcome = outcome(checked.outcome);
        Claim { text, value, outcome, word: w.get(&format!("outcome.{outcome}")).to_owned() }
    });
    check(run).iter().map(|checked| claim(checked, w)).chain(crowds).collect()
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Void => "void",
    }
}

fn claim(checked: &Checked, w: Words) -> Claim {
    let assertion = &checked.assertion;
    let (sign, bound) = match (assertion.at_most, assertion.at_least) {
        (Some(most), _) => ("≤", most),
        (None, least) => ("≥", least.unwrap_or_default()),
    };
    let metric = assertion.metric;
    let outcome = outcome(checked.outcome);
    let bound = metric::printed(metric, bound, w);
    Claim {
        text: format!(
            "{} · {}{} {sign} {bound}",
            metric::transport(checked.transport, w),
            metric::name(metric, w),
            where_claimed(assertion)
        ),
        value: checked.value.map_or("–".to_owned(), |value| metric::printed(metric, value, w)),
        outcome,
        word: w.get(&format!("outcome.{outcome}")).to_owned(),
    }
}

/// The cell or the flight of an assertion that names one, in brackets.
fn where_claimed(assertion: &Assertion) -> String {
    let flight = || assertion.in_flight.map(|in_flight| in_flight.to_string());
    assertion.cell.clone().or_else(flight).map_or_else(String::new, |place| format!(" ({place})"))
}

/// The doubts in words.
pub(super) fn doubts(run: &Run, w: Words) -> Vec<String> {
    run.doubts.iter().map(|doubt| doubt_in_words(doubt, w)).collect()
}

pub(super) fn doubt_in_words(doubt: &Doubt, w: Words) -> String {
    let whole = doubt.value.fract() == 0.0;
    let value = if whole { w.digits(doubt.value, 0) } else { w.number(doubt.value) };
    let values = [("value", value), ("visits", w.digits(f64::from(doubt.visits), 0))];
    let mut text = w.fill(
        &format!("doubt.{}", doubt.kind.key()),
        &values.each_ref().map(|(name, value)| (*name, value.as_str())),
    );
    if !doubt.place.is_empty() {
        text.push_str(&w.fill("worst_at", &[("place", &doubt.place)]));
    }
    text
}

/// The reproduce block: name and value.
pub(super) fn facts(run: &Run, w: Words) -> Vec<(String, String)> {
    let order = run.order.iter().map(|order| order.iter().map(|t| t.key()).collect::<Vec<_>>().join(" → "));
    let own = [
        (w.get("fact.seed"), run.seed.to_string()),
        (w.get("fact.started"), format!("{} – {}", run.started, run.finished)),
        (w.get("fact.order"), order.collect::<Vec<_>>().join("; ")),
        (w.get("fact.scenario"), format!("{} × {}", run.scenario.repetitions, run.scenario.name)),
    ];
    let kept = run.kept.as_ref().map_or(String::new(), |kept| {
        let values = [("visits", w.digits(kept.visits.into(), 0)), ("oldest", kept.oldest.clone())];
        w.fill("fact.kept.value", &values.each_ref().map(|(name, text)| (*name, text.as_str())))
    });
    let target = run.target.as_ref().map_or(String::new(), |t| format!("{} {}", t.name, t.version));
    let own = own.into_iter().chain([(w.get("fact.kept"), kept), (w.get("fact.target"), target)]);
    let own = own.filter(|(_, value)| !value.is_empty());
    own.map(|(name, value)| (name.to_owned(), value)).chain(environment_facts(&run.environment, w)).collect()
}

/// The part of the reproduce block that tells where and with what.
pub(super) fn environment_facts(environment: &Environment, w: Words) -> Vec<(String, String)> {
    let unknown = || w.get("fact.unknown").to_owned();
    let text = |value: &Option<String>| value.clone().unwrap_or_else(unknown);
    let dirty = environment.git_dirty.map(|dirty| w.get(if dirty { "fact.dirty" } else { "fact.clean" }));
    let commit = format!("{} {}", text(&environment.git_commit), dirty.unwrap_or_default());
    let memory = environment
        .memory_kib
        .map_or_else(unknown, |kib| w.with_unit(kib as f64 / 1024.0 / 1024.0, w.get("unit.gib")));
    let cores = w.fill(
        "fact.placement",
        &[("server", &environment.server_core.to_string()), ("load", &environment.load_core.to_string())],
    );
    let sysctls = environment.sysctls.iter().map(|s| format!("{} = {}", s.name, s.value));
    let build = w.get(if environment.optimised { "fact.optimised" } else { "fact.unoptimised" });
    let facts = [
        (w.get("fact.command"), environment.command.clone()),
        (w.get("fact.commit"), commit),
        (w.get("fact.server"), format!("{} ({build})", environment.server_version)),
        (w.get("fact.lock"), text(&environment.cargo_lock)),
        (w.get("fact.allocator"), environment.allocator.clone()),
        (w.get("fact.cpu"), format!("{} × {}", environment.cores, text(&environment.cpu))),
        (w.get("fact.memory"), memory),
        (w.get("fact.kernel"), environment.kernel.clone()),
        (w.get("fact.governor"), text(&environment.governor)),
        (w.get("fact.files"), w.digits(environment.file_limit as f64, 0)),
        (w.get("fact.cores"), cores),
        (w.get("fact.clock"), format!("{}, CPU: {}", environment.clock, environment.cpu_source)),
        (w.get("fact.sysctls"), sysctls.collect::<Vec<_>>().join("; ")),
    ];
    let told = facts.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| (name.to_owned(), value)).collect()
}
