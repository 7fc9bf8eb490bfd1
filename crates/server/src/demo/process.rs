//! What this process takes of its machine, read from `/proc`. Where that is not there, nothing is claimed.

use std::fs;
use std::time::{Duration, Instant};

/// Nearer samples than this give the last figure again: the kernel counts CPU in hundredths of a second.
const SAMPLE_MIN: Duration = Duration::from_millis(500);

/// Measures the CPU between two looks, whoever looks.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    sampled: Option<(Instant, u64)>,
    percent: Option<f64>,
}

impl CpuMeter {
    /// A meter that starts to measure now.
    pub(crate) fn start(now: Instant) -> Self {
        Self { sampled: cpu_ticks().map(|ticks| (now, ticks)), percent: None }
    }

    /// User and system time since the last sample, in percent of one core: a process that keeps two cores busy has
    /// 200. `None` where the system does not tell, and before the first half second has passed.
    pub(crate) fn percent(&mut self, now: Instant) -> Option<f64> {
        let (before, ticks_before) = self.sampled?;
        let elapsed = now.saturating_duration_since(before);
        if elapsed < SAMPLE_MIN {
            return self.percent;
        }
        let ticks = cpu_ticks()?;
        self.sampled = Some((now, ticks));
        self.percent = Some(percent(ticks.saturating_sub(ticks_before), ticks_a_second(), elapsed));
        self.percent
    }
}

/// To one decimal, as more would pretend.
fn percent(ticks: u64, ticks_a_second: u64, elapsed: Duration) -> f64 {
    let busy_seconds = ticks as f64 / ticks_a_second.max(1) as f64;
    (busy_seconds / elapsed.as_secs_f64() * 1000.0).round() / 10.0
}

/// The memory that this process has in RAM, in bytes.
pub(crate) fn rss_bytes() -> Option<u64> {
    resident_pages(&fs::read_to_string("/proc/self/statm").ok()?)
        .map(|pages| pages * rustix::param::page_size() as u64)
}

fn cpu_ticks() -> Option<u64> {
    user_and_system(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn ticks_a_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// Fields 14 and 15 of proc_pid_stat(5). The name before them may hold blanks and parentheses.
fn user_and_system(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The second field of proc_pid_statm(5).
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_tables() {
        let stat = "42 (a) b (c) S 1 2 3 0 -1 4194560 100 0 0 0 731 269 0 0 20 0 4 0 100 0 0";
        assert_eq!(user_and_system(stat), Some(1000));
        assert_eq!(user_and_system("42 (a) S 1"), None);
        assert_eq!(user_and_system(""), None);
        assert_eq!(resident_pages("5000 1234 300 1 0 2000 0\n"), Some(1234));
        assert_eq!(resident_pages(""), None);
    }

    #[test]
    fn percent_is_of_one_core() {
        assert_eq!(percent(31, 100, Duration::from_secs(10)), 3.1);
        assert_eq!(percent(400, 100, Duration::from_secs(2)), 200.0);
        assert_eq!(percent(0, 100, Duration::from_secs(2)), 0.0);
    }

    #[test]
    fn a_look_too_soon_gives_the_last_figure() {
        let now = Instant::now();
        let mut meter = CpuMeter { sampled: Some((now, 0)), percent: Some(7.5) };
        assert_eq!(meter.percent(now + Duration::from_millis(499)), Some(7.5));
        let mut absent = CpuMeter { sampled: None, percent: None };
        assert_eq!(absent.percent(now + Duration::from_secs(9)), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_measured() {
        assert!(rss_bytes().is_some_and(|bytes| bytes > 100_000));
        let start = Instant::now();
        let mut meter = CpuMeter::start(start);
        assert_eq!(meter.percent(start), None);
        assert!(meter.percent(start + Duration::from_secs(1)).is_some_and(|percent| percent >= 0.0));
    }
}
