//! `tricast serve`: the server alone.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tricast_server::{Server, Settings};

use crate::args::ServeFlags;
use crate::config::settings;
use crate::descriptors;

/// Binds, says where, and serves until it is told to stop.
pub(crate) fn serve(flags: ServeFlags) -> anyhow::Result<()> {
    if flags.with_parent {
        end_with_parent()?;
    }
    let mut settings = settings(flags)?;
    log_to_stderr(&settings)?;
    descriptors::raise_limit(&mut settings);
    tricast_server::block_on(async {
        let listen = settings.listen;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let server = Server::bind(settings, None).with_context(|| format!("cannot serve on {listen}"))?;
        announce(scheme, server.local_addr())?;
        Ok(server.run().await?)
    })
}

/// Lets the kernel end this process when its parent ends, where the kernel can.
fn end_with_parent() -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .context("--with-parent")?;
    Ok(())
}

/// The one line that a program which starts a server waits for.
fn announce(scheme: &str, address: SocketAddr) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening {scheme}://{address}")?;
    stdout.flush()
}

/// Sends the log to stderr, so that stdout holds what was asked for and nothing else.
pub(crate) fn log_to_stderr(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_level).context("log.level")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let set = if settings.log_is_json { subscriber.json().try_init() } else { subscriber.try_init() };
    set.map_err(anyhow::Error::from_boxed).context("the log")
}
