//! The charts of the report, each with a caption and the same figures as a table.

use super::metric::{self, mark, shape};
use super::scorecard::{bound, named_cell};
use super::svg::{Bar, Drawing, Group, Scale, Stack, bars, stacks};
use super::text::Words;
use crate::result::{Bytes, LatencyVisit, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Figure, Subject, compare, figure, fit, flights, header_bytes, merged, raw_cpu_us};

const HEIGHT: f64 = 300.0;
/// Quantiles of the tables under the percentile charts.
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];
/// Marks of the percentile axis: 1/(1-p), and how they are named.
const PERCENTILES: [(f64, &str); 5] =
    [(1.0, "0"), (10.0, "90"), (100.0, "99"), (1000.0, "99.9"), (10_000.0, "99.99")];

/// A chart, its caption, and its figures.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) svg: String,
    pub(super) table: Table,
    /// Transports drawn, for the legend; empty where every mark is named in the drawing.
    pub(super) legend: Vec<Transport>,
}

/// A table of words.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A value on an axis: as few digits as it needs, since axis values are round.
pub(super) fn tick(value: f64, w: Words) -> String {
    // Long numbers would run into the axis' name.
    for (unit, sign) in [(1e6, "M"), (1e3, "k")] {
        if value >= 10.0 * unit || (unit > 1e5 && value >= unit) {
            return format!("{}\u{202f}{sign}", tick(value / unit, w));
        }
    }
    let digits = (0..4).find(|digits| {
        let scaled = value * 10_f64.powi(*digits);
        (scaled - scaled.round()).abs() < 1e-6
    });
    w.digits(value, digits.unwrap_or(4) as usize)
}

/// A run and a language, from which charts are drawn.
pub(super) struct Charts<'a> {
    pub(super) run: &'a Run,
    pub(super) w: Words,
}

impl Charts<'_> {
    fn name(&self, transport: Transport) -> String {
        metric::transport(transport, self.w).to_owned()
    }

    fn marked(&self, transport: Transport) -> String {
        format!("{} {}", mark(transport), self.name(transport))
    }

    pub(super) fn transports(&self) -> impl Iterator<Item = Transport> + '_ {
        self.run.scenario.transports.iter().copied()
    }

    fn ms(&self, us: f64) -> String {
        self.w.number(us / 1000.0)
    }

    fn tick(&self, value: f64) -> String {
        tick(value, self.w)
    }

    /// One percentile chart for each latency cell that has a valid visit; a sweep's steps have drawings of their own.
    pub(super) fn percentiles(&self) -> Vec<Chart> {
        let cells = self.run.scenario.cells.iter().filter(|cell| cell.workload.sweep.is_none());
        cells.filter_map(|cell| self.percentile(&cell.name)).collect()
    }

    fn percentile(&self, cell: &str) -> Option<Chart> {
        let known: Vec<_> =
            self.transports().filter_map(|t| merged(self.run, cell, t).map(|latency| (t, latency))).collect();
        let low = known.iter().map(|(_, latency)| latency.at(0.0)).min()? as f64 / 1000.0;
        let high = known.iter().map(|(_, latency)| latency.max()).max()? as f64 / 1000.0;
        let most = known.iter().map(|(_, latency)| latency.count()).max()? as f64;
        let mut drawing =
            Drawing::new(HEIGHT, Scale::log(1.0, most.clamp(100.0, 100_000.0)), Scale::log(low, high));
        drawing.y_axis(self.w.get("axis.latency_ms"), |v| self.tick(v));
        let marks = PERCENTILES.iter().filter(|(x, _)| *x <= most);
        let percent = |text: &str| {
            if self.w.0 == super::Language::French { text.replace('.', ",") } else { text.to_owned() }
        };
        drawing.x_axis(
            self.w.get("axis.percentile"),
            &marks.map(|(x, name)| (*x, percent(name))).collect::<Vec<_>>(),
        );
        for (transport, latency) in &known {
            let bound = 1.0 - 1.0 / latency.count() as f64;
            let steps = latency.steps().into_iter().filter(|(quantile, _, _)| *quantile <= bound);
            let mut points: Vec<_> = steps.map(|(q, us, _)| (1.0 / (1.0 - q), us as f64 / 1000.0)).collect();
            points.push((latency.count() as f64, latency.max() as f64 / 1000.0));
            drawing.line(transport.key(), &points);
            for (x, _) in PERCENTILES.iter().filter(|(x, _)| *x < latency.count() as f64) {
                drawing.point(
                    transport.key(),
                    shape(*transport),
                    *x,
                    latency.at(1.0 - 1.0 / x) as f64 / 1000.0,
                );
            }
        }
        let title = named_cell(self.run, cell, self.w);
        let mut head = vec![self.w.get("axis.percentile").to_owned()];
        head.extend(known.iter().map(|(t, _)| format!("{} ({})", self.name(*t), self.w.get("unit.ms"))));
        let row = |q: &f64| {
            let cells = known.iter().map(|(_, latency)| self.ms(latency.at(*q) as f64));
            std::iter::once(self.w.digits(q * 100.0, if *q > 0.99 && *q < 1.0 { 2 } else { 0 }))
                .chain(cells)
                .collect()
        };
        Some(Chart {
            svg: drawing.finish(&title, self.w.get("chart.percentile")),
            title,
            caption: self.w.get("chart.percentile").to_owned(),
            table: Table { head, rows: QUANTILES.iter().map(row).collect() },
            legend: known.iter().map(|(t, _)| *t).collect(),
        })
    }

    /// The 99th percentile over time, first valid visit of the first cell.
    pub(super) fn over_time(&self) -> Option<Chart> {
        self.over_time_of(crate::summary::first_cell(self.run))
    }

    /// The same of any cell.
    pub(super) fn over_time_of(&self, cell: &str) -> Option<Chart> {
        let visit = |t: Transport| {
            self.run.latency.iter().find(|v| v.cell == cell && v.transport == t && v.void.is_empty())
        };
        let known: Vec<&LatencyVisit> = self.transports().filter_map(visit).collect();
        let slices = || known.iter().flat_map(|v| v.slices.iter());
        let end = f64::from(slices().map(|s| s.at_ms).max()?) / 1000.0;
        let low = slices().map(|s| s.p99_us).min()? as f64 / 1000.0;
        let high = slices().map(|s| s.p99_us).max()? as f64 / 1000.0;
        let x = Scale::linear(0.0, end);
        let mut drawing = Drawing::new(HEIGHT, x, Scale::log(low, high));
        drawing.y_axis(self.w.get("axis.latency_ms"), |v| self.tick(v));
        let marks: Vec<_> = x.ticks().into_iter().map(|v| (v, self.tick(v))).collect();
        drawing.x_axis(self.w.get("axis.seconds"), &marks);
        for visit in &known {
            let point = |s: &crate::result::Slice| (f64::from(s.at_ms) / 1000.0, s.p99_us as f64 / 1000.0);
            let points: Vec<_> = visit.slices.iter().map(point).collect();
            drawing.line(visit.transport.key(), &points);
            points
                .iter()
                .step_by(4)
                .for_each(|p| drawing.point(visit.transport.key(), shape(visit.transport), p.0, p.1));
        }
        let title = self.w.get("chart.over_time.title").to_owned();
        Some(Chart {
            svg: drawing.finish(&title, self.w.get("chart.over_time")),
            title,
            caption: self.w.get("chart.over_time").to_owned(),
            table: self.over_time_table(&known),
            legend: known.iter().map(|v| v.transport).collect(),
        })
    }

    fn over_time_table(&self, known: &[&LatencyVisit]) -> Table {
        let mut head = vec![self.w.get("axis.seconds").to_owned()];
        head.extend(known.iter().map(|v| format!("{} ({})", self.name(v.transport), self.w.get("unit.ms"))));
        let count = known.iter().map(|v| v.slices.len()).max().unwrap_or(0);
        let row = |index: usize| {
            let at =
                known.iter().find_map(|v| v.slices.get(index)).map_or(0.0, |s| f64::from(s.at_ms) / 1000.0);
            let cell = |v: &&LatencyVisit| {
                v.slices.get(index).map_or("–".to_owned(), |s| self.ms(s.p99_us as f64))
            };
            std::iter::once(self.w.digits(at, 2)).chain(known.iter().map(cell)).collect()
        };
        Table { head, rows: (0..count).map(row).collect() }
    }

    /// p99 against the rate, over the cells that differ from the first in nothing else.
    pub(super) fn against_rate(&self) -> Option<Chart> {
        let first = self.run.scenario.cells.first()?;
        let mut cells: Vec<_> = self.run.scenario.cells.iter().collect();
        cells.retain(|c| c.subscribers == first.subscribers && c.payload == first.payload);
        cells.retain(|c| c.workload == first.workload);
        cells.sort_by_key(|c| c.rate);
        let p99 = |cell: &str, t| figure(self.run, Subject { metric: Metric::P99Us, cell, in_flight: 1 }, t);
        let series = |t| {
            cells.iter().filter_map(|c| Some((f64::from(c.rate), p99(&c.name, t)?.value / 1000.0))).collect()
        };
        let known: Vec<(Transport, Vec<(f64, f64)>)> = self.transports().map(|t| (t, series(t))).collect();
        let values = || known.iter().flat_map(|(_, points)| points.iter().map(|p| p.1));
        if cells.len() < 2 || values().next().is_none() {
            return None;
        }
        let x = Scale::log(f64::from(first.rate.min(cells[0].rate)), f64::from(cells[cells.len() - 1].rate));
        let y = Scale::log(values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let mut drawing = Drawing::new(HEIGHT, x, y);
        drawing.y_axis(self.w.get("axis.p99_ms"), |v| self.tick(v));
        let marks: Vec<_> = x.ticks().into_iter().map(|v| (v, self.tick(v))).collect();
        drawing.x_axis(self.w.get("axis.rate"), &marks);
        for (transport, points) in &known {
            drawing.line(transport.key(), points);
            points.iter().for_each(|p| drawing.point(transport.key(), shape(*transport), p.0, p.1));
        }
        let head = std::iter::once(self.w.get("axis.rate").to_owned())
            .chain(self.transports().map(|t| self.name(t)));
        let row = |cell: &&crate::result::CellRecord| {
            let value =
                |t| p99(&cell.name, t).map_or(self.w.get("score.void").to_owned(), |f| self.ms(f.value));
            std::iter::once(self.w.digits(f64::from(cell.rate), 0))
                .chain(self.transports().map(value))
                .collect()
        };
        let title = self.w.get("chart.rate.title").to_owned();
        Some(Chart {
            svg: drawing.finish(&title, self.w.get("chart.rate")),
            title,
            caption: self.w.get("chart.rate").to_owned(),
            table: Table { head: head.collect(), rows: cells.iter().map(row).collect() },
            legend: self.transports().collect(),
        })
    }

    /// Bars of a closed-loop metric, grouped by events in flight.
    fn by_flight(&self, metric: Metric, limit: impl Fn(u32) -> Option<(f64, String)>) -> (Vec<Group>, Table) {
        let mut rows = Vec::new();
        let group = |in_flight: u32| {
            let comparison = compare(self.run, Subject { metric, cell: "", in_flight });
            let known = comparison.figures.iter().filter_map(|(t, figure)| figure.map(|f| (*t, f)));
            let printed = |t: Transport, f: Figure| {
                let text = metric::printed(metric, f.value, self.w);
                bound(metric, text, comparison.load_bound.contains(&t))
            };
            let bars: Vec<Bar> = known
                .map(|(t, f)| Bar {
                    class: t.key(),
                    shape: shape(t),
                    name: self.name(t),
                    value: f.value,
                    whisker: (f.repetitions > 1).then_some((f.low, f.high)),
                    text: printed(t, f),
                })
                .collect();
            let heading = self.w.fill("place.flight", &[("k", &in_flight.to_string())]);
            rows.extend(comparison.figures.iter().map(|(t, f)| {
                let interval = f.map_or(String::new(), |f| {
                    format!(
                        "{}–{}",
                        metric::bare(metric, f.low, self.w),
                        metric::bare(metric, f.high, self.w)
                    )
                });
                let value = f.map_or(self.w.get("score.void").to_owned(), |f| printed(*t, f));
                vec![heading.clone(), self.marked(*t), value, interval]
            }));
            Group { heading, bars, limit: limit(in_flight) }
        };
        let groups = flights(self.run).into_iter().map(group).collect();
        let head = ["table.place", "table.transport", "table.value", "table.interval"];
        (groups, Table { head: head.map(|key| self.w.get(key).to_owned()).to_vec(), rows })
    }

    /// Deliveries a second.
    pub(super) fn throughput(&self) -> Option<Chart> {
        let (groups, table) = self.by_flight(Metric::DeliveriesPerSecond, |_| None);
        let title = self.w.get("chart.throughput.title").to_owned();
        (!groups.is_empty()).then(|| Chart {
            svg: bars(&groups, &title, self.w.get("chart.throughput")),
            title,
            caption: self.w.get("chart.throughput").to_owned(),
            table,
            legend: Vec::new(),
        })
    }

    /// Server CPU a delivery, with the raw loop's as a line.
    pub(super) fn cpu(&self) -> Option<Chart> {
        let limit = |joined| {
            let us = raw_cpu_us(self.run, joined)?;
            let text = metric::printed(Metric::CpuUsPerDelivery, us, self.w);
            Some((
                us,
                self.w.fill(
                    if joined == 1 { "raw.one" } else { "raw.joined" },
                    &[("us", &text), ("k", &joined.to_string())],
                ),
            ))
        };
        let (groups, mut table) = self.by_flight(Metric::CpuUsPerDelivery, limit);
        for in_flight in flights(self.run) {
            if let Some((us, name)) = limit(in_flight) {
                let place = self.w.fill("place.flight", &[("k", &in_flight.to_string())]);
                table.rows.push(vec![
                    place,
                    name,
                    metric::printed(Metric::CpuUsPerDelivery, us, self.w),
                    String::new(),
                ]);
            }
        }
        let title = self.w.get("chart.cpu.title").to_owned();
        (!groups.is_empty()).then(|| Chart {
            svg: bars(&groups, &title, self.w.get("chart.cpu")),
            title,
            caption: self.w.get("chart.cpu").to_owned(),
            table,
            legend: Vec::new(),
        })
    }

    /// Memory against idle subscribers, with the line fitted to each transport.
    pub(super) fn memory(&self) -> Option<Chart> {
        let points = |t: Transport| {
            let visits = self.run.memory.iter().filter(move |v| v.transport == t && v.void.is_empty());
            visits
                .flat_map(|v| v.points.iter().map(|p| (f64::from(p.subscribers), p.pss_kib as f64 / 1024.0)))
        };
        let all: Vec<(f64, f64)> = self.transports().flat_map(points).collect();
        let (most, high) = all.iter().fold((0.0_f64, 0.0_f64), |m, p| (m.0.max(p.0), m.1.max(p.1)));
        if all.is_empty() {
            return None;
        }
        let x = Scale::linear(0.0, most);
        let mut drawing = Drawing::new(HEIGHT, x, Scale::linear(0.0, high));
        drawing.y_axis(self.w.get("axis.mib"), |v| self.tick(v));
        let marks: Vec<_> = x.ticks().into_iter().map(|v| (v, self.tick(v))).collect();
        drawing.x_axis(self.w.get("axis.subscribers"), &marks);
        let mut rows = Vec::new();
        let mut caption = self.w.get("chart.memory").to_owned();
        for transport in self.transports() {
            let Some(line) = fit(points(transport)) else { continue };
            drawing
                .line(transport.key(), &[(0.0, line.intercept), (most, line.intercept + line.slope * most)]);
            points(transport).for_each(|p| drawing.point(transport.key(), shape(transport), p.0, p.1));
            let kib = metric::printed(Metric::KibPerConnection, line.slope * 1024.0, self.w);
            let base = self.w.with_unit(line.intercept, self.w.get("unit.mib"));
            let r = self.w.digits(line.r_squared, 4);
            let fitted = [("transport", self.name(transport)), ("slope", kib.clone()), ("r", r)];
            let fitted = fitted.each_ref().map(|(name, text)| (*name, text.as_str()));
            caption.push_str(&self.w.fill("chart.memory.fit", &fitted));
            let kernel = self.kernel_slope(transport).map_or("–".to_owned(), |kib| {
                self.w.with_unit(kib, metric::unit(Metric::KibPerConnection, self.w))
            });
            rows.push(vec![self.marked(transport), kib, base, self.w.digits(line.r_squared, 4), kernel]);
        }
        let head = ["table.transport", "table.slope", "table.base", "table.r_squared", "table.kernel"];
        let title = self.w.get("chart.memory.title").to_owned();
        Some(Chart {
            svg: drawing.finish(&title, &caption),
            title,
            caption,
            table: Table { head: head.map(|key| self.w.get(key).to_owned()).to_vec(), rows },
            legend: self.transports().collect(),
        })
    }

    /// What one more connection adds to the socket buffers of the kernel, of both its ends, KiB; `None` where they were not
    /// read.
    fn kernel_slope(&self, transport: Transport) -> Option<f64> {
        let visits = self.run.memory.iter().filter(|v| v.transport == transport && v.void.is_empty());
        let points = visits.flat_map(|v| &v.points);
        let kernel = points.map(|p| Some((f64::from(p.subscribers), p.kernel_kib? as f64)));
        Some(fit(kernel.collect::<Option<Vec<_>>>()?)?.slope.max(0.0))
    }

    /// Bytes a delivery in the first cell, in parts.
    pub(super) fn bytes(&self) -> Option<Chart> {
        let known: Vec<_> =
            self.transports().filter_map(|t| self.bytes_of(t).map(|parts| (t, parts))).collect();
        let stack = |(t, parts): &(Transport, Vec<(&'static str, f64)>)| Stack {
            class: t.key(),
            shape: shape(*t),
            name: self.name(*t),
            parts: parts.clone(),
            text: metric::printed(Metric::BytesPerDelivery, parts.iter().map(|p| p.1).sum(), self.w),
        };
        let drawn: Vec<Stack> = known.iter().map(stack).collect();
        let part_name = |part: &str| self.w.get(&format!("bytes.{part}")).to_owned();
        let names = known.first()?.1.iter().map(|(part, _)| part_name(part));
        let head = std::iter::once(self.w.get("table.transport").to_owned()).chain(names);
        let row = |(t, parts): &(Transport, Vec<(&'static str, f64)>)| {
            std::iter::once(self.marked(*t)).chain(parts.iter().map(|p| self.w.number(p.1))).collect()
        };
        let title = self.w.get("chart.bytes.title").to_owned();
        let has_headers = known.iter().any(|(_, parts)| parts.iter().any(|(part, _)| *part == "tcp_ip"));
        let headers = if has_headers { "chart.bytes.headers" } else { "chart.bytes.bare" };
        let caption = format!("{} {}", self.w.get("chart.bytes"), self.w.get(headers));
        Some(Chart {
            svg: stacks(&drawn, &title, &caption),
            title,
            caption,
            table: Table { head: head.collect(), rows: known.iter().map(row).collect() },
            legend: Vec::new(),
        })
    }

    /// Parts of the bytes a delivery: style class, which is also the text key, and mean over all valid visits.
    fn bytes_of(&self, transport: Transport) -> Option<Vec<(&'static str, f64)>> {
        let cell = crate::summary::first_cell(self.run);
        let visits = self
            .run
            .latency
            .iter()
            .filter(|v| v.cell == cell && v.transport == transport && v.void.is_empty());
        let (mut sum, mut deliveries) = (Bytes::default(), 0);
        for visit in visits {
            deliveries += visit.deliveries;
            sum.payload += visit.bytes.payload;
            sum.envelope += visit.bytes.envelope;
            sum.framing += visit.bytes.framing;
            sum.head_down += visit.bytes.head_down;
            sum.up += visit.bytes.up;
        }
        let part = |bytes: u64| bytes as f64 / deliveries as f64;
        let headers = header_bytes(self.run, cell, transport).map(|figure| ("tcp_ip", figure.value));
        (deliveries > 0).then(|| {
            let parts = [
                ("payload", part(sum.payload)),
                ("envelope", part(sum.envelope)),
                ("framing", part(sum.framing)),
                ("head_down", part(sum.head_down)),
                ("up", part(sum.up)),
            ];
            parts.into_iter().chain(headers).collect()
        })
    }
}
