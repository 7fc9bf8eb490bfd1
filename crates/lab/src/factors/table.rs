//! The factors and a browser's streams as Markdown tables, for `docs/proxies.md`.

use std::fmt::Write as _;

use super::summary::rows;
use crate::result::{BrowserResults, Carriage, FactorResults, Transport};

/// The factors as a table in English.
pub fn carriages(results: &FactorResults) -> String {
    let mut out = "\
| transport | over | connections | CPU a delivery | p50 / p99 | bytes a delivery (beside the event) | memory a stream | CPU to open a stream |
| --- | --- | --- | --- | --- | --- | --- | --- |
"
    .to_owned();
    for row in rows(results) {
        let number = |value: Option<f64>, digits: usize, unit: &str| {
            value.map_or_else(|| "void".to_owned(), |value| format!("{value:.digits$}{unit}"))
        };
        let ms = |value: Option<f64>| number(value.map(|us| us / 1e3), 2, "");
        let columns = [
            transport(row.transport).to_owned(),
            carriage(row.transport, row.carriage).to_owned(),
            number(row.connections, 0, ""),
            number(row.cpu_us, 1, " µs"),
            format!("{} / {} ms", ms(row.p50_us), ms(row.p99_us)),
            format!("{} ({})", number(row.bytes, 0, ""), number(row.overhead_bytes, 0, "")),
            number(row.kib_a_stream, 1, " KiB"),
            number(row.opening_cpu_us, 0, " µs"),
        ];
        let _written = writeln!(out, "| {} |", columns.join(" | "));
    }
    out
}

/// A browser's streams as a table in English.
pub fn browser_streams(results: &BrowserResults) -> String {
    let mut out = format!(
        "| {} | over | stood, of those asked for | another request meanwhile | stood after one was closed |\n| --- | --- | --- | --- | --- |\n",
        results.browser
    );
    for one in &results.tries {
        let answered = if one.request_answered { "answered" } else { "**waits**" };
        let all = if one.stood < one.asked { "**" } else { "" };
        let _written = writeln!(
            out,
            "| {} | {} | {all}{} of {}{all} | {answered} | {} |",
            transport(one.transport),
            carriage(one.transport, one.carriage),
            one.stood,
            one.asked,
            one.stood_after_one_closed
        );
    }
    out
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Poll => "long polling",
        Transport::Sse => "SSE",
        Transport::Websocket => "WebSocket",
    }
}

fn carriage(transport: Transport, carriage: Carriage) -> &'static str {
    match (transport, carriage) {
        (Transport::Websocket, Carriage::H1Plain) => "ws:",
        (Transport::Websocket, _) => "wss:",
        (_, Carriage::H1Plain) => "HTTP/1.1",
        (_, Carriage::H1Tls) => "HTTP/1.1, TLS",
        (_, Carriage::H2Tls) => "HTTP/2, TLS",
    }
}
