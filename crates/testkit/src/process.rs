//! What this process holds and has used, from `/proc`.

use std::time::Duration;

/// How many files, sockets among them, the process has open.
///
/// # Panics
/// Where there is no `/proc`.
#[must_use]
pub fn open_files() -> usize {
    let listed = std::fs::read_dir("/proc/self/fd").unwrap_or_else(|error| panic!("/proc/self/fd: {error}"));
    listed.count()
}

/// The processor time that the process has used, in the kernel and outside, to ten milliseconds.
///
/// # Panics
/// Where there is no `/proc`.
#[must_use]
pub fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_else(|error| panic!("{error}"));
    // The name may hold anything; what follows its last parenthesis is numbers (proc_pid_stat(5)).
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0)).sum();
    // The unit is USER_HZ, which is 100 wherever Linux runs.
    Duration::from_millis(ticks * 10)
}

/// What the process keeps in memory, in bytes: its proportional set size without the program itself, whose pages come
/// in as it is used. What the kernel keeps for its sockets is not in it either.
///
/// # Panics
/// Where there is no `/proc`.
#[must_use]
pub fn memory() -> u64 {
    let told = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_else(|error| panic!("{error}"));
    let kib = told.lines().find_map(|line| line.strip_prefix("Pss_Anon:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or_else(|| panic!("{told}"), |kib| kib << 10)
}
