//! What a proxy costs: the same load beside it and through it, one right after the other.

use std::net::SocketAddr;
use std::time::Duration;

use super::program::Proxy;
use crate::error::Result;
use crate::load::{Kind, Load, Plan};
use crate::machine::{ServerChild, cpu_seconds, now_ns};
use crate::result::{CostVisit, ProxyExtent, Transport};

/// Unrecorded time before a cost visit.
const WARM_UP: Duration = Duration::from_millis(300);

/// Clock, CPU and useful load time at one edge of the window.
#[derive(Debug, Clone, Copy)]
struct Edge {
    ns: u64,
    server_s: f64,
    proxy_s: f64,
    busy_ns: u64,
}

/// One visit; whatever goes wrong makes it void.
pub(super) fn visit(
    server: &ServerChild,
    proxy: &Proxy,
    by: SocketAddr,
    namespace: &str,
    transport: Transport,
    extent: &ProxyExtent,
) -> CostVisit {
    let mut visit = CostVisit::default();
    if let Err(error) = load(server, proxy, by, namespace, transport, extent, &mut visit) {
        visit.void.push(error.to_string());
    }
    if !visit.void.is_empty() {
        visit.latency = None;
    }
    visit
}

fn load(
    server: &ServerChild,
    proxy: &Proxy,
    by: SocketAddr,
    namespace: &str,
    transport: Transport,
    extent: &ProxyExtent,
    visit: &mut CostVisit,
) -> Result<()> {
    let mut load = Load::new(server.address, Some(namespace), extent.payload_bytes)?;
    load.subscribe(by, Kind::Feed(transport), extent.subscribers)?;
    let mut edges = Vec::new();
    let plan = Plan { rate: extent.rate, warm_up: WARM_UP, duration: Duration::from_secs_f64(extent.cost_s) };
    let outcome = load.open_loop(plan, |busy_ns| {
        let server_s = cpu_seconds(server.pid())?;
        edges.push(Edge { ns: now_ns(), server_s, proxy_s: proxy.cpu_seconds(), busy_ns });
        Ok(())
    });
    visit.void = load.account().faults();
    visit.void.extend(load.refusal().map(str::to_owned));
    let window = outcome?;
    if let &[from, to] = edges.as_slice() {
        visit.server_cpu_s = to.server_s - from.server_s;
        visit.proxy_cpu_s = if by == server.address { 0.0 } else { to.proxy_s - from.proxy_s };
        visit.load_busy = (to.busy_ns - from.busy_ns) as f64 / (to.ns - from.ns).max(1) as f64;
    }
    visit.deliveries = window.deliveries;
    visit.bytes = window.bytes();
    visit.latency = Some(window.latency.store()?);
    Ok(())
}
