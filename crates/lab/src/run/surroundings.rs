//! What stands round the feed, once a run: proxies, TLS and HTTP/2, a browser.

use super::{Bench, Reporter, Watch};
use crate::error::Result;
use crate::result::{ProxyKind, Transport};
use crate::scenario::Surroundings;
use crate::{factors, packets, proxies};

/// What is measured here starts and ends its own programs; their time is that of children.
const NO_PROCESS: u32 = 0;
/// The parts, by their names in a scenario.
const PROXIES: &str = "proxies";
const FACTORS: &str = "factors";
const BROWSER: &str = "browser";
const LOSS: &str = "loss";

/// Visits, for the progress bar.
pub(super) fn steps(surroundings: &Surroundings, transports: &[Transport]) -> u64 {
    surroundings.proxies.as_ref().map_or(0, proxies::steps)
        + surroundings.factors.as_ref().map_or(0, |extent| factors::steps(extent, transports))
        + u64::from(surroundings.browser)
        + surroundings.loss.as_ref().map_or(0, |extent| packets::steps(extent, transports))
}

impl Bench {
    /// Everything round the feed that the scenario asks for.
    pub(super) fn visit_surroundings(&mut self) -> Result<()> {
        if self.stop.is_asked() {
            return Ok(());
        }
        for visit in [Self::visit_proxies, Self::visit_factors, Self::visit_links] {
            let watch = Watch::start(NO_PROCESS);
            if let Some(part) = visit(self)? {
                watch.end(NO_PROCESS, part, &mut self.run.doubts);
            }
        }
        self.doubt_surroundings();
        Ok(())
    }

    /// Doubts about the visits round the feed.
    fn doubt_surroundings(&mut self) {
        let run = &self.run;
        let cells = run.proxies.iter().flat_map(|results| &results.cells);
        let rounds = cells.flat_map(|cell| cell.cost.iter().map(move |round| (cell, round)));
        let mut loads: Vec<(String, f64, Vec<String>)> = Vec::new();
        for (cell, round) in rounds {
            let place = format!(
                "{} {} {} {}",
                cell.proxy.key(),
                cell.configuration.key(),
                cell.transport.key(),
                round.round + 1
            );
            for visit in [&round.direct, &round.through] {
                loads.push((place.clone(), visit.load_busy, visit.void.clone()));
            }
        }
        for visit in run.factors.iter().flat_map(|results| &results.visits) {
            let place = format!("{} {} {}", visit.transport.key(), visit.carriage.key(), visit.round + 1);
            loads.push((place, visit.load_cpu_s / visit.wall_s.max(f64::EPSILON), visit.void.clone()));
        }
        loads.iter().for_each(|(place, busy, void)| self.doubt_load(place, *busy, void));
    }

    /// The part that was visited, by its name; `None` where none was.
    fn visit_links(&mut self) -> Result<Option<&'static str>> {
        let Some(extent) = self.scenario.surroundings.loss.clone() else { return Ok(None) };
        let steps = packets::steps(&extent, &self.scenario.transports);
        if self.takes_part(LOSS, steps, |a, b| a.loss == b.loss, |run| &mut run.loss) {
            return Ok(None);
        }
        let stop = self.stop.clone();
        let asked = || stop.is_asked();
        let ground = packets::Ground {
            program: &self.options.server_program,
            folder: &self.folder,
            place: self.place,
            seed: self.options.seed,
            stop: &asked,
        };
        let mut shown = Shown::new(&mut self.reporter);
        let transports = &self.scenario.transports;
        let results = packets::measure(&ground, &extent, transports, &mut |what| shown.begin(what));
        shown.end();
        self.run.loss = Some(results?);
        self.note_the_break(LOSS);
        self.save_now().map(|()| Some(LOSS))
    }

    /// The part that was visited, by its name; `None` where none was.
    fn visit_factors(&mut self) -> Result<Option<&'static str>> {
        let surroundings = self.scenario.surroundings.clone();
        let asked_factors = surroundings.factors.clone().filter(|extent| {
            let steps = factors::steps(extent, &self.scenario.transports);
            !self.takes_part(FACTORS, steps, |a, b| a.factors == b.factors, |run| &mut run.factors)
        });
        let asked_browser = surroundings.browser
            && !self.takes_part(BROWSER, 1, |a, b| a.browser == b.browser, |run| &mut run.browser);
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
        if let Some(extent) = &asked_factors {
            self.run.factors =
                Some(factors::measure(&ground, extent, transports, &mut |what| shown.begin(what))?);
        }
        if asked_browser && !asked() {
            shown.begin("a browser's streams");
            self.run.browser = Some(factors::browser(&ground, &self.options.scripts));
        }
        shown.end();
        if asked_factors.is_some() {
            self.note_the_break(FACTORS);
        }
        self.save_now()?;
        Ok(asked_factors.map(|_| FACTORS).or(asked_browser.then_some(BROWSER)))
    }

    /// The part that was visited, by its name; `None` where none was.
    fn visit_proxies(&mut self) -> Result<Option<&'static str>> {
        let Some(mut plan) = self.scenario.surroundings.proxies.clone() else { return Ok(None) };
        let steps = proxies::steps(&plan);
        if self.options.proxies.is_empty()
            && self.takes_part(PROXIES, steps, |a, b| a.proxies == b.proxies, |run| &mut run.proxies)
        {
            return Ok(None);
        }
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
        self.note_the_break(PROXIES);
        self.save_now().map(|()| Some(PROXIES))
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
