//! `tricast lab advise`: which transport for a case, from measured figures.

use std::io::Write;
use std::path::Path;

use tricast_lab::advise::{Proxies, Question, TwoWay, advise as answer, in_words, sample};
use tricast_lab::result::{FILE, Run};

use super::meant;
use crate::args::{LATEST_RUN, LabAdviseFlags, ProxiesFlag, TwoWayFlag};

/// Answers a question on the standard output.
pub(super) fn advise(flags: &LabAdviseFlags) -> anyhow::Result<()> {
    let question = question(flags);
    if let Some(fault) = question.fault() {
        anyhow::bail!("{fault}");
    }
    let advice = answer(&figures(flags.run.as_deref())?, &question);
    let mut stdout = std::io::stdout().lock();
    if flags.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&advice)?)?;
    } else {
        write!(stdout, "{}", in_words(&advice, meant(flags.lang)))?;
    }
    Ok(())
}

/// The run given, else the newest, else the sample. The newest run may be of crowds alone, or of nothing valid: then
/// it has nothing to advise from.
pub(crate) fn figures(given: Option<&Path>) -> anyhow::Result<Run> {
    if let Some(path) = given {
        return Ok(Run::read(path)?);
    }
    let newest = Path::new(LATEST_RUN);
    if newest.join(FILE).exists() {
        let run = Run::read(newest)?;
        if run.compares() && run.target.is_none() {
            return Ok(run);
        }
    }
    Ok(sample()?)
}

fn question(flags: &LabAdviseFlags) -> Question {
    Question {
        clients: flags.clients,
        rate: flags.rate,
        payload: flags.payload,
        two_way: match flags.two_way {
            TwoWayFlag::Yes => TwoWay::Yes,
            TwoWayFlag::No => TwoWay::No,
            TwoWayFlag::Unknown => TwoWay::Unknown,
        },
        proxies: match flags.proxies {
            ProxiesFlag::None => Proxies::None,
            ProxiesFlag::Known => Proxies::Known,
            ProxiesFlag::Buffering => Proxies::Buffering,
            ProxiesFlag::Unknown => Proxies::Unknown,
        },
    }
}
