//! A real nginx in front of a real server, with both configurations, for one transport that needs a proxy's goodwill and
//! one that needs its consent. The whole matrix is `make bench-proxies`.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tricast_lab::result::{
    Configuration, Hold, Opening, ProxyAbsence, ProxyCell, ProxyKind, ProxyResults, Run, Transport,
};
use tricast_lab::{Progress, RunOptions, run};

const TRICAST: &str = env!("CARGO_BIN_EXE_tricast");
const SCENARIO: &str = "name = \"t\"\nrepetitions = 1\nwarm_up_s = 0\ntransports = [\"sse\", \"websocket\"]\n\
    [proxies]\nonly = [\"nginx\"]\nevents = 5\nspacing_ms = 20\nidle_s = 1\ndisturbance_s = 1.5\nstreams = 30\n\
    rounds = 1\nsubscribers = 5\nrate = 50\npayload = 64\nseconds = 0.4\n";

/// Where `make setup` unpacks nginx.
fn unpacked() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers")
}

fn measured(installed: PathBuf, scenario: &str) -> ProxyResults {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("t.toml");
    fs::write(&file, scenario).unwrap();
    let options = RunOptions {
        scenario: file.to_string_lossy().into_owned(),
        out_root: root.path().join("runs"),
        installed,
        quiet: true,
        progress: Progress::Lines,
        ..RunOptions::new(TRICAST.into())
    };
    let done = run(options).unwrap();
    let stored = Run::read(&done.path).unwrap();
    assert!(stored == done.run && !stored.partial);
    stored.proxies.unwrap()
}

#[test]
fn nginx_lets_through_what_it_should() {
    let results = measured(unpacked(), SCENARIO);
    let nginx = &results.proxies[0];
    assert_eq!(nginx.absent, None, "`make setup` unpacks nginx under target/peers");
    assert!(nginx.version.contains("nginx/") && nginx.configurations.len() == 2, "{nginx:?}");
    assert_eq!(results.proxies[2].absent, Some(ProxyAbsence::NotAsked));
    let cell = |configuration, transport| results.cell(ProxyKind::Nginx, configuration, transport).unwrap();

    let refused = cell(Configuration::Default, Transport::Websocket);
    assert!(matches!(refused.opening, Opening::Refused { .. }) && !refused.works(), "{refused:?}");
    assert_eq!((refused.holds_back(), refused.loses(), refused.cost.len()), (None, None, 0));
    whole(cell(Configuration::Default, Transport::Sse));
    whole(cell(Configuration::Ours, Transport::Sse));
    whole(cell(Configuration::Ours, Transport::Websocket));
}

/// A cell in which everything came through; none of it depends on how fast.
fn whole(cell: &ProxyCell) {
    assert!(cell.works() && cell.faults.is_empty(), "{cell:?}");
    assert_eq!(cell.loses(), Some(false), "{cell:?}");
    assert!(cell.restart.unwrap().endings > 0, "a restart went unnoticed: {cell:?}");
    assert!(matches!(cell.idle_with_beats, Hold::Held { .. }), "{cell:?}");
    assert_eq!(cell.stood, Some(30));
    let round = &cell.cost[0];
    assert!(round.through.proxy_cpu_s > 0.0 && round.direct.proxy_cpu_s == 0.0, "{round:?}");
}

#[test]
fn a_proxy_that_does_not_start_is_told() {
    let installed = tempfile::tempdir().unwrap();
    let program = installed.path().join("root/usr/bin/caddy");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let results = measured(installed.path().to_owned(), &SCENARIO.replace("nginx", "caddy"));
    assert_eq!(results.proxies[2].absent, Some(ProxyAbsence::DoesNotStart));
    assert!(results.cells.is_empty());
}
