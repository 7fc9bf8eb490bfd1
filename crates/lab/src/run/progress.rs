//! Progress on standard error: a bar on a terminal, a line a visit elsewhere.

use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// A bar where standard error is a terminal, lines where it is not.
    #[default]
    Auto,
    /// Always a bar.
    Bar,
    /// Always lines.
    Lines,
}

/// Shows how far a run is.
pub(crate) struct Reporter {
    bar: Option<ProgressBar>,
    lines: bool,
    done: u64,
    steps: u64,
}

impl Reporter {
    pub(crate) fn new(progress: Progress, quiet: bool, steps: u64) -> Self {
        let wants_bar = match progress {
            Progress::Auto => stderr().is_terminal(),
            Progress::Bar => true,
            Progress::Lines => false,
        };
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {elapsed} of {duration}  {msg}");
        let bar = (wants_bar && !quiet).then(|| ProgressBar::new(steps));
        let bar = bar.map(|bar| match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        });
        Self { lines: !wants_bar && !quiet, bar, done: 0, steps }
    }

    /// Says something beside the progress.
    pub(super) fn say(&self, what: &str) {
        // Progress that cannot be shown is no reason to stop measuring.
        match &self.bar {
            Some(bar) => bar.println(what),
            None => drop(writeln!(stderr(), "{what}")),
        }
    }

    /// There will be more visits than was thought.
    pub(super) fn expect_more(&mut self, steps: u64) {
        self.steps += steps;
        if let Some(bar) = &self.bar {
            bar.inc_length(steps);
        }
    }

    /// A visit begins.
    pub(crate) fn begin(&mut self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
        if self.lines {
            // Progress that cannot be shown is no reason to stop measuring.
            let _shown = writeln!(stderr(), "[{}/{}] {what}", self.done + 1, self.steps);
        }
    }

    /// The visit is over.
    pub(crate) fn end(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A visit is not made, since an earlier run has it.
    pub(super) fn skip(&mut self) {
        self.end();
    }

    /// Visits that are over, and those of the whole run.
    pub(super) fn extent(&self) -> (u64, u64) {
        (self.done, self.steps)
    }

    /// The run is over.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
