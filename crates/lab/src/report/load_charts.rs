//! The drawings of sweeps, of what the schedule hides, and of who pays the CPU.

use super::charts::{Chart, Charts, Table, tick};
use super::metric::{self, mark, shape};
use super::resilience::ecdf;
use super::scorecard::{bound, named_cell};
use super::svg::{Drawing, Scale, Stack, stacks};
use crate::result::{Latency, SweepAxis, Transport};
use crate::scenario::Metric;
use crate::summary::{
    SweepFigure, SweepPoint, client_cpu, first_cell, merged, merged_since_sent, open_cpu, sweeps,
};

const HEIGHT: f64 = 300.0;
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// A transport's latencies from the intended time, and from the actual one.
type Both = (Transport, Latency, Latency);

/// What a sweep's drawing shows of a point.
type Pick = fn(&SweepPoint) -> Option<f64>;

/// One of the drawings of a sweep.
struct View {
    key: &'static str,
    x_name: &'static str,
    y_name: &'static str,
    x: Pick,
    y: Pick,
}

impl Charts<'_> {
    /// The shares of deliveries of the first cell by their latency.
    pub(super) fn shares(&self) -> Option<Chart> {
        let cell = first_cell(self.run);
        let known = self.transports().filter_map(|t| Some((t, merged(self.run, cell, t)?)));
        let title = self.w.get("chart.ecdf.title");
        let caption = format!("{} {}.", self.w.get("chart.ecdf"), named_cell(self.run, cell, self.w));
        ecdf(&known.collect::<Vec<_>>(), title, &caption, self.w.get("axis.latency_ms"), self.w)
    }

    /// Latency from the intended time beside that from the actual one, in the cell where they differ most.
    pub(super) fn corrected(&self) -> Option<Chart> {
        let (cell, known) = self.most_hidden()?;
        let values = || known.iter().flat_map(|(_, one, other)| [one, other]);
        let low = values().map(|l| l.at(0.5)).min()? as f64 / 1000.0;
        let high = values().map(|l| l.at(0.9999)).max()? as f64 / 1000.0;
        let mut drawing = Drawing::new(HEIGHT, Scale::log(1.0, 10_000.0), Scale::log(low, high));
        drawing.y_axis(self.w.get("axis.latency_ms"), |v| tick(v, self.w));
        let names =
            [(2.0, 50.0, 0), (10.0, 90.0, 0), (100.0, 99.0, 0), (1000.0, 99.9, 1), (10_000.0, 99.99, 2)];
        let marks = names.map(|(x, percent, digits)| (x, self.w.digits(percent, digits)));
        drawing.x_axis(self.w.get("axis.percentile"), &marks);
        let at = |latency: &Latency| {
            let place = |x: f64| (x, latency.at(1.0 - 1.0 / x) as f64 / 1000.0);
            (3..=40).map(|n| place(10_f64.powf(f64::from(n) / 10.0))).collect::<Vec<_>>()
        };
        for (transport, intended, sent) in &known {
            drawing.line(transport.key(), &at(intended));
            drawing.line(&format!("sent {}", transport.key()), &at(sent));
        }
        let title = self.w.get("chart.corrected.title").to_owned();
        let caption = format!("{} {}.", self.w.get("chart.corrected"), named_cell(self.run, cell, self.w));
        Some(Chart {
            svg: drawing.finish(&title, &caption),
            title,
            caption,
            table: self.corrected_table(&known),
            legend: known.iter().map(|(t, ..)| *t).collect(),
        })
    }

    /// The cell whose p99 from the actual time is furthest below that from the intended one, with both histograms.
    fn most_hidden(&self) -> Option<(&str, Vec<Both>)> {
        let both = |cell: &str| -> Vec<_> {
            let one = |t| Some((t, merged(self.run, cell, t)?, merged_since_sent(self.run, cell, t)?));
            self.transports().filter_map(one).collect()
        };
        let hidden = |known: &[Both]| {
            let ratio = |(_, i, s): &Both| i.at(0.99) as f64 / s.at(0.99).max(1) as f64;
            known.iter().map(ratio).fold(0.0, f64::max)
        };
        // A network of the laboratory's own delays what it wants: there the publisher is not the question.
        let cells = self.run.scenario.cells.iter().filter(|cell| cell.workload.network.is_none());
        let cells = cells.map(|cell| (cell.name.as_str(), both(&cell.name)));
        let known: Vec<_> = cells.filter(|(_, known)| !known.is_empty()).collect();
        // A cell that only one transport bore compares nothing.
        let most = known.iter().map(|(_, known)| known.len()).max()?;
        let whole = known.into_iter().filter(|(_, known)| known.len() == most);
        whole.max_by(|a, b| hidden(&a.1).total_cmp(&hidden(&b.1)))
    }

    fn corrected_table(&self, known: &[Both]) -> Table {
        let w = self.w;
        let head =
            std::iter::once(w.get("table.transport").to_owned()).chain(QUANTILES.iter().map(|q| {
                format!("{} % ({})", w.digits(q * 100.0, usize::from(*q > 0.99)), w.get("unit.ms"))
            }));
        let row = |name: String, latency: &Latency| {
            let values = QUANTILES.iter().map(|q| w.number(latency.at(*q) as f64 / 1000.0));
            std::iter::once(name).chain(values).collect::<Vec<_>>()
        };
        let rows = known.iter().flat_map(|(t, intended, sent)| {
            let name = |key| format!("{} {}, {}", mark(*t), metric::transport(*t, w), w.get(key));
            [row(name("chart.intended"), intended), row(name("chart.sent"), sent)]
        });
        Table { head: head.collect(), rows: rows.collect() }
    }

    /// Two drawings a sweep: what is delivered over what grows, and latency over the load that is offered.
    pub(super) fn sweeps(&self) -> Vec<Chart> {
        let figures = sweeps(self.run);
        figures.iter().flat_map(|figure| self.sweep(figure)).collect()
    }

    fn sweep(&self, figure: &SweepFigure) -> Vec<Chart> {
        let axis = match figure.axis {
            SweepAxis::Rate => "axis.rate",
            SweepAxis::Subscribers => "axis.clients",
            SweepAxis::Payload => "axis.payload",
        };
        let delivered = View {
            key: "chart.sweep.delivered",
            x_name: axis,
            y_name: "axis.deliveries",
            x: |p| Some(p.at),
            y: |p| p.delivered,
        };
        // Payload does not change how many deliveries are offered, so there latency goes over the payload itself.
        let by_payload = figure.axis == SweepAxis::Payload;
        let latency = View {
            key: "chart.sweep.latency",
            x_name: if by_payload { axis } else { "axis.offered" },
            y_name: "axis.p99_ms",
            x: if by_payload { |p| Some(p.at) } else { |p| Some(p.offered) },
            y: |p| p.p99_us.map(|f| f.value / 1000.0),
        };
        [delivered, latency].iter().filter_map(|view| self.view(figure, view)).collect()
    }

    fn view(&self, figure: &SweepFigure, view: &View) -> Option<Chart> {
        let place = |p: &SweepPoint| Some(((view.x)(p)?, (view.y)(p)?)).filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let all: Vec<(f64, f64)> = figure.series.iter().flat_map(|(_, p)| p).filter_map(place).collect();
        let range = |of: fn(&(f64, f64)) -> f64| {
            all.iter().map(of).fold((f64::MAX, 0.0_f64), |r, v| (r.0.min(v), r.1.max(v)))
        };
        if all.is_empty() {
            return None;
        }
        let (xs, ys) = (range(|p| p.0), range(|p| p.1));
        let (x, y) = (Scale::log(xs.0, xs.1), Scale::log(ys.0, ys.1));
        let mut drawing = Drawing::new(HEIGHT, x, y);
        drawing.y_axis(self.w.get(view.y_name), |v| tick(v, self.w));
        let marks: Vec<_> = x.ticks().into_iter().map(|v| (v, tick(v, self.w))).collect();
        drawing.x_axis(self.w.get(view.x_name), &marks);
        for (transport, points) in &figure.series {
            let places: Vec<_> = points.iter().filter_map(place).collect();
            drawing.line(transport.key(), &places);
            places.iter().for_each(|p| drawing.point(transport.key(), shape(*transport), p.0, p.1));
            if let Some(knee) = figure.knee(*transport).and_then(place) {
                drawing.ring(transport.key(), knee.0, knee.1);
            }
        }
        let title = format!("{} · {}", self.w.get(&format!("{}.title", view.key)), figure.name);
        let caption = format!("{} {}", self.w.get(view.key), self.limits(figure));
        Some(Chart {
            svg: drawing.finish(&title, &caption),
            title,
            caption,
            table: self.sweep_table(figure, view),
            legend: figure.series.iter().map(|(t, _)| *t).collect(),
        })
    }

    /// Where each transport's limit was found, or that it was not reached.
    fn limits(&self, figure: &SweepFigure) -> String {
        let told = figure.series.iter().map(|(t, points)| {
            let last = points.last().map_or(0.0, |p| p.at);
            let void = points.first().is_none_or(|p| p.p99_us.is_none());
            let (key, at) = match figure.knee(*t) {
                Some(knee) if figure.knee_is_loads(*t) => ("chart.sweep.knee_of_load", knee.at),
                Some(knee) => ("chart.sweep.knee", knee.at),
                None if void => ("chart.sweep.void", points.first().map_or(0.0, |p| p.at)),
                None => ("chart.sweep.none", last),
            };
            let values = [("transport", metric::transport(*t, self.w)), ("at", &self.w.digits(at, 0))];
            self.w.fill(key, &values)
        });
        told.collect::<Vec<_>>().join(" ")
    }

    fn sweep_table(&self, figure: &SweepFigure, view: &View) -> Table {
        let w = self.w;
        let heads = [
            w.get("table.transport"),
            w.get(view.x_name),
            w.get("axis.offered"),
            w.get("axis.deliveries"),
            w.get("axis.p99_ms"),
            w.get("table.cpu"),
        ];
        let void = || w.get("score.void").to_owned();
        let row = |t: Transport, p: &SweepPoint| {
            vec![
                format!("{} {}", mark(t), metric::transport(t, w)),
                (view.x)(p).map_or_else(void, |v| w.digits(v, 0)),
                w.digits(p.offered, 0),
                p.delivered
                    .map_or_else(void, |v| bound(Metric::DeliveriesPerSecond, w.digits(v, 0), p.load_bound)),
                p.p99_us
                    .map_or_else(void, |f| bound(Metric::P99Us, w.number(f.value / 1000.0), p.load_bound)),
                p.cpu_us.map_or_else(void, |f| metric::printed(Metric::CpuUsPerDelivery, f.value, w)),
            ]
        };
        let rows = figure.series.iter().flat_map(|(t, points)| points.iter().map(|p| row(*t, p)));
        Table { head: heads.map(str::to_owned).to_vec(), rows: rows.collect() }
    }

    /// CPU a delivery of the first cell: the server's, and that of the load, which stands for all clients.
    pub(super) fn both_sides(&self) -> Option<Chart> {
        let (w, cell) = (self.w, first_cell(self.run));
        let known = self.transports().filter_map(|t| {
            Some((t, open_cpu(self.run, cell, t)?.value, client_cpu(self.run, cell, t)?.value))
        });
        let known: Vec<(Transport, f64, f64)> = known.collect();
        let us = |value: f64| metric::printed(Metric::CpuUsPerDelivery, value, w);
        let stack = |(t, server, client): &(Transport, f64, f64)| Stack {
            class: t.key(),
            shape: shape(*t),
            name: metric::transport(*t, w).to_owned(),
            parts: vec![("payload", *server), ("head_down", *client)],
            text: us(server + client),
        };
        let drawn: Vec<Stack> = known.iter().map(stack).collect();
        let row = |(t, server, client): &(Transport, f64, f64)| {
            vec![format!("{} {}", mark(*t), metric::transport(*t, w)), us(*server), us(*client)]
        };
        let heads = ["table.transport", "table.server", "table.client"];
        let title = w.get("chart.sides.title").to_owned();
        let caption = format!("{} {}.", w.get("chart.sides"), named_cell(self.run, cell, w));
        (!known.is_empty()).then(|| Chart {
            svg: stacks(&drawn, &title, &caption),
            title,
            caption,
            table: super::section::table(&heads, known.iter().map(row).collect(), w),
            legend: Vec::new(),
        })
    }
}
