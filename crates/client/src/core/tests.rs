//! Virtual time: the tests say when things happen, and nothing sleeps.

use tricast_wire::decode::{Close, EventMsg, Reason, Retry};

use super::*;
use crate::Refusal;

const HALF: u64 = u64::MAX / 2;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(offset: u64) -> Cursor {
    cursor("k3f4a2bq", offset)
}

fn cursor(epoch: &str, offset: u64) -> Cursor {
    tricast_wire::text::parse_cursor(&format!("{epoch}-{offset}")).unwrap()
}

fn core(choice: Transport) -> Core {
    Core::new(Timing::default(), None, choice, After::Tip)
}

pub(super) fn event(id: Cursor) -> Message {
    let data = serde_json::value::to_raw_value(&1).unwrap();
    let (kind, time) = ("message".to_owned(), String::new());
    Message::Event(EventMsg { id, kind, time, rooms: Vec::new(), key: None, from: None, data })
}

fn sync(state: SyncState, cursor: Cursor) -> Message {
    let session = "s_1".to_owned();
    Message::Notice(Notice::Sync(Sync {
        session,
        member: String::new(),
        cursor,
        state,
        missed: Some(0),
        beat: secs(15),
    }))
}

fn close(reason: Reason, retry_after_ms: Option<u64>) -> Message {
    let reason = reason.name().to_owned();
    Message::Notice(Notice::Close(Close { reason, told: None, retry_after_ms, detail: None }))
}

/// Connects and syncs at this time.
fn open(core: &mut Core, now: Duration, state: SyncState, cursor: Cursor) {
    assert!(matches!(core.next(now), Next::Connect(..)), "asks for a connection");
    core.opened(now);
    assert!(matches!(core.heard(now, true), Some(State::Open { .. })), "opens at the first message");
    core.message(sync(state, cursor));
}

fn broken() -> Failure {
    Failure::Broken("the connection ended".to_owned())
}

fn way_and_delay(state: &State) -> (Way, Duration) {
    match state {
        State::Waiting { way, delay, .. } => (*way, *delay),
        other => panic!("not waiting: {other:?}"),
    }
}

fn seen_events(core: &mut Core, ids: impl IntoIterator<Item = Cursor>) -> Vec<u64> {
    let fresh = ids.into_iter().filter_map(|id| core.message(event(id)));
    fresh
        .map(|update| match update {
            Update::Event(event) => event.id.offset.0,
            other => panic!("not an event: {other:?}"),
        })
        .collect()
}

#[test]
fn resumes_with_session_and_cursor_after_a_break() {
    let mut core = core(Transport::Sse);
    open(&mut core, secs(0), SyncState::New, at(10));
    assert_eq!(seen_events(&mut core, [at(11), at(12)]), [11, 12]);
    let state = core.failed(secs(60), HALF, broken()).unwrap();
    assert_eq!(way_and_delay(&state).0, Way::Sse);
    let Next::Sleep(until) = core.next(secs(60)) else { panic!("does not wait") };
    let Next::Connect(attempt, by) = core.next(until) else { panic!("does not connect") };
    assert_eq!(
        attempt,
        Attempt { way: Way::Sse, after: After::Cursor(at(12)), session: Some("s_1".to_owned()), turn: 2 }
    );
    assert_eq!(by, until + Timing::default().connect);
}

#[test]
fn the_start_is_asked_for_again_until_the_first_sync() {
    let mut core = Core::new(Timing::default(), None, Transport::Ws, After::Earliest);
    for now in [0, 100] {
        let Next::Connect(attempt, _) = core.next(secs(now)) else { panic!("does not connect") };
        assert_eq!((attempt.after, attempt.session), (After::Earliest, None));
        core.failed(secs(now), HALF, Failure::Unreachable("nobody listens".to_owned())).unwrap();
    }
}

#[test]
fn what_came_before_is_dropped_and_counted() {
    let mut core = core(Transport::Ws);
    open(&mut core, secs(0), SyncState::New, at(0));
    assert_eq!(seen_events(&mut core, [at(1), at(2), at(2), at(1), at(3)]), [1, 2, 3]);
    assert_eq!(core.duplicates_dropped(), 2);
    core.failed(secs(1), 0, broken()).unwrap();
    open(&mut core, secs(1), SyncState::Resumed, at(3));
    assert_eq!(seen_events(&mut core, [at(3), at(4)]), [4]);
}

#[test]
fn a_resume_that_starts_too_early_doubles_nothing() {
    let mut core = core(Transport::Ws);
    open(&mut core, secs(0), SyncState::New, at(5));
    seen_events(&mut core, [at(6), at(7)]);
    core.failed(secs(1), 0, broken()).unwrap();
    open(&mut core, secs(1), SyncState::Resumed, at(5));
    assert_eq!(seen_events(&mut core, [at(6), at(7), at(8)]), [8]);
}

#[test]
fn after_a_reset_lower_offsets_and_other_epochs_are_news() {
    for start in [at(2), cursor("aaaaaaaa", 0)] {
        let mut core = core(Transport::Ws);
        open(&mut core, secs(0), SyncState::New, at(100));
        core.failed(secs(1), 0, broken()).unwrap();
        open(&mut core, secs(1), SyncState::Reset, start);
        let next = Cursor { epoch: start.epoch, offset: start.offset.next() };
        assert_eq!(seen_events(&mut core, [next]).len(), 1);
    }
}

#[test]
fn a_beat_and_a_gap_move_the_cursor() {
    let mut core = core(Transport::Ws);
    open(&mut core, secs(0), SyncState::New, at(0));
    core.message(Message::Notice(Notice::Beat(tricast_wire::decode::Beat { cursor: at(40) })));
    let gap = tricast_wire::decode::Gap { from: 41, to: 50, reason: "slow".to_owned(), cursor: at(50) };
    assert!(matches!(core.message(Message::Notice(Notice::Gap(gap))), Some(Update::Gap(_))));
    core.failed(secs(1), 0, broken()).unwrap();
    let Next::Connect(attempt, _) = core.next(secs(1)) else { panic!("does not connect") };
    assert_eq!(attempt.after, After::Cursor(at(50)));
}

#[test]
fn two_silent_beats_end_a_stream_and_any_byte_counts() {
    let mut core = core(Transport::Sse);
    open(&mut core, secs(0), SyncState::New, at(0));
    core.heard(secs(1), true);
    assert_eq!(core.next(secs(1)), Next::Read(secs(31)));
    assert_eq!(core.heard(secs(20), false), None);
    assert_eq!(core.next(secs(20)), Next::Read(secs(50)));
    let state = core.failed(secs(50), HALF, Failure::Mute).unwrap();
    assert_eq!(way_and_delay(&state).0, Way::Sse);
}

#[test]
fn a_parked_poll_has_its_wait_and_some_slack() {
    let mut core = core(Transport::Poll);
    open(&mut core, secs(0), SyncState::New, at(0));
    assert_eq!(core.next(secs(0)), Next::Read(secs(35)));
}

#[test]
fn comments_do_not_pass_for_the_first_sync() {
    let mut core = core(Transport::Sse);
    core.next(secs(0));
    core.opened(secs(0));
    assert_eq!(core.next(secs(0)), Next::Read(secs(5)));
    assert_eq!(core.heard(secs(4), false), None);
    assert_eq!(core.next(secs(4)), Next::Read(secs(5)));
}

#[test]
fn auto_leaves_a_mute_or_refused_way_at_once_for_the_next() {
    let mut core = core(Transport::Auto);
    core.next(secs(0));
    let refused = Failure::Stranger { status: 426, retry_after: None, detail: String::new() };
    assert_eq!(way_and_delay(&core.failed(secs(0), HALF, refused).unwrap()), (Way::Sse, Duration::ZERO));
    core.next(secs(0));
    core.opened(secs(0));
    assert_eq!(
        way_and_delay(&core.failed(secs(5), HALF, Failure::Mute).unwrap()),
        (Way::Poll, Duration::ZERO)
    );
    open(&mut core, secs(5), SyncState::New, at(0));
    // Poll works, so it is kept after a break.
    assert_eq!(way_and_delay(&core.failed(secs(60), HALF, broken()).unwrap()).0, Way::Poll);
}

#[test]
fn auto_keeps_its_way_while_nobody_is_there() {
    let mut core = core(Transport::Auto);
    for now in 0..10 {
        core.next(secs(now * 60));
        let state = core.failed(secs(now * 60), HALF, Failure::Unreachable("refused".to_owned())).unwrap();
        assert_eq!(way_and_delay(&state).0, Way::Ws);
    }
}

#[test]
fn auto_does_not_leave_a_way_that_worked_because_the_network_is_away() {
    let mut core = core(Transport::Auto);
    open(&mut core, secs(0), SyncState::New, at(0));
    core.failed(secs(60), 0, broken()).unwrap();
    let gateway = Failure::Stranger { status: 502, retry_after: None, detail: String::new() };
    for failure in [broken(), gateway, broken(), broken()] {
        core.next(secs(100));
        assert_eq!(way_and_delay(&core.failed(secs(100), 0, failure).unwrap()).0, Way::Ws);
    }
    // What keeps this transport out by itself still counts: the client may have moved behind a proxy.
    core.next(secs(200));
    core.opened(secs(200));
    assert_eq!(way_and_delay(&core.failed(secs(205), 0, Failure::Mute).unwrap()).0, Way::Sse);
}

/// A proxy that passes on the head and the first piece of a stream, and keeps the rest until its buffer is full.
#[test]
fn auto_leaves_a_way_that_tells_its_sync_and_nothing_more() {
    let mut core = core(Transport::Auto);
    open(&mut core, secs(0), SyncState::New, at(0));
    core.heard(secs(0), false);
    assert_eq!(core.next(secs(0)), Next::Read(secs(30)), "two beats");
    let state = core.failed(secs(30), HALF, Failure::Mute).unwrap();
    assert_eq!(way_and_delay(&state), (Way::Sse, Duration::ZERO));
}

#[test]
fn auto_keeps_a_way_that_has_flowed() {
    let mut core = core(Transport::Auto);
    open(&mut core, secs(0), SyncState::New, at(0));
    core.heard(secs(1), true);
    core.heard(secs(15), true);
    assert_eq!(way_and_delay(&core.failed(secs(45), HALF, Failure::Mute).unwrap()).0, Way::Ws);
}

#[test]
fn auto_forgets_after_a_while_that_a_better_way_failed() {
    let mut core = core(Transport::Auto);
    core.next(secs(0));
    let refused = Failure::Stranger { status: 426, retry_after: None, detail: String::new() };
    core.failed(secs(0), HALF, refused).unwrap();
    for (now, expected) in [(10, Way::Sse), (290, Way::Sse), (300, Way::Ws)] {
        open(&mut core, secs(now) - secs(5), SyncState::New, at(0));
        assert_eq!(way_and_delay(&core.failed(secs(now), 0, broken()).unwrap()).0, expected, "at {now} s");
    }
}

#[test]
fn every_connection_has_a_higher_turn() {
    let mut core = core(Transport::Ws);
    for expected in 1..4 {
        // Asked twice, it is the same connection.
        for _ in 0..2 {
            let Next::Connect(attempt, _) = core.next(secs(expected)) else { panic!("does not connect") };
            assert_eq!(attempt.turn, expected);
        }
        core.failed(secs(expected), 0, broken()).unwrap();
    }
}

#[test]
fn auto_backs_off_when_every_way_is_mute_and_starts_over() {
    let mut core = core(Transport::Auto);
    let mut delays = Vec::new();
    for now in 0..6 {
        core.next(secs(now * 100));
        core.opened(secs(now * 100));
        delays.push(way_and_delay(&core.failed(secs(now * 100), u64::MAX, Failure::Mute).unwrap()));
    }
    let ways: Vec<Way> = delays.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways, [Way::Sse, Way::Poll, Way::Ws, Way::Sse, Way::Poll, Way::Ws]);
    assert!(
        delays[1].1.is_zero() && delays[2].1.as_millis() >= 249 && delays[5].1.as_millis() >= 499,
        "{delays:?}"
    );
}

#[test]
fn auto_ends_when_every_way_says_that_the_client_is_wrong() {
    let mut core = core(Transport::Auto);
    let stranger = || Failure::Stranger { status: 404, retry_after: None, detail: "no such page".to_owned() };
    for _ in 0..2 {
        core.next(secs(0));
        core.failed(secs(0), HALF, stranger()).unwrap();
    }
    core.next(secs(0));
    assert!(matches!(core.failed(secs(0), HALF, stranger()), Err(Error::Stranger { status: 404, .. })));
    assert_eq!(core.next(secs(0)), Next::End);
}

#[test]
fn the_reason_decides_whether_to_come_back() {
    for reason in Reason::ALL {
        let mut core = core(Transport::Auto);
        open(&mut core, secs(0), SyncState::New, at(0));
        assert_eq!(core.message(close(reason, None)), None);
        let told = core.failed(secs(1), HALF, broken());
        assert_eq!(told.is_ok(), reason.retry() == Retry::Yes, "{reason}");
        if let Err(error) = told {
            assert_eq!(error, Error::Refused(Refusal::of(reason)));
        }
    }
}

#[test]
fn a_refused_request_is_read_by_its_reason_too() {
    let mut core = core(Transport::Auto);
    core.next(secs(0));
    let refusal = Refusal { retry_after: Some(secs(3)), ..Refusal::of(Reason::TooManyConnections) };
    let state = core.failed(secs(0), 0, Failure::Refused(refusal)).unwrap();
    assert_eq!(way_and_delay(&state), (Way::Ws, secs(3)), "no other way would fare better");
}

#[test]
fn the_server_s_delay_is_kept_to() {
    let mut core = core(Transport::Ws);
    open(&mut core, secs(0), SyncState::New, at(0));
    core.message(close(Reason::Draining, Some(1500)));
    let state = core.failed(secs(1), 0, broken()).unwrap();
    assert_eq!(way_and_delay(&state).1, Duration::from_millis(1500));
}

#[test]
fn failures_add_up_until_a_connection_lasts() {
    let mut core = core(Transport::Ws);
    let mut ceilings = Vec::new();
    let mut now = secs(0);
    for lasted in [0, 1, 4, 5, 0] {
        open(&mut core, now, SyncState::New, at(0));
        now += secs(lasted);
        ceilings.push(way_and_delay(&core.failed(now, u64::MAX, broken()).unwrap()).1.as_millis());
        now += secs(100);
    }
    assert_eq!(ceilings, [250, 500, 1000, 250, 500]);
}

#[test]
fn retry_of_the_server_replaces_the_base_within_bounds() {
    for (millis, ceiling) in [(2000, 2000), (0, 50), (u64::MAX, 15_000)] {
        let mut core = core(Transport::Sse);
        core.retry_told(millis);
        core.next(secs(0));
        let state = core.failed(secs(0), u64::MAX, broken()).unwrap();
        assert_eq!(way_and_delay(&state).1.as_millis(), ceiling);
    }
}

#[test]
fn gives_up_where_told_to() {
    let mut core = Core::new(Timing::default(), Some(2), Transport::Ws, After::Tip);
    core.next(secs(0));
    core.failed(secs(0), 0, broken()).unwrap();
    core.next(secs(0));
    let Err(Error::GaveUp { failures: 2, last }) = core.failed(secs(0), 0, broken()) else {
        panic!("goes on")
    };
    assert_eq!(last, "the connection ended");
}

#[test]
fn what_cannot_be_read_ends_a_subscription() {
    let mut core = core(Transport::Ws);
    open(&mut core, secs(0), SyncState::New, at(0));
    let failure = Failure::Unreadable("an event is longer than 8 bytes".to_owned());
    assert!(matches!(core.failed(secs(1), 0, failure), Err(Error::Answer(_))));
}

#[test]
fn a_switch_goes_on_at_once_from_the_same_place() {
    let mut core = core(Transport::Auto);
    open(&mut core, secs(0), SyncState::New, at(4));
    seen_events(&mut core, [at(5)]);
    core.switch(secs(2), Transport::Poll);
    let Next::Connect(attempt, _) = core.next(secs(2)) else { panic!("does not connect") };
    assert_eq!(
        attempt,
        Attempt { way: Way::Poll, after: After::Cursor(at(5)), session: Some("s_1".to_owned()), turn: 2 }
    );
}

#[test]
fn a_switch_to_what_is_in_use_changes_nothing() {
    let mut core = core(Transport::Auto);
    open(&mut core, secs(0), SyncState::New, at(4));
    let reading = core.next(secs(1));
    for same in [Transport::Ws, Transport::Auto] {
        core.switch(secs(1), same);
        assert_eq!(core.next(secs(1)), reading);
    }
}

#[test]
fn a_switch_ends_a_wait_but_does_not_wake_the_dead() {
    let mut core = core(Transport::Ws);
    core.next(secs(0));
    core.failed(secs(0), u64::MAX, broken()).unwrap();
    core.switch(secs(0), Transport::Sse);
    assert!(matches!(core.next(secs(0)), Next::Connect(Attempt { way: Way::Sse, .. }, _)));
    core.failed(secs(0), 0, Failure::Refused(Refusal::of(Reason::Kicked))).unwrap_err();
    core.switch(secs(0), Transport::Ws);
    assert_eq!(core.next(secs(0)), Next::End);
}
