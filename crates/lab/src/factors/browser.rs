//! How many streams a real browser opens to one host. A script drives it; this starts the servers, waits, and reads what
//! the script tells.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Ground;
use super::subject::{Subject, Trust};
use crate::error::{LabError, Result};
use crate::result::{BrowserResults, Carriage};

/// The script, beside the page's other tests, whose packages it needs.
const SCRIPT: &str = "limits.js";
/// How long browser and script may take in all, and how long to end when told to.
const SCRIPT_MAX: Duration = Duration::from_secs(80);
const END_MAX: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// Lets a browser open streams, where there is one; why not, where there is none.
pub(crate) fn browser(ground: &Ground<'_>, scripts: &Path) -> BrowserResults {
    match told(ground, scripts) {
        Ok(results) => results,
        Err(error) => BrowserResults { not_measured: Some(error.to_string()), ..BrowserResults::default() },
    }
}

fn told(ground: &Ground<'_>, scripts: &Path) -> Result<BrowserResults> {
    let Ground { program, folder, place, .. } = ground;
    let trust = Trust::make(folder)?;
    let plain = Subject::start(program, folder, *place, &trust, Carriage::H1Plain)?;
    let secure = Subject::start(program, folder, *place, &trust, Carriage::H2Tls)?;
    let (said, log) = (folder.join("browser.json"), folder.join("browser.log"));
    let create = |path: &Path| File::create(path).map_err(LabError::io(format!("create {}", path.display())));
    let mut child = Command::new("node")
        .arg(scripts.join(SCRIPT))
        .arg(format!("http://{}", plain.address()))
        .arg(format!("https://localhost:{}", secure.address().port()))
        .stdin(Stdio::null())
        .stdout(create(&said)?)
        .stderr(create(&log)?)
        .spawn()
        .map_err(LabError::io("start node"))?;
    if !ended_well(&mut child, ground.stop)? {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let line = log.lines().find(|line| line.contains("Error")).unwrap_or("no browser answered in time");
        return Err(LabError::Server(format!("the browser's script: {}", line.trim())));
    }
    let text = fs::read_to_string(&said).map_err(LabError::io("read what the script told"))?;
    serde_json::from_str(&text)
        .map_err(|e| LabError::Protocol(format!("what the browser's script told: {e}")))
}

/// Waits for the script, within bounds; whether it ended well.
fn ended_well(child: &mut Child, stop: &dyn Fn() -> bool) -> Result<bool> {
    let deadline = Instant::now() + SCRIPT_MAX;
    while Instant::now() < deadline && !stop() {
        if let Some(status) = child.try_wait().map_err(LabError::io("wait for node"))? {
            return Ok(status.success());
        }
        thread::sleep(LOOK);
    }
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // A script that is gone already is what is wanted; one that is told so closes its browser.
        let _gone = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + END_MAX;
    while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(LOOK);
    }
    let _killed = child.kill().and_then(|()| child.wait());
    Ok(false)
}
