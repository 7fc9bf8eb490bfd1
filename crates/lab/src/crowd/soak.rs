//! A crowd with churn over a long time: some subscribers stay and must get everything, others come and go at a steady
//! rate, and the server's memory is read again and again.

use std::time::Duration;

use super::engine::{Crowd, Schedule, add, nanos};
use super::publisher::Post;
use super::seat::{Churn, NAMESPACE, Seat};
use super::{Edge, Ground};
use crate::error::{LabError, Result};
use crate::machine::{ServerChild, pss_kib};
use crate::result::{Integrity, MemorySample, SoakVisit, Transport};
use crate::scenario::SoakCell;

/// Members replaced in one turn at most, so that a delay is caught up with in steps.
const CHANGES_MAX: usize = 8;
/// Time for the server to come to rest after everybody stands.
const SETTLE: Duration = Duration::from_millis(300);

/// One soak. Whatever goes wrong makes it void; stopping it keeps what there is, if it had begun.
pub(crate) fn visit(
    ground: &Ground<'_>,
    cell: &SoakCell,
    transports: &[Transport],
    repetition: u32,
) -> Result<SoakVisit> {
    let mut visit = SoakVisit::empty(cell, repetition);
    match measure(ground, cell, transports, &mut visit) {
        Err(LabError::Stopped) => return Err(LabError::Stopped),
        Err(error) => visit.void.push(error.to_string()),
        Ok(()) => {}
    }
    if !visit.void.is_empty() {
        visit.latency = None;
    }
    Ok(visit)
}

/// What goes on beside the schedule of events.
struct Beside<'a> {
    server: &'a ServerChild,
    transports: &'a [Transport],
    staying: u32,
    churn: Churn,
    sample_ns: u64,
    visit: &'a mut SoakVisit,
}

fn measure(
    ground: &Ground<'_>,
    cell: &SoakCell,
    transports: &[Transport],
    visit: &mut SoakVisit,
) -> Result<()> {
    let server = ground.server(&[("TRICAST_HISTORY__EVENTS", u64::from(cell.history))])?;
    let mut crowd = Crowd::new(server.address, cell.payload, ground.stop)?;
    let staying = cell.subscribers - cell.passing;
    let seat = |index| {
        if index < staying { Seat::plain(index, transports) } else { Seat::passing(index, transports) }
    };
    crowd.invite((0..cell.subscribers).map(seat).collect())?;
    crowd.idle(SETTLE)?;
    let from = Edge::now(&server, crowd.busy_ns())?;
    let mut beside = Beside {
        server: &server,
        transports,
        staying,
        churn: Churn::new(cell.churn, cell.passing),
        sample_ns: nanos(cell.sample),
        visit,
    };
    let schedule = Schedule { rate: cell.rate, time: cell.duration, recorded: true };
    let post = Post::broadcast(NAMESPACE, u64::from(staying));
    let done = crowd.open_loop(schedule, &post, |crowd, ns| beside.turn(crowd, ns));
    let span = from.to(Edge::now(&server, crowd.busy_ns())?);
    (visit.wall_s, visit.server_cpu_s, visit.load_busy) = (span.wall_s, span.cpu_s, span.busy);
    visit.late_us_max = crowd.late_us_max();
    visit.staying = crowd.account();
    add(&mut visit.passed, &crowd.passing());
    visit.void = crowd.faults(&but_for_late_ticks(&visit.staying, crowd.skipped_ticks()));
    visit.void.extend(of_those_that_passed(&visit.passed));
    let timely = visit.staying.missed_ticks == 0;
    let window = crowd.window().filter(|_| timely);
    visit.latency = window.map(|window| window.all().store()).transpose()?;
    done
}

/// An account in which only the ticks count whose event never left. A soak asks what is lost and where memory goes;
/// an event that left late, as happens in minutes on a machine that others use too, spoils latency alone.
fn but_for_late_ticks(account: &Integrity, skipped_ticks: u64) -> Integrity {
    Integrity { missed_ticks: skipped_ticks, ..*account }
}

/// Their faults. Those that are there for the last events may not have got them yet, which is why what is still to
/// come is not counted for them.
fn of_those_that_passed(account: &Integrity) -> Vec<String> {
    let counted = Integrity { published: 1, ..*account };
    counted.faults().into_iter().map(|fault| format!("passing: {fault}")).collect()
}

impl Beside<'_> {
    fn turn(&mut self, crowd: &mut Crowd<'_>, ns: u64) -> Result<()> {
        if ns >= self.sample_ns * self.visit.samples.len() as u64 {
            let pss_kib = pss_kib(self.server.pid())?;
            self.visit.samples.push(MemorySample { at_s: ns as f64 / 1e9, pss_kib });
        }
        for _ in 0..CHANGES_MAX {
            let Some(index) = self.churn.due(ns) else { break };
            self.change(crowd, self.staying + index)?;
        }
        Ok(())
    }

    fn change(&mut self, crowd: &mut Crowd<'_>, index: u32) -> Result<()> {
        // The transport moves on with every round, so that none stays with the same places.
        let shift = (self.churn.done() / u64::from(self.visit.passing.max(1))) as u32;
        let seat = Seat::passing(index.wrapping_add(shift), self.transports);
        let (account, stood) = crowd.replace(index as usize, seat)?;
        add(&mut self.visit.passed, &account);
        self.visit.connects += 1;
        self.visit.unready += u64::from(!stood);
        Ok(())
    }
}

impl SoakVisit {
    fn empty(cell: &SoakCell, repetition: u32) -> Self {
        Self {
            repetition,
            subscribers: cell.subscribers,
            passing: cell.passing,
            churn: cell.churn,
            rate: cell.rate,
            payload: cell.payload,
            void: Vec::new(),
            staying: Integrity::default(),
            passed: Integrity::default(),
            connects: 0,
            unready: 0,
            latency: None,
            settle_s: cell.settle.min(cell.duration / 2).as_secs_f64(),
            samples: Vec::new(),
            wall_s: 0.0,
            server_cpu_s: 0.0,
            load_busy: 0.0,
            late_us_max: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_spoils_no_soak_and_one_that_never_came_does() {
        let late =
            Integrity { published: 5, expected: 5, received: 5, missed_ticks: 3, ..Integrity::default() };
        assert!(but_for_late_ticks(&late, 0).faults().is_empty());
        assert_eq!(but_for_late_ticks(&late, 1).faults(), ["1 ticks missed"]);
    }

    #[test]
    fn those_that_passed_are_held_to_the_same() {
        let whole = Integrity { expected: 5, received: 5, ..Integrity::default() };
        assert!(of_those_that_passed(&whole).is_empty());
        let torn = Integrity { expected: 6, lost: 1, ended: 2, ..whole };
        assert_eq!(of_those_that_passed(&torn), ["passing: 1 lost", "passing: 2 streams ended"]);
    }
}
