//! What can go wrong in the laboratory, said so that a reader knows what to change.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run, a report or a role could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The scenario is not one that the laboratory can run; the text names the line and the field.
    #[error("scenario {name}: {detail}")]
    Scenario {
        /// The embedded scenario's name or the file's path.
        name: String,
        /// What is wrong, with its line.
        detail: String,
    },
    /// The target is not one that the laboratory can load; the text names the line and the field.
    #[error("target {name}: {detail}")]
    Target {
        /// The embedded target's name or the file's path.
        name: String,
        /// What is wrong, with its line.
        detail: String,
    },
    /// The operating system refused something. Its answer is part of the text, and so no source that would be told once more.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's own answer.
        cause: io::Error,
    },
    /// The server under test did not start, or ended in the middle of a run.
    #[error("server under test: {0}")]
    Server(String),
    /// The server's bytes were not what the protocol says.
    #[error("protocol: {0}")]
    Protocol(String),
    /// A stored result could not be read.
    #[error("result {}: {detail}", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A run could not be stored any more, and ended.
    #[error("{why}; the run ends here, and {} keeps its first {visits} visits: make room, and go on with `--resume {}`", folder.join("run.json").display(), folder.display())]
    Unsaved {
        /// What storing it came to.
        why: String,
        /// Visits that were stored before.
        visits: u64,
        /// The run's folder.
        folder: PathBuf,
    },
    /// A page of the report could not be rendered.
    #[error("report: {0}")]
    Render(String),
    /// Network conditions that cannot be; the text names the fields.
    #[error("conditions: {0}")]
    Conditions(String),
    /// Somebody asked the run to end.
    #[error("stopped")]
    Stopped,
    /// A hidden role was called with arguments it does not know.
    #[error("role: {0}")]
    Role(String),
}

/// The laboratory's result type.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

impl LabError {
    /// Wraps a system error with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |cause| Self::Io { what, cause }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::StorageFull)
    }

    /// Says what is wrong with a stored result.
    pub(crate) fn result(path: &Path, detail: &dyn std::fmt::Display) -> Self {
        Self::Result { path: path.to_owned(), detail: detail.to_string() }
    }
}

impl From<rustix::io::Errno> for LabError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io { what: "system call".to_owned(), cause: errno.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_the_system_said_is_told_once() {
        let error = LabError::io("write x")(io::ErrorKind::StorageFull.into());
        assert_eq!(error.to_string(), format!("write x: {}", io::Error::from(io::ErrorKind::StorageFull)));
        assert!(error.source().is_none() && error.is_full());
        assert!(!LabError::io("write x")(io::ErrorKind::NotFound.into()).is_full());
    }
}
