//! What the demo's routes and its source share: the stage, the counts, the network, and the server's state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;
use tricast_hub::{Shared, Way};
use tricast_wire::text;

use super::pace::RATE_MAX;
use super::process::{CpuMeter, rss_bytes};
use super::scene::LeaseState;
use super::source::{PAYLOAD_BYTES_MAX, ROOMS};
use super::stage::Stage;
use super::textbook::CHANNEL_EVENTS;
use super::wishes::{FLOW_BYTES_MAX, Wishes};
use super::{Adviser, Bots, DemoParts, Network, Power};
use crate::problem::Refusal;

/// The demo's desk: one for the process.
pub(crate) struct Desk {
    pub(super) network: Arc<dyn Network>,
    pub(super) power: Arc<dyn Power>,
    pub(super) bots: Arc<dyn Bots>,
    pub(super) adviser: Arc<dyn Adviser>,
    /// What the source publishes, for the textbook's server.
    pub(super) textbook: broadcast::Sender<Bytes>,
    pub(super) seed: u64,
    pub(super) counts: Counts,
    pub(super) shared: Arc<Shared>,
    /// What the controls set.
    pub(super) stage: Stage,
    started: Instant,
    cpu: Mutex<CpuMeter>,
}

/// What the source has done.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Events in the log.
    pub(super) published: AtomicU64,
    /// Deadlines that were given up, as the source was too late for them or the log did not take the event.
    pub(super) missed_ticks: AtomicU64,
}

/// The answer to `GET /demo/state`.
#[derive(Debug, Serialize)]
pub(super) struct State {
    source: SourceState,
    server: ServerState,
    /// The scenario that runs, on whichever page.
    scene: Option<LeaseState>,
    now: String,
    limits: LimitsState,
}

/// What the source is doing.
#[derive(Debug, Serialize)]
pub(super) struct SourceState {
    rate: f64,
    payload: usize,
    paused: bool,
    rooms: [&'static str; ROOMS.len()],
    published: u64,
    missed_ticks: u64,
}

#[derive(Debug, Serialize)]
struct ServerState {
    /// Of one core, for the whole process: the server, the source, and what carries the page's connections.
    cpu_percent: Option<f64>,
    rss_bytes: Option<u64>,
    uptime_ms: u64,
    subscribers: Subscribers,
    deliveries: u64,
}

#[derive(Debug, Serialize)]
struct Subscribers {
    poll: usize,
    sse: usize,
    ws: usize,
}

#[derive(Debug, Serialize)]
struct LimitsState {
    rate_max: f64,
    payload_max: usize,
    /// Bytes a second: the most that rate, payload and bots may come to together.
    flow_max: f64,
}

impl Desk {
    /// A desk for a server that starts now.
    pub(crate) fn new(parts: &DemoParts, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            network: Arc::clone(&parts.network),
            power: Arc::clone(&parts.power),
            bots: Arc::clone(&parts.bots),
            adviser: Arc::clone(&parts.adviser),
            textbook: broadcast::Sender::new(CHANNEL_EVENTS),
            seed: parts.seed,
            counts: Counts::default(),
            stage: Stage::new(
                Wishes::bounded(parts.rate, parts.payload),
                Arc::clone(&parts.kept),
                Arc::clone(&parts.bots),
            ),
            shared,
            started: now,
            cpu: Mutex::new(CpuMeter::start(now)),
        }
    }

    /// Changes what is asked of the source; see [`Stage::change`].
    pub(super) fn change(&self, body: &[u8], scene: Option<&str>) -> Result<SourceState, Refusal> {
        self.stage.change(body, scene)?;
        Ok(self.source_state())
    }

    /// Everything that the page shows about the server.
    pub(super) fn state(&self) -> State {
        State {
            source: self.source_state(),
            server: self.server_state(),
            scene: self.stage.running(),
            now: text::time(self.shared.now()),
            limits: LimitsState {
                rate_max: RATE_MAX,
                payload_max: PAYLOAD_BYTES_MAX,
                flow_max: FLOW_BYTES_MAX,
            },
        }
    }

    fn source_state(&self) -> SourceState {
        let wishes = *self.stage.wishes().borrow();
        SourceState {
            rate: wishes.rate,
            payload: wishes.payload_bytes,
            paused: wishes.paused,
            rooms: ROOMS,
            published: self.counts.published.load(Ordering::Relaxed),
            missed_ticks: self.counts.missed_ticks.load(Ordering::Relaxed),
        }
    }

    fn server_state(&self) -> ServerState {
        let now = Instant::now();
        let uptime = now.saturating_duration_since(self.started);
        ServerState {
            cpu_percent: self.cpu.lock().unwrap_or_else(PoisonError::into_inner).percent(now),
            rss_bytes: rss_bytes(),
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            subscribers: self.subscribers(),
            deliveries: self.shared.deliveries(),
        }
    }

    fn subscribers(&self) -> Subscribers {
        let mut counts = [0; Way::ALL.len()];
        for feed in self.shared.feeds.all() {
            for (count, more) in counts.iter_mut().zip(feed.state().subscribers) {
                *count += more;
            }
        }
        let [poll, sse, ws] = counts;
        Subscribers { poll, sse, ws }
    }
}
