//! The promise over real sockets: a subscriber gets every event of its rooms once and in order, or is told exactly which
//! it will not get, on any transport, across any change of transport, and across a restart of the server.
//!
//! Each case is a schedule of publishes, reads, stalls, cuts, returns by another transport, joins, leaves and restarts
//! against a server of its own. What every session was given and told is held against `verdict.rs`. A schedule that
//! fails is made as short as it can be and printed; its seed is kept in `main.proptest-regressions`, which is run first
//! from then on. `TRICAST_SOAK=20` runs twenty times as many; see `make soak`.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

mod client;
mod model;
mod schedule;
mod verdict;
mod world;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use schedule::{Step, schedule, slow_schedule};
use world::{History, World};

/// How many times as many cases as in the normal run.
fn soak() -> u32 {
    std::env::var("TRICAST_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A case is some tens of milliseconds, and the shortening of one that fails is bounded too.
fn config(cases: u32) -> ProptestConfig {
    let beside = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig {
        cases: cases * soak(),
        max_shrink_iters: 400,
        // Each try of one that hangs takes as long as a test is patient.
        max_shrink_time: 60_000,
        failure_persistence: Some(Box::new(beside)),
        ..ProptestConfig::default()
    }
}

/// All of it, in memory.
const KEPT: History = History { events: 10_000, grace_secs: 30, durability: None };

fn run(history: History, steps: &[Step]) {
    let mut world = World::new(history);
    steps.iter().for_each(|step| world.apply(step));
    world.settle();
}

proptest! {
    #![proptest_config(config(100))]

    /// Where all of the history is kept, nothing is lost but by a restart, and that is told.
    #[test]
    fn a_long_history_loses_nothing(steps in schedule()) {
        run(KEPT, &steps);
    }

    /// Where little is kept, what is lost is told: by a gap to who is connected, by a reset to who comes back.
    #[test]
    fn what_a_short_history_loses_is_told(events in 1_usize..16, steps in schedule()) {
        run(History { events, ..KEPT }, &steps);
    }
}

proptest! {
    #![proptest_config(config(30))]

    /// A log in files goes on over a restart: who comes back resumes where it stood.
    #[test]
    fn a_history_in_files_goes_on(
        events in prop_oneof![Just(10_000_usize), 1_usize..16],
        durability in proptest::sample::select(&["async", "sync"][..]),
        steps in schedule(),
    ) {
        run(History { events, durability: Some(durability), ..KEPT }, &steps);
    }
}

proptest! {
    // Each case takes some seconds of waiting.
    #![proptest_config(config(6))]

    /// Sessions that are forgotten as soon as they are left: who comes back is told that it is another one.
    #[test]
    fn a_session_that_was_forgotten_is_told_so(events in 4_usize..32, steps in slow_schedule()) {
        run(History { events, grace_secs: 0, ..KEPT }, &steps);
    }
}
