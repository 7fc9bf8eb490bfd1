//! Settings twice: as they were written ([`Written`]), and as they are meant ([`Settings`]).
//!
//! They come from a TOML file, then `TRICAST_<SECTION>__<KEY>` in the environment, then flags; the later one wins. A
//! namespace may have some of its own, `namespace.<name>.<key>`, which go before those of all namespaces.
//! Every mistake is found in one go, with the place that it came from.

#[cfg(test)]
mod document;
mod meant;
mod namespaces;
mod reader;
mod suggest;
mod table;
mod written;

use std::path::PathBuf;

pub use meant::{FanoutWay, Settings, StoreSettings, TlsFiles};
pub use table::{Key, keys};
pub use written::{Mistake, Written};

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct SettingsSource {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The environment; only names with `TRICAST_` in front and `__` inside are looked at.
    pub env: Vec<(String, String)>,
    /// Flags, as dotted keys: `("server.listen", "127.0.0.1:0")`.
    pub flags: Vec<(String, String)>,
}
