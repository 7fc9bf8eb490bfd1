//! One transport's measured rows for a question, and what they come to at its size.

use super::answer::{Assumption, AssumptionKind, Behind, Choice, Criterion, Estimate, MeasuredRow, Unfit};
use super::{MATTERS, Proxies, Question, TwoWay};
use crate::result::{Configuration, Run, Transport};
use crate::scenario::Metric;
use crate::summary::{
    CostPoint, Figure, Subject, WirePoint, cost_points, exchange_bytes, figure, fit, plain_cells, reconnect,
    wire_points,
};

/// Seconds that a poll is parked without an event, as the server does it unless it is told otherwise.
const PARKED_S: f64 = 25.0;
/// Bytes of a WebSocket frame's head and mask that a client's message pays.
const FRAME_UP_BYTES: f64 = 8.0;
const KIB_PER_GIB: f64 = 1024.0 * 1024.0;
/// By how much a question may pass the measured range before that is said.
const BEYOND: f64 = 1.05;

/// What is known of one transport for one question.
pub(super) struct Measured {
    transport: Transport,
    pub(super) rows: Vec<MeasuredRow>,
    pub(super) assumptions: Vec<Assumption>,
    estimate: Estimate,
    /// The same at both ends of the intervals.
    low: Estimate,
    high: Estimate,
    unfit: Option<Unfit>,
    lost: f64,
    up_bytes: Option<f64>,
}

/// A value with its interval.
type Band = [f64; 3];

impl Measured {
    pub(super) fn of(run: &Run, question: &Question, transport: Transport) -> Self {
        let none = Estimate::default();
        let mut one = Self {
            transport,
            rows: Vec::new(),
            assumptions: Vec::new(),
            estimate: none,
            low: none,
            high: none,
            unfit: None,
            lost: 0.0,
            up_bytes: None,
        };
        one.cpu(run, question);
        one.memory(run, question);
        one.bytes(run, question);
        one.latency(run, question);
        one.back(run);
        one.integrity(run);
        one.proxies(run, question);
        one.up(run, question);
        one
    }

    fn assume(&mut self, kind: AssumptionKind, value: f64) {
        self.assumptions.push(Assumption { kind, value });
    }

    fn row(&mut self, criterion: Criterion, metric: Metric, figure: Figure) -> &mut MeasuredRow {
        self.rows.push(MeasuredRow {
            transport: self.transport,
            criterion,
            metric: Some(metric),
            cell: None,
            in_flight: None,
            subscribers: None,
            rate: None,
            figure,
        });
        self.rows.last_mut().expect("a row was pushed on the line before")
    }

    fn set(&mut self, band: Band, of: fn(&mut Estimate) -> &mut Option<f64>) {
        for (estimate, value) in [&mut self.estimate, &mut self.low, &mut self.high].into_iter().zip(band) {
            *of(estimate) = Some(value);
        }
    }

    /// Exchanges a second of a client: its events, and for a poll the answers that end empty between them.
    fn exchanges(&mut self, question: &Question) -> f64 {
        if self.transport != Transport::Poll || question.rate * PARKED_S >= 1.0 {
            return question.rate;
        }
        self.assume(AssumptionKind::EmptyAnswers, PARKED_S);
        1.0 / PARKED_S
    }

    fn cpu(&mut self, run: &Run, question: &Question) {
        let all = cost_points(run, self.transport);
        let points = nearest_crowds(&all, question.clients);
        let Some((left, right, share)) = around(&points, question.rate, |p| p.rate) else { return };
        let (left, right) = (points[left], points[right]);
        let per = blend(left.cpu_us, right.cpu_us, share);
        for point in if left == right { vec![left] } else { vec![left, right] } {
            let row = self.row(Criterion::Cpu, Metric::CpuUsPerDelivery, point.cpu_us);
            row.cell.clone_from(&point.cell);
            row.in_flight = point.cell.is_none().then_some(point.in_flight);
            (row.subscribers, row.rate) = (Some(point.subscribers), Some(point.rate));
        }
        if let Some(nearest) = outside(question.rate, &points.iter().map(|p| p.rate).collect::<Vec<_>>()) {
            self.assume(AssumptionKind::RateBeyond, nearest);
        }
        if left.subscribers != question.clients {
            self.assume(AssumptionKind::ClientsOther, f64::from(left.subscribers));
        }
        let exchanges = f64::from(question.clients) * self.exchanges(question);
        let cores = per.map(|us| us * exchanges / 1e6);
        if cores[0] > 1.0 {
            self.assume(AssumptionKind::CoresAdd, cores[0]);
        }
        self.set(cores, |e| &mut e.cores);
    }

    fn memory(&mut self, run: &Run, question: &Question) {
        let subject = Subject { metric: Metric::KibPerConnection, cell: "", in_flight: 1 };
        let Some(slope) = figure(run, subject, self.transport) else { return };
        let visits = run.memory.iter().filter(|v| v.transport == self.transport && v.void.is_empty());
        let points: Vec<(f64, f64)> = visits
            .flat_map(|v| v.points.iter().map(|p| (f64::from(p.subscribers), p.pss_kib as f64)))
            .collect();
        let base = fit(points.iter().copied()).map_or(0.0, |line| line.intercept.max(0.0));
        let most = points.iter().map(|p| p.0).fold(0.0, f64::max);
        self.row(Criterion::Memory, Metric::KibPerConnection, slope).subscribers = Some(most as u32);
        if f64::from(question.clients) > most * BEYOND {
            self.assume(AssumptionKind::ClientsBeyond, most);
        }
        let gib = band(slope).map(|kib| (base + kib * f64::from(question.clients)) / KIB_PER_GIB);
        self.set(gib, |e| &mut e.gib);
    }

    fn bytes(&mut self, run: &Run, question: &Question) {
        let all = wire_points(run, self.transport);
        let points = nearest_rates(&all, question.rate);
        let at = f64::from(question.payload);
        let Some((left, right, share)) = around(&points, at, |p| f64::from(p.payload)) else { return };
        let (left, right) = (points[left], points[right]);
        let per = blend(overhead(left), overhead(right), share).map(|bytes| bytes + at);
        for point in if left == right { vec![left] } else { vec![left, right] } {
            let row = self.row(Criterion::Bytes, Metric::BytesPerDelivery, point.bytes);
            (row.cell, row.rate) = (Some(point.cell.clone()), Some(f64::from(point.rate)));
        }
        let payloads: Vec<f64> = points.iter().map(|p| f64::from(p.payload)).collect();
        if let Some(nearest) = outside(at, &payloads) {
            self.assume(AssumptionKind::PayloadBeyond, nearest);
        }
        // What ends empty has heads alone, which is about the overhead of an answer with an event.
        let empty = (self.exchanges(question) - question.rate).max(0.0);
        let clients = f64::from(question.clients);
        let mbit = per.map(|bytes| clients * (question.rate * bytes + empty * (bytes - at)) * 8.0 / 1e6);
        self.set(mbit, |e| &mut e.mbit_s);
    }

    fn latency(&mut self, run: &Run, question: &Question) {
        let load = |subscribers: u32, rate: u32| f64::from(subscribers) * f64::from(rate);
        let size = f64::from(question.payload.max(1));
        // As far in the number of deliveries as in their size and in how many each event goes to: twice the one is taken
        // to be as far as twice the other.
        let far = |cell: &&crate::result::CellRecord| {
            let deliveries = load(cell.subscribers, cell.rate) / question.deliveries();
            let fan_out = f64::from(cell.subscribers) / f64::from(question.clients.max(1));
            deliveries.ln().abs() + (f64::from(cell.payload.max(1)) / size).ln().abs() + fan_out.ln().abs()
        };
        let known = plain_cells(run).filter_map(|cell| {
            let subject = Subject { metric: Metric::P99Us, cell: &cell.name, in_flight: 1 };
            Some((cell, figure(run, subject, self.transport)?))
        });
        let known: Vec<_> = known.collect();
        let most = known.iter().map(|(cell, _)| cell.subscribers).max().unwrap_or(0);
        let nearest = known.into_iter().min_by(|a, b| far(&a.0).total_cmp(&far(&b.0)));
        let Some((cell, p99)) = nearest else { return };
        let row = self.row(Criterion::Latency, Metric::P99Us, p99);
        row.cell = Some(cell.name.clone());
        (row.subscribers, row.rate) = (Some(cell.subscribers), Some(f64::from(cell.rate)));
        self.assume(AssumptionKind::BelowKnee, load(cell.subscribers, cell.rate));
        if f64::from(question.clients) > f64::from(most) * BEYOND {
            self.assume(AssumptionKind::FanOutBeyond, f64::from(cell.subscribers));
        }
        let measured = f64::from(cell.payload);
        if outside(f64::from(question.payload), &[measured]).is_some() {
            self.assume(AssumptionKind::LatencyPayload, measured);
        }
        self.set(band(p99).map(|us| us / 1000.0), |e| &mut e.p99_ms);
    }

    fn back(&mut self, run: &Run) {
        let Some((cell, reconnect)) = reconnect(run, self.transport) else { return };
        self.row(Criterion::Back, Metric::P50Us, reconnect).cell = Some(cell.to_owned());
        self.set(band(reconnect).map(|us| us / 1000.0), |e| &mut e.back_ms);
    }

    fn integrity(&mut self, run: &Run) {
        let plain = |name: &str| plain_cells(run).any(|cell| cell.name == name);
        let open = run.latency.iter().filter(|v| v.transport == self.transport && plain(&v.cell));
        let lost = open.map(|v| v.integrity.lost + v.integrity.duplicated).sum::<u64>() as f64;
        let subject = Subject { metric: Metric::Lost, cell: "", in_flight: 1 };
        if let Some(known) = figure(run, subject, self.transport) {
            self.row(
                Criterion::Integrity,
                Metric::Lost,
                Figure { value: lost, low: lost, high: lost, ..known },
            );
        }
        self.lost = lost;
    }

    /// Through how many of the measured proxies the transport works, in the configuration that the question means.
    fn proxies(&mut self, run: &Run, question: &Question) {
        let configuration = match question.proxies {
            Proxies::None => return,
            Proxies::Known => Configuration::Ours,
            Proxies::Buffering | Proxies::Unknown => Configuration::Default,
        };
        let measured = run.proxies.as_ref().filter(|p| !p.cells.is_empty());
        let cells = measured.iter().flat_map(|p| &p.cells);
        let fits: Vec<bool> = cells
            .filter(|c| c.configuration == configuration && c.transport == self.transport)
            .map(|c| c.works() && c.holds_back() == Some(false))
            .collect();
        if question.proxies == Proxies::Buffering {
            self.unfit = (self.transport == Transport::Sse).then_some(Unfit::BuffersByNature);
        }
        if fits.is_empty() {
            return self.assume(AssumptionKind::ProxiesNotMeasured, 0.0);
        }
        self.assume(AssumptionKind::ProxiesAlike, fits.len() as f64);
        if question.proxies != Proxies::Buffering && fits.iter().any(|fits| !fits) {
            self.unfit = Some(Unfit::ProxyMeasured);
        }
    }

    /// What a message from a client costs beside its own bytes.
    fn up(&mut self, run: &Run, question: &Question) {
        if question.two_way != TwoWay::Yes {
            return;
        }
        let own =
            if self.transport == Transport::Websocket { Some(FRAME_UP_BYTES) } else { exchange_bytes(run) };
        self.up_bytes = own;
        if let Some(bytes) = own.filter(|_| self.transport != Transport::Websocket) {
            self.assume(AssumptionKind::UpNotCounted, bytes);
        }
    }

    /// The choice that this transport is, beside the others.
    pub(super) fn choice(&self, all: &[Self], question: &Question) -> Choice {
        let behind = Criterion::ALL.into_iter().filter_map(|criterion| self.behind(criterion, all, question));
        Choice {
            transport: self.transport,
            estimate: self.estimate,
            behind: behind.collect(),
            unfit: self.unfit,
        }
    }

    fn behind(&self, criterion: Criterion, all: &[Self], question: &Question) -> Option<Behind> {
        let weighed: (fn(&Estimate) -> Option<f64>, f64) = match criterion {
            Criterion::Cpu => (|e| e.cores, MATTERS.cores),
            Criterion::Memory => (|e| e.gib, MATTERS.gib),
            Criterion::Bytes => (|e| e.mbit_s, MATTERS.mbit_s),
            Criterion::Latency => (|e| e.p99_ms, MATTERS.p99_ms),
            Criterion::Back => (|e| e.back_ms, MATTERS.back_ms),
            Criterion::TwoWay => return self.behind_up(all, question),
            Criterion::Integrity => {
                return (self.lost > 0.0).then_some(Behind { criterion, value: self.lost, best: 0.0 });
            }
        };
        let (of, matters) = weighed;
        let best = all.iter().filter(|o| o.unfit.is_none()).min_by(|a, b| {
            let value = |one: &Self| of(&one.estimate).unwrap_or(f64::INFINITY);
            value(a).total_cmp(&value(b))
        })?;
        let (value, least) = (of(&self.estimate)?, of(&best.estimate)?);
        // Intervals that touch are no difference, and neither is one that nobody minds.
        let apart = of(&self.low)? > of(&best.high)?;
        let matters = matters.max(least * MATTERS.share);
        (apart && value - least > matters).then_some(Behind { criterion, value, best: least })
    }

    fn behind_up(&self, all: &[Self], question: &Question) -> Option<Behind> {
        if question.two_way != TwoWay::Yes {
            return None;
        }
        let best = all.iter().filter_map(|one| one.up_bytes).fold(f64::INFINITY, f64::min);
        let value = self.up_bytes.filter(|bytes| *bytes > best)?;
        Some(Behind { criterion: Criterion::TwoWay, value, best })
    }
}

fn band(figure: Figure) -> Band {
    [figure.value, figure.low, figure.high]
}

/// The overhead of a delivery: all its bytes without its `data`.
fn overhead(point: &WirePoint) -> Figure {
    let Figure { value, low, high, repetitions } = point.bytes;
    Figure { value: value - point.data, low: low - point.data, high: high - point.data, repetitions }
}

fn blend(left: Figure, right: Figure, share: f64) -> Band {
    let [left, right] = [left, right].map(band);
    [0, 1, 2].map(|i| left[i] + (right[i] - left[i]) * share)
}

/// Of several points at about one rate, the one whose crowd is nearest to the question's.
fn nearest_crowds(points: &[CostPoint], clients: u32) -> Vec<&CostPoint> {
    let far = |p: &CostPoint| (f64::from(p.subscribers.max(1)) / f64::from(clients.max(1))).ln().abs();
    let nearer = |p: &&CostPoint| {
        points.iter().filter(|o| (o.rate / p.rate).ln().abs() < 0.2).all(|o| far(o) >= far(p))
    };
    points.iter().filter(nearer).collect()
}

/// Of the points of one payload, the one whose rate is nearest to the question's; by rising payload.
fn nearest_rates(points: &[WirePoint], rate: f64) -> Vec<&WirePoint> {
    let far = |p: &WirePoint| (f64::from(p.rate.max(1)) / rate).ln().abs();
    let nearer = |p: &&WirePoint| points.iter().filter(|o| o.payload == p.payload).all(|o| far(o) >= far(p));
    let mut nearest: Vec<&WirePoint> = points.iter().filter(nearer).collect();
    nearest.sort_by_key(|p| p.payload);
    nearest
}

/// The neighbours of a value among rising points, and its share of the way between them on a logarithmic scale; an
/// end of the range stands for everything beyond it.
fn around<T>(points: &[T], at: f64, x: impl Fn(&T) -> f64) -> Option<(usize, usize, f64)> {
    let last = points.len().checked_sub(1)?;
    let right = points.iter().position(|p| x(p) >= at).unwrap_or(last);
    let left = if x(&points[right]) > at { right.saturating_sub(1) } else { right };
    let log = |value: f64| value.max(1e-3).ln();
    let width = log(x(&points[right])) - log(x(&points[left]));
    let share = if width > 0.0 { (log(at) - log(x(&points[left]))) / width } else { 0.0 };
    Some((left, right, share.clamp(0.0, 1.0)))
}

/// The nearest end of the measured values, where the question is beyond it.
fn outside(at: f64, measured: &[f64]) -> Option<f64> {
    let low = measured.iter().copied().fold(f64::INFINITY, f64::min);
    let high = measured.iter().copied().fold(0.0, f64::max);
    if at * BEYOND < low { Some(low) } else { (at > high * BEYOND).then_some(high) }
}
