//! The advisor on made-up runs with known answers.

use super::*;
use crate::fixture::synthetic;
use crate::report::Language;
use crate::result::{CellRecord, LatencyVisit};

fn asked(clients: u32, rate: f64) -> Question {
    Question { clients, rate, payload: 300, two_way: TwoWay::No, proxies: Proxies::None }
}

fn has(advice: &Advice, kind: AssumptionKind) -> bool {
    advice.assumptions.iter().any(|a| a.kind == kind)
}

fn choice(advice: &Advice, transport: Transport) -> &Choice {
    advice.choices.iter().find(|c| c.transport == transport).unwrap()
}

#[test]
fn estimates_follow_the_measured_rows() {
    let advice = advise(&synthetic(), &asked(20_000, 0.2));
    let sse = choice(&advice, Transport::Sse).estimate;
    // 4000 deliveries a second of 300 bytes and 129 of overhead; 12 KiB a connection over about 8 MB.
    assert!((sse.mbit_s.unwrap() - 4000.0 * 429.0 * 8.0 / 1e6).abs() < 0.01, "{sse:?}");
    assert!((sse.gib.unwrap() - (20_000.0 * 12.0 + 8001.0) / 1_048_576.0).abs() < 0.001, "{sse:?}");
    // The nearest rate, 10 events a second, costs 8 µs a delivery.
    assert!((sse.cores.unwrap() - 0.032).abs() < 1e-6, "{sse:?}");
    assert!(has(&advice, AssumptionKind::RateBeyond) && has(&advice, AssumptionKind::ClientsBeyond));
}

#[test]
fn differences_that_nobody_minds_decide_nothing() {
    let advice = advise(&synthetic(), &asked(50, 1.0));
    assert_eq!(advice.standing, Standing::NoDifference);
    assert_eq!(advice.recommended, [Transport::Sse, Transport::Websocket, Transport::Poll]);
    assert!(!has(&advice, AssumptionKind::CoresAdd) && !has(&advice, AssumptionKind::ClientsBeyond));
}

#[test]
fn differences_that_matter_are_named_and_decide() {
    let advice = advise(&synthetic(), &asked(20_000, 50.0));
    let poll = choice(&advice, Transport::Poll);
    assert!(poll.behind.iter().any(|b| b.criterion == Criterion::Bytes && b.value > b.best), "{poll:?}");
    assert!(!advice.recommended.contains(&Transport::Poll));
    assert!(has(&advice, AssumptionKind::CoresAdd));
    assert_eq!(advice.choices.last().unwrap().transport, Transport::Poll);
}

#[test]
fn latency_is_that_of_the_nearest_in_load_and_in_size() {
    let mut run = synthetic();
    let mut large = run.scenario.cells[0].clone();
    "large".clone_into(&mut large.name);
    large.payload = 50_000;
    let visits = run.latency.iter().filter(|visit| visit.cell == run.scenario.cells[0].name).cloned();
    let copies: Vec<_> = visits
        .map(|mut visit| {
            "large".clone_into(&mut visit.cell);
            visit
        })
        .collect();
    run.latency.extend(copies);
    let near = run.scenario.cells[0].clone();
    run.scenario.cells.insert(0, large);
    let question = |payload| Question { payload, ..asked(near.subscribers, f64::from(near.rate)) };
    let cell = |payload| {
        let advice = advise(&run, &question(payload));
        let row = advice.rows.iter().find(|row| row.criterion == Criterion::Latency).unwrap();
        (row.cell.clone().unwrap(), has(&advice, AssumptionKind::LatencyPayload))
    };
    assert_eq!(cell(near.payload), (near.name.clone(), false));
    assert_eq!(cell(50_000), ("large".to_owned(), false));
    assert_eq!(cell(40_000), ("large".to_owned(), true));
    assert!(question(0).fault().is_none() && cell(0).1, "no data at all is a size as well");
}

#[test]
fn latency_is_that_of_the_nearest_fan_out() {
    let mut run = synthetic();
    let cell = run.scenario.cells[0].clone();
    // As many deliveries of the same size, each event to ten times as many.
    let wide = CellRecord {
        name: "wide".to_owned(),
        subscribers: cell.subscribers * 10,
        rate: cell.rate / 10,
        ..cell.clone()
    };
    let visits = run.latency.iter().filter(|visit| visit.cell == cell.name).cloned();
    let copies = visits.map(|visit| LatencyVisit { cell: wide.name.clone(), ..visit });
    run.latency.extend(copies.collect::<Vec<_>>());
    run.scenario.cells = vec![cell.clone(), wide.clone()];
    let deliveries = f64::from(cell.subscribers * cell.rate);
    let of = |clients: u32| {
        let question = Question { payload: cell.payload, ..asked(clients, deliveries / f64::from(clients)) };
        let advice = advise(&run, &question);
        let row = advice.rows.iter().find(|row| row.criterion == Criterion::Latency).unwrap();
        let beyond = advice.assumptions.iter().find(|a| a.kind == AssumptionKind::FanOutBeyond);
        (row.cell.clone().unwrap(), beyond.map(|assumption| assumption.value))
    };
    assert_eq!(of(cell.subscribers), (cell.name.clone(), None));
    assert_eq!(of(wide.subscribers), ("wide".to_owned(), None));
    assert_eq!(of(wide.subscribers * 4), ("wide".to_owned(), Some(f64::from(wide.subscribers))));
}

#[test]
fn a_small_share_decides_nothing_however_many_clients_there_are() {
    let with = |run: &Run| {
        let advice = advise(run, &asked(10_000_000, 10.0));
        let of = |transport| choice(&advice, transport).clone();
        (of(Transport::Sse), of(Transport::Websocket))
    };
    let mut run = synthetic();
    // What costs the one five in a hundred more than the other, exactly and in every visit.
    let cpu = |visit: &crate::result::LatencyVisit, more: f64| visit.deliveries as f64 * 8e-6 * more;
    for (more, matters) in [(1.05, false), (1.25, true)] {
        for visit in &mut run.latency {
            let more = if visit.transport == Transport::Sse { more } else { 1.0 };
            visit.server_cpu_s = cpu(visit, more);
        }
        run.saturation.clear();
        let (sse, websocket) = with(&run);
        let apart = sse.estimate.cores.unwrap() - websocket.estimate.cores.unwrap();
        assert!(apart > 10.0 * MATTERS.cores, "{apart}");
        assert_eq!(sse.behind.iter().any(|b| b.criterion == Criterion::Cpu), matters, "{sse:?}");
    }
}

#[test]
fn a_run_that_was_stopped_early_says_so() {
    let mut run = synthetic();
    run.partial = true;
    for language in Language::ALL {
        let told = crate::report::Words(language).get("advise.basis.partial");
        assert!(in_words(&advise(&run, &asked(50, 1.0)), language).basis.contains(told));
        assert!(!in_words(&advise(&synthetic(), &asked(50, 1.0)), language).basis.contains(told));
    }
}

#[test]
fn two_ways_and_proxies_decide_where_they_are_asked_for() {
    let both = advise(&synthetic(), &Question { two_way: TwoWay::Yes, ..asked(50, 1.0) });
    assert_eq!((both.standing, both.recommended[0]), (Standing::Best, Transport::Websocket));
    let buffering = advise(&synthetic(), &Question { proxies: Proxies::Buffering, ..asked(50, 1.0) });
    assert_eq!(choice(&buffering, Transport::Sse).unfit, Some(Unfit::BuffersByNature));
    assert!(!buffering.recommended.contains(&Transport::Sse));
    let mut run = synthetic();
    run.proxies = None;
    let unknown = advise(&run, &Question { proxies: Proxies::Unknown, ..asked(50, 1.0) });
    assert!(has(&unknown, AssumptionKind::ProxiesNotMeasured));
}

#[test]
fn a_poll_pays_for_its_empty_answers_when_events_are_rare() {
    let advice = advise(&synthetic(), &asked(10_000, 0.001));
    assert!(has(&advice, AssumptionKind::EmptyAnswers));
    let of = |transport| choice(&advice, transport).estimate.mbit_s.unwrap();
    assert!(of(Transport::Poll) > 10.0 * of(Transport::Sse));
}

#[test]
fn a_run_without_valid_figures_says_so() {
    let mut run = synthetic();
    run.latency.iter_mut().for_each(|v| v.void.push("x".to_owned()));
    run.saturation.iter_mut().for_each(|v| v.void.push("x".to_owned()));
    run.memory.clear();
    let advice = advise(&run, &asked(10, 1.0));
    assert_eq!((advice.standing, advice.recommended.len()), (Standing::Unknown, 0));
}

#[test]
fn losses_speak_against_a_transport() {
    let mut run = synthetic();
    let mut visits = run.latency.iter_mut().filter(|v| v.transport == Transport::Sse);
    let visit = visits.next().unwrap();
    visit.integrity.lost = 3;
    visit.void.push("3 lost".to_owned());
    let advice = advise(&run, &asked(50, 1.0));
    assert!(choice(&advice, Transport::Sse).behind.iter().any(|b| b.criterion == Criterion::Integrity));
}

#[test]
fn words_are_whole_in_both_languages() {
    let question = Question { two_way: TwoWay::Yes, proxies: Proxies::Unknown, ..asked(300_000, 0.01) };
    for language in Language::ALL {
        let text = in_words(&advise(&synthetic(), &question), language).to_string();
        assert!(!text.contains('{') && !text.contains("advise.") && !text.contains("NaN"), "{text}");
        let w = crate::report::Words(language);
        let keys = AssumptionKind::ALL.map(|k| format!("advise.assume.{}", k.key())).into_iter();
        let keys = keys.chain(Criterion::ALL.map(|c| format!("advise.behind.{}", c.key())));
        let mut keys = keys.chain(Unfit::ALL.map(|u| format!("advise.unfit.{}", u.key())));
        assert!(keys.all(|key| w.get(&key) != key));
    }
}

#[test]
fn the_embedded_sample_can_be_advised_from() {
    let advice = advise(&sample().unwrap(), &asked(20_000, 0.2));
    assert_ne!(advice.standing, Standing::Unknown);
    assert!(!advice.rows.is_empty() && !advice.basis.synthetic);
    let text = serde_json::to_string(&advice).unwrap();
    assert_eq!(serde_json::from_str::<Advice>(&text).unwrap(), advice);
}

#[test]
fn impossible_questions_name_the_field() {
    for (question, field) in [
        (asked(0, 1.0), "clients"),
        (asked(1, 0.0), "rate"),
        (asked(1, f64::NAN), "rate"),
        (Question { payload: u32::MAX, ..asked(1, 1.0) }, "payload"),
    ] {
        assert!(question.fault().unwrap().contains(field));
    }
    assert_eq!(asked(1, 0.2).fault(), None);
}
