//! A run made up for tests, and marked as such. Its figures are chosen so that each ranking occurs once.

mod crowd;
mod loads;
mod proxies;

use crate::result::{
    Bytes, CellRecord, Doubt, DoubtKind, Environment, FORMAT, Integrity, Latency, LatencyVisit, MemoryPoint,
    MemoryVisit, RawVisit, Run, SaturationVisit, ScenarioRecord, Slice, Sysctl, Tcp, Transport, Workload,
};
use crate::scenario;

const REPETITIONS: u32 = 3;

/// A whole run with invented figures; made once for all tests, since its many histograms take their time.
pub(crate) fn synthetic() -> Run {
    static MADE: std::sync::OnceLock<Run> = std::sync::OnceLock::new();
    MADE.get_or_init(made).clone()
}

fn made() -> Run {
    let scenario = scenario::load("quick").unwrap();
    let cells = scenario.cells.iter().map(|cell| CellRecord {
        name: cell.name.clone(),
        subscribers: cell.subscribers,
        rate: cell.rate,
        payload: cell.payload,
        seconds: cell.duration.as_secs_f64(),
        repetitions: None,
        workload: Workload::default(),
    });
    let record = ScenarioRecord {
        name: scenario.name.clone(),
        text: scenario.text.clone(),
        repetitions: REPETITIONS,
        transports: Transport::ALL.to_vec(),
        cells: cells.collect(),
        assertions: scenario.assertions.clone(),
    };
    let mut run = Run {
        format: FORMAT.to_owned(),
        id: "20260101T000000Z-quick".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        finished: "2026-01-01T00:04:00Z".to_owned(),
        partial: false,
        synthetic: true,
        seed: 1,
        scenario: record,
        environment: environment(),
        order: vec![Transport::ALL.to_vec(); REPETITIONS as usize],
        latency: Vec::new(),
        saturation: Vec::new(),
        raw: Vec::new(),
        memory: Vec::new(),
        crowd: Some(crowd::results()),
        target: None,
        proxies: Some(proxies::proxies()),
        factors: Some(proxies::factors()),
        browser: Some(proxies::browser()),
        loss: None,
        micro: Vec::new(),
        kept: None,
        omitted: Vec::new(),
        doubts: vec![Doubt { kind: DoubtKind::FewRepetitions, place: String::new(), value: 3.0, visits: 1 }],
    };
    (0..REPETITIONS).for_each(|repetition| fill(&mut run, repetition));
    loads::add(&mut run);
    run
}

fn environment() -> Environment {
    Environment {
        cpu: Some("Invented <CPU> & co".to_owned()),
        cores: 2,
        memory_kib: Some(8 << 20),
        kernel: "Linux 0 none".to_owned(),
        sysctls: vec![Sysctl { name: "net.core.somaxconn".to_owned(), value: "4096".to_owned() }],
        file_limit: 20_000,
        optimised: true,
        command: "tricast lab run".to_owned(),
        git_dirty: Some(false),
        ..Environment::default()
    }
}

fn fill(run: &mut Run, repetition: u32) {
    for transport in Transport::ALL {
        for half in 0..2 {
            for cell in ["calm", "busy"] {
                run.latency.push(latency(cell, transport, repetition, half));
            }
            run.saturation.extend([1, 8].map(|in_flight| saturation(in_flight, transport, repetition, half)));
        }
        run.memory.push(memory(transport, repetition));
        if transport != Transport::Poll {
            run.raw.extend([1, 8].map(|joined| raw(joined, transport, repetition)));
        }
    }
}

/// Long polling is slower by far; SSE and WebSocket differ by less than the noise.
fn base_us(transport: Transport, repetition: u32, half: u32) -> u64 {
    let base = match transport {
        Transport::Poll => 900,
        Transport::Sse => 420,
        Transport::Websocket => 410,
    };
    base + u64::from(repetition) * 5 + u64::from(half) * 20
}

fn latency(cell: &str, transport: Transport, repetition: u32, half: u32) -> LatencyVisit {
    let mut latency = Latency::new();
    (0..2000_u64).for_each(|n| latency.record(base_us(transport, repetition, half) + n * n / 4000));
    let mut sent = Latency::new();
    (0..2000_u64).for_each(|n| sent.record(base_us(transport, repetition, half) + n * n / 8000));
    let slice =
        |at: u32| Slice { at_ms: at * 250, p50_us: 400, p99_us: 900 + u64::from(at % 3) * 50, max_us: 1500 };
    LatencyVisit {
        cell: cell.to_owned(),
        transport,
        repetition,
        half,
        void: Vec::new(),
        integrity: whole(200),
        latency: Some(latency.store().unwrap()),
        since_sent: Some(sent.store().unwrap()),
        slices: (0..16).map(slice).collect(),
        deliveries: 20_000,
        wall_s: 4.0,
        server_cpu_s: 0.2,
        load_busy: 0.1,
        late_us_max: 40,
        answers: if transport == Transport::Poll { 20_000 } else { 0 },
        bytes: bytes(transport),
        client_cpu_s: Some(0.3),
        tcp: Some(Tcp {
            segments_in: 20_000,
            segments_out: 20_000,
            retransmitted: 0,
            header_bytes: 2_080_000,
        }),
        recovery: None,
        client_pss_kib: None,
        silence_us_max: None,
    }
}

fn whole(published: u64) -> Integrity {
    Integrity { published, expected: published * 100, received: published * 100, ..Integrity::default() }
}

fn bytes(transport: Transport) -> Bytes {
    let [framing, head_down, up] = match transport {
        Transport::Poll => [60, 180, 150],
        Transport::Sse => [44, 0, 0],
        Transport::Websocket => [4, 0, 0],
    };
    let of = |each: u64| each * 20_000;
    Bytes { payload: of(100), envelope: of(85), framing: of(framing), head_down: of(head_down), up: of(up) }
}

fn saturation(in_flight: u32, transport: Transport, repetition: u32, half: u32) -> SaturationVisit {
    let cpu_us = base_us(transport, repetition, half) as f64 / 100.0 / f64::from(in_flight);
    SaturationVisit {
        in_flight,
        subscribers: 200,
        transport,
        repetition,
        half,
        void: Vec::new(),
        integrity: whole(1000),
        deliveries: 200_000,
        wall_s: 1.5,
        server_cpu_s: cpu_us * 0.2,
        load_busy: 0.4,
    }
}

fn raw(joined: u32, transport: Transport, repetition: u32) -> RawVisit {
    RawVisit {
        transport,
        joined,
        subscribers: 200,
        repetition,
        void: Vec::new(),
        send_bytes: 230 * u64::from(joined),
        deliveries: 200_000,
        cpu_s: 0.7 / f64::from(joined),
        load_busy: 0.4,
    }
}

fn memory(transport: Transport, repetition: u32) -> MemoryVisit {
    let kib = if transport == Transport::Poll { 20 } else { 12 };
    let point = |n: u32| MemoryPoint {
        subscribers: n,
        pss_kib: 8000 + u64::from(n * kib + repetition),
        kernel_kib: Some(100),
    };
    MemoryVisit { transport, repetition, void: Vec::new(), points: [100, 400, 700, 1000].map(point).to_vec() }
}

#[test]
fn the_stored_sample_is_this_run() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample.run.json");
    let text = serde_json::to_string_pretty(&synthetic()).unwrap() + "\n";
    if std::env::var_os("TRICAST_WRITE_SAMPLE").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap() == text, "run this test with TRICAST_WRITE_SAMPLE=1");
}
