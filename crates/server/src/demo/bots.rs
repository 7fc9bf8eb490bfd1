//! The port to the crowd of the demo: subscribers in a process of their own, so that what they cost is not the server's.

use serde::Serialize;

/// Who has bots, as far as the demo asks for them.
pub trait Bots: Send + Sync {
    /// Wants so many bots, at most [`BotsState::max`]; 0 ends their process. A process that has died is started anew.
    fn want(&self, count: usize);

    /// What there is at the moment.
    fn state(&self) -> BotsState;
}

/// The bots as they were when their process last told.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BotsState {
    /// How many are wanted.
    pub wanted: usize,
    /// How many there can be: the limits of connections and of open files decide.
    pub max: usize,
    /// Whether their process is there.
    pub running: bool,
    /// Why their process is not there although bots are wanted.
    pub died: Option<String>,
    /// What their process told last: a JSON object.
    pub report: Option<Box<serde_json::value::RawValue>>,
}
