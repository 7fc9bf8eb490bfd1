//! `tricast lab`: measurement runs and their reports.

mod advise;
mod compare;
mod report;
mod run;
mod selftest;

pub(crate) use self::advise::figures;
pub(crate) use self::compare::Regressed;
pub(crate) use self::run::Broken;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tricast_lab::conditions::{Conditions, ProxyOptions};
use tricast_lab::peers::PeersOptions;
use tricast_lab::peers::result::Extent;
use tricast_lab::result::ProxyKind;
use tricast_lab::{Language, RunOptions};

use crate::args::{
    LabBrowserFlags, LabCommand, LabCrowdFlags, LabFlags, LabPeersFlags, LabProxiesFlags, LabProxyFlags,
    LanguageFlag, NEWEST, ProxyFlag,
};

/// The allocator that `main` sets, as the report's environment block shall name it.
const ALLOCATOR: &str = if cfg!(unix) { "jemalloc" } else { "the system's" };

/// Runs one of the laboratory's commands.
pub(crate) fn lab(command: LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Run(flags) => {
            let mut options = options(flags.scenario, &flags.common)?;
            options.target = flags.target;
            options.live = flags.live;
            options.resume = flags.resume.map(|folder| resumed(folder, &options)).transpose()?;
            options.installed = flags.installed;
            run::run(options, flags.common.lang)
        }
        LabCommand::Scenarios => scenarios(),
        LabCommand::Crowd(flags) => crowd(flags),
        LabCommand::Peers(flags) => peers(flags),
        LabCommand::Proxy(flags) => proxy(&flags),
        LabCommand::Proxies(flags) => proxies(flags),
        LabCommand::Browser(flags) => browser(flags),
        LabCommand::Loss(flags) => run::run(options("loss".to_owned(), &flags)?, flags.lang),
        LabCommand::SelfTest => selftest::self_test(),
        LabCommand::Report(flags) => report::report(&flags),
        LabCommand::Compare(flags) => compare::compare(&flags),
        LabCommand::Advise(flags) => advise::advise(&flags),
        LabCommand::Role { name, arguments } => {
            Ok(tricast_lab::role(&name, &arguments, &mut std::io::stdout().lock())?)
        }
    }
}

/// The folder to go on with: the one that was named, or the newest of the scenario.
fn resumed(named: PathBuf, options: &RunOptions) -> anyhow::Result<PathBuf> {
    if named != Path::new(NEWEST) {
        return Ok(named);
    }
    let name = tricast_lab::scenario::load(&options.scenario)?.name;
    let found = tricast_lab::newest(&options.out_root, &name);
    found.with_context(|| format!("--resume: there is no run of `{name}` in {}", options.out_root.display()))
}

fn options(scenario: String, flags: &LabFlags) -> anyhow::Result<RunOptions> {
    let program = std::env::current_exe().context("cannot find the tricast program itself")?;
    let mut options = RunOptions::new(program);
    options.scenario = scenario;
    options.out_root.clone_from(&flags.out);
    options.seed = flags.seed;
    options.quiet = flags.quiet;
    ALLOCATOR.clone_into(&mut options.allocator);
    Ok(options)
}

/// Lists what can be run.
fn scenarios() -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for (name, what) in tricast_lab::scenario::embedded() {
        writeln!(stdout, "{name:<15} {what}")?;
    }
    writeln!(stdout)?;
    for (name, text) in tricast_lab::work::target::EMBEDDED {
        let what = tricast_lab::scenario::first_sentence(text);
        writeln!(stdout, "--target {name:<11} {what}")?;
    }
    Ok(())
}

fn crowd(flags: LabCrowdFlags) -> anyhow::Result<()> {
    let mut options = options(flags.scenario, &flags.common)?;
    options.crowd_time = flags.seconds;
    options.crowd_at_most = flags.at_most;
    run::run(options, flags.common.lang)
}

fn proxies(flags: LabProxiesFlags) -> anyhow::Result<()> {
    let scenario = if flags.quick { "proxies-brief" } else { "proxies" };
    let mut options = options(scenario.to_owned(), &flags.common)?;
    options.installed = flags.installed;
    options.proxies = flags.only.into_iter().map(meant_proxy).collect();
    run::run(options, flags.common.lang)
}

fn browser(flags: LabBrowserFlags) -> anyhow::Result<()> {
    let mut options = options("browser".to_owned(), &flags.common)?;
    options.scripts = flags.scripts;
    run::run(options, flags.common.lang)
}

fn meant_proxy(proxy: ProxyFlag) -> ProxyKind {
    match proxy {
        ProxyFlag::Nginx => ProxyKind::Nginx,
        ProxyFlag::Haproxy => ProxyKind::Haproxy,
        ProxyFlag::Caddy => ProxyKind::Caddy,
    }
}

fn peers(flags: LabPeersFlags) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find the tricast program itself")?;
    let mut options = PeersOptions::new(program);
    if flags.quick {
        options.extent = Extent::quick();
    }
    options.extent.rounds = flags.rounds.unwrap_or(options.extent.rounds);
    if let Some(many) = flags.subscribers {
        options.extent.many = many;
        options.extent.few = options.extent.few.min(many / 2);
    }
    options.only = flags.only;
    options.out_root = flags.out;
    options.into = flags.into;
    options.installed = flags.installed;
    options.quiet = flags.quiet;
    ALLOCATOR.clone_into(&mut options.allocator);
    let done = tricast_lab::peers::compare(options)?;
    report::render(&done.path, flags.lang)
}

/// Serves the fault proxy until ^C.
fn proxy(flags: &LabProxyFlags) -> anyhow::Result<()> {
    let options = ProxyOptions {
        listen: flags.listen,
        upstream: flags.upstream,
        api: flags.api,
        conditions: Conditions::of(&flags.set)?,
        seed: flags.seed,
    };
    Ok(tricast_lab::conditions::serve(&options, |address, api| {
        let mut stdout = std::io::stdout().lock();
        let api = api.map_or_else(String::new, |api| format!(", steered at http://{api}/conditions"));
        // Whoever reads this may have gone; the proxy serves all the same.
        let _gone = writeln!(stdout, "listening on {address}, in front of {}{api}", flags.upstream);
    })?)
}

fn meant(language: LanguageFlag) -> Language {
    match language {
        LanguageFlag::En => Language::English,
        LanguageFlag::Fr => Language::French,
    }
}
