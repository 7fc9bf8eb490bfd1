//! The `tricast` command.
fn main() {}
