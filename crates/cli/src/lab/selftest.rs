//! `tricast lab self-test`: what was injected, and what was reported.

use std::io::Write;

use anyhow::Context;
use tricast_lab::selftest::{
    CPU_LEAST_PERCENT, CPU_MOST_PERCENT, Finding, SelfTestOptions, self_test as hold,
};

/// Shows each finding as it is made, and fails unless every one is exact.
pub(super) fn self_test() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find the tricast program itself")?;
    let log = std::env::temp_dir().join(format!("tricast-self-test-{}.log", std::process::id()));
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "Counts and bytes have to be exact; times within 0.1 % and the band, which is the 99.9th percentile without any fault; \
         CPU time within {CPU_LEAST_PERCENT} to {CPU_MOST_PERCENT} % of what was burnt.\n"
    )?;
    let findings = hold(&SelfTestOptions { program, log: log.clone() }, |finding| {
        // Whoever reads this may have gone; the exit code says it all the same.
        let _gone = show(&mut stdout, finding);
    })?;
    let wrong = findings.iter().filter(|finding| !finding.wrong.is_empty()).count();
    anyhow::ensure!(
        wrong == 0,
        "{wrong} of {} faults were not reported exactly; the server's log is {}",
        findings.len(),
        log.display()
    );
    let _gone = std::fs::remove_file(&log);
    writeln!(stdout, "\nall {} were reported exactly", findings.len())?;
    Ok(())
}

fn show(out: &mut impl Write, finding: &Finding) -> std::io::Result<()> {
    let verdict = if finding.wrong.is_empty() { "ok" } else { "WRONG" };
    let Finding { engine, transport, case, injected, reported, wrong, tries } = finding;
    let again = if *tries > 1 { format!(" (made {tries} times)") } else { String::new() };
    writeln!(
        out,
        "{verdict:<6}{:<10}{:<10} {case:<14} {injected:<29} -> {reported}{again}",
        engine.key(),
        transport.key()
    )?;
    wrong.iter().try_for_each(|wrong| writeln!(out, "      {wrong}"))
}
