//! The model itself: it must find what is wrong, or the schedules show nothing.

use std::collections::BTreeSet;

use crate::verdict::{Asked, Life, Published, Told, Verdict, Witness};

fn told(offset: u64, state: &str, missed: Option<u64>) -> Told {
    Told { session: "s".to_owned(), epoch: "e".to_owned(), offset, state: state.to_owned(), missed }
}

/// A witness in room 0 that has resumed at the start of ten events: broadcasts, and every third one for room 1.
fn witness() -> (Witness, Life) {
    let event = |offset: u64| Published {
        rooms: offset.is_multiple_of(3).then_some(1).into_iter().collect(),
        ..Published::default()
    };
    let life = Life { epoch: "e".to_owned(), log: (1..=10).map(event).collect() };
    let mut witness = Witness::default();
    let asked = Asked::Cursor { epoch: "e".to_owned(), offset: 0 };
    witness.synced(&asked, &told(0, "resumed", Some(0)), Some(&BTreeSet::from([0])), &life, 1).unwrap();
    (witness, life)
}

/// What a series of things comes to.
fn check(expected: Option<&str>, things: impl FnOnce(&mut Witness, &Life) -> Verdict) {
    let (mut witness, life) = witness();
    let verdict = things(&mut witness, &life);
    match (expected, &verdict) {
        (None, Ok(())) => {}
        (Some(part), Err(wrong)) if wrong.contains(part) => {}
        _ => panic!("{expected:?}: {verdict:?}"),
    }
}

fn give(witness: &mut Witness, offsets: impl IntoIterator<Item = u64>) -> Verdict {
    offsets.into_iter().try_for_each(|offset| witness.given(offset))
}

#[test]
fn what_is_given_is_judged() {
    let all = [1, 2, 4, 5, 7, 8, 10];
    check(None, |witness, _| give(witness, all).and_then(|()| witness.settled()));
    check(Some("2 never came"), |witness, _| give(witness, [1, 4]));
    check(Some("[10] never came"), |witness, _| {
        give(witness, [1, 2, 4, 5, 7, 8]).and_then(|()| witness.settled())
    });
    check(Some("everything up to 2"), |witness, _| give(witness, [1, 2, 2]));
    check(Some("everything up to 2"), |witness, _| give(witness, [1, 2, 1]));
    check(Some("not for it"), |witness, _| give(witness, [1, 2, 3]));
    check(Some("2 never came"), |witness, _| give(witness, [1]).and_then(|()| witness.passed(3)));
    check(None, |witness, _| give(witness, [1, 2]).and_then(|()| witness.passed(3)));
}

#[test]
fn what_is_told_as_lost_is_judged() {
    let last = [8, 10];
    check(None, |witness, _| {
        give(witness, [1]).and_then(|()| witness.gap(2, 7, 7, 8)).and_then(|()| give(witness, last))
    });
    check(Some("a gap 2-7"), |witness, _| give(witness, [1]).and_then(|()| witness.gap(2, 7, 7, 7)));
    check(Some("a gap 1-7"), |witness, _| give(witness, [1]).and_then(|()| witness.gap(1, 7, 7, 8)));
    check(Some("2 never came"), |witness, _| give(witness, [1]).and_then(|()| witness.gap(3, 7, 7, 8)));
    check(Some("a gap 2-7"), |witness, _| give(witness, [1]).and_then(|()| witness.gap(2, 7, 6, 8)));
    check(Some("everything up to 7"), |witness, _| witness.gap(1, 7, 7, 8).and_then(|()| give(witness, [7])));
}

#[test]
fn what_a_policy_passes_over_is_judged() {
    let keyed = Published { has_key: true, ..Published::default() };
    let over = |from, to, reason: &'static str| {
        let keyed = keyed.clone();
        move |witness: &mut Witness, life: &Life| {
            let mut life = life.clone();
            for offset in [11, 12] {
                witness.published(offset, &keyed);
                life.log.push(keyed.clone());
            }
            witness.passed_over(from, to, reason, &life)
        }
    };
    check(None, over(1, 11, "conflated"));
    check(None, over(1, 12, "slow"));
    check(Some("12 is the newest"), over(1, 12, "conflated"));
}

#[test]
fn how_a_start_is_honoured_is_judged() {
    let at = |epoch: &str, offset| Asked::Cursor { epoch: epoch.to_owned(), offset };
    for (asked, offset, state, missed) in [
        (Asked::Tip, 10, "new", Some(0)),
        (Asked::Earliest, 4, "new", Some(0)),
        (at("e", 7), 7, "resumed", Some(0)),
        (at("e", 1), 4, "reset", Some(3)),
        (at("e", 11), 10, "reset", None),
        (at("f", 7), 4, "reset", None),
    ] {
        check(None, |witness, life| witness.synced(&asked, &told(offset, state, missed), None, life, 5));
        check(Some("was answered by"), |witness, life| {
            witness.synced(&asked, &told(offset + 1, state, missed), None, life, 5)
        });
        check(Some("was answered by"), |witness, life| {
            witness.synced(&asked, &told(offset, state, Some(77)), None, life, 5)
        });
    }
}

#[test]
fn joins_and_leaves_count_from_where_they_are() {
    let to_room_1 = Published { rooms: vec![1], ..Published::default() };
    check(None, |witness, _| {
        give(witness, [1, 2, 4, 5, 7, 8, 10])?;
        witness.joined(1, 10);
        witness.published(11, &to_room_1);
        give(witness, [11])
    });
    check(Some("[11] never came"), |witness, _| {
        give(witness, [1, 2, 4, 5, 7, 8, 10])?;
        witness.joined(1, 10);
        witness.published(11, &to_room_1);
        witness.settled()
    });
    // What was on its way when the room was left may come or not; what was published later may not.
    for comes in [true, false] {
        check(None, |witness, life| {
            let mut life = life.clone();
            give(witness, [1, 2, 4, 5, 7, 8, 10])?;
            witness.joined(1, 10);
            witness.published(11, &to_room_1);
            life.log.push(to_room_1.clone());
            witness.left(1, &life);
            give(witness, comes.then_some(11))?;
            witness.settled()
        });
    }
    check(Some("not for it"), |witness, life| {
        give(witness, [1, 2, 4, 5, 7, 8, 10])?;
        witness.joined(1, 10);
        witness.left(1, life);
        witness.published(11, &to_room_1);
        give(witness, [11])
    });
}
