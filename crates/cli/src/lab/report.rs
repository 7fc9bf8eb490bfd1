//! `tricast lab report`: the files of a report, and the figures on the standard output.

use std::io::Write;
use std::path::{Path, PathBuf};

use tricast_lab::peers::result::{FILE as PEERS_FILE, Peers};
use tricast_lab::result::{FILE, Run};
use tricast_lab::{LabError, Language};

use super::{compare, meant};
use crate::args::{LabReportFlags, LanguageFlag};

/// Renders what is asked for.
pub(super) fn report(flags: &LabReportFlags) -> anyhow::Result<()> {
    if let Some(folder) = &flags.merge {
        return compare::merge(&flags.run, folder, flags.lang);
    }
    let [run] = flags.run.as_slice() else {
        anyhow::bail!("several runs make one report with `--merge DIR` only");
    };
    if flags.table { table(run, flags.lang) } else { render(run, flags.lang) }
}

/// Shows the scorecard as a document takes it in.
fn table(run: &Path, language: LanguageFlag) -> anyhow::Result<()> {
    let run = Run::read(run)?;
    write!(std::io::stdout().lock(), "{}", tricast_lab::table(&run, meant(language)))?;
    Ok(())
}

/// The folder of a run, by its own name or by that of the result in it.
fn folder_of(run: &Path) -> anyhow::Result<&Path> {
    if !run.is_file() {
        return Ok(run);
    }
    anyhow::ensure!(
        [FILE, PEERS_FILE].iter().any(|name| run.ends_with(name)),
        "{}: the report goes into a run's folder; name that, or the `{FILE}` in it",
        run.display()
    );
    Ok(run.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))
}

/// Writes the report, and shows the figures and where it is.
pub(super) fn render(run: &Path, language: LanguageFlag) -> anyhow::Result<()> {
    let (folder, language) = (folder_of(run)?, meant(language));
    if !folder.join(FILE).exists() && folder.join(PEERS_FILE).exists() {
        return render_peers(folder, language);
    }
    let scorecard = |run: &Run| tricast_lab::scorecard(run, language);
    match tricast_lab::report(folder, language) {
        Ok(reports) => show(&scorecard(&reports.run), [&reports.html, &reports.markdown, &reports.csv]),
        // The figures are there, though not on a page.
        Err(error) => unwritten(&error, &scorecard(&Run::read(folder)?), folder, FILE),
    }
}

/// The same for a comparison that stands alone.
fn render_peers(folder: &Path, language: Language) -> anyhow::Result<()> {
    let scorecard = |peers: &Peers| tricast_lab::peers_scorecard(peers, language);
    match tricast_lab::peers_report(folder, language) {
        Ok(reports) => show(&scorecard(&reports.peers), [&reports.html, &reports.markdown, &reports.csv]),
        Err(error) => unwritten(&error, &scorecard(&Peers::read(folder)?), folder, PEERS_FILE),
    }
}

fn show(scorecard: &str, files: [&PathBuf; 3]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{scorecard}\n")?;
    for (what, path) in ["report", "text", "figures"].into_iter().zip(files) {
        writeln!(stdout, "{what:<9} {}", path.display())?;
    }
    Ok(())
}

/// Shows the figures all the same, and says how the report can be had.
fn unwritten(error: &LabError, scorecard: &str, folder: &Path, result: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{scorecard}\n")?;
    let room = if error.is_full() { "make room, and " } else { "" };
    let (result, folder) = (folder.join(result), folder.display());
    anyhow::bail!(
        "{error}; the figures are kept in {}: {room}write the report with `tricast lab report {folder}`",
        result.display()
    )
}
