//! TLS, on both ways out: the three transports over it, its own hostile peers, HTTP/2, and settings that are wrong.
//!
//! What the protocol says is asked over TLS by the conformance suite itself, with `TESTKIT_TLS=1`. Here is what only TLS
//! has: records, its handshake, its end, what it holds for a reader that does not read, and what is chosen in it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

/// One test for each function of a way out, `owned` or `body`: it runs on both.
macro_rules! on_each_way {
    ($($name:ident),* $(,)?) => {
        mod on_each_way { $(
            #[test]
            fn $name() {
                crate::on_each(super::$name);
            }
        )* }
    };
}

mod h2;
mod handshakes;
mod records;
mod settings;
mod stalls;
mod streams;

use std::sync::{Mutex, PoisonError};

use tricast_testkit::TestServer;

/// Some tests ask what the process holds: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn on_each(check: fn(&'static str)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for way in ["owned", "body"] {
        // In a thread of that name, so that a failure tells the way.
        let checking = std::thread::Builder::new().name(way.to_owned()).spawn(move || check(way));
        checking.unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}

/// A server that speaks TLS and uses this way.
#[track_caller]
fn server(way: &str, flags: &[(&str, &str)]) -> TestServer {
    let flags: Vec<(&str, &str)> = flags.iter().copied().chain([("fanout.way", way)]).collect();
    TestServer::with_tls(&flags)
}

/// A `GET` of a target.
fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// A publish of this to `default`.
fn post(data: &str) -> String {
    let body = format!("{{\"data\":{data}}}");
    format!(
        "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
