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
