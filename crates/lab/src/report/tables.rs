//! Files for other tools: the visits as CSV, and the percentile distributions as HdrHistogram prints them.

use std::fmt::Write;

use crate::result::{Bytes, Latency, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Subject, figure, first_cell, flights, is_beyond, load_bound};

/// One line a figure: metric, transport, where, median, interval, repetitions, whether it is but a bound, and whether the run
/// was stopped early.
pub(super) fn figures(run: &Run) -> String {
    let mut text = "metric,transport,cell,in_flight,median,low,high,repetitions,bound,partial\n".to_owned();
    for cell in &run.scenario.cells {
        OF_CELLS.iter().for_each(|metric| lines(run, *metric, &cell.name, None, &mut text));
    }
    for in_flight in flights(run) {
        for metric in [Metric::DeliveriesPerSecond, Metric::CpuUsPerDelivery, Metric::RawRatio] {
            lines(run, metric, "", Some(in_flight), &mut text);
        }
    }
    for metric in [Metric::KibPerConnection, Metric::Lost, Metric::Duplicated] {
        lines(run, metric, "", None, &mut text);
    }
    text
}

/// What is measured in cells.
const OF_CELLS: [Metric; 8] = [
    Metric::P50Us,
    Metric::P99Us,
    Metric::P999Us,
    Metric::MaxUs,
    Metric::BytesPerDelivery,
    Metric::ReconnectP99Us,
    Metric::CatchUpP99Us,
    Metric::ToldLost,
];

/// Of a figure that the load may have limited, which bound it is.
fn bound(run: &Run, subject: Subject<'_>, transport: Transport) -> &'static str {
    match (load_bound(run, subject, transport), subject.metric.more_is_better()) {
        (false, _) => "",
        (true, true) => "at_least",
        (true, false) => "at_most",
    }
}

fn lines(run: &Run, metric: Metric, cell: &str, in_flight: Option<u32>, text: &mut String) {
    let subject = Subject {
        metric,
        cell: if cell.is_empty() { first_cell(run) } else { cell },
        in_flight: in_flight.unwrap_or(1),
    };
    let beyond = |t: &&Transport| is_beyond(run, subject, **t);
    for transport in run.scenario.transports.iter().filter(|t| !beyond(t)) {
        let Some(f) = figure(run, subject, *transport) else { continue };
        let flight = in_flight.map(|k| k.to_string()).unwrap_or_default();
        let key = (metric.key(), transport.key());
        push(
            text,
            format_args!(
                "{},{},{},{flight},{},{},{},{},{},{}\n",
                key.0,
                key.1,
                quoted(cell),
                f.value,
                f.low,
                f.high,
                f.repetitions,
                bound(run, subject, *transport),
                run.partial
            ),
        );
    }
}

/// One line an open-loop visit.
pub(super) fn visits(run: &Run) -> String {
    let mut text =
        "cell,transport,repetition,half,void,deliveries,wall_s,server_cpu_s,load_busy,late_us_max,answers,\
payload_bytes,envelope_bytes,framing_bytes,head_bytes,up_bytes,lost,duplicated,partial\n"
            .to_owned();
    for v in &run.latency {
        let Bytes { payload, envelope, framing, head_down, up } = v.bytes;
        push(
            &mut text,
            format_args!(
                "{},{},{},{},{},{},",
                quoted(&v.cell),
                v.transport.key(),
                v.repetition,
                v.half,
                !v.void.is_empty(),
                v.deliveries
            ),
        );
        push(
            &mut text,
            format_args!("{},{},{},{},{},", v.wall_s, v.server_cpu_s, v.load_busy, v.late_us_max, v.answers),
        );
        push(
            &mut text,
            format_args!(
                "{payload},{envelope},{framing},{head_down},{up},{},{},{}\n",
                v.integrity.lost, v.integrity.duplicated, run.partial
            ),
        );
    }
    text
}

/// A field that may hold a comma or a quote (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// A percentile distribution in the form that HdrHistogram's plotters read, values in milliseconds.
pub(super) fn hgrm(latency: &Latency) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for (quantile, us, total) in latency.steps() {
        let value = us as f64 / 1000.0;
        push(&mut text, format_args!("{value:12.3} {quantile:2.12} {total:10}"));
        if quantile < 1.0 {
            push(&mut text, format_args!(" {:14.2}", 1.0 / (1.0 - quantile)));
        }
        text.push('\n');
    }
    push(
        &mut text,
        format_args!("#[Max = {:.3}, Total count = {}]\n", latency.max() as f64 / 1000.0, latency.count()),
    );
    text
}

/// The file name of a cell's distribution.
pub(super) fn hgrm_name(cell: &str, transport: Transport) -> String {
    let word: String = cell.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("latency-{word}-{}.hgrm", transport.key())
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_when_they_are_bounds_and_leave_out_what_is_beyond() {
        let mut run = crate::fixture::synthetic();
        let lines = |run: &Run, metric: &str| {
            let text = figures(run);
            text.lines().filter(|line| line.starts_with(metric)).map(str::to_owned).collect::<Vec<_>>()
        };
        for metric in ["reconnect_p99_us", "catch_up_p99_us", "told_lost", "p999_us"] {
            assert!(lines(&run, metric).iter().all(|line| line.ends_with(",,false")), "{metric}");
            assert!(!lines(&run, metric).is_empty(), "{metric}");
        }
        run.partial = true;
        run.saturation.iter_mut().for_each(|visit| visit.load_busy = 0.9);
        run.latency.iter_mut().for_each(|visit| {
            visit.load_busy = 0.9;
            visit.integrity.published = 10;
        });
        assert!(lines(&run, "p999_us").is_empty());
        assert!(lines(&run, "p99_us").iter().all(|line| line.ends_with(",at_most,true")));
        assert!(lines(&run, "deliveries").iter().all(|line| line.ends_with(",at_least,true")));
        let visits = visits(&run);
        assert!(visits.starts_with("cell,") && visits.lines().next().unwrap().ends_with(",partial"));
        assert!(visits.lines().skip(1).all(|line| line.ends_with(",true")));
    }

    #[test]
    fn names_of_cells_cannot_leave_their_field_or_folder() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(hgrm_name("../x", Transport::Sse), "latency----x-sse.hgrm");
    }

    #[test]
    fn a_distribution_ends_with_all_values() {
        let mut latency = Latency::new();
        (1..=100).for_each(|n| latency.record(n * 1000));
        let text = hgrm(&latency);
        assert!(text.contains("Total count = 100]") && text.contains("1.000000000000        100"));
    }
}
