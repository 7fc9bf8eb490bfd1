use super::case::{Case, Counts, Shape, Times};
use super::server::Faulty;
use super::{case, faults::Faults, judge, observe};
use crate::result::{Integrity, Transport};

fn wrong(case: &Case, transport: Transport) -> Vec<String> {
    let faults = Faults::read(case.arguments.iter().map(String::as_str)).unwrap();
    let server = Faulty::start(faults).unwrap();
    let observed = observe(server.address, case, transport).unwrap();
    judge::finding(case, transport, &observed, None).wrong
}

/// Counts alone: a shared machine may be late with anything, but loses, doubles and swaps nothing.
#[test]
fn every_fault_is_counted_exactly_by_every_transport() {
    for transport in Transport::ALL {
        for case in case::all(Shape::BRIEF) {
            let wrong = wrong(&case, transport);
            assert!(wrong.is_empty(), "{} {}: {wrong:?}", transport.key(), case.name);
        }
    }
}

/// A judge that finds nothing wrong with anything would pass the test above.
#[test]
fn a_report_that_does_not_fit_is_found() {
    let honest = Case {
        name: "made up",
        arguments: vec!["twice_at=7".to_owned()],
        shape: Shape::BRIEF,
        counts: Counts::default(),
        times: Times::Any,
    };
    assert_eq!(wrong(&honest, Transport::Sse), ["1 duplicated instead of 0"]);
    let lossy = Case { arguments: vec!["drop_every=60".to_owned()], ..honest };
    assert_eq!(wrong(&lossy, Transport::Poll), ["358 received instead of 360", "2 lost instead of 0"]);
}

/// On a busy machine a stream may end while requests are not answered.
#[test]
fn an_end_while_an_answer_is_awaited_is_accounted_for_and_no_more() {
    let shape = Shape::BRIEF;
    let ended = case::all(shape).into_iter().find(|case| case.name == "end").unwrap();
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
