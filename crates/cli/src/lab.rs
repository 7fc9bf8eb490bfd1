//! `tricast lab`: measurement runs and their reports.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use tricast_lab::RunOptions;

use crate::args::{LabCommand, LabRunFlags};

/// The allocator that `main` sets, as the report's environment block shall name it.
const ALLOCATOR: &str = if cfg!(unix) { "jemalloc" } else { "the system's" };

/// Runs one of the laboratory's commands.
pub(crate) fn lab(command: LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Run(flags) => run(flags),
        LabCommand::Report(flags) => render(&flags.run),
        LabCommand::Role { name, arguments } => {
            Ok(tricast_lab::role(&name, &arguments, &mut std::io::stdout().lock())?)
        }
    }
}

fn run(flags: LabRunFlags) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find the tricast program itself")?;
    let mut options = RunOptions::new(program);
    options.scenario = flags.scenario;
    options.out_root = flags.out;
    options.seed = flags.seed;
    options.quiet = flags.quiet;
    ALLOCATOR.clone_into(&mut options.allocator);
    let done = tricast_lab::run(options)?;
    render(&done.path)
}

fn render(folder: &Path) -> anyhow::Result<()> {
    let reports = tricast_lab::report(folder, tricast_lab::Language::English)?;
    writeln!(std::io::stdout().lock(), "report {}", reports.html.display())?;
    Ok(())
}
