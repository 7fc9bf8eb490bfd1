//! Durable history as operators meet it: a real process over a real folder, killed, filled up, damaged and moved.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise, in its helpers too")]

mod kills;
mod lives;
mod server;
mod tools;
