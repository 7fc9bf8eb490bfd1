//! What `--version` tells.

/// The version, the commit that it was built from (`+dirty` with changes on top) and the compiler.
pub(crate) const VERSION: &str = env!("TRICAST_VERSION");
