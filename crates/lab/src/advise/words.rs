//! The advice in words, for the terminal and for the page.

use serde::Serialize;

use super::MATTERS;
use super::answer::{Advice, Assumption, Behind, Choice, Criterion, MeasuredRow, Standing};
use crate::report::{Language, Words, metric};
use crate::result::Transport;

/// An advice in one language.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdviceText {
    /// The recommendation, one sentence.
    pub recommendation: String,
    /// Where the rows are from, one sentence.
    pub basis: String,
    /// The transports, best first.
    pub options: Vec<OptionText>,
    /// The measured rows.
    pub rows: Vec<RowText>,
    /// The assumptions, a sentence each.
    pub assumptions: Vec<String>,
}

/// One transport in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OptionText {
    /// The transport.
    pub transport: Transport,
    /// Its name.
    pub name: String,
    /// Whether it is recommended.
    pub recommended: bool,
    /// What the server would need.
    pub cost: String,
    /// What speaks against it; empty where nothing that was measured does.
    pub against: Vec<String>,
}

/// A measured row in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowText {
    /// The transport's name.
    pub transport: String,
    /// The figure's name.
    pub name: String,
    /// Where it was measured.
    pub place: String,
    /// The figure with its unit.
    pub value: String,
    /// Its 95 % interval.
    pub interval: String,
}

/// Puts an advice into words.
pub fn in_words(advice: &Advice, language: Language) -> AdviceText {
    let w = Words(language);
    AdviceText {
        recommendation: recommendation(advice, w),
        basis: basis(advice, w),
        options: advice.choices.iter().map(|choice| option(advice, choice, w)).collect(),
        rows: advice.rows.iter().map(|row| row_text(row, w)).collect(),
        assumptions: advice.assumptions.iter().map(|assumption| assumed(assumption, w)).collect(),
    }
}

fn names(transports: &[Transport], between: &str, w: Words) -> String {
    transports.iter().map(|t| metric::transport(*t, w)).collect::<Vec<_>>().join(between)
}

fn recommendation(advice: &Advice, w: Words) -> String {
    let first = names(&advice.recommended[..advice.recommended.len().min(1)], "", w);
    let others = names(advice.recommended.get(1..).unwrap_or_default(), w.get("case.or"), w);
    let key = match advice.standing {
        Standing::Best => "advise.best",
        Standing::Tied => "advise.tied",
        Standing::NoDifference => "advise.no_difference",
        Standing::Unknown => "advise.unknown",
    };
    w.fill(key, &[("first", &first), ("others", &others)])
}

fn basis(advice: &Advice, w: Words) -> String {
    let basis = &advice.basis;
    let cpu = if basis.cpu.is_empty() { "?" } else { &basis.cpu };
    let text = w.fill(
        "advise.basis",
        &[
            ("run", &basis.run),
            ("date", basis.started.split('T').next().unwrap_or_default()),
            ("cpu", cpu),
            ("repetitions", &basis.repetitions.to_string()),
        ],
    );
    let warnings = [(basis.partial, "advise.basis.partial"), (basis.synthetic, "synthetic")];
    let told = warnings.into_iter().filter(|(holds, _)| *holds).map(|(_, key)| format!(" {}", w.get(key)));
    text + &told.collect::<String>()
}

fn option(advice: &Advice, choice: &Choice, w: Words) -> OptionText {
    let unfit = choice.unfit.map(|why| w.get(&format!("advise.unfit.{}", why.key())).to_owned());
    let behind = choice.behind.iter().map(|behind| behind_text(behind, w));
    OptionText {
        transport: choice.transport,
        name: metric::transport(choice.transport, w).to_owned(),
        recommended: advice.recommended.contains(&choice.transport),
        cost: cost(choice, w),
        against: unfit.into_iter().chain(behind).collect(),
    }
}

fn cost(choice: &Choice, w: Words) -> String {
    let told = |value: Option<f64>, unit: &str| value.map_or("–".to_owned(), |v| w.with_unit(v, unit));
    let estimate = &choice.estimate;
    let mut text = w.fill(
        "advise.cost",
        &[
            ("cores", &told(estimate.cores, "")),
            ("gib", &told(estimate.gib, w.get("unit.gib"))),
            ("mbit", &told(estimate.mbit_s, w.get("unit.mbit_s"))),
            ("p99", &told(estimate.p99_ms, w.get("unit.ms"))),
        ],
    );
    if let Some(ms) = estimate.back_ms {
        text.push_str(&w.fill("advise.cost.back", &[("back", &w.with_unit(ms, w.get("unit.ms")))]));
    }
    text
}

fn unit(criterion: Criterion, w: Words) -> &'static str {
    match criterion {
        Criterion::Cpu => w.get("unit.cores"),
        Criterion::Memory => w.get("unit.gib"),
        Criterion::Bytes => w.get("unit.mbit_s"),
        Criterion::Latency | Criterion::Back => w.get("unit.ms"),
        Criterion::TwoWay => w.get("unit.bytes"),
        Criterion::Integrity => "",
    }
}

fn behind_text(behind: &Behind, w: Words) -> String {
    let unit = unit(behind.criterion, w);
    let value = w.with_unit(behind.value, unit);
    let best = w.with_unit(behind.best, unit);
    w.fill(&format!("advise.behind.{}", behind.criterion.key()), &[("value", &value), ("best", &best)])
}

fn row_text(row: &MeasuredRow, w: Words) -> RowText {
    let name = match (row.criterion, row.metric) {
        (Criterion::Back, _) => w.get("advise.row.back").to_owned(),
        (_, Some(one)) => metric::name(one, w),
        (_, None) => String::new(),
    };
    let printed = |value: f64| row.metric.map_or(w.number(value), |one| metric::printed(one, value, w));
    let figure = row.figure;
    let interval = format!("{} – {}", printed(figure.low), printed(figure.high));
    RowText {
        transport: metric::transport(row.transport, w).to_owned(),
        name,
        place: place(row, w),
        value: printed(figure.value),
        interval: if figure.repetitions > 1 { interval } else { String::new() },
    }
}

fn place(row: &MeasuredRow, w: Words) -> String {
    let number = |value: f64| whole_or_three(value, w);
    let mut parts = Vec::new();
    if let Some(cell) = &row.cell {
        parts.push(w.fill("advise.place.cell", &[("cell", cell)]));
    }
    if let Some(k) = row.in_flight {
        parts.push(w.fill("place.flight", &[("k", &k.to_string())]));
    }
    if let Some(rate) = row.rate {
        parts.push(w.fill("advise.place.rate", &[("rate", &number(rate))]));
    }
    if let Some(subscribers) = row.subscribers {
        parts.push(w.fill("advise.place.subscribers", &[("subscribers", &number(subscribers.into()))]));
    }
    parts.join(", ")
}

fn assumed(assumption: &Assumption, w: Words) -> String {
    let key = format!("advise.assume.{}", assumption.kind.key());
    let unit = |value: f64, unit: &str| format!("{}\u{202f}{}", whole_or_three(value, w), w.get(unit));
    w.fill(
        &key,
        &[
            ("value", &whole_or_three(assumption.value, w)),
            ("cores", &unit(MATTERS.cores, "unit.cores")),
            ("gib", &unit(MATTERS.gib, "unit.gib")),
            ("mbit", &unit(MATTERS.mbit_s, "unit.mbit_s")),
            ("p99", &unit(MATTERS.p99_ms, "unit.ms")),
            ("back", &unit(MATTERS.back_ms, "unit.ms")),
        ],
    )
}

/// A count without digits after the mark, anything else with three significant ones.
fn whole_or_three(value: f64, w: Words) -> String {
    if value.fract() == 0.0 { w.digits(value, 0) } else { w.number(value) }
}

/// The advice as the terminal prints it.
impl std::fmt::Display for AdviceText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n", self.recommendation)?;
        for option in &self.options {
            let mark = if option.recommended { "→" } else { " " };
            writeln!(f, "{mark} {:<13} {}", option.name, option.cost)?;
            option.against.iter().try_for_each(|against| writeln!(f, "                − {against}"))?;
        }
        writeln!(f, "\n{}", self.basis)?;
        for row in &self.rows {
            writeln!(
                f,
                "  {:<13} {:<28} {:>12}  {:<24} {}",
                row.transport, row.name, row.value, row.interval, row.place
            )?;
        }
        writeln!(f)?;
        self.assumptions.iter().try_for_each(|assumption| writeln!(f, "  · {assumption}"))
    }
}
