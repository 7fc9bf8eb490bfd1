//! Figures from a stored comparison. The unit is the round: a ratio is taken between two servers of the same round and
//! transport, its figure is the median over the rounds, and its spread is from the smallest to the largest.

use super::result::{Cell, Measure, Peers};
use super::target::{AGAIN, NCHAN_KEY, SUBJECT};
use crate::result::Transport;
use crate::summary::{fit, median};

/// The quantile of every latency figure.
const QUANTILE: f64 = 0.99;

/// A median over rounds, with the smallest and the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// Rounds that it rests on.
    pub rounds: usize,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let low = values.iter().copied().min_by(f64::total_cmp)?;
        let high = values.iter().copied().max_by(f64::total_cmp)?;
        Some(Self { median: median(values)?, low, high, rounds: values.len() })
    }
}

/// A cell's one number: units a CPU second, milliseconds at p99, or KiB a subscriber. `None` where it is void or tells
/// nothing.
pub fn value(cell: &Cell) -> Option<f64> {
    if !cell.void.is_empty() {
        return None;
    }
    let value = match cell.measure {
        Measure::Memory => {
            fit(cell.memory.iter().map(|p| (f64::from(p.subscribers), p.pss_kib as f64)))?.slope
        }
        Measure::HalfRate | Measure::EqualRate => {
            cell.latency.as_ref()?.load().ok()?.at(QUANTILE) as f64 / 1000.0
        }
        _ => cell.units as f64 / cell.cpu_s,
    };
    value.is_finite().then_some(value)
}

/// Each round's number of one server, transport and measure.
fn values(peers: &Peers, server: &str, transport: Transport, measure: Measure) -> Vec<(u32, f64)> {
    let cells = peers
        .cells
        .iter()
        .filter(|cell| cell.server == server && cell.transport == transport && cell.measure == measure);
    cells.filter_map(|cell| Some((cell.round, value(cell)?))).collect()
}

/// The figure of one server, transport and measure.
pub fn figure(peers: &Peers, server: &str, transport: Transport, measure: Measure) -> Option<Spread> {
    let values: Vec<f64> = values(peers, server, transport, measure).into_iter().map(|(_, v)| v).collect();
    Spread::of(&values)
}

/// The paired ratio of two servers' measures by one transport.
pub fn ratio(
    peers: &Peers,
    transport: Transport,
    over: (&str, Measure),
    under: (&str, Measure),
) -> Option<Spread> {
    let under = values(peers, under.0, transport, under.1);
    let of_round = |round: u32| under.iter().find(|(known, _)| *known == round).map(|(_, value)| *value);
    let over = values(peers, over.0, transport, over.1);
    let ratios: Vec<f64> =
        over.into_iter().filter_map(|(round, value)| Some(value / of_round(round)?)).collect();
    Spread::of(&ratios)
}

/// What tricast shows against itself, and 1: no ratio inside this band is a difference.
pub fn band(peers: &Peers, transport: Transport, measure: Measure) -> Option<Spread> {
    let against_itself = ratio(peers, transport, (AGAIN, measure), (SUBJECT, measure))?;
    let (low, high) = (against_itself.low.min(1.0), against_itself.high.max(1.0));
    Some(Spread { low, high, ..against_itself })
}

/// What a claim holds its figure against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The raw loop with the same bytes, paired: at least this share of it.
    OfRaw(f64),
    /// Nchan, paired: at least so many times as much.
    TimesNchan(f64),
    /// At most this figure.
    AtMost(f64),
    /// Less than every peer's figure.
    BelowEveryPeer,
}

/// What tricast must reach beside the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Must {
    /// What is measured.
    pub measure: Measure,
    /// By which transport.
    pub transport: Transport,
    /// What has to hold.
    pub bound: Bound,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The median holds it.
    Holds,
    /// The median does not.
    Fails,
    /// The difference is inside the band that tricast shows against itself.
    WithinNoise,
    /// Nothing to judge by here.
    NotMeasured,
}

/// A claim, held against a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The claim.
    pub must: Must,
    /// tricast's figure, in the claim's own terms.
    pub measured: Option<Spread>,
    /// tricast against itself.
    pub band: Option<Spread>,
    /// Nchan's figure.
    pub nchan: Option<Spread>,
    /// The best of the other peers: its name and figure.
    pub best_other: Option<(String, Spread)>,
    /// What became of it.
    pub standing: Standing,
}

/// All claims, in the order in which they are shown.
pub fn musts() -> Vec<Must> {
    use Transport::{Poll, Sse, Websocket};
    let must = |measure, transport, bound| Must { measure, transport, bound };
    let every = |measure, bound| [Websocket, Sse, Poll].map(|transport| must(measure, transport, bound));
    let mut all = vec![
        must(Measure::Single, Websocket, Bound::OfRaw(0.92)),
        must(Measure::Single, Sse, Bound::OfRaw(0.92)),
        must(Measure::Single, Poll, Bound::OfRaw(0.85)),
        must(Measure::Saturated, Websocket, Bound::TimesNchan(8.0)),
        must(Measure::Saturated, Sse, Bound::TimesNchan(8.0)),
        must(Measure::Saturated, Poll, Bound::TimesNchan(5.0)),
    ];
    all.extend(every(Measure::Memory, Bound::AtMost(1.5)));
    all.extend(every(Measure::HalfRate, Bound::BelowEveryPeer));
    all.extend(every(Measure::EqualRate, Bound::BelowEveryPeer));
    all.extend(every(Measure::Connects, Bound::TimesNchan(1.0)));
    all
}

impl Must {
    /// One server's figure in the terms of the claim.
    fn of(self, peers: &Peers, server: &str) -> Option<Spread> {
        let Self { measure, transport, bound } = self;
        match bound {
            Bound::OfRaw(_) => ratio(peers, transport, (server, measure), (server, Measure::Raw)),
            Bound::TimesNchan(_) => ratio(peers, transport, (server, measure), (NCHAN_KEY, measure)),
            Bound::AtMost(_) | Bound::BelowEveryPeer => figure(peers, server, transport, measure),
        }
    }

    /// Holds the claim against a comparison.
    pub fn judge(self, peers: &Peers) -> Judged {
        let others = peers.servers.iter().filter(|s| !s.key.starts_with(SUBJECT) && s.key != NCHAN_KEY);
        let others = others.filter_map(|server| Some((server.name.clone(), self.of(peers, &server.key)?)));
        let less_is_better = matches!(self.bound, Bound::AtMost(_) | Bound::BelowEveryPeer);
        let sign = if less_is_better { -1.0 } else { 1.0 };
        let best_other = others.max_by(|a, b| (sign * a.1.median).total_cmp(&(sign * b.1.median)));
        let (measured, nchan) = (self.of(peers, SUBJECT), self.of(peers, NCHAN_KEY));
        let band = band(peers, self.transport, self.measure);
        let rival = nchan.iter().chain(best_other.iter().map(|(_, spread)| spread));
        let rival = rival.map(|spread| spread.median).min_by(f64::total_cmp);
        let standing = self.standing(measured, band, rival);
        Judged { must: self, measured, band, nchan, best_other, standing }
    }

    fn standing(self, measured: Option<Spread>, band: Option<Spread>, rival: Option<f64>) -> Standing {
        let Some(measured) = measured.map(|spread| spread.median) else { return Standing::NotMeasured };
        let (holds, against_one) = match (self.bound, rival) {
            (Bound::OfRaw(least), _) => (measured >= least, None),
            (Bound::TimesNchan(least), _) => (measured >= least, (least == 1.0).then_some(measured)),
            (Bound::AtMost(most), _) => (measured <= most, None),
            (Bound::BelowEveryPeer, Some(rival)) => (measured < rival, Some(measured / rival)),
            (Bound::BelowEveryPeer, None) => return Standing::NotMeasured,
        };
        let inside = |ratio: f64, band: Spread| (band.low..=band.high).contains(&ratio);
        match (against_one, band) {
            (Some(ratio), Some(band)) if inside(ratio, band) => Standing::WithinNoise,
            _ if holds => Standing::Holds,
            _ => Standing::Fails,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::fixture::synthetic;

    fn standing(peers: &Peers, measure: Measure, transport: Transport) -> Standing {
        let must = musts().into_iter().find(|m| m.measure == measure && m.transport == transport);
        must.unwrap().judge(peers).standing
    }

    #[test]
    fn ratios_are_of_one_round_and_medians_of_all() {
        let peers = synthetic();
        let over =
            ratio(&peers, Transport::Sse, ("tricast", Measure::Saturated), ("nchan", Measure::Saturated));
        let over = over.unwrap();
        assert!((over.median - 10.0).abs() < 0.01 && over.high - over.low < 0.01 && over.rounds == 3);
        let alone = figure(&peers, "tricast", Transport::Sse, Measure::Memory).unwrap();
        assert!((0.95..1.01).contains(&alone.median), "{alone:?}");
        let band = band(&peers, Transport::Sse, Measure::Single).unwrap();
        assert!((band.median - 1.02).abs() < 0.001);
    }

    #[test]
    fn every_row_of_the_table_is_judged() {
        let peers = synthetic();
        assert_eq!(musts().len(), 18);
        for must in musts() {
            let judged = must.judge(&peers);
            assert_eq!(judged.standing, Standing::Holds, "{must:?}");
            assert_eq!(judged.best_other.unwrap().0, "textbook (actix-ws)");
        }
    }

    #[test]
    fn what_is_worse_fails_what_is_near_is_no_difference_and_what_is_absent_is_not_judged() {
        let mut peers = synthetic();
        for cell in peers.cells.iter_mut().filter(|c| c.server.starts_with("tricast")) {
            match (cell.measure, cell.transport) {
                (Measure::Saturated, Transport::Sse) => cell.units /= 2,
                (Measure::Connects, Transport::Poll) => cell.units /= 10,
                (Measure::Single, Transport::Websocket) => cell.void.push("1 lost".to_owned()),
                _ => {}
            }
        }
        assert_eq!(standing(&peers, Measure::Saturated, Transport::Sse), Standing::Fails);
        assert_eq!(standing(&peers, Measure::Connects, Transport::Poll), Standing::WithinNoise);
        assert_eq!(standing(&peers, Measure::Single, Transport::Websocket), Standing::NotMeasured);
        peers.cells.retain(|cell| cell.server.starts_with("tricast"));
        assert_eq!(standing(&peers, Measure::HalfRate, Transport::Sse), Standing::NotMeasured);
        assert_eq!(standing(&peers, Measure::Memory, Transport::Sse), Standing::Holds);
    }
}
