//! How many files the process may have open: each connection is one.
//!
//! Systems start a process with a low limit that it may raise by itself (1,024 on many), for the sake of old programs
//! that count descriptors in a fixed set. A server that stays there refuses its thousandth client.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tricast_server::Settings;

/// A limit of open files; there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpenFiles(Option<u64>);

impl OpenFiles {
    fn holds(self, connections: usize) -> bool {
        self.0.is_none_or(|limit| u64::try_from(connections).is_ok_and(|connections| connections <= limit))
    }
}

impl fmt::Display for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => limit.fmt(f),
            None => f.write_str("unlimited"),
        }
    }
}

/// Files that a server needs beside its connections.
const FILES_BESIDE: usize = 100;

/// Raises the process's limit of open files as far as it may, and tells what came of it. To be called once the log is
/// there and before anything listens. The default of `limits.connections_max` follows a lower limit; a number that
/// somebody chose stays, with a warning.
pub(crate) fn raise_limit(settings: &mut Settings) {
    let Rlimit { current: before, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let (before, now) = (OpenFiles(before), OpenFiles(getrlimit(Resource::Nofile).current));
    tracing::info!(%before, %now, "limit of open files");
    let connections_max = settings.connections_max;
    if let (true, false, Some(limit)) = (is_default(connections_max), now.holds(connections_max), now.0) {
        let fitting = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(FILES_BESIDE).max(1);
        tracing::info!(limits.connections_max = fitting, "as many connections as files may be open");
        settings.connections_max = fitting;
    } else if !now.holds(connections_max) {
        tracing::warn!(
            "limits.connections_max is {connections_max}, and the process may open {now} files: \
             lower the one, or raise the hard limit (ulimit -Hn)"
        );
    }
}

/// Whether this is the default of `limits.connections_max`.
fn is_default(connections_max: usize) -> bool {
    let key = tricast_server::keys().iter().find(|key| key.name == "limits.connections_max");
    key.is_some_and(|key| key.default == connections_max.to_string())
}

#[cfg(test)]
mod tests {
    use super::OpenFiles;

    #[test]
    fn the_default_is_known_as_such() {
        assert!(super::is_default(25_000) && !super::is_default(25_001));
    }

    #[test]
    fn a_limit_holds_up_to_itself_and_none_holds_everything() {
        for (limit, connections, holds) in
            [(Some(256), 256, true), (Some(256), 257, false), (None, usize::MAX, true)]
        {
            assert_eq!(OpenFiles(limit).holds(connections), holds, "{limit:?} {connections}");
        }
    }
}
