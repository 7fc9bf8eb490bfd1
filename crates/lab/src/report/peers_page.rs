//! The page of a comparison that stands alone, without a run of the three transports round it.

use std::path::{Path, PathBuf};

use askama::Template;

use super::page::{STYLE, environment_facts};
use super::peers::{Section, csv, section};
use super::text::{Language, Words};
use super::write;
use crate::error::{LabError, Result};
use crate::peers::result::Peers;

/// The files of a comparison's report.
#[derive(Debug, Clone)]
pub struct PeersReports {
    /// The page in the language asked for: one self-contained HTML file.
    pub html: PathBuf,
    /// The same in brief.
    pub markdown: PathBuf,
    /// The cells for other tools.
    pub csv: PathBuf,
    /// What the report was made from.
    pub peers: Peers,
}

#[derive(Template)]
#[template(path = "peers.html")]
struct Page<'a> {
    w: Words,
    words: [&'static str; 7],
    style: &'a str,
    stored: &'a Peers,
    peers: Section,
    facts: Vec<(String, String)>,
}

impl Page<'_> {
    fn other(&self) -> Language {
        self.w.0.other()
    }
}

/// Renders the page.
pub(super) fn render(stored: &Peers, language: Language) -> Result<String> {
    let w = Words(language);
    let page = Page {
        w,
        words: [
            w.get("other"),
            w.get("subtitle"),
            w.get("same_host"),
            w.get("synthetic"),
            w.get("partial"),
            w.get("reproduce.title"),
            w.get("reproduce.lead"),
        ],
        style: STYLE,
        stored,
        peers: section(stored, language),
        facts: facts(stored, w),
    };
    page.render().map_err(|e| LabError::Render(e.to_string()))
}

fn facts(stored: &Peers, w: Words) -> Vec<(String, String)> {
    let when = (w.get("fact.started").to_owned(), format!("{} – {}", stored.started, stored.finished));
    std::iter::once(when).chain(environment_facts(&stored.environment, w)).collect()
}

/// The same as Markdown.
pub(super) fn markdown(stored: &Peers, language: Language) -> String {
    let w = Words(language);
    let warning = if stored.synthetic { format!("**{}**\n\n", w.get("synthetic")) } else { String::new() };
    let facts: String = facts(stored, w).iter().map(|(name, value)| format!("- {name}: {value}\n")).collect();
    let section = section(stored, language).markdown();
    format!("{warning}{section}\n## {}\n\n{facts}", w.get("reproduce.title"))
}

/// Writes the report of a comparison into its folder, in both languages.
///
/// # Errors
/// A folder without a readable `peers.json`, or one that cannot be written to.
pub fn peers_report(folder: &Path, language: Language) -> Result<PeersReports> {
    let peers = Peers::read(folder)?;
    for one in Language::ALL {
        write(folder, &one.file("html"), &render(&peers, one)?)?;
        write(folder, &one.file("md"), &markdown(&peers, one))?;
    }
    let csv = write(folder, "peers.csv", &csv(&peers))?;
    Ok(PeersReports {
        html: folder.join(language.file("html")),
        markdown: folder.join(language.file("md")),
        csv,
        peers,
    })
}
