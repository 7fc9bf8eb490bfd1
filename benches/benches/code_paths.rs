//! The steps between a publish and a socket, one by one.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tricast_benches::{draft, interest, log};
use tricast_feed::{After, Cursor, Epoch, Log, Millis, Offset, ReadLimit, Retention};
use tricast_wire::event::{Encoded, Prepared};
use tricast_wire::poll;
use tricast_wire::publish::{BodyForm, PublishLimits, parse};

const LIMITS: PublishLimits = PublishLimits { batch_max: 1000, rooms_max: 64, depth_max: 64 };

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    let draft = draft(Some("room-1"));
    let body = format!(
        "{{\"rooms\":[\"room-1\"],\"data\":{}}}",
        std::str::from_utf8(&draft.data).expect("it is text")
    );
    group.bench_function("parse one event", |bencher| {
        bencher.iter(|| parse(black_box(body.as_bytes()), BodyForm::Json, LIMITS));
    });
    group.bench_function("append", |bencher| {
        let retention = Retention { events_max: 10_000, ..Retention::default() };
        let mut log: Log<Encoded> = Log::new(Epoch::from_random(1), retention);
        let epoch = log.epoch();
        bencher.iter(|| {
            let prepared = Prepared::new(&draft);
            log.append(Millis(1), draft.addressing.clone(), None, |offset, time| {
                let encoded = prepared.encode(epoch, offset, time);
                let size = encoded.size();
                (encoded, size)
            });
            log.expire(Millis(1));
        });
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let draft = draft(None);
    group.bench_function("once for all ways out", |bencher| {
        bencher
            .iter(|| Prepared::new(black_box(&draft)).encode(Epoch::from_random(1), Offset(42), Millis(1)));
    });
    let events: Vec<Encoded> = (1..=10)
        .map(|offset| Prepared::new(&draft).encode(Epoch::from_random(1), Offset(offset), Millis(1)))
        .collect();
    let cursor = Cursor { epoch: Epoch::from_random(1), offset: Offset(10) };
    group.throughput(Throughput::Elements(10));
    type Way = (&'static str, fn(&Encoded) -> Bytes);
    let ways: [Way; 2] = [("join ten for sse", Encoded::sse), ("join ten for ws", Encoded::frame)];
    for (name, way) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut joined = Vec::with_capacity(8192);
                events.iter().for_each(|event| joined.extend_from_slice(&way(event)));
                joined
            });
        });
    }
    group.bench_function("join ten for poll", |bencher| {
        let pieces: Vec<Bytes> = events.iter().map(Encoded::json).collect();
        bencher.iter(|| poll::answer(None, pieces.iter().map(Bytes::as_ref), &[], cursor));
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let limit = ReadLimit { events: 100, bytes: usize::MAX };
    for events in [1_000, 100_000] {
        let log = log(events, events / 10);
        let middle = Offset(events as u64 / 2);
        group.bench_with_input(
            BenchmarkId::new("100 events after a cursor", events),
            &log,
            |bencher, log| {
                let busy = interest("busy");
                bencher.iter(|| log.read(black_box(middle), log.last(), &busy, limit));
            },
        );
        group.bench_with_input(BenchmarkId::new("a quiet room", events), &log, |bencher, log| {
            let quiet = interest("quiet");
            bencher.iter(|| log.read(black_box(Offset::ZERO), log.last(), &quiet, limit));
        });
        group.bench_with_input(BenchmarkId::new("resume", events), &log, |bencher, log| {
            let cursor = Cursor { epoch: log.epoch(), offset: middle };
            bencher.iter(|| log.start(black_box(After::Cursor(cursor))));
        });
    }
    group.finish();
}

/// Times that keep the whole of `make bench` within minutes.
fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = short();
    targets = publish, encode, read
}
criterion_main!(benches);
