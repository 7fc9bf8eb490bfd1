//! An earlier run that is gone on with: what it has of the same inputs is taken over and not measured again.
//!
//! The inputs of a visit are the program under test (by its hash), the machine, the seed, the target, the transports with
//! their order, and what the scenario says of the visit's own cell. A cell that was changed since is measured anew, and so is
//! a void one.

use std::fs;
use std::path::{Path, PathBuf};

use super::Bench;
use crate::error::{LabError, Result};
use crate::result::{Environment, FILE, Kept, Omission, RawVisit, Run, Transport};
use crate::scenario::{self, Cell, Saturation, Scenario, Surroundings};

/// Why a part is missing that the run was in the middle of when it was stopped.
const STOPPED: &str = "the run was stopped in the middle of it";

/// Digits of a program's hash that an error shows.
const HASH_SHOWN: usize = 12;

/// An earlier run, and what it was asked.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) run: Run,
    pub(super) scenario: Scenario,
    folder: PathBuf,
}

impl Earlier {
    /// Reads the run to go on with, and refuses one with whose figures new ones must not be mixed.
    pub(super) fn open(folder: &Path, new: &Run, scenario: &Scenario) -> Result<Self> {
        let run = Run::read(folder)?;
        let refuse =
            |what: String| LabError::result(&folder.join(FILE), &format!("cannot go on with it: {what}"));
        if let Some(differing) = differing(&run, new) {
            return Err(refuse(differing));
        }
        let earlier = scenario::parse(&run.scenario.name, &run.scenario.text)?;
        let asked = |transports: &[Transport], scenario: &Scenario| {
            let keys: Vec<&str> = transports.iter().map(|transport| transport.key()).collect();
            [keys.join(", "), scenario.warm_up.as_secs_f64().to_string()]
        };
        // The record has those that the target could do, and the text all that were asked for.
        let both = asked(&run.scenario.transports, &earlier);
        let both = both.into_iter().zip(asked(&scenario.transports, scenario));
        for (field, (was, is)) in ["transports", "warm_up_s"].into_iter().zip(both) {
            if was != is {
                return Err(refuse(format!("`{field}` of its scenario differs: {was} there, and {is} here")));
            }
        }
        Ok(Self { run, scenario: earlier, folder: folder.to_owned() })
    }

    /// Whether the earlier scenario asked the same of a cell, its network included.
    fn has(&self, cell: &Cell, networks: &Scenario) -> bool {
        let network = |scenario: &Scenario| {
            cell.workload.network.as_ref().and_then(|name| scenario.networks.get(name)).cloned()
        };
        // More repetitions of a cell leave those that are there as they were.
        let alike = |earlier: &Cell| Cell { repetitions: cell.repetitions, ..earlier.clone() } == *cell;
        self.scenario.cells.iter().any(alike) && network(&self.scenario) == network(networks)
    }

    /// Whether a part round the feed was asked for in the same way, and came to its end.
    fn finished(&self, part: &str, asked: impl Fn(&Surroundings) -> bool) -> bool {
        asked(&self.scenario.surroundings) && !self.run.omitted.iter().any(|one| one.part == part)
    }
}

/// What keeps figures of two runs apart, by the name of the field in the result and with both values.
fn differing(one: &Run, other: &Run) -> Option<String> {
    let (a, b) = (&one.environment, &other.environment);
    if a.program.is_none() || a.program != b.program {
        return Some(other_program(a, b));
    }
    let is_same_text = match (&one.target, &other.target) {
        (Some(was), Some(is)) => was.text == is.text,
        (was, is) => was.is_none() && is.is_none(),
    };
    let target = |run: &Run| run.target.as_ref().map_or_else(|| "tricast".to_owned(), |one| one.name.clone());
    if !is_same_text {
        let (was, is) = (target(one), target(other));
        return Some(if was == is {
            format!("`target` differs: the file of {was} was changed since")
        } else {
            format!("`target` differs: {was} there, and {is} here")
        });
    }
    let values = |run: &Run| {
        let place = &run.environment;
        [
            ("seed", run.seed.to_string()),
            ("cpu", place.cpu.clone().unwrap_or_else(|| "not told".to_owned())),
            ("kernel", place.kernel.clone()),
            ("cores", place.cores.to_string()),
            ("server_core", place.server_core.to_string()),
            ("load_core", place.load_core.to_string()),
        ]
    };
    let mut both = values(one).into_iter().zip(values(other));
    let ((field, was), (_, is)) = both.find(|(was, is)| was != is)?;
    Some(format!("`{field}` differs: {was} there, and {is} here"))
}

/// How two programs differ: by what they say of themselves, and where they say the same, by their hashes.
fn other_program(was: &Environment, is: &Environment) -> String {
    let short = |program: &Option<String>| {
        program
            .as_ref()
            .map_or_else(|| "not known".to_owned(), |hash| hash.chars().take(HASH_SHOWN).collect())
    };
    let version = &was.server_version;
    if *version != is.server_version {
        return format!("`program` differs: it was made by {version}, and this is {}", is.server_version);
    }
    let (one, other) = (short(&was.program), short(&is.program));
    format!("`program` differs: both are {version}, but of other builds (hash {one} there, {other} here)")
}

impl Bench {
    /// Begins with what the earlier run doubted of its visits, as these are taken over as a whole.
    pub(super) fn begin_with_earlier(&mut self) -> Result<()> {
        let Some(earlier) = &self.earlier else { return Ok(()) };
        let doubts = earlier.run.doubts.iter().filter(|doubt| !doubt.place.is_empty());
        self.run.doubts.extend(doubts.cloned());
        let oldest = earlier.run.kept.as_ref().map_or(&earlier.run.started, |kept| &kept.oldest);
        self.run.kept = Some(Kept { visits: 0, oldest: oldest.clone() });
        // The raw loop sends what a visit that is taken over has received.
        for pass in self.scenario.saturations.iter().flat_map(|cell| {
            Transport::ALL.map(|transport| format!("pass-{}-{}.bin", transport.key(), cell.in_flight))
        }) {
            let from = earlier.folder.join(&pass);
            if from.exists() {
                let to = self.folder.join(&pass);
                fs::copy(&from, &to).map_err(LabError::io(format!("write {}", to.display())))?;
            }
        }
        Ok(())
    }

    /// Takes visits over, where the earlier run has them; whether it had.
    pub(super) fn take<T>(
        &mut self,
        find: impl FnOnce(&Earlier, &Scenario) -> Option<T>,
        keep: impl FnOnce(&mut Run, T),
    ) -> bool {
        let found = self.earlier.as_ref().and_then(|earlier| find(earlier, &self.scenario));
        let Some(found) = found else { return false };
        keep(&mut self.run, found);
        if let Some(kept) = &mut self.run.kept {
            kept.visits += 1;
        }
        self.reporter.skip();
        true
    }

    pub(super) fn takes_latency(
        &mut self,
        cell: &Cell,
        transport: Transport,
        repetition: u32,
        half: u32,
    ) -> bool {
        self.take(
            |earlier, scenario| {
                let visits = earlier.run.latency.iter().filter(|_| earlier.has(cell, scenario));
                let mut same = visits.filter(|visit| {
                    visit.cell == cell.name
                        && (visit.transport, visit.repetition, visit.half) == (transport, repetition, half)
                });
                same.find(|visit| visit.void.is_empty()).cloned()
            },
            |run, visit| run.latency.push(visit),
        )
    }

    pub(super) fn takes_saturation(
        &mut self,
        cell: &Saturation,
        transport: Transport,
        repetition: u32,
        half: u32,
    ) -> bool {
        self.take(
            |earlier, _| {
                let asked = earlier.scenario.saturations.contains(cell);
                let mut same = earlier.run.saturation.iter().filter(|visit| {
                    (visit.in_flight, visit.subscribers) == (cell.in_flight, cell.subscribers)
                        && (visit.transport, visit.repetition, visit.half) == (transport, repetition, half)
                });
                same.find(|visit| asked && visit.void.is_empty()).cloned()
            },
            |run, visit| run.saturation.push(visit),
        )
    }

    pub(super) fn takes_raw(&mut self, cell: &Saturation, transport: Transport, repetition: u32) -> bool {
        self.take(
            |earlier, _| {
                let asked = earlier.scenario.saturations.contains(cell);
                let is_it = |visit: &&RawVisit| {
                    (visit.joined, visit.subscribers) == (cell.in_flight, cell.subscribers)
                        && (visit.transport, visit.repetition) == (transport, repetition)
                };
                earlier.run.raw.iter().filter(is_it).find(|visit| asked && visit.void.is_empty()).cloned()
            },
            |run, visit| run.raw.push(visit),
        )
    }

    pub(super) fn takes_memory(&mut self, transport: Transport, repetition: u32) -> bool {
        self.take(
            |earlier, scenario| {
                let asked = earlier.scenario.memory_at == scenario.memory_at;
                let mut same = earlier
                    .run
                    .memory
                    .iter()
                    .filter(|visit| (visit.transport, visit.repetition) == (transport, repetition));
                same.find(|visit| asked && visit.void.is_empty()).cloned()
            },
            |run, visit| run.memory.push(visit),
        )
    }

    /// Takes a part round the feed over, where it was asked for in the same way and came to its end.
    pub(super) fn takes_part<T: Clone>(
        &mut self,
        part: &str,
        steps: u64,
        same: impl Fn(&Surroundings, &Surroundings) -> bool,
        of: impl Fn(&mut Run) -> &mut Option<T>,
    ) -> bool {
        let taken = self.take(
            |earlier, scenario| {
                let asked = earlier.finished(part, |asked| same(asked, &scenario.surroundings));
                // The accessor is for writing, so it is asked of a copy.
                asked.then(|| of(&mut earlier.run.clone()).clone()).flatten()
            },
            |run, value| *of(run) = Some(value),
        );
        if taken {
            (1..steps).for_each(|_| self.reporter.skip());
        }
        taken
    }

    /// Says of a part that it was broken off, so that it is not taken for whole.
    pub(super) fn note_the_break(&mut self, part: &str) {
        if self.stop.is_asked() {
            self.run.omitted.push(Omission { part: part.to_owned(), reason: STOPPED.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::result::TargetRecord;

    type Change = fn(&mut Run);

    /// The fixture's run, as if this program had made it.
    fn made() -> Run {
        let mut run = fixture::synthetic();
        run.environment.program = Some("a1".to_owned());
        run
    }

    #[test]
    fn figures_of_unlike_runs_are_not_mixed() {
        assert_eq!(differing(&made(), &made()), None);
        let changes: [(&str, Change); 7] = [
            ("hash b2 there, a1 here", |run| run.environment.program = Some("b2".to_owned())),
            ("hash not known there, a1 here", |run| run.environment.program = None),
            ("it was made by x, and this is ", |run| {
                run.environment.program = Some("b2".to_owned());
                run.environment.server_version = "x".to_owned();
            }),
            ("`seed` differs: 2 there, and 1 here", |run| run.seed = 2),
            ("`kernel` differs: x there", |run| run.environment.kernel = "x".to_owned()),
            ("`cpu` differs: not told there", |run| run.environment.cpu = None),
            ("`target` differs: Nchan there, and tricast here", |run| {
                run.target = Some(TargetRecord { name: "Nchan".to_owned(), ..TargetRecord::default() });
            }),
        ];
        for (expected, change) in changes {
            let mut other = made();
            change(&mut other);
            let told = differing(&other, &made()).unwrap();
            assert!(told.contains(expected), "{told}");
        }
    }
}
