//! A description of the machine and of the build, for the result.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::child::{git, version_of};
use super::{Placement, cpu_source};
use crate::result::{Environment, Sysctl};

const SYSCTLS: [&str; 6] = [
    "net.core.somaxconn",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_congestion_control",
    "kernel.sched_autogroup_enabled",
];

/// Describes the machine, the build and the command.
pub(crate) fn describe(program: &Path, place: Placement, allocator: &str) -> Environment {
    let uname = rustix::system::uname();
    let kernel = [uname.sysname(), uname.release(), uname.machine()];
    Environment {
        cpu: field("/proc/cpuinfo", "model name"),
        cores: place.cores,
        memory_kib: field("/proc/meminfo", "MemTotal").and_then(|v| v.split(' ').next()?.parse().ok()),
        kernel: kernel.map(|part| part.to_string_lossy().into_owned()).join(" "),
        governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        sysctls: SYSCTLS.iter().filter_map(|name| sysctl(name)).collect(),
        file_limit: raise_file_limit(),
        server_version: version_of(program),
        optimised: !cfg!(debug_assertions),
        allocator: allocator.to_owned(),
        git_commit: git(&["rev-parse", "HEAD"]),
        git_dirty: git(&["status", "--porcelain", "--untracked-files=no"]).map(|text| !text.is_empty()),
        cargo_lock: git(&["hash-object", "Cargo.lock"]),
        command: command(),
        clock: match line("/sys/devices/system/clocksource/clocksource0/current_clocksource") {
            Some(source) => format!("CLOCK_MONOTONIC ({source})"),
            None => "CLOCK_MONOTONIC".to_owned(),
        },
        server_core: place.server as u32,
        load_core: place.load as u32,
        cpu_source: cpu_source().to_owned(),
        program: program.to_str().and_then(|path| git(&["hash-object", "--no-filters", path])),
    }
}

/// The command line with the program's folder left out, which says nothing to others.
fn command() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().map(|n| n.to_string_lossy().into_owned());
    program.into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The value of the first `name : value` line of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

fn sysctl(name: &str) -> Option<Sysctl> {
    let value = line(&format!("/proc/sys/{}", name.replace('.', "/")))?;
    Some(Sysctl {
        name: name.to_owned(),
        value: value.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
    })
}

/// Raises the limit of open files to the hard one, for this process and its children, and gives the limit in force.
fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    in_force.unwrap_or(u64::MAX)
}

/// The time of day, UTC, RFC 3339 to the second.
pub(crate) fn utc_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    utc(since.map(|d| d.as_secs()).unwrap_or_default())
}

/// Seconds since 1970 as a UTC date and time, by the civil calendar's 400-year cycle that starts on 1 March 2000.
fn utc(seconds: u64) -> String {
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock / 3600, clock / 60 % 60, clock % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        let check = |seconds, expected: &str| assert_eq!(utc(seconds), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_795_363_199, "2026-11-22T15:59:59Z");
        check(4_107_542_399, "2100-02-28T23:59:59Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
    }
}
