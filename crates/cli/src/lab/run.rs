//! `tricast lab run`, and the commands that run a scenario of their own.

use anyhow::bail;
use tricast_lab::RunOptions;

use super::report;
use crate::args::LanguageFlag;

/// Claims of the scenario that do not hold, by their number. The report has been written by then.
#[derive(Debug)]
pub(crate) struct Broken(usize);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("one claim of the scenario does not hold"),
            count => write!(f, "{count} claims of the scenario do not hold"),
        }
    }
}

impl std::error::Error for Broken {}

/// Runs a scenario and writes its report. A run without a figure, and claims that do not hold, are errors.
pub(super) fn run(options: RunOptions, language: LanguageFlag) -> anyhow::Result<()> {
    let done = tricast_lab::run(options)?;
    if let Some(why) = done.nothing() {
        bail!("nothing was measured: {why}; its folder is {}", done.path.display());
    }
    report::render(&done.path, language)?;
    match done.broken_claims() {
        0 => Ok(()),
        count => Err(Broken(count).into()),
    }
}
