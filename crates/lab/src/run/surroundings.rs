//! What stands round the feed, once a run: proxies, TLS and HTTP/2, a browser.

use super::{Bench, Reporter};
use crate::error::Result;
use crate::result::{ProxyKind, Transport};
use crate::scenario::Surroundings;
use crate::{factors, proxies};

/// Visits, for the progress bar.
pub(super) fn steps(surroundings: &Surroundings, transports: &[Transport]) -> u64 {
    surroundings.proxies.as_ref().map_or(0, proxies::steps)
        + surroundings.factors.as_ref().map_or(0, |extent| factors::steps(extent, transports))
        + u64::from(surroundings.browser)
}

impl Bench {
    /// Everything round the feed that the scenario asks for.
    pub(super) fn visit_surroundings(&mut self) -> Result<()> {
        if self.stop.is_asked() {
            return Ok(());
        }
        self.visit_proxies()?;
        self.visit_factors()
    }

    fn visit_factors(&mut self) -> Result<()> {
        let surroundings = self.scenario.surroundings.clone();
        let stop = self.stop.clone();
        let asked = || stop.is_asked();
        let ground = factors::Ground {
            program: &self.options.server_program,
            folder: &self.folder,
            place: self.place,
            seed: self.options.seed,
            stop: &asked,
        };
        let mut shown = Shown::new(&mut self.reporter);
        let transports = &self.scenario.transports;
        if let Some(extent) = &surroundings.factors {
            self.run.factors =
                Some(factors::measure(&ground, extent, transports, &mut |what| shown.begin(what))?);
        }
        if surroundings.browser && !asked() {
            shown.begin("a browser's streams");
            self.run.browser = Some(factors::browser(&ground, &self.options.scripts));
        }
        shown.end();
        Ok(())
    }

    fn visit_proxies(&mut self) -> Result<()> {
        let Some(mut plan) = self.scenario.surroundings.proxies.clone() else { return Ok(()) };
        let asked = &self.options.proxies;
        plan.proxies.retain(|proxy: &ProxyKind| asked.is_empty() || asked.contains(proxy));
        let stop = self.stop.clone();
        let asked = || stop.is_asked();
        let ground = proxies::Ground {
            program: &self.options.server_program,
            installed: &self.options.installed,
            folder: &self.folder,
            place: self.place,
            stop: &asked,
        };
        let mut shown = Shown::new(&mut self.reporter);
        let results =
            proxies::measure(&ground, &plan, &self.scenario.transports, &mut |what| shown.begin(what));
        shown.end();
        self.run.proxies = Some(results?);
        Ok(())
    }
}

/// Steps of which only the beginning is told: each ends where the next begins.
struct Shown<'a> {
    reporter: &'a mut Reporter,
    open: bool,
}

impl<'a> Shown<'a> {
    fn new(reporter: &'a mut Reporter) -> Self {
        Self { reporter, open: false }
    }

    fn begin(&mut self, what: &str) {
        self.end();
        self.reporter.begin(what);
        self.open = true;
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            self.reporter.end();
        }
    }
}
