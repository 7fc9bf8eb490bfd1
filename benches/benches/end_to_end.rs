//! A real server on loopback, the Rust client, and the three transports: how long one event takes from publish to the
//! application, and how many a second get through when they come in batches.
//!
//! Server and client share this process and this machine, so the figures show the order of things and catch a
//! regression; what a transport costs is the lab's to say.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt as _;
use tokio::runtime::Runtime;
use tricast_benches::PAYLOAD_BYTES;
use tricast_client::{After, Client, Publish, Subscription, Transport, Update};
use tricast_server::{Server, Settings, SettingsSource};

const TRANSPORTS: [(&str, Transport); 3] =
    [("poll", Transport::Poll), ("sse", Transport::Sse), ("ws", Transport::Ws)];

/// Events in one batch of the throughput benchmark.
const BATCH: usize = 500;

/// Starts a server on a free port; it lives as long as this process.
fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let flags = [("server.listen", "127.0.0.1:0"), ("server.workers", "1"), ("log.level", "error")];
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let source = SettingsSource { flags, ..SettingsSource::default() };
        let settings = Settings::load(&source).expect("the settings are good");
        tricast_server::block_on(async {
            let server = Server::bind(settings, None).expect("loopback has a free port");
            tell.send(server.local_addr()).expect("somebody listens");
            server.run().await.expect("the server runs");
        });
    });
    told.recv().expect("the server starts")
}

fn client(address: SocketAddr, transport: Transport) -> Client {
    let builder = Client::builder(format!("http://{address}")).transport(transport).after(After::Tip);
    builder.build().expect("the address is good")
}

fn event() -> Publish {
    Publish::new(&"x".repeat(PAYLOAD_BYTES - 2)).expect("a text is JSON")
}

/// A subscription that has been told where it starts.
async fn subscribed(client: &Client) -> Subscription {
    let mut subscription = client.subscribe();
    while let Some(update) = subscription.next().await {
        if matches!(update.expect("the server is there"), Update::Sync(_)) {
            break;
        }
    }
    subscription
}

async fn receive(subscription: &mut Subscription, count: usize) {
    let mut left = count;
    while left > 0 {
        let update = subscription.next().await.expect("a subscription goes on").expect("the server is there");
        if matches!(update, Update::Event(_)) {
            left -= 1;
        }
    }
}

/// Publishes `rounds` batches, one after the other, and waits for each to arrive.
async fn rounds(client: &Client, batch: usize, rounds: u64) -> Duration {
    let mut subscription = subscribed(client).await;
    let events = vec![event(); batch];
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let start = Instant::now();
        client.publish_all(&events).await.expect("the batch is good");
        receive(&mut subscription, batch).await;
        spent += start.elapsed();
    }
    spent
}

fn end_to_end(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let address = serve();
    for (group, batch) in [("latency of one event", 1), ("throughput in batches", BATCH)] {
        let mut group = criterion.benchmark_group(group);
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(3))
            .warm_up_time(Duration::from_millis(500));
        group.throughput(Throughput::Elements(batch as u64));
        for (name, transport) in TRANSPORTS {
            let client = client(address, transport);
            group.bench_with_input(BenchmarkId::new(name, batch), &client, |bencher, client| {
                bencher.iter_custom(|count| runtime.block_on(rounds(client, batch, count)));
            });
        }
        group.finish();
    }
}

/// What the client does with the bytes that come in.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let draft = tricast_benches::draft(None);
    let encoded = tricast_wire::event::Prepared::new(&draft).encode(
        tricast_feed::Epoch::from_random(1),
        tricast_feed::Offset(1),
        tricast_feed::Millis(1),
    );
    let (sse, json) = (encoded.sse(), encoded.json());
    group.bench_function("one event of sse", |bencher| {
        let mut decoder = tricast_wire::decode::SseDecoder::new(1 << 20);
        bencher.iter(|| {
            let mut seen = 0;
            decoder.push(&sse, &mut |_| seen += 1).expect("the event is small");
            seen
        });
    });
    group.bench_function("one message of ws", |bencher| {
        let text = std::str::from_utf8(&json).expect("JSON is text");
        bencher.iter(|| tricast_wire::decode::Message::from_ws(text));
    });
    group.finish();
}

/// Times that keep the whole of `make bench` within minutes.
fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = short();
    targets = end_to_end, decode
}
criterion_main!(benches);
