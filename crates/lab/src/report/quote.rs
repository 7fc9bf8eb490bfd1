//! Single figures for documents. A document names the figure that it wants, and a test fills it in from the stored run,
//! so that no sentence outlives its measurement.

use serde_json::Value;

use super::metric;
use super::text::{THIN, Words};
use crate::error::{LabError, Result};
use crate::result::{Carriage, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Ranking, Subject, compare, figure, first_cell};

/// A figure of a run in words, by what a document calls it. In each form `WHERE` is a cell's name, or the events in
/// flight for metrics of throughput and cost; without it the first cell is meant, or one event in flight.
///
/// - `METRIC TRANSPORT [WHERE]`: the figure with its unit;
/// - `times METRIC TRANSPORT TRANSPORT [WHERE]`: how often the second figure goes into the first;
/// - `who METRIC [WHERE]`: the best transport, or those that cannot be told apart from it;
/// - `carriage TRANSPORT CARRIAGE`: server CPU a delivery over plain HTTP/1.1, TLS or HTTP/2, as `run.json` calls them;
/// - `loss TRANSPORT PERCENT`: the 99th percentile over a link that loses so much;
/// - `at POINTER [UNIT]`: a number or a text of `run.json` by its JSON pointer.
///
/// # Errors
/// A form, a metric, a transport, a cell or a pointer that there is not, and a figure that is void.
pub fn quote(run: &Run, wanted: &str, language: super::Language) -> Result<String> {
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let said = Quote { run, w: Words(language) }.say(&words);
    said.ok_or_else(|| LabError::Render(format!("no figure is called `{wanted}`")))
}

struct Quote<'a> {
    run: &'a Run,
    w: Words,
}

impl<'a> Quote<'a> {
    fn say(&self, words: &[&'a str]) -> Option<String> {
        match words {
            ["times", name, one, other, place @ ..] => {
                let subject = self.subject(name, place)?;
                let of = |name| figure(self.run, subject, transport(name)?).map(|figure| figure.value);
                Some(self.w.number(of(one)? / of(other)?))
            }
            ["who", name, place @ ..] => self.who(self.subject(name, place)?),
            ["at", pointer, unit @ ..] => self.at(pointer, unit),
            ["carriage", way, carriage] => {
                let carriage: Carriage = serde_json::from_value(Value::from(*carriage)).ok()?;
                let us = super::factors::cpu_us(self.run.factors.as_ref()?, transport(way)?, carriage)?;
                Some(metric::printed(Metric::CpuUsPerDelivery, us, self.w))
            }
            ["loss", way, percent] => {
                let us =
                    super::loss::p99_us(self.run.loss.as_ref()?, percent.parse().ok()?, transport(way)?)?;
                Some(metric::printed(Metric::P99Us, us, self.w))
            }
            [name, way, place @ ..] => {
                let subject = self.subject(name, place)?;
                let figure = figure(self.run, subject, transport(way)?)?;
                Some(metric::printed(subject.metric, figure.value, self.w))
            }
            _ => None,
        }
    }

    fn subject(&self, name: &str, place: &[&'a str]) -> Option<Subject<'a>> {
        let metric: Metric = serde_json::from_value(Value::from(name)).ok()?;
        let plain = Subject { metric, cell: first_cell(self.run), in_flight: 1 };
        match place {
            [] => Some(plain),
            [place] => match place.parse() {
                Ok(in_flight) => Some(Subject { in_flight, ..plain }),
                Err(_) => Some(Subject { cell: place, ..plain }),
            },
            _ => None,
        }
    }

    fn who(&self, subject: Subject<'_>) -> Option<String> {
        let comparison = compare(self.run, subject);
        let names: Vec<&str> = comparison.leaders.iter().map(|t| metric::transport(*t, self.w)).collect();
        match comparison.ranking {
            Ranking::NotComparable => None,
            Ranking::TooFew => Some(self.w.get("score.too_few").to_owned()),
            Ranking::LoadBound => Some(self.w.get("score.load_decides").to_owned()),
            Ranking::Best(_) => Some(names.concat()),
            Ranking::Tied => Some(names.join(" = ")),
            Ranking::NoDifference => Some(self.w.get("score.no_difference").to_owned()),
        }
    }

    fn at(&self, pointer: &str, unit: &[&str]) -> Option<String> {
        let run = serde_json::to_value(self.run).ok()?;
        let text = match run.pointer(pointer)? {
            Value::Number(number) if number.is_f64() => self.w.number(number.as_f64()?),
            Value::Number(number) => self.w.digits(number.as_f64()?, 0),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        Some(unit.first().map_or_else(|| text.clone(), |unit| format!("{text}{THIN}{unit}")))
    }
}

fn transport(name: &str) -> Option<Transport> {
    Transport::ALL.into_iter().find(|transport| transport.key() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::synthetic;
    use crate::report::Language;

    fn said(wanted: &str) -> String {
        quote(&synthetic(), wanted, Language::English).unwrap().replace(THIN, " ")
    }

    #[test]
    fn figures_are_found_by_their_names() {
        let poll: f64 = said("p99_us poll calm").trim_end_matches(" ms").parse().unwrap();
        let sse: f64 = said("p99_us sse").trim_end_matches(" ms").parse().unwrap();
        let times: f64 = said("times p99_us poll sse").parse().unwrap();
        assert!((poll / sse - times).abs() < 0.1, "{poll} {sse} {times}");
        assert_eq!(said("who p50_us"), "SSE = WebSocket");
        assert_eq!(said("at /scenario/repetitions times"), "3 times");
        assert!(said("cpu_us_per_delivery websocket 8").ends_with(" µs"));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for wanted in [
            "",
            "p99_us",
            "p99_us carrier",
            "speed sse",
            "p99_us sse nowhere",
            "at /nothing",
            "times p99_us sse",
        ] {
            let error = quote(&synthetic(), wanted, Language::English).unwrap_err().to_string();
            assert!(error.contains(&format!("`{wanted}`")), "{error}");
        }
    }
}
