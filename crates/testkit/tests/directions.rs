//! Who may know whom. The arrows of the workspace are read from `cargo metadata` and the sources, and held against
//! one table.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// For each package what of the project it may know. Those that are not here may know everything: they are for tests
/// and measurements, and nothing depends on them.
const MAY_KNOW: [(&str, &[&str]); 8] = [
    ("tricast-feed", &[]),
    ("tricast-wire", &["tricast-feed"]),
    ("tricast-hub", &["tricast-feed", "tricast-wire"]),
    ("tricast-store", &["tricast-feed", "tricast-wire", "tricast-hub"]),
    ("tricast-server", &["tricast-feed", "tricast-wire", "tricast-hub", "tricast-store"]),
    ("tricast-client", &["tricast-feed", "tricast-wire"]),
    ("tricast-lab", &["tricast-feed", "tricast-wire", "tricast-client"]),
    ("tricast-cli", &["tricast-server", "tricast-store", "tricast-client", "tricast-lab"]),
];
const FOR_TESTS: [&str; 3] = ["tricast-testkit", "tricast-benches", "tricast-fuzz"];

/// What a package depends on: all that stands in its manifest, and apart from that what its tests need.
#[derive(Debug, Default, Clone)]
struct Arrows {
    product: BTreeSet<String>,
    tests: BTreeSet<String>,
}

type Graph = BTreeMap<String, Arrows>;

/// Everything that is wrong with a graph.
fn wrong_arrows(graph: &Graph) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = MAY_KNOW.into_iter().collect();
    let mut wrong = Vec::new();
    for (package, arrows) in graph {
        let both = || arrows.product.iter().chain(&arrows.tests);
        match allowed.get(package.as_str()) {
            None if FOR_TESTS.contains(&package.as_str()) => {}
            None => wrong.push(format!("{package} has no place in the table")),
            Some(allowed) => {
                let known = |to: &str| allowed.contains(&to);
                let ours = both().filter(|to| graph.contains_key(*to) || to.starts_with("tricast"));
                wrong.extend(ours.filter(|to| !known(to)).map(|to| format!("{package} -> {to}")));
            }
        }
        let actix = both().filter(|to| to.starts_with("actix") && package != "tricast-server");
        wrong.extend(actix.map(|to| format!("{package} -> {to}: actix is the server's own")));
        if package == "tricast-feed" {
            let more = arrows.product.iter().filter(|to| *to != "bytes");
            wrong.extend(more.map(|to| format!("{package} -> {to}: the core needs no more than bytes")));
        }
    }
    wrong
}

/// Everything that is wrong with a line of a package's source. Comments may speak of anything.
fn wrong_line(package: &str, line: &str) -> Option<String> {
    let code = line.split("//").next().unwrap_or_default();
    let says = |words: &[&str]| words.iter().any(|word| code.contains(word));
    let is_wrong = match package {
        "tricast-feed" => says(&["serde", "Serialize", "async fn", "std::net", "SystemTime", "Instant::now"]),
        "tricast-lab" | "tricast-client" => says(&["tricast_server", "tricast_hub"]),
        _ => false,
    };
    let takes_actix =
        package != "tricast-server" && !FOR_TESTS.contains(&package) && says(&["actix_", "actix::"]);
    (is_wrong || takes_actix).then(|| line.trim().to_owned())
}

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

fn graph(metadata: &Metadata) -> Graph {
    let mut graph = Graph::new();
    for package in metadata.workspace_packages() {
        let arrows = graph.entry(package.name.to_string()).or_default();
        for dependency in &package.dependencies {
            let into = match dependency.kind {
                DependencyKind::Development => &mut arrows.tests,
                _ => &mut arrows.product,
            };
            into.insert(dependency.name.clone());
        }
    }
    graph
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_arrow_runs_the_right_way() {
    let graph = graph(&metadata());
    assert!(graph.len() >= MAY_KNOW.len() + FOR_TESTS.len(), "the workspace was read: {:?}", graph.keys());
    assert_eq!(wrong_arrows(&graph), Vec::<String>::new());
}

#[test]
fn no_source_names_what_it_may_not_know() {
    let (mut wrong, mut lines) = (Vec::new(), 0);
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().unwrap().as_std_path();
        let mut found = Vec::new();
        ["src", "tests", "benches"].iter().for_each(|inner| sources(&folder.join(inner), &mut found));
        for path in found {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                lines += 1;
                let line = wrong_line(&package.name, line);
                wrong.extend(line.map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    assert!(lines > 5000, "the sources were read: {lines} lines");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The checker itself: the allowed graph passes, and each planted arrow is found.
#[test]
fn a_planted_arrow_is_found() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let arrows = |product: &[&str]| Arrows { product: set(product), tests: BTreeSet::new() };
    let mut good: Graph = MAY_KNOW.iter().map(|(name, known)| ((*name).to_owned(), arrows(known))).collect();
    good.insert("tricast-testkit".to_owned(), arrows(&["tricast-server", "tricast-client", "reqwest"]));
    assert_eq!(wrong_arrows(&good), Vec::<String>::new());
    for (from, to) in [
        ("tricast-feed", "tricast-wire"),
        ("tricast-feed", "serde"),
        ("tricast-wire", "tricast-hub"),
        ("tricast-wire", "tricast-client"),
        ("tricast-hub", "tricast-server"),
        ("tricast-hub", "tricast-store"),
        ("tricast-store", "tricast-server"),
        ("tricast-hub", "tricast-client"),
        ("tricast-hub", "actix-web"),
        ("tricast-server", "tricast-client"),
        ("tricast-server", "tricast-testkit"),
        ("tricast-client", "tricast-hub"),
        ("tricast-lab", "tricast-server"),
        ("tricast-lab", "tricast-hub"),
        ("tricast-cli", "actix-rt"),
        ("tricast-testkit", "actix-web"),
        ("tricast-stranger", "bytes"),
    ] {
        for in_tests in [false, true] {
            let mut planted = good.clone();
            let arrows = planted.entry(from.to_owned()).or_default();
            let into = if in_tests { &mut arrows.tests } else { &mut arrows.product };
            into.insert(to.to_owned());
            // What only tests need of others' crates is nobody's business.
            let is_harmless = in_tests && (from, to) == ("tricast-feed", "serde");
            assert_eq!(wrong_arrows(&planted).is_empty(), is_harmless, "{from} -> {to}, tests: {in_tests}");
        }
    }
}

#[test]
fn a_planted_line_is_found() {
    for (package, line, is_wrong) in [
        ("tricast-feed", "#[derive(Debug, serde::Serialize)]", true),
        ("tricast-feed", "#[derive(Debug, Serialize)]", true),
        ("tricast-feed", "/// Nothing here is Serialize.", false),
        ("tricast-lab", "use tricast_server::Server;", true),
        ("tricast-client", "    let hub = tricast_hub::Hub::start();", true),
        ("tricast-client", "use tricast_wire::text;", false),
        ("tricast-hub", "use actix_web::web;", true),
        ("tricast-server", "use actix_web::web;", false),
    ] {
        assert_eq!(wrong_line(package, line).is_some(), is_wrong, "{package}: {line}");
    }
}
