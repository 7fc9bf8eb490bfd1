//! The folder of a store: whose it is, who uses it, and what it holds.
//!
//! `tricast-store` is the marker: it names the format, and the process that uses the store has it locked. Beside it
//! stand `reserve` and the segments.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

const MARKER: &str = "tricast-store";
const SEGMENT_END: &str = ".segment";

/// A folder that this process alone uses.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked for as long as it is open.
    _marker: File,
}

impl Folder {
    /// Opens a folder, and makes a store of one that is empty or missing if `makes` says so.
    pub(crate) fn open(path: &Path, makes: bool) -> Result<Self, StoreError> {
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => return Err(StoreError::NoFolder(path.into())),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound && makes => {
                // What is addressed to single sessions is in it, too: nobody else's business.
                let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.map_err(StoreError::at(path))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::NoStore(path.into()));
            }
            Err(error) => return Err(StoreError::Io { path: path.into(), error }),
        }
        let marker = path.join(MARKER);
        if !marker.exists() {
            refuse_foreign(path)?;
            if !makes {
                return Err(StoreError::NoStore(path.into()));
            }
        }
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(makes).truncate(false);
        let mut file = open.open(&marker).map_err(StoreError::at(&marker))?;
        lock(&file, path)?;
        claim(&mut file, path)?;
        Ok(Self { path: path.into(), _marker: file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the store.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file of a segment.
    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:010}{SEGMENT_END}"))
    }

    /// The numbers of all segments, the oldest first.
    pub(crate) fn segments(&self) -> Result<Vec<u64>, StoreError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(StoreError::at(&self.path))? {
            let name = entry.map_err(StoreError::at(&self.path))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SEGMENT_END)?.parse::<u64>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes the names of new files last.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

fn lock(marker: &File, path: &Path) -> Result<(), StoreError> {
    match marker.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.into())),
        Err(TryLockError::Error(error)) => Err(StoreError::Io { path: path.join(MARKER), error }),
    }
}

/// Reads the marker, or writes it where it is new.
fn claim(marker: &mut File, path: &Path) -> Result<(), StoreError> {
    let place = path.join(MARKER);
    let mut text = String::new();
    marker.take(1024).read_to_string(&mut text).map_err(StoreError::at(&place))?;
    if text.is_empty() {
        let written = writeln!(marker, "{MARKER} {FORMAT}").and_then(|()| marker.sync_all());
        return written.map_err(StoreError::at(&place));
    }
    let format = text.strip_prefix(MARKER).and_then(|rest| rest.trim().parse::<u32>().ok());
    match format {
        Some(format) if format <= FORMAT => Ok(()),
        Some(found) => Err(StoreError::NewerFormat { path: path.into(), found, known: FORMAT }),
        None => Err(StoreError::Foreign { path: path.into(), found: MARKER.to_owned() }),
    }
}

/// A folder that holds something else must not become a store by a slip of the pen.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(StoreError::at(path))? {
        let name = entry.map_err(StoreError::at(path))?.file_name();
        // A file system's own folder stands in the root of each fresh one.
        if name != "lost+found" {
            let found = name.to_string_lossy().into_owned();
            return Err(StoreError::Foreign { path: path.into(), found });
        }
    }
    Ok(())
}
