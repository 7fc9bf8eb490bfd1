//! Runs that end before their time: by ^C, by `kill -9`, by a full disk. What was finished is kept, said to be partial, seen
//! while it fills, and gone on with.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tricast");
const PATIENCE: Duration = Duration::from_secs(120);
/// Two cells, three transports, there and back, twice.
const VISITS: usize = 24;
const SCENARIO: &str = r#"
name = "tiny"
repetitions = 2
warm_up_s = 0.1
[[cell]]
name = "one"
subscribers = 3
rate = 20
payload = 64
seconds = 0.6
[[cell]]
name = "two"
subscribers = 2
rate = 20
payload = 64
seconds = 0.6
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.0.path().join("tiny.toml"), SCENARIO).unwrap();
        place
    }

    fn lab(&self, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.0.path()).args(["lab", "run", "--scenario", "tiny.toml", "--out", "runs"]);
        command.args(more);
        command
    }

    fn folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.0.path().join("runs")) else { return Vec::new() };
        let mut folders: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| !path.is_symlink()).collect();
        folders.sort();
        folders
    }
}

fn stored(folder: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(folder.join("run.json")).ok()?).ok()
}

fn visits(run: &Value) -> usize {
    run["latency"].as_array().map_or(0, Vec::len)
}

/// Waits until a run that goes on has stored more than so many visits.
fn wait_for(place: &Place, runs: usize, more_than: usize) -> PathBuf {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let folders = place.folders();
        if folders.len() == runs && stored(&folders[runs - 1]).is_some_and(|run| visits(&run) > more_than) {
            return folders[runs - 1].clone();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nothing was stored within {} s", PATIENCE.as_secs());
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The page of a run, as a browser asks for it.
fn page(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let line =
        lines.find_map(|line| line.unwrap().strip_prefix("live at http://").map(str::to_owned)).unwrap();
    let mut stream = TcpStream::connect(line.trim_end_matches('/')).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_run_that_was_ended_twice_is_gone_on_with_until_it_is_whole() {
    let place = Place::new();
    let first = place.lab(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = wait_for(&place, 1, 0);
    signal(&first, "-INT");
    let ended = first.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", said(&ended));
    let run = stored(&folder).unwrap();
    assert!(run["partial"] == true && visits(&run) < VISITS);
    assert!(fs::read_to_string(folder.join("report.md")).unwrap().contains("stopped early"));

    let refused = place.lab(&["--seed", "2", "--resume"]).output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("`seed` differs"), "{}", said(&refused));
    assert_eq!(place.folders(), [folder], "what is refused leaves nothing");
    std::thread::sleep(Duration::from_millis(1100));

    let mut second =
        place.lab(&["--resume", "--live"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let html = page(&mut second);
    assert!(html.contains("http-equiv=\"refresh\"") && html.contains("visits are over"), "{html}");
    let folder = wait_for(&place, 2, visits(&run));
    second.kill().unwrap();
    second.wait().unwrap();
    let killed = stored(&folder).unwrap();
    assert!(killed["partial"] == true && killed["latency"][0] == run["latency"][0]);
    std::thread::sleep(Duration::from_millis(1100));

    let third = place.lab(&["--resume"]).output().unwrap();
    assert!(third.status.success(), "{}", said(&third));
    let whole = stored(place.folders().last().unwrap()).unwrap();
    assert!(whole["partial"] == false && visits(&whole) == VISITS);
    assert_eq!(whole["kept"]["visits"], visits(&killed), "a void one would be measured again: {killed}");
    assert_eq!(whole["kept"]["oldest"], run["started"]);
}

/// A file system of 400 KiB of its own, where this system lets anybody have one.
fn on_a_small_disk(place: &Place, command: &str) -> Option<Output> {
    let script =
        format!("mount -t tmpfs -o size=400k none runs && {command}; code=$?; cp -r runs/. kept; exit $code");
    fs::create_dir_all(place.0.path().join("runs")).unwrap();
    fs::create_dir_all(place.0.path().join("kept")).unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.current_dir(place.0.path()).args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
        ]);
        command.output().ok()
    };
    unshare("mount -t tmpfs none runs")?.status.success().then(|| unshare(&script))?
}

#[test]
fn a_full_disk_ends_a_run_with_what_was_stored_and_a_word_on_how_to_go_on() {
    let place = Place::new();
    // What fills the disk while the run goes on.
    let fill =
        "(while [ ! -s runs/*/run.json ]; do sleep 0.1; done; cat /dev/zero > runs/full 2>/dev/null) &";
    let command = format!("{{ {fill} {PROGRAM} lab run --quiet --scenario tiny.toml --out runs; }}");
    let Some(output) = on_a_small_disk(&place, &command) else {
        eprintln!("not tested: this system gives nobody but root a file system");
        return;
    };
    let text = said(&output);
    assert!(!output.status.success() && text.contains("No space left on device"), "{text}");
    assert!(text.contains("run.json") && text.contains("--resume"), "{text}");
    let kept = fs::read_dir(place.0.path().join("kept")).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.is_dir()).find_map(|path| stored(&path)).unwrap();
    assert!(kept["partial"] == true && visits(&kept) > 0);
}
