//! An earlier run that is gone on with: what it has of the same inputs is taken over and not measured again.
//!
//! The inputs of a visit are the program under test (by its hash), the machine, the seed, the target, the transports with
//! their order, and what the scenario says of the visit's own cell. A cell that was changed since is measured anew, and so is
//! a void one.

use std::fs;
use std::path::{Path, PathBuf};

use super::Bench;
use crate::error::{LabError, Result};
use crate::result::{FILE, Kept, Omission, RawVisit, Run, Transport};
use crate::scenario::{self, Cell, Saturation, Scenario, Surroundings};

/// Why a part is missing that the run was in the middle of when it was stopped.
const STOPPED: &str = "the run was stopped in the middle of it";

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
        if (&earlier.transports, earlier.warm_up) != (&scenario.transports, scenario.warm_up) {
            return Err(refuse("`transports` or `warm_up_s` of its scenario differ".to_owned()));
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

/// What keeps figures of two runs apart, by the name of the field in the result.
fn differing(one: &Run, other: &Run) -> Option<String> {
    let (a, b) = (&one.environment, &other.environment);
    if a.program.is_none() || a.program != b.program {
        let (was, is) = (&a.server_version, &b.server_version);
        return Some(format!("`program` differs: it was made by {was}, and this is {is}"));
    }
    let target = |run: &Run| run.target.as_ref().map(|target| target.text.clone());
    let machine = (&a.cpu, &a.kernel, a.cores, a.server_core, a.load_core);
    let same = [
        ("seed", one.seed == other.seed),
        ("target", target(one) == target(other)),
        ("cpu`, `kernel` or `cores", machine == (&b.cpu, &b.kernel, b.cores, b.server_core, b.load_core)),
    ];
    same.iter().find(|(_, same)| !same).map(|(field, _)| format!("`{field}` differs"))
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
        let changes: [(&str, Change); 4] = [
            ("program", |run| run.environment.program = Some("b2".to_owned())),
            ("program", |run| run.environment.program = None),
            ("seed", |run| run.seed += 1),
            ("kernel", |run| run.environment.kernel.push('x')),
        ];
        for (field, change) in changes {
            let mut other = made();
            change(&mut other);
            let told = differing(&other, &made()).unwrap();
            assert!(told.contains(field), "{told}");
        }
    }
}
