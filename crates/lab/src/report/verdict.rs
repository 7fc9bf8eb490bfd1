//! The verdict: three sentences, and which transport for which case, each because of a figure of this run.

use super::metric;
use super::scorecard::cell_in_words;
use super::text::Words;
use crate::advise::MATTERS;
use crate::result::{CellRecord, Publishing, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{
    Comparison, Ranking, Subject, account, compare, figure, first_cell, flights, raw_cpu_us, recovery,
};

/// Below this nobody notices a difference, microseconds.
const UNNOTICED_US: f64 = 10_000.0;
const IDLE_CLIENTS: f64 = 100_000.0;
const KIB_PER_GIB: f64 = 1024.0 * 1024.0;
/// Empty answers a minute that a poll parked for 25 seconds gets.
const EMPTY_ANSWERS_PER_MINUTE: f64 = 60.0 / 25.0;

/// A case, the transport for it, and why.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) transports: Vec<Transport>,
    pub(super) choice: String,
    /// Whether the run can tell.
    pub(super) is_measured: bool,
    pub(super) because: String,
    /// The section that shows the figure.
    pub(super) section: &'static str,
}

/// A case whose choice the run cannot tell.
fn undecided(case: Case) -> Case {
    Case { choice: "–".to_owned(), is_measured: false, ..case }
}

/// A run and a language, from which sentences are made.
pub(super) struct Verdict<'a> {
    pub(super) run: &'a Run,
    pub(super) w: Words,
}

impl Verdict<'_> {
    fn subject(&self, metric: Metric) -> Subject<'_> {
        Subject { metric, cell: first_cell(self.run), in_flight: 1 }
    }

    fn value(&self, metric: Metric, transport: Transport) -> Option<f64> {
        figure(self.run, self.subject(metric), transport).map(|figure| figure.value)
    }

    /// The printed figure, or a dash.
    fn told(&self, metric: Metric, transport: Transport) -> String {
        self.value(metric, transport).map_or("–".to_owned(), |value| metric::printed(metric, value, self.w))
    }

    /// A sentence with the figures of all three.
    fn three(&self, key: &str, metric: Metric, more: &[(&str, &str)]) -> String {
        let [poll, sse, websocket] = Transport::ALL.map(|transport| self.told(metric, transport));
        let mut values =
            vec![("poll", poll.as_str()), ("sse", sse.as_str()), ("websocket", websocket.as_str())];
        values.extend_from_slice(more);
        self.w.fill(key, &values)
    }

    /// Latency, cost, and bytes with integrity.
    pub(super) fn sentences(&self) -> Vec<String> {
        let cost = self.is_known(Metric::CpuUsPerDelivery).then(|| self.cost());
        [Some(self.latency()), cost, Some(self.bytes()), self.told_lost()].into_iter().flatten().collect()
    }

    fn latency(&self) -> String {
        let place = cell_in_words(self.run, first_cell(self.run), self.w);
        let tail = self.tail();
        self.three("verdict.latency", Metric::P50Us, &[("place", &place), ("tail", &tail)])
    }

    /// What the 99th percentiles say about the difference between the transports.
    fn tail(&self) -> String {
        let comparison = compare(self.run, self.subject(Metric::P99Us));
        let known = comparison.figures.iter().filter_map(|(_, figure)| figure.map(|f| f.value));
        let (best, worst) = known.fold((f64::MAX, 0.0_f64), |range, v| (range.0.min(v), range.1.max(v)));
        let key = match comparison.ranking {
            _ if comparison.figures.iter().any(|(_, figure)| figure.is_none()) => "verdict.void",
            Ranking::NotComparable => "verdict.void",
            Ranking::TooFew => "verdict.too_few",
            Ranking::LoadBound => "verdict.load_decides",
            Ranking::NoDifference => "verdict.no_difference",
            Ranking::Best(_) | Ranking::Tied if worst < UNNOTICED_US => "verdict.unnoticed",
            Ranking::Best(_) | Ranking::Tied => "verdict.noticed",
        };
        let told = |us| metric::printed(Metric::P99Us, us, self.w);
        self.w.fill(key, &[("best", &told(best)), ("worst", &told(worst))])
    }

    /// Whether a run measured something at all: a scenario may leave whole kinds of visits out.
    fn is_known(&self, metric: Metric) -> bool {
        Transport::ALL.iter().any(|transport| self.value(metric, *transport).is_some())
    }

    /// Whether a sentence can have the figures of all three.
    fn all_known(&self, metric: Metric) -> bool {
        Transport::ALL.iter().all(|transport| self.value(metric, *transport).is_some())
    }

    /// A case of which nothing was measured.
    fn unmeasured(&self, name: &str) -> Case {
        let because = self.w.get("case.unmeasured").to_owned();
        undecided(self.case(name, &[], "scorecard", because))
    }

    fn cost(&self) -> String {
        let raw = raw_cpu_us(self.run, 1);
        let raw = raw.map_or("–".to_owned(), |us| metric::printed(Metric::CpuUsPerDelivery, us, self.w));
        self.three("verdict.cost", Metric::CpuUsPerDelivery, &[("raw", &raw)])
    }

    fn bytes(&self) -> String {
        let payload = self.run.scenario.cells.first().map_or(0.0, |cell| f64::from(cell.payload));
        let count = |metric| Transport::ALL.iter().filter_map(|t| self.value(metric, *t)).sum::<f64>();
        let open = self.run.latency.iter().map(|visit| visit.integrity.received);
        let received =
            open.chain(self.run.saturation.iter().map(|visit| visit.integrity.received)).sum::<u64>();
        let more = [
            ("payload", self.w.digits(payload, 0)),
            ("received", self.w.digits(received as f64, 0)),
            ("lost", self.w.digits(count(Metric::Lost), 0)),
            ("duplicated", self.w.digits(count(Metric::Duplicated), 0)),
        ];
        self.three(
            "verdict.bytes",
            Metric::BytesPerDelivery,
            &more.each_ref().map(|(name, text)| (*name, text.as_str())),
        )
    }

    /// What slow readers were told that they would not get; it is no silent loss, and it is no delivery.
    fn told_lost(&self) -> Option<String> {
        let told =
            self.run.latency.iter().filter_map(|visit| Some(visit.recovery.as_ref()?.told_lost)).sum::<u64>();
        (told > 0).then(|| self.w.fill("verdict.told", &[("told", &self.w.digits(told as f64, 0))]))
    }

    /// The cases, in the order of the table.
    pub(super) fn cases(&self) -> Vec<Case> {
        vec![
            self.proxies(),
            self.dashboard(),
            self.chat(),
            self.idle(),
            self.rare(),
            self.buffering(),
            self.servers(),
        ]
    }

    fn case(&self, name: &str, transports: &[Transport], section: &'static str, because: String) -> Case {
        let words: Vec<&str> = transports.iter().map(|t| metric::transport(*t, self.w)).collect();
        let choice = if words.is_empty() {
            self.w.get("case.any").to_owned()
        } else {
            words.join(self.w.get("case.then"))
        };
        let name = self.w.get(&format!("case.{name}")).to_owned();
        Case { name, transports: transports.to_vec(), choice, is_measured: true, because, section }
    }

    fn fixed(&self, name: &str, transports: &[Transport], section: &'static str, metric: Metric) -> Case {
        let because = self.three(&format!("case.{name}.because"), metric, &[]);
        self.case(name, transports, section, because)
    }

    /// By the matrix of proxies where it was measured.
    fn proxies(&self) -> Case {
        match super::proxies::best(self.run, self.w) {
            Some((order, because)) => self.case("proxies", &order, "proxies", because),
            None if !self.all_known(Metric::P99Us) => self.unmeasured("proxies"),
            None => self.fixed("proxies", &[Transport::Sse, Transport::Poll], "latency", Metric::P99Us),
        }
    }

    /// By the cell of that name, else by the first.
    fn dashboard(&self) -> Case {
        let named = self.cell_with(|cell| cell.name == "dashboard").map(|cell| cell.name.as_str());
        let cell = named.unwrap_or_else(|| first_cell(self.run));
        let subject = Subject { cell, ..self.subject(Metric::P99Us) };
        if Transport::ALL.iter().any(|transport| figure(self.run, subject, *transport).is_none()) {
            return self.unmeasured("dashboard");
        }
        self.ranked(
            "dashboard",
            Transport::Sse,
            if named.is_some() { "workloads" } else { "latency" },
            subject,
        )
    }

    /// The preferred one, with how it stands against the best.
    fn ranked(&self, name: &str, preferred: Transport, section: &'static str, subject: Subject<'_>) -> Case {
        let leaders = compare(self.run, subject).leaders;
        let tail = match leaders.first() {
            None => "case.unknown",
            Some(_) if leaders == [preferred] => "case.best",
            Some(_) if leaders.contains(&preferred) => "case.no_difference",
            Some(leader) if self.is_small(subject, *leader, preferred) => "case.small",
            Some(_) => "case.slower",
        };
        let tail = self.w.get(tail).to_owned();
        let place = cell_in_words(self.run, subject.cell, self.w);
        let more = [("tail", tail.as_str()), ("place", place.as_str())];
        let because = self.three_in(&format!("case.{name}.because"), subject.cell, &more);
        self.case(name, &[preferred], section, because)
    }

    /// Whether two latencies differ by less than anybody notices.
    fn is_small(&self, subject: Subject<'_>, one: Transport, other: Transport) -> bool {
        let value = |transport| figure(self.run, subject, transport).map_or(f64::INFINITY, |f| f.value);
        (value(one) - value(other)).abs() < UNNOTICED_US
    }

    /// The first cell with something in its workload.
    fn cell_with(&self, has: impl Fn(&CellRecord) -> bool) -> Option<&CellRecord> {
        self.run.scenario.cells.iter().find(|cell| has(cell))
    }

    /// The p99 of all three in a cell, in a sentence.
    fn three_in(&self, key: &str, cell: &str, more: &[(&str, &str)]) -> String {
        let subject = Subject { cell, ..self.subject(Metric::P99Us) };
        let told = |transport| {
            figure(self.run, subject, transport)
                .map_or("–".to_owned(), |f| metric::printed(subject.metric, f.value, self.w))
        };
        let [poll, sse, websocket] = Transport::ALL.map(told);
        let mut values =
            vec![("poll", poll.as_str()), ("sse", sse.as_str()), ("websocket", websocket.as_str())];
        values.extend_from_slice(more);
        self.w.fill(key, &values)
    }

    /// By the cell behind a network that holds answers back, where there is one.
    fn buffering(&self) -> Case {
        let networks = self.run.networks();
        let held = |cell: &CellRecord| networks.get(cell.workload.network.as_ref()?)?.down.hold;
        let Some(cell) = self.cell_with(|cell| held(cell).is_some()) else {
            let metric = Metric::CpuUsPerDelivery;
            return if self.is_known(metric) {
                self.fixed("buffering", &[Transport::Poll], "cpu", metric)
            } else {
                self.unmeasured("buffering")
            };
        };
        let ms = held(cell).map_or(0, |hold| hold.ms).to_string();
        let because = self.three_in("case.buffering.measured", &cell.name, &[("held", &ms)]);
        let subject = Subject { cell: &cell.name, ..self.subject(Metric::P99Us) };
        self.leading("buffering", "resilience", subject, because)
    }

    fn chat(&self) -> Case {
        let up = self.per(Transport::Poll, |bytes, _| bytes.up as f64);
        let up =
            up.map_or("–".to_owned(), |bytes| metric::printed(Metric::BytesPerDelivery, bytes, self.w));
        if let Some(cell) = self.cell_with(|cell| cell.workload.publishing == Publishing::Subscribers) {
            let subject = Subject { cell: &cell.name, ..self.subject(Metric::P99Us) };
            // Where the times do not decide, it is that a message up needs no request of its own.
            let leaders = compare(self.run, subject).leaders;
            let tail = match leaders.as_slice() {
                [Transport::Websocket] => "case.chat.best",
                [] => "case.chat.unknown",
                all if all.contains(&Transport::Websocket) => "case.chat.alike",
                _ => "case.chat.other",
            };
            let mut because = self.three_in("case.chat.measured", &cell.name, &[("up", &up)]);
            because.push(' ');
            because.push_str(self.w.get(tail));
            return self.case("chat", &[Transport::Websocket], "workloads", because);
        }
        let because = self.w.fill("case.chat.because", &[("up", &up)]);
        self.case("chat", &[Transport::Websocket], "bytes", because)
    }

    /// Bytes of a kind a delivery in the first cell; the second argument of `of` is the number of poll answers.
    fn per(&self, transport: Transport, of: impl Fn(&crate::result::Bytes, u64) -> f64) -> Option<f64> {
        let cell = first_cell(self.run);
        let visits = self
            .run
            .latency
            .iter()
            .filter(|v| v.cell == cell && v.transport == transport && v.void.is_empty());
        let sum = visits.fold((0.0, 0), |sum, v| (sum.0 + of(&v.bytes, v.answers), sum.1 + v.deliveries));
        (sum.1 > 0).then(|| sum.0 / sum.1 as f64)
    }

    /// Those that lead by a metric: one, some, or no difference.
    fn leading(&self, name: &str, section: &'static str, subject: Subject<'_>, because: String) -> Case {
        let Comparison { ranking, leaders, .. } = compare(self.run, subject);
        if matches!(ranking, Ranking::NotComparable | Ranking::TooFew) {
            return undecided(self.case(name, &[], section, because));
        }
        let alike = matches!(ranking, Ranking::NoDifference | Ranking::LoadBound);
        let mut case = self.case(name, if alike { &[] } else { &leaders }, section, because);
        if ranking == Ranking::Tied {
            let words: Vec<&str> = leaders.iter().map(|t| metric::transport(*t, self.w)).collect();
            case.choice = words.join(self.w.get("case.or"));
        }
        case
    }

    fn idle(&self) -> Case {
        if !self.is_known(Metric::KibPerConnection) {
            return self.unmeasured("idle");
        }
        let gib = |transport| {
            let kib = self.value(Metric::KibPerConnection, transport);
            kib.map_or("–".to_owned(), |kib| {
                self.w.with_unit(kib * IDLE_CLIENTS / KIB_PER_GIB, self.w.get("unit.gib"))
            })
        };
        let [poll, sse, websocket] = Transport::ALL.map(gib);
        let values = [("poll", poll.as_str()), ("sse", sse.as_str()), ("websocket", websocket.as_str())];
        let mut because = self.w.fill("case.idle.because", &values);
        if let Some(cell) = self.caught_up() {
            because.push(' ');
            because.push_str(&self.three_in("case.idle.mobile", &cell.name, &[]));
        }
        let subject = self.subject(Metric::KibPerConnection);
        let known = compare(self.run, subject).figures;
        let known = known.iter().filter_map(|(transport, figure)| Some((*transport, (*figure)?.value)));
        let least = known.clone().map(|(_, kib)| kib).fold(f64::INFINITY, f64::min);
        // Between those that nobody can tell apart at this size, what decides is what they are.
        let matters = MATTERS.gib * KIB_PER_GIB / IDLE_CLIENTS;
        let alike: Vec<Transport> =
            known.filter(|(_, kib)| kib - least <= matters).map(|(transport, _)| transport).collect();
        let mut case = self.leading("idle", "memory", subject, because);
        if alike.len() == self.run.scenario.transports.len() {
            case.choice = self.w.get("case.whichever").to_owned();
            case.is_measured = true;
            case.transports = Vec::new();
        } else if alike.len() > 1 {
            let words: Vec<&str> = alike.iter().map(|t| metric::transport(*t, self.w)).collect();
            case.choice = words.join(self.w.get("case.or"));
            case.is_measured = true;
            case.transports = alike;
        }
        case
    }

    /// The first cell behind a network that cuts, if no event was missed in it for good.
    fn caught_up(&self) -> Option<&CellRecord> {
        let networks = self.run.networks();
        let cuts = |cell: &CellRecord| Some(networks.get(cell.workload.network.as_ref()?)?.cut_every_ms? > 0);
        let cell = self.cell_with(|cell| cuts(cell) == Some(true))?;
        let none = |transport: &Transport| {
            recovery(self.run, &cell.name, *transport).is_some_and(|figure| figure.told_lost == 0)
                && account(self.run, &cell.name, *transport).lost == 0
        };
        self.run.scenario.transports.iter().all(none).then_some(cell)
    }

    /// An idle minute costs a poll its empty answers; a stream its beats, which are not measured apart.
    fn rare(&self) -> Case {
        let heads =
            self.per(
                Transport::Poll,
                |bytes, answers| {
                    if answers == 0 { 0.0 } else { (bytes.head_down + bytes.up) as f64 }
                },
            );
        let minute = heads.map_or("–".to_owned(), |bytes| {
            metric::printed(Metric::BytesPerDelivery, bytes * EMPTY_ANSWERS_PER_MINUTE, self.w)
        });
        let because = self.three("case.rare.because", Metric::BytesPerDelivery, &[("minute", &minute)]);
        let choice = self.w.get("case.whichever").to_owned();
        Case { choice, ..self.case("rare", &[], "bytes", because) }
    }

    fn servers(&self) -> Case {
        if !self.is_known(Metric::CpuUsPerDelivery) {
            return self.unmeasured("servers");
        }
        let most = flights(self.run).last().copied().unwrap_or(1);
        let subject = Subject { in_flight: most, ..self.subject(Metric::CpuUsPerDelivery) };
        let told = |t| {
            figure(self.run, subject, t)
                .map_or("–".to_owned(), |f| metric::printed(subject.metric, f.value, self.w))
        };
        let [poll, sse, websocket] = Transport::ALL.map(told);
        let k = most.to_string();
        let values =
            [("poll", poll.as_str()), ("sse", sse.as_str()), ("websocket", websocket.as_str()), ("k", &k)];
        let because = self.w.fill("case.servers.because", &values);
        self.leading("servers", "cpu", subject, because)
    }
}
