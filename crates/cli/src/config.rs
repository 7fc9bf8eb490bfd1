//! `tricast config`, and how every command that runs a server comes by its settings.

use std::fmt;
use std::io::Write;

use tricast_server::{Settings, SettingsSource};

use crate::args::{ConfigCommand, ServeFlags};

/// What every variable starts with that is a setting.
const PREFIX: &str = "TRICAST_";

/// Everything that is wrong with the configuration, at once.
#[derive(Debug)]
pub(crate) struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        writeln!(f, "tricast: {} {plural} in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|mistake| writeln!(f, "  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

/// Prints what is meant.
pub(crate) fn config(command: ConfigCommand) -> anyhow::Result<()> {
    let ConfigCommand::Check(flags) = command;
    let settings = settings(flags)?;
    let mut stdout = std::io::stdout().lock();
    for (key, value) in &settings.rows {
        writeln!(stdout, "{key} = {value}")?;
    }
    Ok(())
}

/// The settings of file, environment and flags.
pub(crate) fn settings(flags: ServeFlags) -> Result<Settings, Mistakes> {
    let source = SettingsSource { file: flags.config.clone(), env: environment(), flags: given(flags) };
    Settings::load(&source).map_err(|mistakes| Mistakes(mistakes.iter().map(ToString::to_string).collect()))
}

/// This is the one place in the process that reads the environment for settings.
fn environment() -> Vec<(String, String)> {
    let ours = std::env::vars_os().filter_map(|(key, value)| {
        let key = key.into_string().ok().filter(|key| key.starts_with(PREFIX))?;
        Some((key, value.to_string_lossy().into_owned()))
    });
    ours.collect()
}

fn given(flags: ServeFlags) -> Vec<(String, String)> {
    let insecure = flags.insecure.then(|| "true".to_owned());
    let named =
        [("server.listen", flags.listen), ("server.workers", flags.workers), ("server.insecure", insecure)];
    let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    flags.set.into_iter().chain(named).collect()
}
