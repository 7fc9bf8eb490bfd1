//! What can be wrong with a store. Every text begins with the setting that names it.

use std::io;
use std::path::PathBuf;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path leads to something that is no folder.
    #[error("store.path: {0} is no folder")]
    NoFolder(PathBuf),
    /// There is no store, and none shall be made.
    #[error("store.path: {0} holds no store")]
    NoStore(PathBuf),
    /// The folder holds something else.
    #[error("store.path: {path} holds something else ({found}); a store needs a folder of its own")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found there.
        found: String,
    },
    /// Another process has it open.
    #[error("store.path: {0} is used by another process")]
    Locked(PathBuf),
    /// It was written by a newer program.
    #[error("store.path: {path} holds format {found}; this program reads format {known}")]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// The format's number in the store.
        found: u32,
        /// The newest number that is known here.
        known: u32,
    },
    /// It holds events already.
    #[error("store.path: {0} is not empty")]
    NotEmpty(PathBuf),
    /// A file cannot be read or written.
    #[error("store.path: {path}: {error}")]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line of an export cannot be taken in.
    #[error("line {line}: {detail}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
}

impl StoreError {
    /// For `map_err`: names the file that the system speaks of.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}
