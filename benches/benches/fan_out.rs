//! A fan-out step: one event is published, one pass is made, and every subscriber's carrier takes its bytes.
//! There is no socket here, so this is what the hub itself costs.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::task::LocalSet;
use tricast_benches::{batch, namespace, shared, wish};
use tricast_feed::{After, Cursor, Offset, SessionId};
use tricast_hub::{Hub, Stream, Way};
use tricast_wire::text::parse_session;

async fn publish(hub: &Hub) -> Offset {
    hub.shared().publish(&namespace(), batch(1)).await.expect("the namespace is there").first
}

/// Time for `rounds` events to reach every stream.
async fn streams(way: Way, subscribers: usize, rounds: u64) -> Duration {
    let hub = Hub::start(&shared());
    let open = || hub.open(&wish(way, After::Tip, None)).expect("there is room");
    let mut streams: Vec<Stream> = (0..subscribers).map(|_| open()).collect();
    for stream in &mut streams {
        stream.next().await;
    }
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let start = Instant::now();
        publish(&hub).await;
        for stream in &mut streams {
            stream.next().await;
        }
        spent += start.elapsed();
    }
    spent
}

/// Time for `rounds` events to answer every parked poll. Parking them again is part of it: it is what polling costs.
async fn polls(subscribers: usize, rounds: u64) -> Duration {
    let hub = Hub::start(&shared());
    let epoch = hub.shared().feeds.find(&namespace()).expect("the namespace is there").epoch();
    let mut sessions = Vec::with_capacity(subscribers);
    for _ in 0..subscribers {
        let waiting = hub.poll(&wish(Way::Poll, After::Tip, None), 1000).expect("there is room");
        let answer = waiting.answer(Duration::ZERO).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let name = text.split('"').nth(5).expect("a first answer names its session");
        sessions.push(parse_session(name).expect("it is one"));
    }
    let mut at = Offset::ZERO;
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let start = Instant::now();
        let after = After::Cursor(Cursor { epoch, offset: at });
        let park = |session: &SessionId| {
            let waiting = hub.poll(&wish(Way::Poll, after, Some(*session)), 1000).expect("there is room");
            waiting.answer(Duration::from_secs(60))
        };
        let mut answers: FuturesUnordered<_> = sessions.iter().map(park).collect();
        at = publish(&hub).await;
        while answers.next().await.is_some() {}
        spent += start.elapsed();
    }
    spent
}

fn fan_out(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    let mut group = criterion.benchmark_group("fan out one event");
    group.sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for subscribers in [1, 10, 100, 1_000, 10_000] {
        group.throughput(Throughput::Elements(subscribers as u64));
        for way in Way::ALL {
            group.bench_with_input(
                BenchmarkId::new(way.name(), subscribers),
                &subscribers,
                |bencher, subscribers| {
                    bencher.iter_custom(|rounds| {
                        LocalSet::new().block_on(&runtime, async {
                            match way {
                                Way::Poll => polls(*subscribers, rounds).await,
                                Way::Sse | Way::Ws => streams(way, *subscribers, rounds).await,
                            }
                        })
                    });
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
