//! The figures in the documents are those of the sample run, and of no other.

use std::path::{Path, PathBuf};

use tricast_lab::compare::{Judgement, changes};
use tricast_lab::{Language, quote, result::Run, table};

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// With `TRICAST_WRITE_DOCS` set it writes the table; without, it fails where the document says something else.
fn check(document: &str, language: Language) {
    let run = Run::read(&root().join("docs/report")).expect("docs/report holds the sample run");
    let path = root().join(document);
    let text = std::fs::read_to_string(&path).expect("the document is there");
    let (front, rest) = text.split_once(BEGIN).expect("the table has its place");
    let (_, back) = rest.split_once(END).expect("the table has its end");
    let expected = format!("{front}{BEGIN}{}{END}{back}", table(&run, language));
    if std::env::var_os("TRICAST_WRITE_DOCS").is_some() {
        return std::fs::write(&path, &expected).expect("the document can be written");
    }
    assert!(text == expected, "{document}: run this test with TRICAST_WRITE_DOCS=1");
}

#[test]
fn the_english_readme_shows_the_sample_run() {
    check("README.md", Language::English);
}

#[test]
fn the_french_readme_shows_the_sample_run() {
    check("README.fr.md", Language::French);
}

#[test]
fn the_sample_is_a_real_and_whole_run() {
    let run = Run::read(&root().join("docs/report")).expect("docs/report holds the sample run");
    assert!(!run.synthetic && !run.partial);
}

/// The sample's visits of some of its repetitions.
fn of_repetitions(run: &Run, of: &[u32]) -> Run {
    let mut part = run.clone();
    part.latency.retain(|visit| of.contains(&visit.repetition));
    part.saturation.retain(|visit| of.contains(&visit.repetition));
    part.memory.retain(|visit| of.contains(&visit.repetition));
    part.raw.retain(|visit| of.contains(&visit.repetition));
    part
}

/// One program against itself: what `lab compare` calls changed is a false alarm.
#[test]
fn a_comparison_of_the_sample_with_itself_alarms_nobody() {
    let run = Run::read(&root().join("docs/report")).expect("docs/report holds the sample run");
    let deals: [[&[u32]; 2]; 3] =
        [[&[0, 2, 4, 6, 8], &[1, 3, 5, 7, 9]], [&[0, 3, 4, 7], &[1, 2, 5, 6]], [&[4, 6, 8], &[5, 7, 9]]];
    let (mut judged, mut alarms) = (0, Vec::new());
    for deal in deals {
        let [one, other] = deal.map(|of| of_repetitions(&run, of));
        let found = changes(&one, &other);
        assert!(found.gone.is_empty(), "{:?}", found.gone);
        for change in found.changes {
            judged += usize::from(change.judgement != Judgement::Untold);
            if matches!(change.judgement, Judgement::Regressed | Judgement::Improved) {
                alarms.push(change);
            }
        }
    }
    assert!(judged > 250, "{judged}");
    assert!(alarms.len() * 200 <= judged, "{} of {judged}: {alarms:?}", alarms.len());
    println!("{} false alarms in {judged} comparisons", alarms.len());
}

/// What the stored pages may weigh, so that one opens in under a second: 3 MiB.
const PAGE_BYTES_MAX: u64 = 3 << 20;

#[test]
fn the_stored_reports_are_light_and_need_nothing_but_themselves() {
    let pages = ["report.html", "report.fr.html"];
    for page in pages.map(|name| root().join("docs/report").join(name)) {
        let text = std::fs::read_to_string(&page).expect("the page is there");
        assert!((text.len() as u64) < PAGE_BYTES_MAX, "{}: {} bytes", page.display(), text.len());
        for other in ["src=\"", "<link", "url(", "@import"] {
            let found: Vec<_> = text
                .match_indices(other)
                .map(|(at, _)| &text[at..text.ceil_char_boundary(at + 60)])
                .collect();
            let strange: Vec<_> =
                found.iter().filter(|found| !found.contains("data:") && !found.contains("url(#")).collect();
            assert!(strange.is_empty(), "{}: {strange:?}", page.display());
        }
    }
}

const FIGURE: &str = "<!--figure ";
const FIGURE_END: &str = "<!--/figure-->";

/// The document with each `<!--figure NAME-->…<!--/figure-->` filled in from the run.
fn filled(run: &Run, text: &str) -> String {
    let mut parts = text.split(FIGURE);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("-->").expect("a figure's name has an end");
        let (_, after) = rest.split_once(FIGURE_END).expect("a figure has an end");
        let figure = quote(run, name, Language::English).unwrap_or_else(|error| panic!("{error}"));
        filled.push_str(&format!("{FIGURE}{name}-->{figure}{FIGURE_END}{after}"));
    }
    filled
}

#[test]
fn the_guide_quotes_the_sample_run() {
    let run = Run::read(&root().join("docs/report")).expect("docs/report holds the sample run");
    let mut figures = 0;
    for entry in std::fs::read_dir(root().join("docs/guide")).expect("docs/guide is there") {
        let path = entry.expect("an entry can be read").path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a page can be read");
        figures += text.matches(FIGURE).count();
        let expected = filled(&run, &text);
        if std::env::var_os("TRICAST_WRITE_DOCS").is_some() {
            std::fs::write(&path, &expected).expect("a page can be written");
        } else {
            assert!(text == expected, "{}: run this test with TRICAST_WRITE_DOCS=1", path.display());
        }
    }
    assert!(figures > 10, "the guide's claims have their figures");
}
