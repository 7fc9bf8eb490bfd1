//! How a metric is written: its unit, and the factor from the stored unit to the printed one.

use super::svg::Shape;
use super::text::{THIN, Words};
use crate::result::Transport;
use crate::scenario::Metric;

/// The factor from a stored value to the printed one: microseconds of latency become milliseconds.
pub(crate) fn factor(metric: Metric) -> f64 {
    match metric {
        Metric::P50Us
        | Metric::P99Us
        | Metric::P999Us
        | Metric::MaxUs
        | Metric::ReconnectP99Us
        | Metric::CatchUpP99Us
        | Metric::SilenceUs => 1e-3,
        _ => 1.0,
    }
}

/// The unit behind a printed value.
pub(crate) fn unit(metric: Metric, w: Words) -> &'static str {
    match metric {
        Metric::P50Us
        | Metric::P99Us
        | Metric::P999Us
        | Metric::MaxUs
        | Metric::ReconnectP99Us
        | Metric::CatchUpP99Us
        | Metric::SilenceUs => w.get("unit.ms"),
        Metric::CpuUsPerDelivery => w.get("unit.us"),
        Metric::KibPerConnection => w.get("unit.kib"),
        Metric::BytesPerDelivery => w.get("unit.bytes"),
        Metric::DeliveriesPerSecond => w.get("unit.per_second"),
        Metric::RawRatio | Metric::Lost | Metric::Duplicated | Metric::ToldLost => "",
    }
}

/// A stored value as printed, without its unit.
pub(crate) fn bare(metric: Metric, value: f64, w: Words) -> String {
    match metric {
        Metric::Lost | Metric::Duplicated | Metric::ToldLost => w.digits(value, 0),
        Metric::RawRatio => w.digits(value, 2),
        _ => w.number(value * factor(metric)),
    }
}

/// A stored value as printed.
pub(crate) fn printed(metric: Metric, value: f64, w: Words) -> String {
    let (bare, unit) = (bare(metric, value, w), unit(metric, w));
    if unit.is_empty() { bare } else { format!("{bare}{THIN}{unit}") }
}

/// The metric's name.
pub(crate) fn name(metric: Metric, w: Words) -> String {
    w.get(&format!("metric.{}", metric.key())).to_owned()
}

/// The transport's name.
pub(crate) fn transport(transport: Transport, w: Words) -> &'static str {
    match transport {
        Transport::Poll => w.get("transport.poll"),
        Transport::Sse => w.get("transport.sse"),
        Transport::Websocket => w.get("transport.websocket"),
    }
}

/// The transport's mark in a drawing.
pub(super) fn shape(transport: Transport) -> Shape {
    match transport {
        Transport::Poll => Shape::Triangle,
        Transport::Sse => Shape::Square,
        Transport::Websocket => Shape::Disc,
    }
}

/// The transport's mark in text.
pub(crate) fn mark(transport: Transport) -> &'static str {
    match transport {
        Transport::Poll => "▲",
        Transport::Sse => "■",
        Transport::Websocket => "●",
    }
}
