//! The report of a made-up run: what must stand in it, in both languages, and what must not.

use super::{Language, page, report, scorecard, table};
use crate::fixture::synthetic;
use crate::result::{FILE, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{Outcome, Ranking, Subject, check, compare};

fn html(run: &Run, language: Language) -> String {
    page::render(run, None, language).unwrap()
}

#[test]
fn a_page_has_all_sections_in_order_and_loads_nothing() {
    for language in Language::ALL {
        let page = html(&synthetic(), language);
        let ids = [
            "verdict",
            "scorecard",
            "latency",
            "throughput",
            "cost",
            "scale",
            "workloads",
            "resilience",
            "proxies",
            "factors",
            "micro",
            "assertions",
            "doubts",
            "reproduce",
            "method",
        ];
        let places: Vec<_> = ids.map(|id| page.find(&format!("<section id=\"{id}\"")).expect(id)).to_vec();
        assert!(places.is_sorted());
        for outside in ["<script", "http://", "https://", "<link", "url(", "@import", "NaN", "inf "] {
            assert!(!page.contains(outside), "{outside} in {language:?}");
        }
        assert_eq!(page.matches("<svg viewBox=\"0 0 480").count(), page.matches("<desc>").count());
        assert!(page.contains(&format!("<html lang=\"{}\"", language.tag())));
    }
}

#[test]
fn links_inside_the_page_lead_somewhere() {
    let page = html(&synthetic(), Language::English);
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "#{target}");
    }
}

#[test]
fn what_a_scenario_leaves_out_is_said_to_be_unmeasured_and_not_alike() {
    let mut run = synthetic();
    run.saturation.clear();
    run.memory.clear();
    run.scenario.cells.iter_mut().for_each(|cell| cell.workload.network = None);
    for language in Language::ALL {
        let page = html(&run, language);
        let verdict =
            page.split("<section id=\"verdict\"").nth(1).unwrap().split("</section>").next().unwrap();
        let words = super::text::Words(language);
        assert_eq!(verdict.matches(words.get("case.unmeasured")).count(), 3, "{verdict}");
        assert!(!verdict.contains("– "), "{verdict}");
    }
}

#[test]
fn text_from_outside_is_escaped_and_made_up_figures_say_so() {
    let mut run = synthetic();
    run.scenario.text = "<script>alert(1)</script>".to_owned();
    let page = html(&run, Language::French);
    assert!(!page.contains("<script>") && !page.contains("Invented <CPU>"));
    assert!(page.contains("inventés pour un test"));
    run.synthetic = false;
    assert!(!html(&run, Language::French).contains("inventés pour un test"));
}

#[test]
fn no_text_key_is_left_unfilled() {
    for language in Language::ALL {
        let page = html(&synthetic(), language);
        let body = page.split("</style>").nth(1).unwrap();
        let text = body.replace(&super::svg::escape(&synthetic().scenario.text), "");
        assert!(!text.contains('{') && !text.contains('}'), "a placeholder is left in {language:?}");
    }
}

#[test]
fn a_void_visit_is_named_and_drawn_from_by_nothing() {
    let mut run = synthetic();
    for visit in run.latency.iter_mut().filter(|v| v.transport == Transport::Sse) {
        visit.void.push("1 lost".to_owned());
        visit.integrity.lost = 1;
    }
    let subject = Subject { metric: Metric::P99Us, cell: "calm", in_flight: 1 };
    assert_eq!(compare(&run, subject).of(Transport::Sse), None);
    let checked = check(&run);
    assert!(checked.iter().any(|c| c.transport == Transport::Sse && c.outcome == Outcome::Void));
    assert!(checked.iter().any(|c| c.assertion.metric == Metric::Lost && c.outcome == Outcome::Fail));
    let page = html(&run, Language::English);
    assert!(page.contains("1 lost") && page.contains(">void<"));
    let latency = page.split("<section id=\"latency\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(!latency.contains("line sse"), "a void transport was drawn");
}

#[test]
fn a_run_in_which_everything_is_void_still_has_a_report() {
    let mut run = synthetic();
    run.latency.iter_mut().for_each(|v| v.void.push("x".to_owned()));
    run.saturation.iter_mut().for_each(|v| v.void.push("x".to_owned()));
    run.memory.clear();
    run.raw.clear();
    for language in Language::ALL {
        let page = html(&run, language);
        assert!(!page.contains("NaN") && !page.contains(">0 ms<"));
    }
}

#[test]
fn a_run_of_crowds_alone_has_a_page_of_its_own() {
    let mut run = synthetic();
    run.scenario.cells.clear();
    run.scenario.assertions.clear();
    run.latency.clear();
    run.saturation.clear();
    for language in Language::ALL {
        let page = html(&run, language);
        assert!(
            page.contains("<section id=\"scale\"")
                && !page.contains("id=\"verdict\"")
                && !page.contains("NaN")
        );
        assert!(!page.contains("<b>") || !page.contains("many <b>"), "a cell's name was not escaped");
        let text = super::markdown::report(&run, None, language);
        assert!(text.contains("15") && !text.contains('{') && text.contains("| --- |"), "{text}");
    }
    let text = scorecard(&run, Language::English);
    assert!(text.contains("0 lost, 0 doubled, 0 reordered") && text.contains("PASS"), "{text}");
}

#[test]
fn a_void_crowd_says_so_and_draws_nothing() {
    let mut run = synthetic();
    let results = run.crowd.as_mut().unwrap();
    for visit in &mut results.crowd {
        visit.void.push("7 lost".to_owned());
        visit.integrity.lost = 7;
        (visit.latency, visit.pass) = (Vec::new(), None);
    }
    results.scale.iter_mut().for_each(|v| v.void.push("1 duplicated".to_owned()));
    results.stalled.iter_mut().for_each(|v| v.void.push("2 lost".to_owned()));
    results.soak.iter_mut().for_each(|v| v.void.push("3 lost".to_owned()));
    let page = html(&run, Language::English);
    for why in ["void, since 7 lost", "1 duplicated", "no round is whole (2 lost", "void, since 3 lost"] {
        assert!(page.contains(why), "{why}");
    }
    let section = page.split("<section id=\"scale\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(!section.contains("class=\"point all\"") && !section.contains("NaN"));
    assert!(page.contains("outcome fail"));
}

#[test]
fn a_run_without_crowds_says_nothing_of_them() {
    let run = Run { crowd: None, ..synthetic() };
    for language in Language::ALL {
        assert!(!html(&run, language).contains("id=\"scale\""));
    }
}

#[test]
fn rankings_follow_the_noise() {
    let run = synthetic();
    let rank = |metric, in_flight| compare(&run, Subject { metric, cell: "calm", in_flight }).ranking;
    assert_eq!(rank(Metric::P99Us, 1), Ranking::Tied);
    assert_eq!(rank(Metric::BytesPerDelivery, 1), Ranking::Best(Transport::Websocket));
    let ratio = compare(&run, Subject { metric: Metric::RawRatio, cell: "", in_flight: 1 });
    let sse = ratio.of(Transport::Sse).unwrap().value;
    assert!((0.7..0.9).contains(&sse), "{sse}");
    assert_eq!(ratio.of(Transport::Poll), None);
}

#[test]
fn what_the_load_limited_is_printed_as_a_bound() {
    let text = |run: &Run| super::markdown::report(run, None, Language::English);
    let idle = text(&synthetic());
    assert!(!idle.contains("| ≥ ") && !idle.contains("| ≤ "));
    let mut run = synthetic();
    run.saturation.iter_mut().for_each(|visit| visit.load_busy = 0.9);
    run.latency.iter_mut().for_each(|visit| visit.load_busy = 0.9);
    let (busy, shown) = (text(&run), html(&run, Language::English));
    let line = |name: &str| busy.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert_eq!(line("| Deliveries (/s), 1 in flight").matches("| ≥ ").count(), 3);
    assert_eq!(line("| Latency, p99 (ms)").matches("| ≤ ").count(), 3);
    // What the server takes is no matter of the load.
    assert!(!line("| Server CPU per delivery").contains('≤'));
    assert!(shown.contains("<b>≥ ") && shown.contains("<b>≤ "));
}

#[test]
fn few_repetitions_have_a_range_and_sockets_their_buffers() {
    let mut run = synthetic();
    for visit in &mut run.memory {
        visit.points.iter_mut().for_each(|point| point.kernel_kib = Some(u64::from(point.subscribers) * 3));
    }
    let page = html(&run, Language::English);
    assert!(page.contains(", range of 3</small>"));
    let buffers = |page: &str| {
        let (_, rest) = page.split_once("Kernel’s buffers a connection").unwrap();
        rest.split_once("</table>").unwrap().0.to_owned()
    };
    assert_eq!(buffers(&page).matches("3.00").count(), 3, "{}", buffers(&page));
    run.memory[0].points[0].kernel_kib = None;
    assert_eq!(buffers(&html(&run, Language::English)).matches("3.00").count(), 2);
}

#[test]
fn files_are_written_and_tables_hold_the_figures() {
    let folder = tempfile::tempdir().unwrap();
    let run = synthetic();
    run.write(folder.path()).unwrap();
    let reports = report(folder.path(), Language::French).unwrap();
    assert!(reports.run == run, "the run read back is another");
    assert!(reports.html.ends_with("report.fr.html") && reports.html.exists());
    for name in [FILE, "report.html", "report.md", "report.fr.md", "visits.csv", "latency-calm-sse.hgrm"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let csv = std::fs::read_to_string(reports.csv).unwrap();
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns) && csv.contains("raw_ratio,sse,,1,"));
    insta::assert_snapshot!(table(&run, Language::English));
    assert!(scorecard(&run, Language::English).contains("PASS"));
}

#[test]
fn a_comparison_alone_has_a_report_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let peers = crate::peers::fixture::synthetic();
    peers.write(folder.path()).unwrap();
    let reports = super::peers_report(folder.path(), Language::French).unwrap();
    assert!(reports.peers == peers && reports.html.ends_with("report.fr.html"));
    for (file, words) in [
        (
            "report.html",
            ["10.00 × Nchan", "not measured here: node_modules/ws is not installed", "workers = 1"],
        ),
        ("report.fr.html", ["10,00 × Nchan", "non mesuré ici: node_modules/ws", "inventés pour un test"]),
        ("report.md", ["≥ 0.92 of the raw loop", "## Beside other servers", "| PASS |"]),
        ("report.fr.md", ["≥ 0,92 de la boucle nue", "## À côté", "| OK |"]),
    ] {
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        words.iter().for_each(|word| assert!(text.contains(word), "{word} in {file}"));
        let body = text.split("</style>").last().unwrap();
        for outside in ["<script", "NaN", "<none>", "<kernel>", "{value}", "peers."] {
            assert!(file.ends_with("md") || !body.contains(outside), "{outside} in {file}");
        }
    }
    let csv = std::fs::read_to_string(reports.csv).unwrap();
    assert_eq!(csv.lines().count(), peers.cells.len() + 1);
    assert!(super::peers_scorecard(&peers, Language::English).contains("PASS"));
}

#[test]
fn a_run_with_a_comparison_has_a_section_on_it_and_one_without_has_none() {
    let folder = tempfile::tempdir().unwrap();
    synthetic().write(folder.path()).unwrap();
    let page = |folder: &std::path::Path| {
        report(folder, Language::English).unwrap();
        std::fs::read_to_string(folder.join("report.html")).unwrap()
    };
    let without = page(folder.path());
    assert!(!without.contains("id=\"peers\"") && without.contains("compares transports, not products"));
    crate::peers::fixture::synthetic().write(folder.path()).unwrap();
    let with = page(folder.path());
    assert!(with.contains("<section id=\"peers\"") && with.contains("href=\"#peers\""));
    assert!(!with.contains("compares transports, not products"));
    let markdown = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(markdown.contains("## Beside other servers"));
    // Those figures are of another run, and the subtitle says so.
    assert!(without.contains("Every figure below comes from this run."));
    for text in [&with, &markdown] {
        assert!(text.contains("from this run, except “Beside other servers”"), "{text}");
    }
}

#[test]
fn paper_shows_what_is_folded_but_for_raw_texts() {
    let folder = tempfile::tempdir().unwrap();
    synthetic().write(folder.path()).unwrap();
    crate::peers::fixture::synthetic().write(folder.path()).unwrap();
    report(folder.path(), Language::English).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let (style, body) = page.split_once("</style>").unwrap();
    let print = style.split_once("@media print").unwrap().1;
    assert!(
        print.contains("::details-content { content-visibility: visible")
            && !print.contains("details { display: none")
    );
    let texts = body.matches("<pre>").count();
    assert!(texts > 1 && body.matches("<details class=\"screen-only\">").count() == texts);
    assert!(body.contains("<h3 class=\"screen-only\">") && print.contains(".screen-only { display: none; }"));
}

#[test]
fn runs_of_two_machines_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = synthetic();
    "another".clone_into(&mut other.id);
    other.environment.cpu = Some("Another <CPU>".to_owned());
    for visit in other.latency.iter_mut().filter(|v| v.transport == Transport::Sse) {
        visit.bytes.framing = 0;
    }
    let page = super::merge(&[synthetic(), other], folder.path(), Language::French).unwrap();
    assert!(page.ends_with("report.fr.html"));
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let body = page.split("</style>").nth(1).unwrap();
    for part in
        ["Another &#60;CPU", "Invented &#60;CPU", "holds on all", "differs", "<th scope=\"col\">B</th>"]
    {
        assert!(body.contains(part), "{part}");
    }
    assert!(!body.contains('{') && !body.contains("merge.") && !body.contains("<script"));
    assert!(super::merge(&[synthetic()], folder.path(), Language::English).is_err());
    assert!(folder.path().join("report.fr.md").exists());
}

#[test]
fn runs_side_by_side_are_two_and_leave_a_run_of_its_own_alone() {
    let folder = tempfile::tempdir().unwrap();
    let two = [synthetic(), Run { id: "another".to_owned(), ..synthetic() }];
    let merge = |runs: &[Run]| super::merge(runs, folder.path(), Language::English);
    let twice = merge(&[synthetic(), synthetic()]).unwrap_err().to_string();
    assert!(twice.contains("is given twice") && twice.contains(&synthetic().id), "{twice}");
    synthetic().write(folder.path()).unwrap();
    let own = merge(&two).unwrap_err().to_string();
    assert!(own.contains(&folder.path().display().to_string()) && own.contains("run.json"), "{own}");
    assert!(!folder.path().join("report.html").exists());
    std::fs::remove_file(folder.path().join("run.json")).unwrap();
    merge(&two).unwrap();
}

#[test]
fn what_was_not_measured_is_no_agreement_and_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Run { id: "another".to_owned(), ..synthetic() };
    (other.memory, other.saturation) = (Vec::new(), Vec::new());
    super::merge(&[synthetic(), other], folder.path(), Language::English).unwrap();
    let text = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    for name in ["100,000 idle mobile clients", "Server to server", "Memory per connection"] {
        assert!(line(name).starts_with("| not comparable |"), "{}", line(name));
    }
    assert!(text.contains("| holds on all |"));
}

#[test]
fn memory_that_nobody_asked_for_has_no_row() {
    let has_row = |run: &Run| super::scorecard(run, Language::English).contains("Memory per connection");
    let mut run = synthetic();
    run.memory.clear();
    run.scenario.assertions.clear();
    assert!(has_row(&run), "what was asked for is void");
    let (text, _) = run.scenario.text.split_once("[memory]").unwrap();
    run.scenario.text = text.to_owned();
    assert!(!has_row(&run));
}

#[test]
fn bytes_say_whether_the_headers_are_counted() {
    let mut run = synthetic();
    let with = html(&run, Language::English);
    assert!(with.contains("TCP and IP headers, is computed") && !with.contains("Without TCP and IP headers"));
    run.latency.iter_mut().for_each(|visit| visit.tcp = None);
    assert!(html(&run, Language::English).contains("Without TCP and IP headers"));
}

#[test]
fn every_kind_of_result_is_shown_and_the_page_stays_small() {
    let page = html(&synthetic(), Language::English);
    let parts = [
        "The herd that comes back",
        "class=\"ring poll\"",
        "Long polling bears up to 100.",
        "class=\"line sent sse\"",
        "TCP and IP headers",
        "refused: 426",
        "Of 7 streams of one page by SSE",
        "encode/&#60;sse&#62;",
        "Not measured: loss (there is no &#60;TUN&#62; device).",
        "visits: 4, of earlier runs",
    ];
    parts.iter().for_each(|part| assert!(page.contains(part), "{part}"));
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
}

#[test]
fn drawings_stand_alone_beside_the_markdown() {
    let drawings = super::files::drawings(&synthetic(), super::Words(Language::French));
    assert!(drawings.len() > 10);
    for drawn in &drawings {
        assert!(drawn.svg.starts_with("<svg xmlns=") && drawn.svg.contains("<style>"), "{}", drawn.name);
    }
    let text = super::files::markdown(&drawings, super::Words(Language::French));
    assert!(drawings.iter().all(|drawn| text.contains(&format!("]({})", drawn.name))));
}
