//! The part of a result that says where, with what and by which command it was made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where and with what a run was made. A field is `None` where the system does not tell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Cores that the laboratory may use.
    pub cores: u32,
    /// Main memory, KiB.
    pub memory_kib: Option<u64>,
    /// Kernel name, release and machine.
    pub kernel: String,
    /// Frequency governor of the first core.
    pub governor: Option<String>,
    /// Kernel settings that touch loopback sockets.
    pub sysctls: Vec<Sysctl>,
    /// Limit of open files of the laboratory and its children.
    pub file_limit: u64,
    /// What `tricast --version` says: version, commit and compiler.
    pub server_version: String,
    /// Whether the server was built with optimisation, as far as the laboratory's own build tells.
    pub optimised: bool,
    /// The allocator of the server, as told by who built it.
    pub allocator: String,
    /// The commit of the working copy that the run was started in.
    pub git_commit: Option<String>,
    /// Whether that copy had changes.
    pub git_dirty: Option<bool>,
    /// Git's object hash of `Cargo.lock`.
    pub cargo_lock: Option<String>,
    /// The command that started the run.
    pub command: String,
    /// The clock that all times come from.
    pub clock: String,
    /// The core that the server and the raw loop are pinned to.
    pub server_core: u32,
    /// The core that the load is pinned to.
    pub load_core: u32,
    /// Where the server's CPU time is read.
    pub cpu_source: String,
    /// Git's object hash of the program that was measured, which is also the laboratory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// One kernel setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// Its dotted name.
    pub name: String,
    /// Its value, as the kernel prints it.
    pub value: String,
}
