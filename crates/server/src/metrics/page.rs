//! A sample in OpenMetrics.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tricast_feed::Namespace;
use tricast_hub::{FeedState, Tally, Way};

use crate::metrics::sample::Sample;

/// Bytes that a namespace takes in the text, about.
const BYTES_OF_A_NAMESPACE: usize = 2500;

/// Writes the sample down.
///
/// # Errors
/// None that a text in memory could have.
pub(super) fn text(sample: Sample) -> Result<String, fmt::Error> {
    let mut text = String::with_capacity(2048 + sample.feeds.len() * BYTES_OF_A_NAMESPACE);
    let mut registry = Registry::with_prefix("tricast");
    registry.register_collector(Box::new(sample));
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.namespaces(&mut page)?;
        self.balance(&mut page)?;
        self.process(&mut page)
    }
}

impl Sample {
    fn namespaces(&self, page: &mut Page<'_>) -> fmt::Result {
        let of_each = |count: fn(&FeedState) -> u64| {
            self.feeds.iter().map(move |(name, state)| (of_namespace(name), count(state)))
        };
        page.counter(
            "events_published",
            "Events published since the start",
            of_each(|state| state.published),
        )?;
        page.gauge("history_events", "Events that are retained", None, of_each(|state| state.events as u64))?;
        let bytes = of_each(|state| state.bytes as u64);
        page.gauge("history_size", "Memory that retained events take", Some(&Unit::Bytes), bytes)?;
        let subscribers = self.feeds.iter().flat_map(|(name, state)| {
            Way::ALL
                .iter()
                .zip(state.subscribers)
                .map(move |(way, count)| (of_namespace_and_way(name, *way), count as u64))
        });
        page.gauge("subscribers", "Open streams and parked polls", None, subscribers)
    }

    /// Owed is what the others come to; [`tricast_hub::Tally`] says what each of them is.
    fn balance(&self, page: &mut Page<'_>) -> fmt::Result {
        let of_each = |count: fn(&Tally) -> u64| {
            let balances = self.feeds.iter().zip(&self.balances);
            balances.flat_map(move |((name, _), balance)| {
                Way::ALL.map(|way| (of_namespace_and_way(name, way), count(balance.of(way))))
            })
        };
        page.counter("owed", "Events times their audience", of_each(|tally| tally.owed))?;
        page.counter("deliveries", "Events handed to subscribers", of_each(|tally| tally.delivered))?;
        page.counter("skipped", "Events told as a gap", of_each(|tally| tally.skipped))?;
        page.counter("conflated", "Events that newer ones came for", of_each(|tally| tally.conflated))?;
        page.counter("returned", "Events left to the resume of a session", of_each(|tally| tally.returned))?;
        page.gauge("pending", "Events not delivered yet", None, of_each(|tally| tally.pending))?;
        let faults = self.feeds.iter().zip(&self.balances);
        let faults = faults.map(|((name, _), balance)| (of_namespace(name), balance.fault()));
        page.gauge("balance_imbalance", "Events lost or doubled: must be 0", None, faults)
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut gauge = |name, help, value| page.alone(name, help, None, &ConstGauge::new(signed(value)));
        gauge("sessions", "Sessions, those without a subscriber too", self.sessions as u64)?;
        gauge("connections", "Connections that are open", self.connections as u64)?;
        gauge("connections_max", "Connections that may be open", self.connections_max as u64)?;
        gauge("draining", "1 while the server stops", u64::from(self.is_draining))?;
        let uptime = ConstGauge::new(self.uptime.as_secs_f64());
        page.alone("uptime", "Time since the start", Some(&Unit::Seconds), &uptime)?;
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        page.alone("build", "The program", None, &version)
    }
}

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

fn of_namespace(name: &Namespace) -> Labels<'_, 1> {
    [("namespace", name.as_str())]
}

fn of_namespace_and_way(name: &Namespace, way: Way) -> Labels<'_, 2> {
    [("namespace", name.as_str()), ("transport", way.name())]
}

/// Writes one metric after the other, each with its samples.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let samples = samples.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.family(name, help, None, samples)
    }

    fn gauge<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let samples = samples.into_iter().map(|(labels, value)| (labels, ConstGauge::new(signed(value))));
        self.family(name, help, unit, samples)
    }

    /// A metric without labels.
    fn alone(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: &impl EncodeMetric,
    ) -> fmt::Result {
        value.encode(self.0.encode_descriptor(name, help, unit, value.metric_type())?)
    }

    fn family<L: EncodeLabelSet, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        let Some((_, first)) = samples.peek() else { return Ok(()) };
        let mut family = self.0.encode_descriptor(name, help, unit, first.metric_type())?;
        samples.try_for_each(|(labels, value)| value.encode(family.encode_family(&labels)?))
    }
}

/// The crate's gauges are signed.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use tricast_feed::{Cursor, Epoch, Offset};
    use tricast_hub::Balance;

    use super::*;

    pub(in crate::metrics) fn sample() -> Sample {
        let state = |published, subscribers| FeedState {
            first: Offset(1),
            cursor: Cursor { epoch: Epoch::new(b"aaaaaaaa").unwrap(), offset: Offset(published) },
            published,
            events: 2,
            bytes: 300,
            subscribers,
        };
        let tally = |by: u64| Tally {
            owed: 15 * by,
            delivered: by,
            replayed: by,
            skipped: 2 * by,
            conflated: 3 * by,
            returned: 4 * by,
            pending: 5 * by,
            imbalance: 0,
        };
        let balance = |by| Balance { published: 7, ways: [Tally::default(), tally(by), tally(10 * by)] };
        let name = |name| Namespace::new(name).unwrap();
        Sample {
            feeds: vec![(name("chat"), state(7, [1, 2, 3])), (name("default"), state(0, [0, 0, 0]))],
            balances: vec![balance(4), balance(0)],
            sessions: 6,
            connections: 5,
            connections_max: 100,
            is_draining: false,
            uptime: Duration::from_millis(1500),
        }
    }

    #[test]
    fn golden_page() {
        let namespaces = concat!(
            "# HELP tricast_events_published Events published since the start\n",
            "# TYPE tricast_events_published counter\n",
            "tricast_events_published_total{namespace=\"chat\"} 7\n",
            "tricast_events_published_total{namespace=\"default\"} 0\n",
            "# HELP tricast_history_events Events that are retained\n",
            "# TYPE tricast_history_events gauge\n",
            "tricast_history_events{namespace=\"chat\"} 2\n",
            "tricast_history_events{namespace=\"default\"} 2\n",
            "# HELP tricast_history_size_bytes Memory that retained events take\n",
            "# TYPE tricast_history_size_bytes gauge\n",
            "# UNIT tricast_history_size_bytes bytes\n",
            "tricast_history_size_bytes{namespace=\"chat\"} 300\n",
            "tricast_history_size_bytes{namespace=\"default\"} 300\n",
            "# HELP tricast_subscribers Open streams and parked polls\n",
            "# TYPE tricast_subscribers gauge\n",
            "tricast_subscribers{namespace=\"chat\",transport=\"poll\"} 1\n",
            "tricast_subscribers{namespace=\"chat\",transport=\"sse\"} 2\n",
            "tricast_subscribers{namespace=\"chat\",transport=\"ws\"} 3\n",
            "tricast_subscribers{namespace=\"default\",transport=\"poll\"} 0\n",
            "tricast_subscribers{namespace=\"default\",transport=\"sse\"} 0\n",
            "tricast_subscribers{namespace=\"default\",transport=\"ws\"} 0\n",
        );
        let process = concat!(
            "# HELP tricast_sessions Sessions, those without a subscriber too\n",
            "# TYPE tricast_sessions gauge\n",
            "tricast_sessions 6\n",
            "# HELP tricast_connections Connections that are open\n",
            "# TYPE tricast_connections gauge\n",
            "tricast_connections 5\n",
            "# HELP tricast_connections_max Connections that may be open\n",
            "# TYPE tricast_connections_max gauge\n",
            "tricast_connections_max 100\n",
            "# HELP tricast_draining 1 while the server stops\n",
            "# TYPE tricast_draining gauge\n",
            "tricast_draining 0\n",
            "# HELP tricast_uptime_seconds Time since the start\n",
            "# TYPE tricast_uptime_seconds gauge\n",
            "# UNIT tricast_uptime_seconds seconds\n",
            "tricast_uptime_seconds 1.5\n",
            "# HELP tricast_build The program\n",
            "# TYPE tricast_build info\n",
        );
        let text = text(sample()).unwrap();
        let (begin, rest) = text.split_at(namespaces.len().min(text.len()));
        assert_eq!(begin, namespaces);
        let (balance, rest) = rest.split_at(rest.find("# HELP tricast_sessions").unwrap());
        check_balance(balance);
        let (middle, rest) = rest.split_at(process.len().min(rest.len()));
        assert_eq!(middle, process);
        assert_eq!(
            rest,
            format!("tricast_build_info{{version=\"{}\"}} 1\n# EOF\n", env!("CARGO_PKG_VERSION"))
        );
    }

    /// Every part of the balance by namespace and transport.
    fn check_balance(text: &str) {
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut expected = Vec::new();
        let parts = [
            ("owed_total", 15),
            ("deliveries_total", 1),
            ("skipped_total", 2),
            ("conflated_total", 3),
            ("returned_total", 4),
            ("pending", 5),
        ];
        for (part, share) in parts {
            for (namespace, by) in [("chat", 4), ("default", 0)] {
                for (way, times) in [("poll", 0), ("sse", 1), ("ws", 10)] {
                    let value = share * by * times;
                    expected.push(format!(
                        "tricast_{part}{{namespace=\"{namespace}\",transport=\"{way}\"}} {value}"
                    ));
                }
            }
        }
        expected.push("tricast_balance_imbalance{namespace=\"chat\"} 0".to_owned());
        expected.push("tricast_balance_imbalance{namespace=\"default\"} 0".to_owned());
        assert_eq!(samples, expected);
    }

    /// What does not add up is told, whoever counted it; a worker that is silent takes no other figure along.
    #[test]
    fn a_fault_is_shown_and_silence_is_not_zero() {
        let mut sample = sample();
        sample.balances[0].ways[1].delivered -= 3;
        sample.balances[0].ways[2].imbalance += 4;
        let page = text(sample).unwrap();
        assert!(page.contains("tricast_balance_imbalance{namespace=\"chat\"} 7\n"), "{page}");
        let silent = text(Sample { balances: Vec::new(), ..self::sample() }).unwrap();
        assert!(!silent.contains("imbalance") && !silent.contains("deliveries"), "{silent}");
        assert!(silent.contains("tricast_subscribers{") && silent.ends_with("# EOF\n"));
    }
}
