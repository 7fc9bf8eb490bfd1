//! `tricast store`: what a store holds, and how it is moved.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use tricast_store::{Checked, CheckedNamespace};

use crate::args::StoreCommand;

/// Carries one of the commands out.
pub(crate) fn store(command: StoreCommand) -> anyhow::Result<()> {
    match command {
        StoreCommand::Check { path } => check(&path),
        StoreCommand::Export { path } => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            let events = tricast_store::export(&path, &mut out)?;
            tell(&format!("{events} events"))
        }
        StoreCommand::Import { path } => {
            let events = tricast_store::import(&path, &mut std::io::stdin().lock())?;
            tell(&format!("{events} events"))
        }
    }
}

/// What is not a part of the export goes to stderr.
fn tell(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{line}").context("stderr")
}

fn check(path: &Path) -> anyhow::Result<()> {
    let Checked { namespaces, damage, segments, bytes } = tricast_store::check(path)?;
    let mut stdout = std::io::stdout().lock();
    for found in &namespaces {
        writeln!(stdout, "{}", line(found))?;
    }
    writeln!(stdout, "{segments} segments, {bytes} bytes")?;
    for part in &damage {
        writeln!(stdout, "{part}")?;
    }
    anyhow::ensure!(damage.is_empty(), "{} is not whole", path.display());
    Ok(())
}

fn line(found: &CheckedNamespace) -> String {
    let CheckedNamespace { namespace, epoch, events, first, last, holes, keys } = found;
    let epoch = epoch.map_or_else(|| "unknown".to_owned(), |epoch| epoch.to_string());
    let holes: Vec<String> = holes.iter().map(|hole| format!("{}-{}", hole.from, hole.to)).collect();
    let holes = if holes.is_empty() { "none".to_owned() } else { holes.join(",") };
    format!("{namespace} epoch={epoch} events={events} first={first} last={last} holes={holes} keys={keys}")
}
