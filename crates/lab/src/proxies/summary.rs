//! Figures of a cell's cost, from its pairs of visits.

use crate::result::{CostRound, CostVisit, ProxyCell};

/// CPU microseconds and bytes of one delivery: the median over the pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProxyCost {
    /// tricast's own, without the proxy.
    pub server_direct_us: f64,
    /// tricast's own behind the proxy.
    pub server_through_us: f64,
    /// The proxy's.
    pub proxy_us: f64,
    /// Bytes at the subscriber's socket without the proxy, both directions.
    pub bytes_direct: f64,
    /// The same behind it.
    pub bytes_through: f64,
}

impl ProxyCell {
    /// The pairs in which both visits are whole.
    fn pairs(&self) -> impl Iterator<Item = &CostRound> {
        self.cost.iter().filter(|round| is_whole(&round.direct) && is_whole(&round.through))
    }

    /// How much later this quantile (0 to 1) of the events came through the proxy, microseconds: the median over the
    /// pairs of the difference within a pair; `None` where no pair is whole.
    pub fn added_us(&self, quantile: f64) -> Option<f64> {
        let at = |visit: &CostVisit| Some(visit.latency.as_ref()?.load().ok()?.at(quantile) as f64);
        median(self.pairs().filter_map(|round| Some(at(&round.through)? - at(&round.direct)?)).collect())
    }

    /// What a delivery costs; `None` where no pair is whole.
    pub fn price(&self) -> Option<ProxyCost> {
        let of = |figure: &dyn Fn(&CostRound) -> f64| median(self.pairs().map(figure).collect());
        let each = |total: f64, visit: &CostVisit| total / visit.deliveries as f64;
        Some(ProxyCost {
            server_direct_us: of(&|r| each(r.direct.server_cpu_s * 1e6, &r.direct))?,
            server_through_us: of(&|r| each(r.through.server_cpu_s * 1e6, &r.through))?,
            proxy_us: of(&|r| each(r.through.proxy_cpu_s * 1e6, &r.through))?,
            bytes_direct: of(&|r| each(r.direct.bytes.total() as f64, &r.direct))?,
            bytes_through: of(&|r| each(r.through.bytes.total() as f64, &r.through))?,
        })
    }
}

fn is_whole(visit: &CostVisit) -> bool {
    visit.void.is_empty() && visit.deliveries > 0
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_none_one_two_and_three() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![2.0]), Some(2.0));
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn a_price_is_that_of_whole_pairs() {
        let run = crate::fixture::synthetic();
        let results = run.proxies.unwrap();
        let mut cell = results.cells.into_iter().find(ProxyCell::works).unwrap();
        let price = cell.price().unwrap();
        assert!(
            (price.proxy_us - 8.0).abs() < 1e-9 && (price.server_direct_us - 4.0).abs() < 1e-9,
            "{price:?}"
        );
        assert_eq!(cell.added_us(0.5), Some(300.0));
        cell.cost[0].through.void.push("1 lost".to_owned());
        assert_eq!((cell.price(), cell.added_us(0.5)), (None, None));
    }
}
