//! Which run stands on which side, and what differs between their surroundings.

use serde::{Deserialize, Serialize};

use crate::result::{Environment, Run};

/// One of the runs that are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The run's id.
    pub run: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its repetitions.
    pub repetitions: u32,
    /// What the server said of its version.
    pub server: String,
    /// The commit; empty where it is not known.
    pub commit: String,
    /// The processor; empty where it is not known.
    pub cpu: String,
    /// Cores.
    pub cores: u32,
    /// The kernel.
    pub kernel: String,
    /// Whether the server was optimised.
    pub optimised: bool,
    /// Whether the run was stopped early.
    pub partial: bool,
    /// Whether its figures were made up for a test.
    pub synthetic: bool,
}

impl Side {
    pub(crate) fn of(run: &Run) -> Self {
        let environment = &run.environment;
        Self {
            run: run.id.clone(),
            scenario: run.scenario.name.clone(),
            repetitions: run.scenario.repetitions,
            server: run.target.as_ref().map_or_else(
                || environment.server_version.clone(),
                |target| format!("{} {}", target.name, target.version),
            ),
            commit: environment.git_commit.clone().unwrap_or_default(),
            cpu: environment.cpu.clone().unwrap_or_default(),
            cores: environment.cores,
            kernel: environment.kernel.clone(),
            optimised: environment.optimised,
            partial: run.partial,
            synthetic: run.synthetic,
        }
    }

    /// Whether two runs were made on one machine: the same processor, cores and memory. A processor that is not told
    /// is never the same as another.
    pub(crate) fn same_machine(one: &Environment, other: &Environment) -> bool {
        one.cpu.is_some()
            && (&one.cpu, one.cores, one.memory_kib) == (&other.cpu, other.cores, other.memory_kib)
    }
}
