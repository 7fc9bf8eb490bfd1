//! For tests only: every decoder of the project as a function of any bytes.
//!
//! A *target* is one decoder with what must hold for all input: that it returns at all, that it reads the same however
//! its bytes are split, and that what it accepts comes back as it was when it is written and read once more. The same
//! functions run in two places: under libFuzzer (`make fuzz`, with the package in `cargo-fuzz/`), and over the seeds of
//! `corpus/` in `cargo test`, each seed also cut short and changed a little.
//!
//! What it is not: a test of what a decoder accepts. The crates' own tests do that.
//!
//! To add a decoder, write its function, put it into [`TARGETS`], and give it a folder of seeds. A seed that once failed
//! is named `regression-<what>` and stays.

mod client;
mod lab;
mod server;
mod split;

/// A decoder, and what must hold for any input.
pub type Target = fn(&[u8]);

/// Every decoder, by the name of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 15] = [
    ("publish", server::publish),
    ("command", server::command),
    ("frames", server::frames),
    ("text", server::text),
    ("query", server::query),
    ("heads", server::heads),
    ("event", client::event),
    ("message", client::message),
    ("notice", client::notice),
    ("poll_answer", client::poll_answer),
    ("problem", client::problem),
    ("sse", client::sse),
    ("lab_streams", lab::streams),
    ("lab_answers", lab::answers),
    ("lab_tap", lab::tap),
];

/// Gives the input to the decoder of this name. False if there is none.
///
/// # Panics
/// If something does not hold: that is the finding.
pub fn run(name: &str, input: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.inspect(|(_, target)| target(input)).is_some()
}
