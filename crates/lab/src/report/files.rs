//! The drawings as files of their own, for the Markdown, which cannot hold them.

use super::charts::{Chart, Charts};
use super::page::{STYLE, throughput};
use super::part::parts;
use super::scale;
use super::svg::escape;
use super::text::Words;
use crate::result::Run;

/// A drawing that stands alone.
pub(super) struct Drawn {
    /// The file's name.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) caption: String,
    /// The file.
    pub(super) svg: String,
}

/// All drawings of a run, in the order of the page, each with the page's style in it.
pub(super) fn drawings(run: &Run, w: Words) -> Vec<Drawn> {
    let charts = Charts { run, w };
    let mut all: Vec<Chart> = charts.percentiles();
    all.extend(charts.shares().into_iter().chain(charts.corrected()).chain(charts.over_time()));
    all.extend(throughput(&charts));
    all.extend(
        charts.cpu().into_iter().chain(charts.both_sides()).chain(charts.memory()).chain(charts.bytes()),
    );
    all.extend(scale::section(run, w).into_iter().flat_map(|section| section.charts));
    all.extend(parts(run, w).into_iter().flat_map(|part| part.section.charts));
    all.into_iter().enumerate().map(|(index, chart)| drawn(index, chart, w)).collect()
}

fn drawn(index: usize, chart: Chart, w: Words) -> Drawn {
    // The page's style has what colours the classes; a background makes the drawing readable on any page.
    let style = format!("<style>{}\nsvg {{ background: var(--card); }}</style>", escape_style(STYLE));
    let svg = chart.svg.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    let svg = svg.replacen("<title>", &format!("{style}<title>"), 1);
    Drawn {
        name: format!("chart-{}-{}.svg", w.0.tag(), index + 1),
        title: chart.title,
        caption: chart.caption,
        svg,
    }
}

/// A style inside XML: its child selectors are not markup.
fn escape_style(style: &str) -> String {
    escape(style).replace("&quot;", "\"")
}

/// The Markdown that shows the drawings.
pub(super) fn markdown(drawings: &[Drawn], w: Words) -> String {
    let one = |drawn: &Drawn| {
        let title = drawn.title.replace(['[', ']'], "");
        format!("![{title}]({})\n\n{}\n\n", drawn.name, drawn.caption)
    };
    format!("\n## {}\n\n{}", w.get("charts.title"), drawings.iter().map(one).collect::<String>())
}
