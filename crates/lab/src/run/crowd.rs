//! Visits of the crowd cells, in the course of a run.

use super::Bench;
use super::visit::SERVER_LOG;
use crate::crowd::{self, Ground, PLACES};
use crate::error::{LabError, Result};
use crate::result::{CrowdResults, DoubtKind, raise};
use crate::scenario::{CrowdCell, ScaleCell, SoakCell, StalledCell};

/// A publisher may be late by the reading of one turn, which is more than where transports are compared.
const LATE_US_MAX: u64 = 5000;
/// Rounds of stalled readers in one repetition at most.
const ROUNDS_AGAIN_MAX: u32 = 3;
/// The servers of a crowd start and end inside the visit, so that there is none to be watched from outside; their time
/// is that of children that ended.
const NO_PROCESS: u32 = 0;

impl Bench {
    /// All crowd cells, once. The steps of an axis come in an order of their own in every repetition.
    pub(super) fn visit_crowds(&mut self, repetition: u32) -> Result<()> {
        let cells = self.scenario.crowd.clone();
        for cell in &cells.crowds {
            self.visit_crowd(cell, repetition)?;
        }
        for cell in &cells.scales {
            let mut steps = cell.at.clone();
            fastrand::Rng::with_seed(self.options.seed ^ u64::from(repetition)).shuffle(&mut steps);
            for at in steps {
                self.visit_scale(cell, at, repetition)?;
            }
        }
        if let Some(cell) = &cells.stalled {
            self.visit_rounds(cell)?;
        }
        cells.soak.iter().try_for_each(|cell| self.visit_soak(cell, repetition))
    }

    fn visit_crowd(&mut self, cell: &CrowdCell, repetition: u32) -> Result<()> {
        if self.takes_crowd(cell, repetition) {
            return Ok(());
        }
        let place = format!("crowd {} {}", cell.name, repetition + 1);
        self.meet(&place, |bench, ground| {
            let scenario = &bench.scenario;
            let visit = crowd::crowd(ground, cell, &scenario.transports, scenario.warm_up, repetition)?;
            bench.doubt_crowd(&place, visit.load_busy, visit.late_us_max, &visit.void);
            bench.crowds().crowd.push(visit);
            Ok(())
        })
    }

    fn visit_scale(&mut self, cell: &ScaleCell, at: u32, repetition: u32) -> Result<()> {
        if self.takes_scale(cell, at, repetition) {
            return Ok(());
        }
        let place = format!("scale {} {at} {}", cell.axis.key(), repetition + 1);
        self.meet(&place, |bench, ground| {
            let visit = crowd::scale(ground, cell, at, &bench.scenario.transports, repetition)?;
            bench.doubt_crowd(&place, visit.load_busy, 0, &visit.void);
            bench.crowds().scale.push(visit);
            Ok(())
        })
    }

    /// One round of the stalled readers, and another in its stead where the load itself missed ticks in it, which on
    /// a machine that others use too says nothing about the server. The void one stays in the result.
    fn visit_rounds(&mut self, cell: &StalledCell) -> Result<()> {
        for again in 0..ROUNDS_AGAIN_MAX {
            if again > 0 {
                self.reporter.expect_more(u64::from(PLACES));
            }
            let round = self.crowds().stalled.iter().map(|visit| visit.round + 1).max().unwrap_or(0);
            if !self.takes_round(cell, round) {
                for place in 0..PLACES {
                    self.visit_stalled(cell, round, place)?;
                }
            }
            let mut now = self.crowds().stalled.iter().filter(|visit| visit.round == round);
            if !now.any(|visit| visit.integrity.missed_ticks > 0) || self.stop.is_asked() {
                break;
            }
        }
        Ok(())
    }

    fn visit_stalled(&mut self, cell: &StalledCell, round: u32, at: u32) -> Result<()> {
        let place = format!("stalled {} {}/{PLACES}", round + 1, at + 1);
        self.meet(&place, |bench, ground| {
            let scenario = &bench.scenario;
            let visit = crowd::stalled(ground, cell, &scenario.transports, scenario.warm_up, (round, at))?;
            bench.doubt_crowd(&place, visit.load_busy, 0, &visit.void);
            bench.crowds().stalled.push(visit);
            Ok(())
        })
    }

    fn visit_soak(&mut self, cell: &SoakCell, repetition: u32) -> Result<()> {
        if self.takes_soak(cell, repetition) {
            return Ok(());
        }
        let place = format!("soak {}", repetition + 1);
        self.meet(&place, |bench, ground| {
            let visit = crowd::soak(ground, cell, &bench.scenario.transports, repetition)?;
            bench.doubt_crowd(&place, visit.load_busy, visit.late_us_max, &visit.void);
            bench.crowds().soak.push(visit);
            Ok(())
        })
    }

    /// Runs one visit on the run's ground. One that was stopped before it came to anything is left out.
    fn meet(&mut self, place: &str, visit: impl FnOnce(&mut Self, &Ground<'_>) -> Result<()>) -> Result<()> {
        let (program, log, stop) =
            (self.options.server_program.clone(), self.folder.join(SERVER_LOG), self.stop.clone());
        let asked = || stop.is_asked();
        let ground = Ground { program: &program, place: self.place, log: &log, stop: &asked };
        self.watched(place, NO_PROCESS, |bench| match visit(bench, &ground) {
            Err(LabError::Stopped) => Ok(()),
            other => other,
        })
    }

    fn crowds(&mut self) -> &mut CrowdResults {
        self.run.crowd.get_or_insert_default()
    }

    fn doubt_crowd(&mut self, place: &str, busy: f64, late_us_max: u64, void: &[String]) {
        self.doubt_load(place, busy, void);
        if late_us_max > LATE_US_MAX {
            raise(&mut self.run.doubts, DoubtKind::LatePublisher, place, late_us_max as f64);
        }
    }
}
