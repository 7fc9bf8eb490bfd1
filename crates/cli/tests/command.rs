//! The command as people and scripts meet it: its words, its exit codes, and one feed on three transports.

mod connections;
mod descriptors;
mod process;
mod restart;

use std::collections::HashSet;

use process::{Running, Said, answer, tricast, tricast_fed, tricast_in};

fn check_success(said: &Said) {
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
}

#[test]
fn the_version_tells_commit_and_compiler() {
    let said = tricast(&["--version"]);
    check_success(&said);
    let expected = format!("tricast {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(said.stdout.starts_with(&expected), "{}", said.stdout);
    assert!(said.stdout.contains(", rustc "), "{}", said.stdout);
}

#[test]
fn every_command_has_help_and_the_main_one_has_examples() {
    let said = tricast(&["--help"]);
    check_success(&said);
    for word in [
        "Examples:",
        "Exit codes:",
        "serve",
        "demo",
        "subscribe",
        "publish",
        "lab",
        "store",
        "config",
        "completions",
    ] {
        assert!(said.stdout.contains(word), "{word} is missing in:\n{}", said.stdout);
    }
    for command in ["serve", "demo", "subscribe", "publish", "lab", "store", "config", "completions"] {
        let said = tricast(&[command, "--help"]);
        check_success(&said);
        assert!(said.stdout.contains("Usage: tricast"), "{command}:\n{}", said.stdout);
    }
}

#[test]
fn wrong_use_is_told_from_failure_and_configuration() {
    for wrong in [
        &["fly"][..],
        &["serve", "--set", "x"],
        &["subscribe"],
        &["subscribe", "http://h", "--after", "yesterday"],
        &["subscribe", "http://h", "--transport", "pigeon"],
        &["demo", "--rate", "-1"],
        &["demo", "--payload", "1"],
    ] {
        assert_eq!(tricast(wrong).code, Some(2), "{wrong:?}");
    }
    let said = tricast(&["subscribe", "https://127.0.0.1"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("needs TLS"), "{}", said.stderr);
}

#[test]
fn every_mistake_of_the_configuration_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tricast.toml");
    std::fs::write(&file, "[server]\nworkers = \"many\"\n[histroy]\nevents = 3\n").unwrap();
    let file = file.to_str().unwrap();
    let environment = [
        ("TRICAST_STREAM__BEAT_SECS", "soon"),
        ("TRICAST_NAMESPACE__CHAT__SCHEMA", "/nonexistent/chat.json"),
        ("TRICAST_LOG__LEVEL", "garbage"),
    ];
    for command in [&["config", "check"][..], &["serve"], &["demo"]] {
        let arguments = [command, &["--config", file, "--listen", "nowhere"]].concat();
        let said = tricast_in(&environment, &arguments);
        assert_eq!(said.code, Some(78), "{command:?}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{command:?}");
        for place in [
            "server.workers",
            "histroy.events",
            "stream.beat_secs",
            "server.listen",
            "namespace.chat.schema (from TRICAST_NAMESPACE__CHAT__SCHEMA)",
            "log.level (from TRICAST_LOG__LEVEL)",
        ] {
            assert!(said.stderr.contains(place), "{command:?} does not name {place}:\n{}", said.stderr);
        }
        assert!(said.stderr.contains("6 mistakes"), "{}", said.stderr);
    }
}

#[test]
fn the_last_source_of_a_setting_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tricast.toml");
    std::fs::write(&file, "server.workers = 3\nhistory.events = 7\nstream.beat_secs = 5\n").unwrap();
    let environment = [("TRICAST_SERVER__WORKERS", "4"), ("TRICAST_HISTORY__EVENTS", "8")];
    let flags = ["config", "check", "--config", file.to_str().unwrap(), "--workers", "5"];
    let said = tricast_in(&environment, &flags);
    check_success(&said);
    for row in ["server.workers = 5", "history.events = 8", "stream.beat_secs = 5"] {
        let tight = |text: &str| text.replace(['"', ' '], "");
        let found = said.stdout.lines().any(|line| tight(line) == tight(row));
        assert!(found, "{row} is missing in:\n{}", said.stdout);
    }
}

#[test]
fn all_transports_print_the_same_ids() {
    let server = Running::server();
    let url = server.told("listening");
    let published = tricast_fed("1\n{\"a\":[2]}\n\n\"three\"\n", &["publish", url, "-"]);
    check_success(&published);
    let single = tricast(&["publish", url, "--room", "r-1", "--type", "a.b", "--key", "k", "[4]"]);
    check_success(&single);
    let other = tricast(&["publish", url, "--room", "r-2", "5"]);
    check_success(&other);
    let expected: Vec<&str> = published.stdout.lines().chain(single.stdout.lines()).collect();
    assert_eq!(expected.len(), 4, "{expected:?}");

    let mut printed = HashSet::new();
    for transport in ["poll", "sse", "ws", "auto"] {
        let flags =
            ["--transport", transport, "--after", "earliest", "--room", "r-1", "--count", "4", "--json"];
        let said = tricast(&[&["subscribe", url][..], &flags].concat());
        check_success(&said);
        for (line, id) in said.stdout.lines().zip(&expected) {
            assert!(line.starts_with(&format!("{{\"id\":\"{id}\",")), "{transport}: {line} is not {id}");
        }
        let way = if transport == "auto" { "ws" } else { transport };
        assert!(said.stderr.contains(&format!("open by {way}")), "{}", said.stderr);
        printed.insert(said.stdout);
    }
    assert_eq!(printed.len(), 1, "the bytes differ: {printed:?}");
    let lines = printed.iter().next().unwrap();
    assert_eq!(lines.lines().count(), 4);
    assert!(
        lines.contains(r#""type":"a.b""#) && lines.contains(r#""rooms":["r-1"],"key":"k","data":[4]}"#),
        "{lines}"
    );
}

#[test]
fn a_subscription_goes_on_after_a_cursor() {
    let server = Running::server();
    let url = server.told("listening");
    let ids = tricast_fed("1\n2\n3\n", &["publish", url]).stdout;
    let ids: Vec<&str> = ids.lines().collect();
    for transport in ["poll", "sse", "ws"] {
        let said =
            tricast(&["subscribe", url, "-t", transport, "--after", ids[0], "--count", "2", "--quiet"]);
        check_success(&said);
        let told: Vec<&str> = said.stdout.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        assert_eq!(told, ids[1..], "{transport}");
        assert_eq!(said.stderr, "", "--quiet says nothing");
    }
}

#[test]
fn a_subscription_outlives_its_server() {
    let server = Running::server();
    let url = server.told("listening").to_owned();
    let address = url.trim_start_matches("http://");
    check_success(&tricast(&["publish", &url, "1"]));
    let subscribe = |way: &&str| {
        Running::start(
            &["subscribe", &url, "--transport", way, "--after", "earliest", "--json", "--quiet"],
            1,
        )
    };
    let subscribers: Vec<Running> = ["poll", "sse", "ws"].iter().map(subscribe).collect();
    drop(server);

    let _server = Running::server_at(address);
    let id = tricast(&["publish", &url, "2"]).stdout;
    for subscriber in subscribers {
        assert!(subscriber.lines[0].ends_with(r#""data":1}"#), "{:?}", subscriber.lines);
        let line = subscriber.next_line();
        assert!(line.contains(id.trim()) && line.ends_with(r#""data":2}"#), "{line} is not {id}");
    }
}

#[test]
fn a_refusal_tells_its_reason_and_is_a_failure() {
    let server = Running::server();
    let url = server.told("listening");
    for (arguments, cause) in [
        (&["publish", url, "{oops"][..], "a text needs its quotes"),
        (&["publish", url, "--type", "No Type", "1"], "bad_request"),
        (&["publish", url, "--namespace", "nowhere", "1"], "not_found"),
        (&["subscribe", url, "--namespace", "nowhere"], "not_found"),
        (&["subscribe", url, "--transport", "poll", "--room", "no room"], "bad_request"),
    ] {
        let said = tricast(arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}");
        assert!(said.stderr.contains(cause), "{arguments:?}: {}", said.stderr);
    }
    let said = tricast_fed("1\nnot json\n", &["publish", url]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("line 2"), "{}", said.stderr);
}

#[test]
fn an_absent_server_is_given_up_where_asked_for() {
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = tricast(&["subscribe", &format!("http://127.0.0.1:{port}"), "--give-up-after", "2"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("gave up after 2 failures"), "{}", said.stderr);
}

#[test]
fn the_demo_says_what_is_where_and_it_is_there() {
    let demo = Running::start(&["demo", "--listen", "127.0.0.1:0", "--workers", "1", "--rate", "100"], 7);
    let page = demo.told("page");
    for (word, start) in [("poll", "curl '"), ("sse", "curl -N '"), ("publish", "curl "), ("report", page)] {
        assert!(demo.told(word).starts_with(start), "{:?}", demo.lines);
    }
    assert!(demo.told("ws").contains(" subscribe "), "{:?}", demo.lines);
    assert!(answer(page).starts_with("HTTP/1.1 200 OK"), "the page");

    let base = page.trim_end_matches('/');
    let flags = ["--after", "earliest", "--room", "kitchen", "--count", "5", "--json", "--quiet"];
    let ways: HashSet<String> = ["poll", "sse", "ws"]
        .into_iter()
        .map(|way| tricast(&[&["subscribe", base, "--transport", way][..], &flags].concat()).stdout)
        .collect();
    assert_eq!(ways.len(), 1, "the same events by each transport: {ways:?}");
    assert_eq!(ways.iter().next().unwrap().lines().count(), 5);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = tricast(&["completions", shell]);
        check_success(&said);
        assert!(said.stdout.contains("subscribe") && said.stdout.contains("give-up-after"), "{shell}");
    }
}
