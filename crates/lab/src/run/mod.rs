//! A run: every cell of a scenario, on every transport, in an order that favours none, and what it came to.

mod crowd;
mod doubts;
mod earlier;
mod earlier_crowds;
mod live;
mod memory;
mod micro;
mod order;
mod outcome;
mod progress;
mod raw;
mod raw_poll;
mod stop;
mod surroundings;
mod visit;
mod work;

pub use self::progress::Progress;
pub(crate) use self::raw::{measure as measure_raw, role as raw_role};
pub(crate) use self::raw_poll::role as raw_poll_role;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use self::doubts::Watch;
use self::earlier::Earlier;
use self::live::Live;
pub(crate) use self::progress::Reporter;
pub(crate) use self::stop::Stop;
use crate::error::{LabError, Result};
use crate::machine::{Placement, describe, utc_now};
use crate::result::{CellRecord, FILE, FORMAT, ProxyKind, Run, ScenarioRecord, Transport};
use crate::scenario::{self, Scenario};
use crate::work::target::Target;

/// Where runs go unless told otherwise.
pub const OUT_ROOT: &str = "target/tricast/runs";

/// Where `make peers` and `make proxies` put other servers.
pub const INSTALLED: &str = "target/peers";
/// Where the page's tests are, and with them the script that drives a browser.
pub const SCRIPTS: &str = "crates/testkit/page";
/// The name, beside the runs, that leads to the newest.
pub const LATEST: &str = "latest";
/// Runs that may begin in one second.
const FOLDERS_MAX: u32 = 100;
/// What is finished is stored this often at most.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// What a run needs to know.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The name of an embedded scenario, or the path of a scenario file.
    pub scenario: String,
    /// The folder in which the run gets a folder of its own.
    pub out_root: PathBuf,
    /// Orders the transports and feeds the bootstrap.
    pub seed: u64,
    /// Lets every crowd cell last so long, instead of what the scenario says.
    pub crowd_time: Option<Duration>,
    /// Lets no crowd cell open more subscribers than this.
    pub crowd_at_most: Option<u32>,
    /// The `tricast` program: it is started as server under test, and again for the hidden roles.
    pub server_program: PathBuf,
    /// Where `make peers` put the proxies and other servers.
    pub installed: PathBuf,
    /// Proxies that are not asked for although the scenario names them are left out; empty for all.
    pub proxies: Vec<ProxyKind>,
    /// Where the script is that drives a browser.
    pub scripts: PathBuf,
    /// Another server to load, by the name of an embedded target or the path of a target file.
    pub target: Option<String>,
    /// The folder of a run to go on with: what it has of the same inputs is not measured again.
    pub resume: Option<PathBuf>,
    /// Where the report is served while it fills.
    pub live: Option<SocketAddr>,
    /// The allocator of that program, for the environment block.
    pub allocator: String,
    /// How progress is shown.
    pub progress: Progress,
    /// Shows no progress at all.
    pub quiet: bool,
}

impl RunOptions {
    /// The quick scenario with seed 1, into `target/tricast/runs`.
    pub fn new(server_program: PathBuf) -> Self {
        Self {
            scenario: "quick".to_owned(),
            out_root: PathBuf::from(OUT_ROOT),
            seed: 1,
            crowd_time: None,
            crowd_at_most: None,
            server_program,
            target: None,
            resume: None,
            live: None,
            installed: PathBuf::from(INSTALLED),
            proxies: Vec::new(),
            scripts: PathBuf::from(SCRIPTS),
            allocator: "not told".to_owned(),
            progress: Progress::Auto,
            quiet: false,
        }
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct RunDir {
    /// The run's folder, with `run.json` in it.
    pub path: PathBuf,
    /// What was observed.
    pub run: Run,
}

/// Everything that the visits share while a run goes on.
struct Bench {
    options: RunOptions,
    scenario: Scenario,
    target: Option<Target>,
    place: Placement,
    folder: PathBuf,
    run: Run,
    reporter: Reporter,
    stop: Stop,
    earlier: Option<Earlier>,
    live: Option<Live>,
    saved: Saved,
    /// Whether the target has been started once, so that it is known to start.
    tried: bool,
}

/// What of a run is stored while it goes on.
#[derive(Debug, Clone, Copy)]
struct Saved {
    at: Instant,
    visits: u64,
}

/// Runs a scenario. It blocks its thread, which it pins to the load's core, for as long as the scenario takes; ^C ends
/// it early, with what is finished kept and marked as partial.
///
/// # Errors
/// A scenario with mistakes, a folder that cannot be written, an earlier run of other inputs, a server that does not
/// start. A server that fails later makes visits void instead. What was finished is stored every few seconds, so that it
/// is there whatever ends the run. A run in which nothing was measured is no error: ask [`RunDir::nothing`].
pub fn run(options: RunOptions) -> Result<RunDir> {
    let mut scenario = scenario::load(&options.scenario)?;
    options.crowd_time.into_iter().for_each(|time| scenario.crowd.last(time));
    options.crowd_at_most.into_iter().for_each(|most| scenario.crowd.at_most(most));
    let target = options.target.as_deref().map(Target::load).transpose()?;
    let mut omitted = Vec::new();
    if let Some(target) = &target {
        work::suit(&mut scenario, target, &mut omitted);
    }
    let place = Placement::choose()?;
    let mut run = empty_run(&options, &scenario, place);
    run.omitted = omitted;
    run.target = target.as_ref().map(|target| target.record(String::new()));
    let earlier = match &options.resume {
        Some(folder) => Some(Earlier::open(folder, &run, &scenario)?),
        None => None,
    };
    // An address that cannot be had is told before there is a folder.
    let listener = options.live.map(live::listen).transpose()?;
    let folder = own_folder(&options.out_root, &mut run.id)?;
    let live = listener.map(|listener| Live::serve(listener, &folder)).transpose()?;
    let mut bench = Bench {
        earlier,
        live,
        saved: Saved { at: Instant::now(), visits: 0 },
        tried: false,
        reporter: Reporter::new(options.progress, options.quiet, steps(&scenario)),
        stop: Stop::listen()?,
        options,
        scenario,
        target,
        place,
        folder,
        run,
    };
    place.pin_load()?;
    bench.doubt_the_place();
    bench.begin_with_earlier()?;
    bench.show_first()?;
    bench.visit_all()?;
    bench.finish()
}

/// Makes the run's folder. Where another run began in the same second, the name gets a number.
fn own_folder(out_root: &Path, id: &mut String) -> Result<PathBuf> {
    fs::create_dir_all(out_root).map_err(LabError::io(format!("create {}", out_root.display())))?;
    let named = id.clone();
    for number in 2..=FOLDERS_MAX {
        let folder = out_root.join(&*id);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => *id = numbered(&named, number),
            made => {
                return made
                    .map(|()| folder.clone())
                    .map_err(LabError::io(format!("create {}", folder.display())));
            }
        }
    }
    let full = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    Err(LabError::io(format!("create {}", out_root.join(named).display()))(full))
}

/// The time with a number behind it, so that the scenario's name still stands behind the first dash.
fn numbered(id: &str, number: u32) -> String {
    id.split_once('-')
        .map_or_else(|| format!("{id}.{number}"), |(time, name)| format!("{time}.{number}-{name}"))
}

/// Visits of a whole run, for the progress bar.
fn steps(scenario: &Scenario) -> u64 {
    let transports = scenario.transports.len() as u64;
    let raw = scenario.saturations.len() as u64
        * scenario.transports.iter().filter(|t| raw::sends(**t)).count() as u64;
    let cells = scenario.cells.iter().map(|cell| u64::from(cell.repetitions)).sum::<u64>();
    let saturations = scenario.saturations.len() as u64;
    let memory = if scenario.memory_at.is_empty() { 0 } else { transports };
    2 * transports * cells
        + u64::from(scenario.repetitions)
            * (2 * transports * saturations + raw + memory + scenario.crowd.visits())
        + surroundings::steps(&scenario.surroundings, &scenario.transports)
}

fn empty_run(options: &RunOptions, scenario: &Scenario, place: Placement) -> Run {
    let started = utc_now();
    let stamp: String = started.chars().filter(char::is_ascii_alphanumeric).collect();
    let cell = |cell: &scenario::Cell| CellRecord {
        name: cell.name.clone(),
        subscribers: cell.subscribers,
        rate: cell.rate,
        payload: cell.payload,
        seconds: cell.duration.as_secs_f64(),
        repetitions: Some(cell.repetitions).filter(|n| *n < scenario.repetitions),
        workload: cell.workload.clone(),
    };
    let record = ScenarioRecord {
        name: scenario.name.clone(),
        text: scenario.text.clone(),
        repetitions: scenario.repetitions,
        transports: scenario.transports.clone(),
        cells: scenario.cells.iter().map(cell).collect(),
        assertions: scenario.assertions.clone(),
    };
    Run {
        format: FORMAT.to_owned(),
        id: format!("{stamp}-{}", scenario.name),
        finished: started.clone(),
        started,
        partial: false,
        synthetic: false,
        seed: options.seed,
        scenario: record,
        environment: describe(&options.server_program, place, &options.allocator),
        order: Vec::new(),
        latency: Vec::new(),
        saturation: Vec::new(),
        raw: Vec::new(),
        memory: Vec::new(),
        crowd: None,
        target: None,
        proxies: None,
        factors: None,
        browser: None,
        loss: None,
        micro: Vec::new(),
        kept: None,
        omitted: Vec::new(),
        doubts: Vec::new(),
    }
}

impl Bench {
    /// A B C, the raw loop, C B A, the idle subscribers, and the crowds, as often as the scenario says.
    fn visit_all(&mut self) -> Result<()> {
        for repetition in 0..self.scenario.repetitions {
            if self.scenario.compares() {
                self.compare(repetition)?;
            }
            self.visit_crowds(repetition)?;
            if self.stop.is_asked() {
                break;
            }
        }
        self.visit_surroundings()
    }

    fn compare(&mut self, repetition: u32) -> Result<()> {
        let there = order::of(&self.scenario.transports, self.options.seed, repetition);
        self.run.order.push(there.clone());
        let back: Vec<Transport> = there.iter().rev().copied().collect();
        self.visit_half(&there, repetition, 0)?;
        self.visit_raw(&there, repetition)?;
        self.visit_half(&back, repetition, 1)?;
        self.visit_memory(&there, repetition)
    }

    fn visit_half(&mut self, order: &[Transport], repetition: u32, half: u32) -> Result<()> {
        for transport in order {
            if self.stop.is_asked() {
                break;
            }
            self.visit_feed(*transport, repetition, half)?;
        }
        Ok(())
    }

    /// Says where the page is, and shows what there is already.
    fn show_first(&mut self) -> Result<()> {
        let Some(live) = &mut self.live else { return Ok(()) };
        live.renew(&self.run)?;
        self.reporter.say(&format!("live at {}", live.url()));
        Ok(())
    }

    /// Tells those who look what is being made.
    fn show(&self, place: &str) {
        self.live.iter().for_each(|live| live.tell(self.reporter.extent(), place));
    }

    /// Stores what is finished, every few seconds: whatever ends the run, it is kept and can be gone on with.
    fn save(&mut self) -> Result<()> {
        if self.saved.at.elapsed() < SAVE_EVERY { Ok(()) } else { self.save_now() }
    }

    fn save_now(&mut self) -> Result<()> {
        self.run.finished = utc_now();
        self.run.partial = true;
        self.write()?;
        self.saved = Saved { at: Instant::now(), visits: self.reporter.extent().0 };
        self.live.as_mut().map_or(Ok(()), |live| live.renew(&self.run))
    }

    fn write(&self) -> Result<()> {
        self.run.write(&self.folder).map_err(|error| match self.saved.visits {
            0 => error,
            visits => LabError::Unsaved { why: error.to_string(), visits, folder: self.folder.clone() },
        })
    }

    fn finish(mut self) -> Result<RunDir> {
        self.run.finished = utc_now();
        self.run.partial = self.stop.is_asked();
        self.doubt_the_whole();
        if self.run.compares() {
            self.run.micro = micro::estimates(Path::new(micro::CRITERION));
        }
        self.reporter.finish();
        self.write()?;
        self.live.take().map_or(Ok(()), |live| live.end(&self.run))?;
        // What shows the newest result goes on showing the last one that is a result.
        if outcome::nothing(&self.run).is_none() {
            point_latest(&self.options.out_root, &self.run.id)?;
        }
        Ok(RunDir { path: self.folder, run: self.run })
    }
}

/// The newest run of a scenario among those in a folder, whether it came to its end or not; by the name of its folder,
/// which begins with the time.
pub fn newest(out_root: &Path, scenario: &str) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split_once('-').is_some_and(|(_, of)| of == scenario) && path.join(FILE).exists()
    };
    fs::read_dir(out_root).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_it).max()
}

/// Lets `latest` lead to a run, by a link that is put in place at once.
pub(crate) fn point_latest(out_root: &Path, id: &str) -> Result<()> {
    let (link, new) = (out_root.join(LATEST), out_root.join(".latest.part"));
    let _stale = fs::remove_file(&new);
    let linked = std::os::unix::fs::symlink(id, &new).and_then(|()| fs::rename(&new, &link));
    linked.map_err(LabError::io(format!("link {}", link.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_follows_the_newest_run() {
        let root = tempfile::tempdir().unwrap();
        for id in ["a", "b"] {
            fs::create_dir(root.path().join(id)).unwrap();
            point_latest(root.path(), id).unwrap();
            assert_eq!(fs::read_link(root.path().join(LATEST)).unwrap(), Path::new(id));
        }
    }

    #[test]
    fn runs_of_one_second_have_folders_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let made = ["20260101T000000Z-a"; 3].map(|id| {
            let mut id = id.to_owned();
            own_folder(root.path(), &mut id).unwrap();
            id
        });
        assert_eq!(made, ["20260101T000000Z-a", "20260101T000000Z.2-a", "20260101T000000Z.3-a"]);
    }

    #[test]
    fn quick_has_as_many_steps_as_visits() {
        assert_eq!(steps(&scenario::load("quick").unwrap()), 3 * (2 * 3 * 4 + 2 * 2 + 3));
    }
}
