//! What a run came to beyond its figures: whether there are any, and whether what its scenario claims holds. Scripts are
//! told both by the exit code.

use super::RunDir;
use crate::result::{ProxyAbsence, Run};
use crate::summary::{Outcome, check, check_crowd};

impl RunDir {
    /// Why the run has no figure at all; `None` where it has one.
    pub fn nothing(&self) -> Option<String> {
        nothing(&self.run)
    }

    /// How many of the scenario's claims do not hold. One without a valid figure is neither kept nor broken.
    pub fn broken_claims(&self) -> usize {
        let outcomes = check(&self.run).into_iter().map(|checked| checked.outcome);
        let crowds = check_crowd(&self.run).into_iter().map(|checked| checked.outcome);
        outcomes.chain(crowds).filter(|outcome| *outcome == Outcome::Fail).count()
    }
}

/// The visits of all kinds, each by why it is void.
fn visits(run: &Run) -> Vec<&Vec<String>> {
    let mut all: Vec<&Vec<String>> = Vec::new();
    all.extend(run.latency.iter().map(|visit| &visit.void));
    all.extend(run.saturation.iter().map(|visit| &visit.void));
    all.extend(run.raw.iter().map(|visit| &visit.void));
    all.extend(run.memory.iter().map(|visit| &visit.void));
    if let Some(crowd) = &run.crowd {
        all.extend(crowd.crowd.iter().map(|visit| &visit.void));
        all.extend(crowd.scale.iter().map(|visit| &visit.void));
        all.extend(crowd.stalled.iter().map(|visit| &visit.void));
        all.extend(crowd.soak.iter().map(|visit| &visit.void));
    }
    if let Some(factors) = &run.factors {
        all.extend(factors.visits.iter().map(|visit| &visit.void));
        all.extend(factors.memory.iter().map(|visit| &visit.void));
        all.extend(factors.opening.iter().map(|visit| &visit.void));
    }
    all.extend(run.loss.iter().flat_map(|loss| &loss.visits).map(|visit| &visit.void));
    all
}

/// Why a run has no figure; `None` where it has one.
pub(super) fn nothing(run: &Run) -> Option<String> {
    let visits = visits(run);
    // What a proxy refuses, and how many streams a browser opens, are figures too.
    let proxies = run.proxies.iter().any(|proxies| !proxies.cells.is_empty());
    let browser = run.browser.iter().any(|browser| !browser.tries.is_empty());
    if proxies || browser || visits.iter().any(|void| void.is_empty()) {
        return None;
    }
    let first = visits.first().and_then(|void| telling(void));
    Some(match first {
        Some(why) if visits.len() == 1 => why.clone(),
        Some(why) => format!("all {} visits failed, the first with: {why}", visits.len()),
        None => not_begun(run),
    })
}

/// The reason of a void visit that tells most: what was seen, rather than a count of what did not come.
fn telling(void: &[String]) -> Option<&String> {
    let is_count =
        |reason: &&String| reason.split(' ').next().is_some_and(|word| word.parse::<u64>().is_ok());
    void.iter().find(|reason| !is_count(reason)).or(void.first())
}

/// Why there is no visit at all.
fn not_begun(run: &Run) -> String {
    if run.partial {
        return "the run was stopped before a visit was over".to_owned();
    }
    let told = [
        run.proxies.as_ref().and_then(|part| part.not_measured.clone()),
        run.factors.as_ref().and_then(|part| part.not_measured.clone()),
        run.browser.as_ref().and_then(|part| part.not_measured.clone()),
        run.loss.as_ref().and_then(|part| part.not_measured.clone()),
    ];
    let omitted = run.omitted.iter().map(|one| format!("{}: {}", one.part, one.reason));
    let absent = run.proxies.iter().flat_map(|part| &part.proxies).filter_map(|proxy| {
        let why = match proxy.absent? {
            ProxyAbsence::NotInstalled => "is not installed (`make proxies`)",
            ProxyAbsence::DoesNotStart => "does not start; its log is in the run's folder",
            ProxyAbsence::NotAsked | ProxyAbsence::Stopped => return None,
        };
        Some(format!("{} {why}", proxy.proxy.name()))
    });
    let all: Vec<String> = told.into_iter().flatten().chain(omitted).chain(absent).collect();
    if all.is_empty() { "nothing was asked for that could be done".to_owned() } else { all.join("; ") }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::fixture;
    use crate::result::Omission;
    use crate::scenario::{Assertion, Metric};

    fn void_all(run: &mut Run) {
        let voids = run.latency.iter_mut().map(|visit| &mut visit.void);
        let voids = voids.chain(run.saturation.iter_mut().map(|visit| &mut visit.void));
        let voids = voids.chain(run.raw.iter_mut().map(|visit| &mut visit.void));
        let voids = voids.chain(run.memory.iter_mut().map(|visit| &mut visit.void));
        voids.for_each(|void| void.push("it was not there".to_owned()));
        (run.crowd, run.proxies, run.factors, run.browser, run.loss) = (None, None, None, None, None);
    }

    #[test]
    fn a_run_without_a_valid_visit_says_why() {
        let mut run = fixture::synthetic();
        assert_eq!(nothing(&run), None);
        void_all(&mut run);
        let told = nothing(&run).unwrap();
        assert!(
            told.starts_with("all ") && told.ends_with("failed, the first with: it was not there"),
            "{told}"
        );
        let counted = |what: &str| vec!["12 lost".to_owned(), what.to_owned(), "3 streams ended".to_owned()];
        run.latency[0].void = counted("an event that is none of the laboratory's: <b>");
        let told = nothing(&run).unwrap();
        assert!(told.ends_with("the first with: an event that is none of the laboratory's: <b>"), "{told}");
        run.latency[0].void = counted("4 refused");
        assert!(nothing(&run).unwrap().ends_with("12 lost"));
        run.memory[0].void.clear();
        assert_eq!(nothing(&run), None, "one figure is something");
        (run.latency, run.saturation, run.raw, run.memory) = (vec![], vec![], vec![], vec![]);
        let omission = |part: &str| Omission { part: part.to_owned(), reason: "it cannot".to_owned() };
        run.omitted = ["one", "two"].map(omission).to_vec();
        assert_eq!(nothing(&run).unwrap(), "one: it cannot; two: it cannot");
        run.partial = true;
        assert!(nothing(&run).unwrap().contains("stopped"));
    }

    #[test]
    fn broken_claims_are_counted_and_void_ones_are_not() {
        let mut run = fixture::synthetic();
        (run.scenario.assertions, run.crowd) = (Vec::new(), None);
        let claim = |metric, at_most| Assertion {
            metric,
            transport: None,
            cell: None,
            in_flight: None,
            at_most: Some(at_most),
            at_least: None,
        };
        let broken = |run: &Run| RunDir { path: PathBuf::new(), run: run.clone() }.broken_claims();
        run.scenario.assertions.push(claim(Metric::P50Us, 1e12));
        assert_eq!(broken(&run), 0);
        run.scenario.assertions.push(claim(Metric::P50Us, 0.0));
        assert_eq!(broken(&run), run.scenario.transports.len());
        void_all(&mut run);
        assert_eq!(broken(&run), 0);
    }
}
