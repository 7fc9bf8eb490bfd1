//! The ways out of the server: who carries a stream's bytes to its socket. Each must stand the same treatment.

use std::sync::{Mutex, PoisonError};

use tricast_testkit::TestServer;

/// The setting that chooses, and its values.
const SETTING: &str = "fanout.way";
const CHOICES: [&str; 2] = ["owned", "body"];

static ALONE: Mutex<()> = Mutex::new(());

/// A way out: the setting's value, or none in a server that has only one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way(Option<&'static str>);

impl Way {
    /// Whether the server itself carries the bytes, once actix has answered the request's head.
    pub(crate) fn is_owned(self) -> bool {
        self.0 == Some("owned")
    }

    /// A server that uses this way, with these settings.
    #[track_caller]
    pub(crate) fn server(self, flags: &[(&str, &str)]) -> TestServer {
        let chosen = self.0.map(|choice| (SETTING, choice));
        let flags: Vec<(&str, &str)> = flags.iter().copied().chain(chosen).collect();
        TestServer::with(&flags)
    }
}

/// Runs a check on each way, with nothing else beside it.
pub(crate) fn on_each(check: fn(Way)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let has_choice = tricast_server::keys().iter().any(|key| key.name == SETTING);
    let ways = if has_choice { CHOICES.map(Some).to_vec() } else { vec![None] };
    for way in ways.into_iter().map(Way) {
        // In a thread of that name, so that a failure tells the way.
        let checking = std::thread::Builder::new().name(format!("{way:?}")).spawn(move || check(way));
        checking.unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
