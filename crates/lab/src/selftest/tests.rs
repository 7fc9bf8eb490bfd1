use super::case::{self, Beside, Case, Costs, Counts, Shape};
use super::faults::Faults;
use super::observe::{Subject, observe};
use super::server::Faulty;
use super::{LoadEngine, judge};
use crate::result::{Integrity, Transport};

fn wrong(case: &Case, engine: LoadEngine, transport: Transport) -> Vec<String> {
    let faults = Faults::read(case.arguments.iter().map(String::as_str)).unwrap();
    let server = Faulty::start(faults).unwrap();
    let subject = Subject { address: server.address, pid: None };
    let observed = observe(subject, case, engine, transport).unwrap();
    let verdict = judge::verdict(case, transport, &observed, None);
    assert!(verdict.timed.is_empty(), "times were judged without a reference");
    verdict.exact
}

fn check_all(engine: LoadEngine) {
    for transport in Transport::ALL {
        for case in case::all(Shape::BRIEF, engine) {
            let wrong = wrong(&case, engine, transport);
            assert!(wrong.is_empty(), "{} {}: {wrong:?}", transport.key(), case.name);
        }
    }
}

/// Counts and bytes alone: a shared machine may be late with anything, but loses, doubles and swaps nothing.
#[test]
fn every_fault_is_counted_exactly_by_every_transport() {
    check_all(LoadEngine::Plain);
}

#[test]
fn the_engine_of_workloads_counts_every_fault_exactly_too() {
    check_all(LoadEngine::Workloads);
}

/// A judge that finds nothing wrong with anything would pass the tests above.
#[test]
fn a_report_that_does_not_fit_is_found() {
    let doubling = Case::new("made up", &[("twice_at", 7)], Shape::BRIEF);
    let lossy = Case::new("made up", &[("drop_every", 60)], Shape::BRIEF);
    for engine in LoadEngine::ALL {
        assert_eq!(wrong(&doubling, engine, Transport::Sse), ["1 duplicated instead of 0"]);
        assert_eq!(
            wrong(&lossy, engine, Transport::Poll),
            ["478 received instead of 480", "2 lost instead of 0"]
        );
    }
}

#[test]
fn a_break_and_a_stray_that_nobody_expects_are_found() {
    let beside = Beside { returns: true, ..Beside::default() };
    let stays = Case { beside, ..Case::new("made up", &[], Shape::BRIEF) };
    let told = wrong(&stays, LoadEngine::Workloads, Transport::Websocket);
    assert_eq!(
        told,
        [
            "0 breaks instead of 4",
            "0 attempts to come back instead of 4",
            "0 returns instead of 4",
            "0 subscribers that caught up instead of 4",
            "0 made up for instead of 4 or more",
        ]
    );
    let beside = Beside { rooms: 2, ..Beside::default() };
    let stray = Case { beside, ..Case::new("made up", &[("astray_every", 60)], Shape::BRIEF) };
    assert_eq!(wrong(&stray, LoadEngine::Workloads, Transport::Sse), ["4 foreign instead of 0"]);
}

/// One byte too few is told, by the kind of bytes that the transport has it in.
#[test]
fn a_byte_that_is_missing_is_found() {
    let padded =
        Case { costs: Costs::Padded(31), ..Case::new("made up", &[("pad_bytes", 32)], Shape::BRIEF) };
    for engine in LoadEngine::ALL {
        for (transport, kind) in Transport::ALL.into_iter().zip(["heads", "framing", "framing"]) {
            let told = wrong(&padded, engine, transport);
            assert_eq!(told.len(), 1, "{told:?}");
            let (seen, due) = told[0].split_once(&format!(" bytes of {kind} instead of ")).unwrap();
            let (seen, due): (u64, u64) = (seen.parse().unwrap(), due.parse().unwrap());
            assert_eq!(seen - due, 480, "one for each delivery");
        }
    }
}

/// On a busy machine a stream may end while requests are not answered.
#[test]
fn an_end_while_an_answer_is_awaited_is_accounted_for_and_no_more() {
    let shape = Shape::BRIEF;
    let counts = Counts { died_at: 60, ..Counts::default() };
    let ended = Case { counts, ..Case::new("end", &[], shape) };
    let all = u64::from(shape.subscribers);
    let seen = |received: u64, lost: u64, refused: u64| Integrity {
        published: 10,
        expected: 10 * all,
        received,
        lost,
        refused,
        ended: 1,
        ..Integrity::default()
    };
    let wrong = |seen: Integrity| judge::counts(&ended, &seen).len();
    assert_eq!(wrong(seen(10 * all, 0, 0)), 0);
    assert_eq!(wrong(seen(10 * all - 1, 1, 0)), 0);
    assert_eq!(wrong(seen(11 * all, 0, 1)), 0);
    assert_eq!(wrong(seen(11 * all, 0, 0)), 1, "more came than was accepted or awaited");
    assert_eq!(wrong(seen(10 * all - 1, 0, 1)), 1, "one is neither here nor lost");
}
