//! `tricast completions`: a script for the shell, from the same table as `--help`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;

/// Writes the shell's completion script to stdout.
#[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    clap_complete::generate(shell, &mut Cli::command(), "tricast", &mut std::io::stdout().lock());
    Ok(())
}
