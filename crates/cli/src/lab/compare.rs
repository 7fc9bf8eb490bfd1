//! `tricast lab compare`, and the report of several machines.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tricast_lab::compare::{Changes, changes, changes_in_words};
use tricast_lab::result::Run;
use tricast_lab::{changes_markdown, changes_page};

use super::meant;
use crate::args::{ChangesFormat, LabCompareFlags, LanguageFlag};

/// Something regressed or is gone, or nothing could be compared. It has been said; the exit code says it once more.
#[derive(Debug)]
pub(crate) struct Regressed;

impl std::fmt::Display for Regressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("something regressed")
    }
}

impl std::error::Error for Regressed {}

/// Tells what changed between two runs.
pub(super) fn compare(flags: &LabCompareFlags) -> anyhow::Result<()> {
    let found = changes(&Run::read(&flags.before)?, &Run::read(&flags.after)?);
    let text = told(&found, flags)?;
    match &flags.out {
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        None => write!(std::io::stdout().lock(), "{text}")?,
    }
    if found.alarms() && !flags.no_fail { Err(Regressed.into()) } else { Ok(()) }
}

fn told(found: &Changes, flags: &LabCompareFlags) -> anyhow::Result<String> {
    let language = meant(flags.lang);
    Ok(match flags.format {
        ChangesFormat::Text => changes_in_words(found, language).to_string(),
        ChangesFormat::Markdown => changes_markdown(found, language),
        ChangesFormat::Json => serde_json::to_string_pretty(found)? + "\n",
        ChangesFormat::Html => changes_page(found, language)?,
    })
}

/// Writes the report of several machines, and says where it is.
pub(super) fn merge(runs: &[PathBuf], folder: &Path, language: LanguageFlag) -> anyhow::Result<()> {
    let read: tricast_lab::Result<Vec<Run>> = runs.iter().map(|run| Run::read(run)).collect();
    let page = tricast_lab::merge(&read?, folder, meant(language))?;
    writeln!(std::io::stdout().lock(), "report    {}", page.display())?;
    Ok(())
}
