//! Does a stream open, and do small events come at once? Each event is watched twice, through the proxy and beside it,
//! so that what the server or the machine takes does not count against the proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Place, Route, Seen, Turn};
use super::poster::Poster;
use crate::error::{LabError, Result};
use crate::result::{Flow, Opening, ProxyExtent};

/// How long a stream may take to stand, and the last event to come.
pub(super) const STAND_MAX: Duration = Duration::from_secs(5);
/// How long an answer's head may take.
const HEAD_MAX: Duration = Duration::from_secs(2);
/// How long streams that were opened at once may take to stand.
const CROWD_MAX: Duration = Duration::from_secs(8);
/// From the last stream's standing to the count of those that still do.
const REST: Duration = Duration::from_millis(500);
/// The pause between two looks at streams that do not stand yet.
const LOOK: Duration = Duration::from_millis(20);

/// Tries to open a stream; the client where it stands.
pub(super) fn open(route: &Route) -> (Opening, Option<Client>) {
    let start = Instant::now();
    let Ok(mut client) = Client::open(route, Place::default()) else { return (Opening::Ended, None) };
    let opening = match client.stand(start + STAND_MAX) {
        Ok(()) => return (Opening::Opened { ms: start.elapsed().as_secs_f64() * 1e3 }, Some(client)),
        Err(Turn::Refused(status)) => Opening::Refused { status },
        Err(Turn::Ended) => Opening::Ended,
        Err(Turn::Quiet | Turn::Read) => Opening::Silent { waited_s: start.elapsed().as_secs_f64() },
    };
    (opening, None)
}

/// Arrival of each event by its offset, and how many came twice or too late.
#[derive(Debug, Default)]
struct Arrivals {
    at_us: BTreeMap<u64, u64>,
    disordered: u32,
}

impl Arrivals {
    fn enter(&mut self, seen: Seen) {
        let Seen::Event(sighting, at_us) = seen else { return };
        let late = self.at_us.last_key_value().is_some_and(|(last, _)| *last >= sighting.offset);
        self.disordered += u32::from(late);
        self.at_us.entry(sighting.offset).or_insert(at_us);
    }
}

/// Reads until so many events came, or until a time.
fn gather(client: &mut Client, events: usize, until: Instant) -> Arrivals {
    let mut arrivals = Arrivals::default();
    while arrivals.at_us.len() < events && Instant::now() < until {
        match client.turn(until, &mut |seen| arrivals.enter(seen)) {
            Turn::Read => {}
            Turn::Quiet | Turn::Ended | Turn::Refused(_) => break,
        }
    }
    arrivals
}

/// Publishes small events one after the other and compares when they come on the two ways.
pub(super) fn flow(
    server: SocketAddr,
    route: &Route,
    client: &mut Client,
    extent: &ProxyExtent,
) -> Result<Flow> {
    let beside = Route { address: server, ..route.clone() };
    let (_, direct) = open(&beside);
    let mut direct =
        direct.ok_or_else(|| LabError::Server("no stream stands beside the proxy".to_owned()))?;
    let spacing = Duration::from_millis(u64::from(extent.spacing_ms));
    let until = Instant::now() + spacing * extent.events + STAND_MAX;
    let events = extent.events as usize;
    let mut poster = Poster::open(server, &route.namespace, extent.payload_bytes)?;
    let (through, direct) = thread::scope(|scope| {
        let through = scope.spawn(|| gather(client, events, until));
        let direct = scope.spawn(|| gather(&mut direct, events, until));
        let published = (0..extent.events).try_for_each(|_| {
            thread::sleep(spacing);
            poster.publish()
        });
        let both = (through.join().unwrap_or_default(), direct.join().unwrap_or_default());
        published.map(|()| both)
    })?;
    let mut added: Vec<i64> =
        through.at_us.iter().filter_map(|(k, us)| Some(*us as i64 - *direct.at_us.get(k)? as i64)).collect();
    added.sort_unstable();
    Ok(Flow {
        published: poster.accepted,
        received: through.at_us.len() as u32,
        disordered: through.disordered,
        added_us_median: added.get(added.len() / 2).copied().unwrap_or_default(),
        added_us_max: added.last().copied().unwrap_or_default(),
        compressed: compressed(route),
    })
}

/// How the answer is compressed for a client that offers gzip.
fn compressed(route: &Route) -> Option<String> {
    let route = Route { gzip: true, ..route.clone() };
    let mut client = Client::open(&route, Place::default()).ok()?;
    client.turn(Instant::now() + HEAD_MAX, &mut |_| ());
    client.encoding
}

/// Opens many streams at once and counts those that stand.
pub(super) fn stood(route: &Route, streams: u32) -> u32 {
    let until = Instant::now() + CROWD_MAX;
    let mut waiting: Vec<Client> =
        (0..streams).filter_map(|_| Client::open(route, Place::default()).ok()).collect();
    let mut standing = Vec::new();
    while !waiting.is_empty() && Instant::now() < until {
        thread::sleep(LOOK);
        for mut client in std::mem::take(&mut waiting) {
            let mut ready = false;
            match client.turn(Instant::now(), &mut |seen| ready |= matches!(seen, Seen::Ready)) {
                Turn::Read | Turn::Quiet if ready => standing.push(client),
                Turn::Read | Turn::Quiet => waiting.push(client),
                Turn::Ended | Turn::Refused(_) => {}
            }
        }
    }
    // A poll that was answered stands only when the next one waits.
    thread::sleep(REST);
    standing.iter_mut().map(|client| client.turn(Instant::now(), &mut |_| ())).filter(is_open).count() as u32
}

fn is_open(turn: &Turn) -> bool {
    matches!(turn, Turn::Read | Turn::Quiet)
}
