//! The contract of `docs/protocol.md`, asked of a real server over real sockets.
//!
//! A test that concerns all three transports is one function of a [`Lane`](tricast_testkit::Lane) and runs on each:
//! `cargo test -p tricast-testkit --test conformance sse` picks one transport, `… resume` one subject.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

/// One test on each of the three transports, named `<test>::poll`, `::sse` and `::ws`.
macro_rules! on_each_lane {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn poll() {
                super::$name(tricast_testkit::Lane::Poll);
            }
            #[test]
            fn sse() {
                super::$name(tricast_testkit::Lane::Sse);
            }
            #[test]
            fn ws() {
                super::$name(tricast_testkit::Lane::Ws);
            }
        }
    )* };
}

mod bodies;
mod commands;
mod console;
mod durable;
mod ends;
mod frames;
mod history;
mod hostile;
mod lag;
mod metrics;
mod model;
mod namespaces;
mod opening;
mod order;
mod polls;
mod presence;
mod publishing;
mod requests;
mod resume;
mod rooms;
mod sessions;
mod slow;
