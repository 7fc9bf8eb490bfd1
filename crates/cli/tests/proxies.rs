//! A real nginx in front of a real server, with both configurations, for one transport that needs a proxy's goodwill and
//! one that needs its consent. The whole matrix is `make bench-proxies`. And `tricast lab proxy` out of descriptors.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A server that greets whoever comes, and stays until they go.
fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || stream.write_all(b"x").and_then(|()| stream.read_to_end(&mut Vec::new())));
        }
    });
    address
}

/// CPU time of a process, in ticks of the clock: by convention a hundredth of a second.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn greeted(proxy: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(proxy) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.read_exact(&mut [0]).is_ok()
}

#[test]
fn a_fault_proxy_without_descriptors_rests_and_goes_on_when_there_are_some() {
    // Each connection takes two: with an odd number left the last is taken and given back, with an even one none is.
    for most in [24, 25] {
        let command = format!("ulimit -n {most}; exec {TRICAST} lab proxy --upstream {}", greeter());
        let started = Command::new("sh").args(["-c", &command]).stdout(Stdio::piped()).spawn().unwrap();
        let mut proxy = Running(started);
        let mut line = String::new();
        BufReader::new(proxy.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").unwrap().split(',').next().unwrap().to_owned();
        assert!(greeted(&address));
        // The kernel takes them all; the proxy has descriptors for a few.
        let waiting: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
        thread::sleep(Duration::from_millis(300));
        let (before, since) = (ticks(proxy.0.id()), Instant::now());
        thread::sleep(Duration::from_secs(1));
        let spent = Duration::from_millis(10 * (ticks(proxy.0.id()) - before));
        assert!(spent < since.elapsed() / 2, "it asks without rest: {spent:?} of {:?}", since.elapsed());
        drop(waiting);
        let end = Instant::now() + Duration::from_secs(60);
        while !greeted(&address) {
            assert!(Instant::now() < end, "it does not go on");
        }
    }
}
