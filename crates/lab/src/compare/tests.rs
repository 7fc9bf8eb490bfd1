//! Made-up runs with known changes.

use super::*;
use crate::fixture::synthetic;
use crate::report::Language;
use crate::result::Latency;

fn of(changes: &Changes, metric: Metric, transport: Transport) -> &Change {
    changes.changes.iter().find(|c| c.metric == metric && c.transport == transport).unwrap()
}

fn slower(run: &mut Run, transport: Transport, factor: f64) {
    for visit in run.saturation.iter_mut().filter(|v| v.transport == transport) {
        visit.server_cpu_s *= factor;
    }
}

#[test]
fn a_run_against_itself_changes_nothing() {
    let found = changes(&synthetic(), &synthetic());
    assert!(found.same_machine && !found.regressed() && found.refused.is_empty());
    assert_eq!(found.count(Judgement::WithinNoise), found.changes.len());
    assert!(found.changes.len() > 20 && found.unmatched.is_empty());
}

#[test]
fn a_regression_of_a_fifth_outside_the_noise_is_found() {
    let mut after = synthetic();
    slower(&mut after, Transport::Sse, 1.2);
    let found = changes(&synthetic(), &after);
    let cpu = of(&found, Metric::CpuUsPerDelivery, Transport::Sse);
    assert_eq!(cpu.judgement, Judgement::Regressed, "{cpu:?}");
    assert!((cpu.ratio.unwrap().value - 1.2).abs() < 0.01);
    // Regressions come first; what did not change is none.
    assert!(found.regressed() && found.changes[0].judgement == Judgement::Regressed);
    let other = of(&found, Metric::CpuUsPerDelivery, Transport::Websocket);
    assert_eq!(other.judgement, Judgement::WithinNoise);
    // The other way round it is an improvement.
    let back = changes(&after, &synthetic());
    assert_eq!(of(&back, Metric::CpuUsPerDelivery, Transport::Sse).judgement, Judgement::Improved);
    assert!(!back.regressed());
}

#[test]
fn a_change_inside_the_noise_is_none() {
    let mut after = synthetic();
    // The halves of the made-up run differ by about 5 %.
    slower(&mut after, Transport::Sse, 1.02);
    let found = changes(&synthetic(), &after);
    assert_eq!(of(&found, Metric::CpuUsPerDelivery, Transport::Sse).judgement, Judgement::WithinNoise);
    // The same fifth is inside the noise where the server differs by more from itself.
    let mut noisy = synthetic();
    for visit in noisy.saturation.iter_mut().filter(|v| v.half == 1) {
        visit.server_cpu_s *= 1.5;
    }
    let mut slow = noisy.clone();
    slower(&mut slow, Transport::Sse, 1.2);
    assert!(!changes(&noisy, &slow).regressed());
}

#[test]
fn what_was_asked_for_otherwise_is_not_compared() {
    let mut after = synthetic();
    after.scenario.cells[0].seconds += 1.0;
    after.saturation.iter_mut().filter(|v| v.in_flight == 1).for_each(|v| v.subscribers += 1);
    after.memory.iter_mut().for_each(|visit| visit.points.truncate(2));
    let found = changes(&synthetic(), &after);
    assert!(found.unmatched.contains(&after.scenario.cells[0].name), "{:?}", found.unmatched);
    let asked = |metric, flight| found.changes.iter().any(|c| c.metric == metric && c.in_flight == flight);
    assert!(!asked(Metric::KibPerConnection, None) && !asked(Metric::DeliveriesPerSecond, Some(1)));
    assert!(asked(Metric::DeliveriesPerSecond, Some(8)));
}

#[test]
fn less_is_worse_where_more_is_better() {
    let mut after = synthetic();
    after.saturation.iter_mut().for_each(|v| v.deliveries /= 2);
    let found = changes(&synthetic(), &after);
    let rate = of(&found, Metric::DeliveriesPerSecond, Transport::Poll);
    assert_eq!(rate.judgement, Judgement::Regressed);
}

#[test]
fn one_lost_event_is_a_regression() {
    let mut after = synthetic();
    after.latency[0].integrity.lost = 1;
    let transport = after.latency[0].transport;
    let found = changes(&synthetic(), &after);
    let lost = of(&found, Metric::Lost, transport);
    assert!(lost.judgement == Judgement::Regressed && lost.ratio.is_none());
}

#[test]
fn a_figure_that_the_later_run_lost_is_told_and_alarms() {
    let mut after = synthetic();
    let cell = after.scenario.cells[0].name.clone();
    let lost = |v: &&mut crate::result::LatencyVisit| v.cell == cell && v.transport == Transport::Sse;
    after.latency.iter_mut().filter(lost).for_each(|v| v.void.push("1 lost".to_owned()));
    after.saturation.clear();
    after.memory.clear();
    let found = changes(&synthetic(), &after);
    let gone = |metric, transport, in_flight| {
        found.gone.iter().any(|g| (g.metric, g.transport, g.in_flight) == (metric, transport, in_flight))
    };
    assert!(gone(Metric::P99Us, Transport::Sse, None) && !gone(Metric::P99Us, Transport::Poll, None));
    assert!(gone(Metric::DeliveriesPerSecond, Transport::Poll, Some(8)));
    assert!(gone(Metric::KibPerConnection, Transport::Websocket, None));
    assert!(!found.regressed() && found.alarms());
    assert_eq!(found.count(Judgement::Untold), found.gone.len());
    for language in Language::ALL {
        let told = changes_in_words(&found, language);
        assert!(told.rows[0].0 == Judgement::Untold && told.rows.len() > found.changes.len());
        let missing = crate::report::Words(language).get("compare.missing");
        let page = crate::changes_page(&found, language).unwrap();
        for text in [told.to_string(), crate::changes_markdown(&found, language), page] {
            assert!(text.contains(missing), "{text}");
        }
    }
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Changes>(&json).unwrap(), found);
    // What the later run was not asked for is not missed.
    after.scenario.transports.retain(|t| *t != Transport::Sse);
    assert!(changes(&synthetic(), &after).gone.iter().all(|g| g.transport != Transport::Sse));
    assert!(!changes(&after, &synthetic()).alarms(), "more than before is no loss");
}

#[test]
fn a_void_step_of_a_sweep_is_no_alarm() {
    let mut after = synthetic();
    let step = after.scenario.cells.iter().find(|cell| cell.workload.sweep.is_some()).unwrap().name.clone();
    after.latency.iter_mut().filter(|v| v.cell == step).for_each(|v| v.void.push("x".to_owned()));
    assert!(changes(&synthetic(), &after).gone.is_empty());
    after.latency.retain(|v| v.cell != step);
    assert!(!changes(&synthetic(), &after).gone.is_empty(), "a step that was left out is one");
}

#[test]
fn runs_with_nothing_in_common_do_not_pass() {
    let mut other = synthetic();
    other.scenario.cells.iter_mut().for_each(|cell| cell.rate += 1);
    other.saturation.iter_mut().for_each(|visit| visit.subscribers += 1);
    other.memory.iter_mut().for_each(|visit| visit.points.truncate(2));
    let found = changes(&synthetic(), &other);
    assert!(found.is_void() && found.alarms() && !found.regressed(), "{found:?}");
    let text = changes_in_words(&found, Language::English).verdict;
    assert!(text.starts_with("Nothing"), "{text}");
}

#[test]
fn breaks_are_compared_where_both_runs_have_them() {
    let told = |run: &mut Run, told_lost| {
        for visit in &mut run.latency {
            visit.recovery = Some(crate::result::Recovery {
                reconnect: visit.latency.clone(),
                catch_up: visit.latency.clone(),
                told_lost,
                ..Default::default()
            });
        }
    };
    let mut before = synthetic();
    before.latency.iter_mut().for_each(|visit| visit.recovery = None);
    let mut after = before.clone();
    assert!(changes(&before, &after).changes.iter().all(|c| c.metric != Metric::ToldLost));
    told(&mut before, 0);
    told(&mut after, 0);
    let found = changes(&before, &after);
    for metric in [Metric::ReconnectP99Us, Metric::CatchUpP99Us, Metric::ToldLost] {
        assert_eq!(of(&found, metric, Transport::Sse).judgement, Judgement::WithinNoise, "{metric:?}");
    }
    told(&mut after, 2);
    let lost = |before, after| of(&changes(before, after), Metric::ToldLost, Transport::Sse).judgement;
    assert_eq!(lost(&before, &after), Judgement::Regressed);
    assert_eq!(lost(&after, &before), Judgement::Improved);
    assert_eq!(lost(&after, &after), Judgement::WithinNoise);
}

#[test]
fn times_of_two_machines_are_not_compared() {
    let mut after = synthetic();
    after.environment.cpu = Some("another".to_owned());
    for visit in &mut after.latency {
        let mut slow = Latency::new();
        (0..1000).for_each(|n| slow.record(50_000 + n));
        visit.latency = Some(slow.store().unwrap());
        visit.bytes.framing *= 3;
    }
    let found = changes(&synthetic(), &after);
    assert!(!found.same_machine && found.changes.iter().all(|c| is_portable(c.metric)));
    assert!(found.refused.contains(&Metric::P99Us) && found.refused.contains(&Metric::CpuUsPerDelivery));
    assert_eq!(of(&found, Metric::BytesPerDelivery, Transport::Sse).judgement, Judgement::Regressed);
    let text = changes_in_words(&found, Language::English).to_string();
    assert!(text.contains("different machines") && text.contains("Latency, p99"), "{text}");
}

#[test]
fn cells_that_ask_for_other_things_are_not_compared() {
    let mut after = synthetic();
    after.scenario.cells[0].rate += 1;
    let found = changes(&synthetic(), &after);
    assert_eq!(found.unmatched, [synthetic().scenario.cells[0].name.clone()]);
    assert!(found.changes.iter().all(|c| c.cell.as_ref() != Some(&found.unmatched[0])));
}

#[test]
fn one_repetition_without_noise_tells_nothing() {
    let mut lone = synthetic();
    lone.memory.retain(|v| v.repetition == 0);
    let mut after = lone.clone();
    for point in after.memory.iter_mut().flat_map(|v| &mut v.points) {
        point.pss_kib *= 2;
    }
    let found = changes(&lone, &after);
    assert_eq!(of(&found, Metric::KibPerConnection, Transport::Sse).judgement, Judgement::Untold);
}

#[test]
fn words_pages_and_json_are_whole() {
    let mut after = synthetic();
    slower(&mut after, Transport::Poll, 1.3);
    let found = changes(&synthetic(), &after);
    for language in Language::ALL {
        let text = changes_in_words(&found, language).to_string();
        let page = crate::changes_page(&found, language).unwrap();
        let markdown = crate::changes_markdown(&found, language);
        let body = page.split("</style>").nth(1).unwrap();
        for one in [text.as_str(), body, &markdown] {
            assert!(!one.contains('{') && !one.contains("compare.") && !one.contains("NaN"), "{one}");
            assert!(!one.contains("<CPU>") || one == text || one == markdown, "not escaped");
        }
        assert!(body.contains("outcome fail") && !body.contains("<script"));
    }
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Changes>(&json).unwrap(), found);
}
