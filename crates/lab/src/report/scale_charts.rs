//! The drawings of the section on scale: server CPU an event over each axis with its fitted line, and memory over the
//! time of a soak.

use super::charts::{Chart, Table};
use super::scale::drift_in_words;
use super::svg::{Drawing, Scale, Shape};
use super::text::Words;
use crate::result::{Axis, SoakVisit};
use crate::summary::{Drift, Line, ScaleFigure, ScalePoint};

const HEIGHT: f64 = 300.0;
/// From here on an axis of microseconds is written in milliseconds.
const UNIT_US: f64 = 10_000.0;
/// The style class of what belongs to no transport.
const CLASS: &str = "all";
/// The style class of a fitted line.
const FITTED: &str = "all fitted";
/// Points along a fitted line, which is bent where an axis is logarithmic.
const BENDS: u32 = 48;

/// Server CPU an event over one axis; `None` where every step is void.
pub(super) fn axis(figure: &ScaleFigure, w: Words) -> Option<Chart> {
    let (first, last) = (figure.points.first()?, figure.points.last()?);
    let most = figure.points.iter().map(|p| p.range.1).fold(0.0, f64::max);
    // The y axis is in milliseconds where microseconds would be too long to write beside it.
    let (unit, name) = if most < UNIT_US { (1.0, "axis.cpu_event") } else { (1000.0, "axis.cpu_event_ms") };
    let high = most / unit;
    let low = figure.points.iter().map(|p| p.range.0 / unit).fold(f64::INFINITY, f64::min);
    let (from, to) = (place(figure.axis, first), place(figure.axis, last));
    let (x, y) = match figure.axis {
        Axis::Subscribers => (Scale::linear(0.0, to), Scale::linear(0.0, high)),
        Axis::RoomsInTurn => (Scale::log(to, from), Scale::log(low, high)),
        Axis::Rooms | Axis::Namespaces | Axis::History => (Scale::log(from, to), Scale::linear(0.0, high)),
    };
    let mut drawing = Drawing::new(HEIGHT, x, y);
    drawing.y_axis(w.get(name), |v| tick(v, w));
    drawing.x_axis(w.get(x_name(figure.axis)), &marks(figure, x, w));
    if let Some(line) = figure.line {
        drawing.line(FITTED, &fitted(figure.axis, line, (from.min(to), from.max(to)), unit));
    }
    for point in &figure.points {
        let at = place(figure.axis, point);
        drawing.line("all range", &[(at, point.range.0 / unit), (at, point.range.1 / unit)]);
        drawing.point(CLASS, Shape::Disc, at, point.event_us / unit);
    }
    let title = w.get(title(figure.axis)).to_owned();
    let caption = caption(figure, w);
    Some(Chart {
        svg: drawing.finish(&title, &caption),
        title,
        caption,
        table: table(figure, w),
        legend: Vec::new(),
    })
}

/// Where a point is drawn.
fn place(axis: Axis, point: &ScalePoint) -> f64 {
    if axis == Axis::RoomsInTurn { point.audience.max(1.0) } else { f64::from(point.at.max(1)) }
}

/// The line as it looks on the drawing's axes.
fn fitted(axis: Axis, line: Line, (from, to): (f64, f64), unit: f64) -> Vec<(f64, f64)> {
    let at = |share: f64| if axis == Axis::Subscribers { to * share } else { from * (to / from).powf(share) };
    let along = |n: u32| {
        let x = at(f64::from(n) / f64::from(BENDS));
        (x, (line.intercept + line.slope * ScaleFigure::x(axis, x.round() as u32, x)) / unit)
    };
    (0..=BENDS).map(along).collect()
}

fn marks(figure: &ScaleFigure, x: Scale, w: Words) -> Vec<(f64, String)> {
    match figure.axis {
        Axis::Subscribers | Axis::RoomsInTurn => x.ticks().into_iter().map(|v| (v, tick(v, w))).collect(),
        _ => figure.points.iter().map(|p| (place(figure.axis, p), w.digits(f64::from(p.at), 0))).collect(),
    }
}

/// A value on an axis: as few digits as it needs, since axis values are round.
fn tick(value: f64, w: Words) -> String {
    let whole = |digits: &i32| {
        let scaled = value * 10_f64.powi(*digits);
        (scaled - scaled.round()).abs() < 1e-6
    };
    w.digits(value, (0..4).find(whole).unwrap_or(4) as usize)
}

fn title(axis: Axis) -> &'static str {
    match axis {
        Axis::Subscribers => "scale.subscribers.title",
        Axis::Rooms => "scale.rooms.title",
        Axis::RoomsInTurn => "scale.in_turn.title",
        Axis::Namespaces => "scale.namespaces.title",
        Axis::History => "scale.history.title",
    }
}

fn x_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Subscribers => "axis.crowd",
        Axis::Rooms => "axis.rooms",
        Axis::RoomsInTurn => "axis.audience",
        Axis::Namespaces => "axis.namespaces",
        Axis::History => "axis.history",
    }
}

/// What the line says: a slope where the cost is to follow, a factor where it is to stay.
fn caption(figure: &ScaleFigure, w: Words) -> String {
    let us = |value: f64| w.with_unit(value, w.get("unit.us"));
    let none = || "–".to_owned();
    let key = match figure.axis {
        Axis::Subscribers => "scale.subscribers",
        Axis::RoomsInTurn => "scale.in_turn",
        Axis::Rooms => "scale.rooms",
        Axis::Namespaces => "scale.namespaces",
        Axis::History => "scale.history",
    };
    let mut text = w.fill(
        key,
        &[
            ("slope", &figure.line.map_or_else(none, |line| us(line.slope))),
            ("base", &figure.line.map_or_else(none, |line| us(line.intercept))),
            ("r", &figure.line.map_or_else(none, |line| w.digits(line.r_squared, 4))),
            ("growth", &figure.growth().map_or_else(none, |growth| w.digits(growth, 2))),
        ],
    );
    for (at, why) in &figure.void {
        text.push_str(&w.fill("scale.step_void", &[("at", &w.digits(f64::from(*at), 0)), ("why", why)]));
    }
    text
}

fn table(figure: &ScaleFigure, w: Words) -> Table {
    let size = if figure.axis == Axis::RoomsInTurn { "axis.rooms" } else { x_name(figure.axis) };
    let head =
        [size, "axis.audience", "scale.event_us", "scale.range_us", "scale.delivery_us", "scale.visits"];
    let row = |point: &ScalePoint| {
        vec![
            w.digits(f64::from(point.at), 0),
            w.digits(point.audience, 0),
            w.number(point.event_us),
            format!("{}–{}", w.number(point.range.0), w.number(point.range.1)),
            w.number(point.event_us / point.audience),
            w.digits(point.visits as f64, 0),
        ]
    };
    let rows = figure.points.iter().map(row).collect();
    Table { head: head.map(|key| w.get(key).to_owned()).to_vec(), rows }
}

/// Memory over the time of a soak.
pub(super) fn soak(visit: &SoakVisit, drift: Drift, w: Words) -> Option<Chart> {
    let mib = |kib: f64| kib / 1024.0;
    let high = visit.samples.iter().map(|s| s.pss_kib).max()? as f64;
    let minutes = visit.samples.last()?.at_s / 60.0;
    let x = Scale::linear(0.0, minutes);
    let mut drawing = Drawing::new(HEIGHT, x, Scale::linear(0.0, mib(high)));
    drawing.y_axis(w.get("axis.mib"), |v| tick(v, w));
    drawing
        .x_axis(w.get("axis.minutes"), &x.ticks().into_iter().map(|v| (v, tick(v, w))).collect::<Vec<_>>());
    let points: Vec<_> = visit.samples.iter().map(|s| (s.at_s / 60.0, mib(s.pss_kib as f64))).collect();
    drawing.line(CLASS, &points);
    let settle = visit.settle_s.min(visit.wall_s / 2.0) / 60.0;
    let end = drift.base_kib + drift.slope * (minutes - settle);
    drawing.line(FITTED, &[(settle, mib(drift.base_kib)), (minutes, mib(end))]);
    let title = w.get("scale.soak.title").to_owned();
    let caption = format!("{}{}", w.get("scale.soak.caption"), drift_in_words(drift, w));
    let head = ["axis.minutes", "axis.mib"].map(|key| w.get(key).to_owned()).to_vec();
    let step = visit.samples.len().div_ceil(30).max(1);
    let rows = points.iter().step_by(step).map(|(at, mib)| vec![w.digits(*at, 2), w.number(*mib)]).collect();
    Some(Chart {
        svg: drawing.finish(&title, &caption),
        title,
        caption,
        table: Table { head, rows },
        legend: Vec::new(),
    })
}
