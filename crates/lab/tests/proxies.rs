//! `docs/proxies.md` shows a real run, and recommends the lines with which that run was made.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use tricast_lab::factors::{browser_streams, carriages, rows};
use tricast_lab::proxies::matrix;
use tricast_lab::result::{Carriage, Configuration, DoubtKind, ProxyKind, ProxyResults, Run, Transport};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The run of the proxies alone, which waits for what silence does; the sample asks them briefly.
fn proxied() -> Run {
    let run = Run::read(&root().join("docs/report/proxies")).unwrap();
    assert!(!run.synthetic && !run.partial);
    run
}

fn measured() -> ProxyResults {
    proxied().proxies.unwrap()
}

/// A line on what a run doubts, where others used its machine.
fn doubted(run: &Run) -> String {
    let busy = run.doubts.iter().find(|doubt| doubt.kind == DoubtKind::MachineBusy);
    busy.map_or_else(String::new, |doubt| {
        format!(
            "\nOthers used up to {:.0} % of the machine meanwhile, so times and CPU are rough: `make bench-proxies` on a quiet one is better.\n",
            doubt.value
        )
    })
}

/// Each part of the document that a run fills in, in the order in which they stand there.
fn parts() -> Vec<(&'static str, String)> {
    let run = factors();
    vec![
        ("matrix", matrix(&measured()) + &doubted(&proxied())),
        ("carriages", carriages(run.factors.as_ref().unwrap()) + &doubted(&run)),
        ("browser", browser_streams(&run.browser.unwrap())),
    ]
}

/// The sample run where it has the factors and a browser, or a run of their own beside it.
fn factors() -> Run {
    let sample = Run::read(&root().join("docs/report")).unwrap();
    let whole = sample.factors.is_some() && sample.browser.as_ref().is_some_and(|b| b.not_measured.is_none());
    let run = if whole { sample } else { Run::read(&root().join("docs/report/factors")).unwrap() };
    assert!(!run.synthetic && !run.partial);
    run
}

/// With `TRICAST_WRITE_DOCS` set it writes the tables; without, it fails where the document says something else.
#[test]
fn the_document_shows_the_runs() {
    let path = root().join("docs/proxies.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut expected = text.clone();
    for (name, table) in parts() {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let (front, rest) = expected.split_once(&begin).unwrap();
        let (_, back) = rest.split_once(&end).unwrap();
        expected = format!("{front}{begin}{table}{end}{back}");
    }
    if std::env::var_os("TRICAST_WRITE_DOCS").is_some() {
        return fs::write(&path, &expected).unwrap();
    }
    assert!(text == expected, "docs/proxies.md: run this test with TRICAST_WRITE_DOCS=1");
}

/// What the document says in words, and would have to be said otherwise after a run that saw something else.
#[test]
fn the_words_of_the_document_are_those_of_the_run() {
    let results = measured();
    let cell = |proxy, lines, transport| results.cell(proxy, lines, transport).unwrap();
    for one in &results.cells {
        assert_ne!(one.loses(), Some(true), "something was lost: {one:?}");
        let ours = one.configuration == Configuration::Ours;
        assert!(one.works() || !ours, "{one:?}");
        assert_ne!(one.holds_back().filter(|_| ours), Some(true), "{one:?}");
    }
    let refused = cell(ProxyKind::Nginx, Configuration::Default, Transport::Websocket);
    assert!(!refused.works());
    let held = cell(ProxyKind::Haproxy, Configuration::Default, Transport::Sse);
    assert_eq!(held.holds_back(), Some(true));
    let nginx = cell(ProxyKind::Nginx, Configuration::Default, Transport::Sse);
    assert_eq!(nginx.holds_back(), Some(false));
    assert!(nginx.stood < Some(results.extent.streams));
}

#[test]
fn the_words_on_carriages_are_those_of_the_run() {
    let run = factors();
    let rows = rows(run.factors.as_ref().unwrap());
    let cpu = |transport, carriage| {
        let row = rows.iter().find(|row| (row.transport, row.carriage) == (transport, carriage));
        row.unwrap().cpu_us.unwrap()
    };
    assert!(cpu(Transport::Sse, Carriage::H2Tls) < cpu(Transport::Sse, Carriage::H1Plain));
    // A poll gains little by HTTP/2, a stream much.
    let gain = |transport| cpu(transport, Carriage::H1Tls) / cpu(transport, Carriage::H2Tls);
    assert!(gain(Transport::Poll) < 1.2 && gain(Transport::Sse) > 2.0);
    for one in run.browser.unwrap().tries {
        let limited = one.transport == Transport::Sse && one.carriage == Carriage::H1Plain;
        assert_eq!((one.stood, one.request_answered), if limited { (6, false) } else { (one.asked, true) });
    }
}

/// The lines of the documents and those of the files, without marks, blanks and what differs by place.
fn lines(text: &str) -> Vec<String> {
    let bare = |line: &str| {
        line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    text.lines().map(bare).filter(|line| !line.is_empty()).collect()
}

#[test]
fn what_the_document_recommends_is_what_was_measured() {
    let document = fs::read_to_string(root().join("docs/proxies.md")).unwrap();
    for (proxy, fence) in [("nginx", "```nginx"), ("haproxy", "```haproxy"), ("caddy", "```caddyfile")] {
        let file = fs::read_to_string(root().join(format!("benches/proxies/{proxy}-ours.conf"))).unwrap();
        let file = lines(&file).join(" ");
        let (_, rest) = document.split_once(fence).unwrap();
        let recommended = lines(rest.split_once("```").unwrap().0);
        let here = |line: &String| line.contains("127.0.0.1:8080") || line.contains("feed.example");
        for line in recommended.iter().filter(|line| !here(line)) {
            assert!(file.contains(line.as_str()), "{proxy}: `{line}` was not measured");
        }
    }
}
