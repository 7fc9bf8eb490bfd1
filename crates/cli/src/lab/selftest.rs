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
    if let Some(why) = failure(&findings) {
        anyhow::bail!("{why}; the server's log is {}", log.display());
    }
    let _gone = std::fs::remove_file(&log);
    writeln!(stdout, "\nall {} were reported exactly", findings.len())?;
    Ok(())
}

/// What the findings fail by; `None` where every one is exact.
fn failure(findings: &[Finding]) -> Option<String> {
    let wrong: Vec<&Finding> = findings.iter().filter(|finding| !finding.wrong.is_empty()).collect();
    if wrong.is_empty() {
        return None;
    }
    let of_all = format!("{} of {} faults", wrong.len(), findings.len());
    Some(if wrong.iter().all(|finding| finding.busy) {
        format!("{of_all} could not be judged, since the machine is too busy: make the self-test again")
    } else {
        format!("{of_all} were not reported exactly")
    })
}

fn show(out: &mut impl Write, finding: &Finding) -> std::io::Result<()> {
    let verdict = if finding.wrong.is_empty() { "ok" } else { "WRONG" };
    let Finding { engine, transport, case, injected, reported, wrong, tries, busy: _ } = finding;
    let again = if *tries > 1 { format!(" (made {tries} times)") } else { String::new() };
    writeln!(
        out,
        "{verdict:<6}{:<10}{:<10} {case:<14} {injected:<29} -> {reported}{again}",
        engine.key(),
        transport.key()
    )?;
    wrong.iter().try_for_each(|wrong| writeln!(out, "      {wrong}"))
}

#[cfg(test)]
mod tests {
    use tricast_lab::result::Transport;
    use tricast_lab::selftest::LoadEngine;

    use super::*;

    #[test]
    fn a_busy_machine_is_told_apart_from_a_wrong_report() {
        let finding = |wrong: &[&str], busy| Finding {
            engine: LoadEngine::Plain,
            transport: Transport::Sse,
            case: "honest",
            injected: String::new(),
            reported: String::new(),
            wrong: wrong.iter().map(|one| (*one).to_owned()).collect(),
            tries: 3,
            busy,
        };
        let (good, busy, wrong) = (finding(&[], false), finding(&["late"], true), finding(&["lost"], false));
        assert_eq!(failure(std::slice::from_ref(&good)), None);
        let told = failure(&[good.clone(), busy.clone()]).unwrap();
        assert!(told.starts_with("1 of 2 faults") && told.contains("machine is too busy"), "{told}");
        let told = failure(&[good, busy, wrong]).unwrap();
        assert!(told.contains("2 of 3 faults were not reported exactly"), "{told}");
    }
}
