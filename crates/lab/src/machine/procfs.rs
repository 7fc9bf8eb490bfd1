//! CPU time and memory of a process, and CPU time of the machine, from `/proc`.

use std::fs;

use crate::error::{LabError, Result};

/// CPU time of the whole machine since boot, in clock ticks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MachineTime {
    pub(crate) busy: u64,
    pub(crate) steal: u64,
    pub(crate) total: u64,
}

impl MachineTime {
    /// What passed since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            steal: self.steal.saturating_sub(earlier.steal),
            total: self.total.saturating_sub(earlier.total),
        }
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(LabError::io(format!("read {path}")))
}

/// CPU seconds, user and system, that a process has used. The scheduler's own account of each thread is exact to the
/// nanosecond; `stat`, in ticks of 10 ms, is the way out where the kernel does not keep it.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    match threads_ns(pid) {
        Some(ns) => Ok(ns as f64 / 1e9),
        None => stat_seconds(&read(&format!("/proc/{pid}/stat"))?),
    }
}

/// Where [`cpu_seconds`] reads, for the result.
pub(crate) fn cpu_source() -> &'static str {
    if threads_ns(std::process::id()).is_some() {
        "/proc/<pid>/task/*/schedstat (ns)"
    } else {
        "/proc/<pid>/stat (ticks)"
    }
}

fn threads_ns(pid: u32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut sum = 0;
    for task in tasks {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        sum += text.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
    }
    (sum > 0).then_some(sum)
}

/// CPU seconds, user and system, of this process's children that have ended.
pub(crate) fn ended_children_seconds() -> Result<f64> {
    seconds_at(&read("/proc/self/stat")?, 13)
}

/// Fields 14 and 15 of `stat`.
fn stat_seconds(stat: &str) -> Result<f64> {
    seconds_at(stat, 11)
}

/// Two fields in ticks, counted after the last parenthesis, since the name before it may hold anything.
fn seconds_at(stat: &str, skip: usize) -> Result<f64> {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_ascii_whitespace().skip(skip).map(str::parse::<u64>);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok((user + system) as f64 / ticks_per_second()),
        _ => Err(LabError::Server("/proc/<pid>/stat has another form".to_owned())),
    }
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Generations of processes under a server that are looked for.
const GENERATIONS_MAX: u32 = 4;

/// A process and all that came from it, as far as they live.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut youngest = vec![pid];
    for _ in 0..GENERATIONS_MAX {
        youngest = youngest.into_iter().flat_map(children).collect();
        all.extend(&youngest);
    }
    all
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_ascii_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
}

/// Proportional set size of a process, KiB.
pub(crate) fn pss_kib(pid: u32) -> Result<u64> {
    let text = read(&format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok());
    kib.ok_or_else(|| LabError::Server("/proc/<pid>/smaps_rollup has no Pss".to_owned()))
}

/// Memory of all TCP sockets of the machine, KiB; 0 where the system does not tell.
pub(crate) fn tcp_kib() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    tcp_pages(&text).unwrap_or(0) * (rustix::param::page_size() as u64 / 1024)
}

/// `TCP: inuse 5 orphan 0 tw 0 alloc 8 mem 1`, in pages.
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_once(" mem ")?.1.split_ascii_whitespace().next()?.parse().ok()
}

/// CPU time of the machine.
pub(crate) fn machine_time() -> Result<MachineTime> {
    Ok(parse_machine(&read("/proc/stat")?))
}

/// `cpu user nice system idle iowait irq softirq steal …`
fn parse_machine(stat: &str) -> MachineTime {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
    let at = |index: usize| ticks.get(index).copied().unwrap_or(0);
    let total = ticks.iter().sum();
    MachineTime { busy: total - at(3) - at(4) - at(7), steal: at(7), total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_hostile_name() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4 0 0 0 0 150 50 0 0 20 0 1 0 5";
        assert_eq!(stat_seconds(stat).unwrap(), 200.0 / ticks_per_second());
        assert_eq!(seconds_at(stat, 13).unwrap(), 0.0);
        assert!(stat_seconds("7 (x) S 1").is_err());
    }

    #[test]
    fn machine_time_separates_steal_from_work() {
        let time = parse_machine("cpu  10 1 20 300 5 2 3 7 0 0\ncpu0 1 1 1 1\n");
        assert_eq!((time.busy, time.steal, time.total), (36, 7, 348));
    }

    #[test]
    fn pages_of_sockets_are_read() {
        assert_eq!(
            tcp_pages("sockets: used 9\nTCP: inuse 5 orphan 0 tw 0 alloc 8 mem 12\nUDP: mem 7\n"),
            Some(12)
        );
        assert_eq!(tcp_pages("UDP: mem 7\n"), None);
    }

    #[test]
    fn a_child_is_found_under_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = descendants(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&std::process::id()) && found.contains(&child.id()), "{found:?}");
    }

    #[test]
    fn own_figures_are_there() {
        assert!(cpu_seconds(std::process::id()).unwrap() > 0.0);
        assert!(pss_kib(std::process::id()).unwrap() > 0);
    }
}
