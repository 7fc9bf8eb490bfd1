//! The port to whoever runs this server, so that the page can have it stopped and started again.

use std::time::Duration;

/// The server's switch.
pub trait Power: Send + Sync {
    /// Ends the server as a signal would, and starts a new one `away` after it has ended. While that is under way a
    /// further word changes nothing.
    fn restart(&self, away: Duration);
}
