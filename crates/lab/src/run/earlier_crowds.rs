//! The crowds of an earlier run that is gone on with; see [`super::earlier`].
//!
//! A crowd's size and time may have been set on the command line, which the scenario does not tell: a visit is taken only
//! if it was as large as its cell asks, and at least as long.

use std::time::Duration;

use super::Bench;
use super::earlier::Earlier;
use crate::crowd::PLACES;
use crate::result::{CrowdResults, StalledVisit};
use crate::scenario::{CrowdCell, ScaleCell, SoakCell, StalledCell};

/// The least that the window of a visit may be, as a share of what was asked. A busy machine makes it longer.
const WINDOW_LEAST: f64 = 0.9;

fn lasted(wall_s: f64, asked: Duration) -> bool {
    wall_s >= WINDOW_LEAST * asked.as_secs_f64()
}

impl Earlier {
    fn crowds(&self) -> impl Iterator<Item = &CrowdResults> {
        self.run.crowd.iter()
    }

    /// A whole round of the stalled readers.
    fn round(&self, cell: &StalledCell, round: u32) -> Option<Vec<StalledVisit>> {
        let asked = self.scenario.crowd.stalled.as_ref() == Some(cell);
        let visits = self.crowds().flat_map(|crowd| &crowd.stalled);
        let is_it = |visit: &&StalledVisit| {
            let stalled = if visit.place == PLACES / 2 { cell.stalled } else { 0 };
            visit.round == round
                && visit.void.is_empty()
                && (visit.healthy, visit.stalled) == (cell.healthy, stalled)
                && lasted(visit.wall_s, cell.duration)
        };
        let found: Vec<StalledVisit> = visits.filter(is_it).cloned().collect();
        (asked && found.len() == PLACES as usize).then_some(found)
    }
}

impl Bench {
    pub(super) fn takes_crowd(&mut self, cell: &CrowdCell, repetition: u32) -> bool {
        self.take(
            |earlier, _| {
                let asked = earlier.scenario.crowd.crowds.contains(cell);
                let mut same = earlier.crowds().flat_map(|crowd| &crowd.crowd).filter(|visit| {
                    (&visit.cell, visit.repetition, visit.subscribers)
                        == (&cell.name, repetition, cell.subscribers)
                        && lasted(visit.wall_s, cell.duration)
                });
                same.find(|visit| asked && visit.void.is_empty()).cloned()
            },
            |run, visit| run.crowd.get_or_insert_default().crowd.push(visit),
        )
    }

    pub(super) fn takes_scale(&mut self, cell: &ScaleCell, at: u32, repetition: u32) -> bool {
        self.take(
            |earlier, _| {
                let asked = earlier.scenario.crowd.scales.contains(cell);
                let mut same = earlier.crowds().flat_map(|crowd| &crowd.scale).filter(|visit| {
                    (visit.axis, visit.at, visit.repetition) == (cell.axis, at, repetition)
                        && lasted(visit.wall_s, cell.duration)
                });
                same.find(|visit| asked && visit.void.is_empty()).cloned()
            },
            |run, visit| run.crowd.get_or_insert_default().scale.push(visit),
        )
    }

    /// Takes a round over, which is as many visits as it has places.
    pub(super) fn takes_round(&mut self, cell: &StalledCell, round: u32) -> bool {
        let taken = self.take(
            |earlier, _| earlier.round(cell, round),
            |run, visits| run.crowd.get_or_insert_default().stalled.extend(visits),
        );
        if taken {
            (1..PLACES).for_each(|_| self.reporter.skip());
        }
        taken
    }

    pub(super) fn takes_soak(&mut self, cell: &SoakCell, repetition: u32) -> bool {
        self.take(
            |earlier, _| {
                let asked = earlier.scenario.crowd.soak.as_ref() == Some(cell);
                let mut same = earlier.crowds().flat_map(|crowd| &crowd.soak).filter(|visit| {
                    (visit.repetition, visit.subscribers, visit.passing)
                        == (repetition, cell.subscribers, cell.passing)
                        && lasted(visit.wall_s, cell.duration)
                });
                same.find(|visit| asked && visit.void.is_empty()).cloned()
            },
            |run, visit| run.crowd.get_or_insert_default().soak.push(visit),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_that_was_cut_short_by_a_flag_is_another_visit() {
        let asked = Duration::from_secs(20);
        assert!(lasted(20.3, asked) && lasted(19.0, asked) && !lasted(2.0, asked));
    }
}
