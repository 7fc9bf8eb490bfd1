//! The scorecard: one row a metric, one column a transport. The page, the Markdown, the terminal and the README print
//! the same rows.

use super::metric;
use super::text::Words;
use crate::result::{CellRecord, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Comparison, Figure, Ranking, Subject, compare, figure, first_cell, flights, is_beyond};

/// A row of the scorecard.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    /// Where it was measured: rate, subscribers, events in flight.
    pub(super) place: String,
    pub(super) unit: &'static str,
    pub(super) entries: Vec<Entry>,
    /// The noise as a percentage, or a dash.
    pub(super) noise: String,
    /// What the ranking says where nobody is best alone; may be empty.
    pub(super) remark: String,
}

/// One transport's entry in a row.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) transport: Transport,
    /// The printed figure, or why there is none.
    pub(super) text: String,
    /// The interval, empty where there is none.
    pub(super) interval: String,
    /// Length of the bar in percent of the row's largest.
    pub(super) share: f64,
    pub(super) best: bool,
    pub(super) void: bool,
}

/// Of fewer repetitions a bootstrap has no interval: its ends are the least and the greatest of them.
const REPETITIONS_MIN: usize = 6;

/// All rows of a run.
pub(super) fn rows(run: &Run, w: Words) -> Vec<Row> {
    subjects(run).into_iter().map(|subject| row(run, subject, w)).collect()
}

/// The first cell with all its percentiles, the others with p99, how soon clients are back where connections broke, then
/// throughput and cost by events in flight.
fn subjects<'r>(run: &'r Run) -> Vec<Subject<'r>> {
    let first = first_cell(run);
    let about = |metric| Subject { metric, cell: first, in_flight: 1 };
    let mut subjects = vec![about(Metric::P50Us), about(Metric::P99Us), about(Metric::P999Us)];
    // A sweep's steps have drawings of their own.
    let cells = || run.scenario.cells.iter().filter(|cell| cell.workload.sweep.is_none());
    let of = |metric| move |cell: &'r CellRecord| Subject { cell: &cell.name, ..about(metric) };
    subjects.extend(cells().skip(1).map(of(Metric::P99Us)));
    let is_known = |subject: &Subject<'_>| Transport::ALL.iter().any(|t| figure(run, *subject, *t).is_some());
    subjects.extend(cells().map(of(Metric::ReconnectP99Us)).filter(is_known));
    for metric in [Metric::DeliveriesPerSecond, Metric::CpuUsPerDelivery, Metric::RawRatio] {
        subjects.extend(flights(run).into_iter().map(|in_flight| Subject { in_flight, ..about(metric) }));
    }
    let memory = asks_for_memory(run).then_some(Metric::KibPerConnection);
    let totals = [Metric::BytesPerDelivery, Metric::Lost, Metric::Duplicated];
    subjects.extend(memory.into_iter().chain(totals).map(about));
    subjects
}

/// Whether the scenario has a memory part, be it that all of it is void.
fn asks_for_memory(run: &Run) -> bool {
    let written = || crate::scenario::parse(&run.scenario.name, &run.scenario.text);
    !run.memory.is_empty() || written().is_ok_and(|scenario| !scenario.memory_at.is_empty())
}

fn row(run: &Run, subject: Subject<'_>, w: Words) -> Row {
    let comparison = compare(run, subject);
    let high = comparison.figures.iter().filter_map(|(_, f)| f.map(|f| f.value)).fold(0.0, f64::max);
    let counted = matches!(subject.metric, Metric::Lost | Metric::Duplicated);
    let entry = |(transport, figure): &(Transport, Option<Figure>)| Entry {
        best: !counted && comparison.ranking == Ranking::Best(*transport),
        ..entry(subject.metric, *transport, *figure, high, w)
    };
    let entries = comparison.figures.iter().map(entry).map(|entry| {
        if is_beyond(run, subject, entry.transport) && !entry.void {
            return Entry {
                text: "–".to_owned(), interval: String::new(), share: 0.0, best: false, ..entry
            };
        }
        let load_bound = comparison.load_bound.contains(&entry.transport) && !entry.void;
        Entry { text: bound(subject.metric, entry.text, load_bound), ..entry }
    });
    Row {
        name: metric::name(subject.metric, w),
        place: place(run, subject, w),
        unit: metric::unit(subject.metric, w),
        entries: entries.collect(),
        noise: comparison.noise.map_or("–".to_owned(), |noise| band(noise, w)),
        remark: if counted { String::new() } else { remark(&comparison, w) },
    }
}

/// A band around a figure: a share of it, or a factor where it is wider than the figure itself.
fn band(noise: f64, w: Words) -> String {
    if noise < 2.0 {
        format!("±{}", w.percent((noise - 1.0) * 100.0))
    } else {
        format!("×÷{}", w.number(noise))
    }
}

fn remark(comparison: &Comparison, w: Words) -> String {
    match comparison.ranking {
        Ranking::NoDifference => w.get("score.no_difference").to_owned(),
        Ranking::Tied => {
            let marks: Vec<&str> = comparison.leaders.iter().map(|t| metric::mark(*t)).collect();
            format!("{} {}", marks.join(" "), w.get("score.tied"))
        }
        Ranking::LoadBound => w.get("score.load_decides").to_owned(),
        Ranking::TooFew => w.get("score.too_few").to_owned(),
        Ranking::Best(_) | Ranking::NotComparable => String::new(),
    }
}

/// A figure that the load may have limited is printed as the bound that it is.
pub(super) fn bound(metric: Metric, text: String, load_bound: bool) -> String {
    match (load_bound, metric.more_is_better()) {
        (false, _) => text,
        (true, true) => format!("≥ {text}"),
        (true, false) => format!("≤ {text}"),
    }
}

fn entry(metric: Metric, transport: Transport, figure: Option<Figure>, high: f64, w: Words) -> Entry {
    let ratio_of_poll = metric == Metric::RawRatio && transport == Transport::Poll;
    let missing = || if ratio_of_poll { "–".to_owned() } else { w.get("score.void").to_owned() };
    let interval = figure.filter(|f| f.repetitions > 1);
    let is_range = figure.is_some_and(|f| f.repetitions < REPETITIONS_MIN);
    Entry {
        transport,
        text: figure.map_or_else(missing, |f| metric::bare(metric, f.value, w)),
        interval: interval.map_or(String::new(), |f| {
            let ends = format!("{}–{}", metric::bare(metric, f.low, w), metric::bare(metric, f.high, w));
            let count = f.repetitions.to_string();
            if is_range { w.fill("score.range", &[("ends", &ends), ("count", &count)]) } else { ends }
        }),
        share: figure.map_or(0.0, |f| if high > 0.0 { f.value / high * 100.0 } else { 0.0 }),
        best: false,
        void: figure.is_none() && !ratio_of_poll,
    }
}

/// Where a figure was measured, in words.
fn place(run: &Run, subject: Subject<'_>, w: Words) -> String {
    match subject.metric {
        Metric::P50Us
        | Metric::P99Us
        | Metric::P999Us
        | Metric::MaxUs
        | Metric::BytesPerDelivery
        | Metric::ReconnectP99Us
        | Metric::CatchUpP99Us
        | Metric::ToldLost
        | Metric::SilenceUs => named_cell(run, subject.cell, w),
        Metric::DeliveriesPerSecond | Metric::CpuUsPerDelivery | Metric::RawRatio => {
            w.fill("place.flight", &[("k", &subject.in_flight.to_string())])
        }
        Metric::KibPerConnection => w.get("place.idle").to_owned(),
        Metric::Lost | Metric::Duplicated => w.get("place.all").to_owned(),
    }
}

/// A cell's name, and what it asks for.
pub(super) fn named_cell(run: &Run, name: &str, w: Words) -> String {
    let words = cell_in_words(run, name, w);
    if words == name { words } else { format!("{name} · {words}") }
}

/// What a cell asks for: rate, subscribers, payload, and what goes beyond.
pub(super) fn cell_in_words(run: &Run, name: &str, w: Words) -> String {
    let Some(cell) = run.scenario.cells.iter().find(|cell| cell.name == name) else { return name.to_owned() };
    super::workloads::in_words(cell, w)
}
