//! The matrix as a Markdown table, for `docs/proxies.md`.

use std::fmt::Write as _;

use crate::result::{Disturbance, Hold, Opening, ProxyAbsence, ProxyCell, ProxyResults, Transport};

const HEAD: &str = "\
| proxy | lines | transport | events | added p50 / p99 | CPU a delivery: proxy, tricast (without) | silence, beats of 15 s | silence, beats of 300 s | reload | restart | of many at once |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";
const NONE: &str = "";

/// The matrix as a table in English, with a line on what was and was not measured.
pub fn matrix(results: &ProxyResults) -> String {
    let mut out = HEAD.to_owned();
    for cell in &results.cells {
        let name = cell.proxy.name();
        let lines = cell.configuration.key();
        row(&mut out, &[name, lines, transport(cell.transport)], cell);
    }
    out.push('\n');
    for record in &results.proxies {
        let name = record.proxy.name();
        let said = match record.absent {
            None => record.version.clone(),
            Some(ProxyAbsence::NotAsked) => format!("{name}: not asked for"),
            Some(ProxyAbsence::NotInstalled) => format!("{name}: not installed"),
            Some(ProxyAbsence::DoesNotStart) => format!("{name}: did not start"),
            Some(ProxyAbsence::Stopped) => format!("{name}: the run was stopped before"),
        };
        let _written = writeln!(out, "- {said}");
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

fn row(out: &mut String, front: &[&str], cell: &ProxyCell) {
    let mut columns: Vec<String> = front.iter().map(|&text| text.to_owned()).collect();
    columns.push(events(cell));
    columns.push(added(cell));
    columns.push(price(cell));
    columns.push(hold(cell.idle_with_beats));
    columns.push(hold(cell.idle_without_beats));
    columns.push(cell.reload.as_ref().map_or_else(String::new, disturbance));
    columns.push(cell.restart.as_ref().map_or_else(String::new, disturbance));
    columns.push(cell.stood.map_or_else(String::new, |stood| format!("{stood} stand")));
    let _written = writeln!(out, "| {} |", columns.join(" | "));
}

fn events(cell: &ProxyCell) -> String {
    match (cell.opening, &cell.flow) {
        (Opening::Refused { status }, _) => format!("**no**: {status}"),
        (Opening::Silent { waited_s }, _) => format!("**no**: nothing in {waited_s:.0} s"),
        (Opening::Ended, _) => "**no**: it ends".to_owned(),
        (Opening::Opened { .. }, None) => "opens; nothing was sent".to_owned(),
        (Opening::Opened { .. }, Some(flow)) => {
            let (median, most) = (flow.added_us_median as f64 / 1e3, flow.added_us_max as f64 / 1e3);
            let when = if cell.holds_back() == Some(true) { "**held back**" } else { "at once" };
            let packed = flow.compressed.as_ref().map_or_else(String::new, |coding| format!(", {coding}"));
            format!(
                "{} of {} {when} (median {median:.1}, at most {most:.1} ms later){packed}",
                flow.received, flow.published
            )
        }
    }
}

fn added(cell: &ProxyCell) -> String {
    match (cell.added_us(0.5), cell.added_us(0.99)) {
        (Some(p50), Some(p99)) => format!("{:.2} / {:.2} ms", p50 / 1e3, p99 / 1e3),
        _ => NONE.to_owned(),
    }
}

fn price(cell: &ProxyCell) -> String {
    cell.price().map_or_else(String::new, |price| {
        format!("{:.1} µs, {:.1} ({:.1})", price.proxy_us, price.server_through_us, price.server_direct_us)
    })
}

fn hold(hold: Hold) -> String {
    match hold {
        Hold::Held { watched_s } => format!("stands {watched_s:.0} s"),
        Hold::Cut { after_s, status: None } => format!("**cut** after {after_s:.0} s"),
        Hold::Cut { after_s, status: Some(status) } => format!("**{status}** after {after_s:.0} s"),
        Hold::Deaf { watched_s } => format!("**deaf** after {watched_s:.0} s"),
        Hold::NotMeasured => NONE.to_owned(),
    }
}

fn disturbance(told: &Disturbance) -> String {
    let lost = if told.lost() == 0 { "none lost".to_owned() } else { format!("**{} lost**", told.lost()) };
    match told.ended_after_s {
        None => format!("stands, {lost}"),
        Some(after_s) => format!("ends after {after_s:.1} s, {lost}, silent {:.0} ms", told.silence_ms),
    }
}
