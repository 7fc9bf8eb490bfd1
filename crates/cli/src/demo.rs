//! `tricast demo`: the server with its page and its event source, behind a tap.
//!
//! The tap takes the address that was asked for and forwards to the server, which listens on a loopback port of its
//! own. That is how the page can cut the connections of one of its lanes as a network would, and show their bytes.

mod adviser;
mod bots;

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;
use tricast_lab::conditions::Conditions;
use tricast_lab::tap::{Direction, Label, Lanes, Piece, Tap, Wire};
use tricast_server::demo::{
    Adviser, Bots, Kept, Network, Power, WireDirection, WirePiece, WireTotals, WireView,
};
use tricast_server::{DemoParts, Server};

use crate::args::DemoFlags;
use crate::config::settings;
use crate::descriptors;
use crate::restart;
use crate::serve::log_to_stderr;

/// The rooms of the built-in source; without them only its few broadcasts would come.
const ROOMS: &str = "kitchen,builds,comments,payments,alerts";

/// A namespace that keeps five events, in which the page shows what a history that is too short means.
const BRIEF: [&str; 2] = ["namespace.brief.history.events", "5"];

/// Binds both, says what is where, and serves until it is told to stop.
pub(crate) fn demo(flags: DemoFlags) -> anyhow::Result<()> {
    let mut serve = flags.serve;
    // First, so that whoever names it has the last word.
    serve.set.insert(0, BRIEF.map(str::to_owned).into());
    let mut settings = settings(serve)?;
    // The tap shows what goes over the wire, and finds the lanes by it: under TLS it would see neither.
    anyhow::ensure!(settings.tls.is_none(), "the demo speaks no TLS: leave tls.certificate and tls.key out");
    log_to_stderr(&settings)?;
    descriptors::raise_limit(&mut settings);
    let listen = std::mem::replace(&mut settings.listen, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    if !listen.ip().is_loopback() {
        // The tap is asked under any name there; the server behind it must not mind.
        settings.hosts.push("*".to_owned());
    }
    let network = Arc::new(Tapped::default());
    let crowd = Arc::new(bots::Crowd::new(settings.connections_max));
    let payload = usize::try_from(flags.payload)?;
    let adviser: Arc<dyn Adviser> = Arc::new(adviser::Measured::default());
    let kept = Arc::<Kept>::default();
    tricast_server::block_on(async {
        let (power, restarts) = restart::switch()?;
        let power: Arc<dyn Power> = Arc::new(power);
        let parts = || DemoParts {
            network: Arc::<Tapped>::clone(&network),
            power: Arc::clone(&power),
            bots: Arc::<bots::Crowd>::clone(&crowd) as Arc<dyn Bots>,
            adviser: Arc::clone(&adviser),
            rate: flags.rate,
            payload,
            kept: Arc::clone(&kept),
            seed: flags.seed,
        };
        let server = Server::bind(settings.clone(), Some(parts())).context("cannot listen on loopback")?;
        let tap =
            Tap::bind(listen, server.local_addr()).with_context(|| format!("cannot listen on {listen}"))?;
        // Nobody can ask for the lanes before the server runs, which is below.
        let _ = network.lanes.set(tap.lanes());
        let _ = crowd.server.set(server.local_addr());
        tell(tap.local_addr(), std::env::args_os().next())?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = async {
            let served = restarts.serve(server, settings, parts).await;
            drop(stop);
            served
        };
        // The channel only ever closes, and that is the word.
        let (served, tapped) = futures::join!(served, tap.run(async { stopped.await.unwrap_or_default() }));
        served?;
        Ok(tapped?)
    })
}

/// What is where, to be clicked or pasted.
fn tell(address: SocketAddr, program: Option<OsString>) -> std::io::Result<()> {
    let program = program.unwrap_or_else(|| "tricast".into());
    let program = program.to_string_lossy();
    let rooms = ROOMS.replace(',', " --room ");
    let feed = format!("http://{address}/v1/feeds/default");
    let lines = [
        ("page", format!("http://{address}/")),
        ("poll", format!("curl '{feed}/poll?after=earliest&rooms={ROOMS}'")),
        ("sse", format!("curl -N '{feed}/sse?after=earliest&rooms={ROOMS}'")),
        (
            "ws",
            format!("{program} subscribe http://{address} --transport ws --after earliest --room {rooms}"),
        ),
        (
            "publish",
            format!("curl -H 'content-type: application/json' -d '{{\"data\":\"hello\"}}' {feed}/events"),
        ),
        ("report", format!("http://{address}/report/")),
        ("console", format!("http://{address}/admin")),
        ("stop", "Ctrl-C".to_owned()),
    ];
    let mut stdout = std::io::stdout().lock();
    for (what, place) in lines {
        writeln!(stdout, "{what:<9} {place}")?;
    }
    stdout.flush()
}

/// The tap as the demo sees it. The lanes come after the server is bound, since the tap needs its address.
#[derive(Default)]
struct Tapped {
    lanes: OnceLock<Lanes>,
}

impl Tapped {
    fn lane(&self, label: &str) -> Option<(&Lanes, Label)> {
        Some((self.lanes.get()?, Label::new(label)?))
    }
}

impl Network for Tapped {
    fn cut(&self, label: &str, length: Duration) {
        if let Some((lanes, label)) = self.lane(label) {
            lanes.cut(&label, length);
        }
    }

    fn kill(&self, label: &str) {
        if let Some((lanes, label)) = self.lane(label) {
            lanes.kill(&label);
        }
    }

    fn set_conditions(&self, label: &str, json: &[u8]) -> Result<(), String> {
        let conditions: Conditions = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        match self.lane(label) {
            Some((lanes, label)) => lanes.set(&label, conditions),
            None => conditions.check(),
        }
    }

    fn conditions(&self, label: &str) -> serde_json::Value {
        let conditions = self.lane(label).map(|(lanes, label)| lanes.conditions(&label)).unwrap_or_default();
        serde_json::to_value(conditions).unwrap_or_default()
    }

    fn wire(&self, label: &str, since: u64) -> Option<WireView> {
        let (lanes, label) = self.lane(label)?;
        lanes.wire(&label, since).map(view)
    }
}

fn view(wire: Wire) -> WireView {
    let totals = WireTotals {
        in_bytes: wire.totals.in_bytes,
        out_bytes: wire.totals.out_bytes,
        requests: wire.totals.requests,
        connections: wire.totals.connections,
    };
    let pieces = wire.pieces.into_iter().map(piece).collect();
    WireView { next: wire.next, totals, pieces }
}

fn piece(piece: Piece) -> WirePiece {
    let direction = match piece.direction {
        Direction::In => WireDirection::In,
        Direction::Out => WireDirection::Out,
    };
    WirePiece { seq: piece.seq, direction, at: piece.at, bytes: piece.bytes }
}
