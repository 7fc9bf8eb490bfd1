//! The sections that are there only where something was measured for them, in their order and under their headings.

use super::section::Section;
use super::text::Words;
use super::{factors, loss, micro, proxies, resilience, workloads};
use crate::result::Run;

/// A section with its place in the page.
pub(super) struct Part {
    /// The anchor, and the first word of its text keys.
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) lead: String,
    pub(super) section: Section,
}

/// A part's renderer: `None` where the run has nothing for it.
type Render = fn(&Run, Words) -> Option<Section>;

/// All parts that the run has something for, in the order of the page.
pub(super) fn parts(run: &Run, w: Words) -> Vec<Part> {
    let all: [(&'static str, Render); 6] = [
        ("workloads", workloads::section),
        ("resilience", resilience::section),
        ("proxies", proxies::section),
        ("factors", factors::section),
        ("loss", loss::section),
        ("micro", micro::section),
    ];
    let part = |(id, render): (&'static str, Render)| {
        Some(Part {
            id,
            title: w.get(&format!("{id}.title")).to_owned(),
            lead: w.get(&format!("{id}.lead")).to_owned(),
            section: render(run, w)?,
        })
    };
    all.into_iter().filter_map(part).collect()
}
