//! The report: files rendered from a stored run, in English and French. Nothing here measures anything.

mod aside;
mod charts;
mod factors;
mod files;
mod load_charts;
mod loss;
mod markdown;
pub(crate) mod metric;
mod micro;
mod page;
mod part;
mod peers;
mod peers_page;
mod proxies;
mod quote;
mod resilience;
mod scale;
mod scale_charts;
mod scorecard;
mod section;
mod svg;
mod tables;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod verdict;
mod void;
mod workloads;

pub use self::aside::{changes_markdown, changes_page, merge};
pub use self::markdown::table;
pub(crate) use self::page::{PROGRESS, REFRESH_S, live_page};
pub use self::peers_page::{PeersReports, peers_report};
pub use self::quote::quote;
pub use self::terminal::{peers_scorecard, scorecard};
pub use self::text::Language;
pub(crate) use self::text::Words;

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::peers::result::Peers;
use crate::result::{Run, write_whole};
use crate::summary::merged;

/// The files of a report.
#[derive(Debug, Clone)]
pub struct Reports {
    /// The page in the language asked for: one self-contained HTML file.
    pub html: PathBuf,
    /// The same in brief.
    pub markdown: PathBuf,
    /// The figures for other tools.
    pub csv: PathBuf,
    /// What the report was made from.
    pub run: Run,
}

/// Writes the report of a run into its folder: the page and its short form in both languages, which link to each
/// other, the drawings as files for the short form, the figures and visits as CSV, and the percentile distributions. Where the folder holds a comparison with other
/// servers as well, the page has a section on it.
///
/// # Errors
/// A folder without a readable `run.json`, or one that cannot be written to.
pub fn report(folder: &Path, language: Language) -> Result<Reports> {
    let run = Run::read(folder)?;
    let compared = folder.join(crate::peers::result::FILE).exists();
    let compared = compared.then(|| Peers::read(folder)).transpose()?;
    for one in Language::ALL {
        let section = compared.as_ref().map(|compared| peers::section(compared, one));
        let more = section.as_ref().map(peers::Section::markdown).unwrap_or_default();
        let brief = markdown::report(&run, section.as_ref(), one);
        write(folder, &one.file("html"), &page::render(&run, section, one)?)?;
        let drawings = files::drawings(&run, Words(one));
        for drawn in &drawings {
            write(folder, &drawn.name, &drawn.svg)?;
        }
        let shown = files::markdown(&drawings, Words(one));
        write(folder, &one.file("md"), &format!("{brief}{more}{shown}"))?;
    }
    if let Some(compared) = &compared {
        write(folder, "peers.csv", &peers::csv(compared))?;
    }
    let csv = write(folder, "figures.csv", &tables::figures(&run))?;
    write(folder, "visits.csv", &tables::visits(&run))?;
    for cell in &run.scenario.cells {
        for transport in &run.scenario.transports {
            if let Some(latency) = merged(&run, &cell.name, *transport) {
                write(folder, &tables::hgrm_name(&cell.name, *transport), &tables::hgrm(&latency))?;
            }
        }
    }
    Ok(Reports {
        html: folder.join(language.file("html")),
        markdown: folder.join(language.file("md")),
        csv,
        run,
    })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    write_whole(&path, text)?;
    Ok(path)
}
