//! The `tricast` command: the server, the demo, and the tools round them.
//!
//! Each subcommand is one file, and each is thin: it turns flags into one call of a library crate and what comes of
//! it into lines of text. Start reading at [`args`], which is also what `--help` shows.
//!
//! Exit codes: 0 for success, 1 for a failure, 2 for a wrong use of the command, 3 for figures that are not as they should
//! be (a regression that `tricast lab compare` found, a claim of a scenario that does not hold), 78 (`EX_CONFIG`) for a
//! wrong configuration.

mod args;
mod bots;
mod completions;
mod config;
mod demo;
mod descriptors;
mod lab;
mod publish;
mod restart;
mod serve;
mod store;
mod subscribe;
mod version;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

/// jemalloc gives memory back sooner and fragments less than the system's allocator under many short connections.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code of a wrong configuration, from `sysexits.h`.
const EX_CONFIG: u8 = 78;

/// The exit code of figures that are not as they should be: a regression, or a claim of a scenario that does not hold.
const NOT_AS_IT_SHOULD: u8 = 3;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(flags) => serve::serve(flags),
        Command::Demo(flags) => demo::demo(flags),
        Command::DemoBots { url } => block_on(bots::bots(url)),
        Command::Subscribe(flags) => block_on(subscribe::subscribe(flags)),
        Command::Publish(flags) => block_on(publish::publish(flags)),
        Command::Lab { command } => lab::lab(command),
        Command::Store { command } => store::store(command),
        Command::Config { command } => config::config(command),
        Command::Completions { shell } => completions::completions(shell),
    }
}

/// Runs a client command on a runtime of one thread: it waits for one socket.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Tells an error on stderr and gives its exit code. A reader that hung up, as `head` does, is no error.
fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    if error.is::<lab::Regressed>() {
        // What regressed has been said by then.
        return ExitCode::from(NOT_AS_IT_SHOULD);
    }
    let mut stderr = std::io::stderr().lock();
    if let Some(mistakes) = error.downcast_ref::<config::Mistakes>() {
        // There is nobody left to tell where stderr cannot be written either.
        let _ = write!(stderr, "{mistakes}");
        return ExitCode::from(EX_CONFIG);
    }
    let _ = writeln!(stderr, "tricast: {error:#}");
    if error.is::<lab::Broken>() { ExitCode::from(NOT_AS_IT_SHOULD) } else { ExitCode::FAILURE }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
