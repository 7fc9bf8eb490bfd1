//! The laboratory's crowds against a real server process, in small: what must hold whatever the machine is busy with.
//! No figure is looked at, only that everything published arrived once and in order, and that the report renders.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// No run of these tests may hang the suite; on an idle machine each takes some seconds.
const PATIENCE: Duration = Duration::from_secs(300);

const SCENARIO: &str = r#"
name = "small"
repetitions = 1
warm_up_s = 0.2

[[crowd]]
name = "sixty"
subscribers = 60
rate = 10
payload = 256
seconds = 2
p99_passes_at_most = 1000

[[scale]]
axis = "subscribers"
at = [10, 60]
payload = 256
seconds = 0.1

[[scale]]
axis = "rooms"
at = [1, 20]
subscribers = 60
audience = 12
payload = 256
seconds = 0.1

[[scale]]
axis = "rooms_in_turn"
at = [1, 7, 60]
subscribers = 60
payload = 256
seconds = 0.1

[[scale]]
axis = "namespaces"
at = [1, 20]
subscribers = 60
audience = 12
payload = 256
seconds = 0.1

[[scale]]
axis = "history"
at = [0, 700]
subscribers = 30
audience = 12
payload = 256
seconds = 0.1

[stalled]
stalled = 30
healthy = 30
rate = 20
payload = 256
fill_kib = 256
seconds = 0.5

[soak]
subscribers = 60
passing = 20
churn = 50
rate = 10
payload = 256
history = 5
seconds = 2
sample_s = 0.1
settle_s = 0.5
"#;

/// Runs `tricast lab crowd` to its end, with a folder for its runs: exit code, standard output, standard error.
fn crowd(arguments: &[&str], out: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tricast"));
    command.args(["lab", "crowd"]).args(arguments).arg("--quiet").arg("--out").arg(out);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the command can be started");
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let output: Output =
        ended.recv_timeout(PATIENCE).expect("the command ended in time").expect("its output can be read");
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A busy machine may break a claim about times, which ends with code 3 once everything is written.
const ENDED: [Option<i32>; 2] = [Some(0), Some(3)];

/// The newest run in a folder.
fn only_run(root: &Path) -> Value {
    let text = fs::read_to_string(root.join("latest/run.json")).expect("the run is there");
    serde_json::from_str(&text).expect("a run is JSON")
}

fn check_whole(account: &Value, what: &str) {
    for fault in ["lost", "duplicated", "out_of_order", "foreign", "ended", "refused"] {
        assert_eq!(account[fault], 0, "{what}: {account}");
    }
    assert_eq!(account["received"], account["expected"], "{what}");
}

#[test]
fn a_small_crowd_of_every_kind_loses_nothing_and_is_reported() {
    let root = tempfile::tempdir().expect("a folder can be made");
    let (file, out) = (root.path().join("small.toml"), root.path().join("runs"));
    fs::write(&file, SCENARIO).expect("the scenario can be written");
    let (code, stdout, stderr) = crowd(&[&file.to_string_lossy()], &out);
    assert!(ENDED.contains(&code), "{stdout}{stderr}");
    let run = only_run(&out);
    let visits = |kind: &str| run["crowd"][kind].as_array().expect(kind).clone();
    assert_eq!((visits("crowd").len(), visits("scale").len()), (1, 11));
    // A round is made again where a busy machine let the load miss a tick.
    let rounds = visits("stalled").len();
    assert!(rounds >= 3 && rounds.is_multiple_of(3), "{rounds}");
    assert_eq!(visits("soak").len(), 1);
    for visit in ["crowd", "scale", "stalled"].iter().flat_map(|kind| visits(kind)) {
        check_whole(&visit["integrity"], &visit.to_string());
        assert_ne!(visit["integrity"]["published"], 0, "{visit}");
    }
    let soak = &visits("soak")[0];
    check_whole(&soak["staying"], "soak");
    check_whole(&soak["passed"], "soak");
    assert!(soak["connects"].as_u64() > Some(0) && soak["passed"]["received"].as_u64() > Some(0), "{soak}");
    assert!(soak["samples"].as_array().is_some_and(|samples| !samples.is_empty()));
    let page = fs::read_to_string(out.join("latest/report.html")).expect("the report is there");
    assert!(page.contains("<section id=\"scale\"") && !page.contains("<section id=\"verdict\""));
    assert!(stdout.contains("0 lost, 0 doubled, 0 reordered"), "{stdout}");
    is_gone_on_with(&run, &file, &out);
}

/// A run of the same inputs measures nothing anew, but what was void.
fn is_gone_on_with(first: &Value, file: &Path, out: &Path) {
    // The name of a run's folder is the second in which it began.
    thread::sleep(Duration::from_millis(1100));
    let again = Command::new(env!("CARGO_BIN_EXE_tricast"))
        .args(["lab", "run", "--quiet", "--resume", "--scenario"])
        .arg(file)
        .arg("--out")
        .arg(out)
        .output()
        .expect("it can be started");
    assert!(ENDED.contains(&again.status.code()), "{}", String::from_utf8_lossy(&again.stderr));
    let second = only_run(out);
    assert_ne!(second["id"], first["id"]);
    let of = |run: &Value, kind: &str| run["crowd"][kind].as_array().cloned().unwrap_or_default();
    let is_whole = |visit: &Value| visit["void"].as_array().is_some_and(Vec::is_empty);
    for kind in ["crowd", "scale", "stalled", "soak"] {
        let (before, after) = (of(first, kind), of(&second, kind));
        // Stalled readers are measured in rounds: after a void one, on a busy machine, another round is taken instead.
        if kind == "stalled" && !before.iter().all(is_whole) {
            continue;
        }
        assert!(before.iter().filter(|visit| is_whole(visit)).all(|visit| after.contains(visit)), "{kind}");
    }
}

#[test]
fn sizes_and_times_can_be_set_and_wrong_ones_are_usage() {
    let root = tempfile::tempdir().expect("a folder can be made");
    let (code, _, stderr) = crowd(&["stalled", "--at-most", "1"], root.path());
    assert_eq!(code, Some(2), "{stderr}");
    let (code, stdout, stderr) = crowd(&["--seconds", "0.5", "--at-most", "30"], root.path());
    assert!(ENDED.contains(&code), "{stdout}{stderr}");
    let visit = &only_run(root.path())["crowd"]["crowd"][0];
    assert_eq!(visit["subscribers"], 30);
    check_whole(&visit["integrity"], "thirty");
}
