//! The offsets that may have been given out, written before they are.
//!
//! A process that ends in a hurry leaves events which others have seen and which are not on disk. Their offsets must
//! never name other events, so each namespace has a ceiling: no offset above it was ever given out. After a clean end
//! the ceiling is the newest offset itself.
//!
//! The file `reserve` is replaced as a whole, so that it is always of one moment.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};

use tricast_feed::{Epoch, Namespace, Offset};
use tricast_hub::Durability;

use crate::StoreError;
use crate::folder::Folder;

const FILE: &str = "reserve";
const NEXT: &str = "reserve.next";
const FIRST_LINE: &str = "tricast-reserve";

/// One namespace's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) epoch: Epoch,
    /// Where the numbering of this run of the process began: every offset up to here is an event on disk or in a hole.
    pub(crate) base: Offset,
    /// No offset above this was given out.
    pub(crate) ceiling: Offset,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reserve {
    /// Under which promise the offsets were given out.
    pub(crate) mode: Durability,
    pub(crate) namespaces: BTreeMap<Namespace, Reserved>,
}

impl Reserve {
    /// Reads the file. `None` where there is none; an error where it is no such file.
    pub(crate) fn read(folder: &Folder) -> Result<Option<Self>, StoreError> {
        let path = folder.file(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => match Self::parse(&text) {
                Some(reserve) => Ok(Some(reserve)),
                None => Err(StoreError::Io { path, error: ErrorKind::InvalidData.into() }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Io { path, error }),
        }
    }

    /// Replaces the file, for good when this returns.
    pub(crate) fn write(&self, folder: &Folder) -> std::io::Result<()> {
        let next = folder.file(NEXT);
        let written = File::create(&next).and_then(|mut file| {
            file.write_all(self.text().as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written {
            // Half a file would take room on a disk that has none.
            let _ = fs::remove_file(&next);
            return Err(error);
        }
        fs::rename(&next, folder.file(FILE))?;
        folder.sync()
    }

    fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE} {}\n", self.mode.name());
        for (namespace, Reserved { epoch, base, ceiling }) in &self.namespaces {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{namespace} {epoch} {base} {ceiling}");
        }
        let sum = crc32fast::hash(text.as_bytes());
        let _ = writeln!(text, "sum {sum:08x}");
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.rsplit_once("sum ")?;
        (u32::from_str_radix(sum.trim(), 16).ok()? == crc32fast::hash(body.as_bytes())).then_some(())?;
        let mut lines = body.lines();
        let mode = match lines.next()?.strip_prefix(FIRST_LINE)?.trim() {
            "async" => Durability::Async,
            "sync" => Durability::Sync,
            _ => return None,
        };
        let namespaces = lines.map(parse_line).collect::<Option<_>>()?;
        Some(Self { mode, namespaces })
    }
}

fn parse_line(line: &str) -> Option<(Namespace, Reserved)> {
    let mut words = line.split(' ');
    let namespace = Namespace::new(words.next()?).ok()?;
    let epoch = Epoch::new(words.next()?.as_bytes()).ok()?;
    let base = Offset(words.next()?.parse().ok()?);
    let ceiling = Offset(words.next()?.parse().ok()?);
    Some((namespace, Reserved { epoch, base, ceiling }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), true).unwrap();
        assert_eq!(Reserve::read(&folder).unwrap(), None);
        let reserved = Reserved { epoch: Epoch::from_random(5), base: Offset(7), ceiling: Offset(4096) };
        let namespaces = [("a", reserved), ("sum", reserved)];
        let namespaces = namespaces.map(|(name, reserved)| (Namespace::new(name).unwrap(), reserved)).into();
        let reserve = Reserve { mode: Durability::Async, namespaces };
        reserve.write(&folder).unwrap();
        assert_eq!(Reserve::read(&folder).unwrap(), Some(reserve));
        let path = folder.file(FILE);
        let damaged = fs::read_to_string(&path).unwrap().replace("4096", "4095");
        fs::write(&path, damaged).unwrap();
        assert!(Reserve::read(&folder).unwrap_err().to_string().starts_with("store.path: "));
    }
}
