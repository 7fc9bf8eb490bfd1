//! A made-up comparison for tests: tricast twice, Nchan, the textbook, and a peer that is not there.

use super::result::{Cell, Extent, FORMAT, Measure, Peers, ServerRecord};
use crate::result::{Environment, Latency, MemoryPoint, Transport};

/// Three rounds in which tricast is cheap, Nchan dear and the textbook in between.
pub(crate) fn synthetic() -> Peers {
    let servers = [
        ("tricast", "tricast", 1.0),
        ("tricast_again", "tricast again", 1.02),
        ("nchan", "Nchan", 0.1),
        ("textbook", "textbook (actix-ws)", 0.3),
    ];
    let mut cells = Vec::new();
    for round in 0..3 {
        for transport in Transport::ALL {
            for (key, _, speed) in servers {
                let speed = speed * (1.0 + f64::from(round) / 100.0);
                cells.extend(visit(key, transport, round, speed));
            }
        }
    }
    let record = |key: &str, name: &str, absent: Option<&str>| ServerRecord {
        key: key.to_owned(),
        name: name.to_owned(),
        transports: Transport::ALL.to_vec(),
        version: "1 <invented>".to_owned(),
        configuration: "workers = 1 # <none>".to_owned(),
        absent: absent.map(str::to_owned),
    };
    let mut records: Vec<_> = servers.iter().map(|(key, name, _)| record(key, name, None)).collect();
    records.push(record("ws", "ws (Node)", Some("node_modules/ws is not installed")));
    Peers {
        format: FORMAT.to_owned(),
        id: "20260101T000000Z-peers".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        finished: "2026-01-01T00:10:00Z".to_owned(),
        partial: false,
        synthetic: true,
        extent: Extent::default(),
        environment: Environment {
            kernel: "Invented <kernel>".to_owned(),
            cores: 2,
            ..Environment::default()
        },
        servers: records,
        cells,
        doubts: Vec::new(),
    }
}

fn visit(server: &str, transport: Transport, round: u32, speed: f64) -> Vec<Cell> {
    let cell = |measure| Cell { cpu_s: 1.0, wall_s: 1.0, ..Cell::empty(server, transport, measure, round) };
    let counted = |measure, units: f64| Cell { units: units as u64, ..cell(measure) };
    let open = |measure| {
        let mut latency = Latency::new();
        (1..=1000).for_each(|us| latency.record((us as f64 / speed) as u64));
        Cell { latency: latency.store().ok(), rate: 10.0, ..cell(measure) }
    };
    let memory = [1000, 3000, 5000].map(|subscribers| MemoryPoint {
        subscribers,
        pss_kib: 9000 + (f64::from(subscribers) / speed) as u64,
        kernel_kib: None,
    });
    vec![
        counted(Measure::Connects, 20_000.0 * speed),
        counted(Measure::Single, 100_000.0 * speed),
        counted(Measure::Raw, 105_000.0),
        Cell { memory: memory.to_vec(), ..cell(Measure::Memory) },
        counted(Measure::Saturated, 2_000_000.0 * speed),
        open(Measure::HalfRate),
        open(Measure::EqualRate),
    ]
}
