//! What the laboratory asks the operating system: the clock, cores, CPU time, memory, and a description of the machine.
//! This is the one place that reads them; all else gets them as arguments.

mod child;
mod describe;
mod place;
mod procfs;

pub(crate) use self::child::{PeerChild, RawChild, Readiness, ServerChild, version_of};
pub(crate) use self::describe::{describe, utc_now};
pub(crate) use self::place::Placement;
pub(crate) use self::procfs::{
    MachineTime, cpu_seconds, cpu_source, descendants, ended_children_seconds, machine_time, pss_kib, tcp_kib,
};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock, the same for publisher and subscribers.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds of CPU that the calling thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}
