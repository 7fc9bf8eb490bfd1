//! The engine over a real folder: what is there after a clean end, after a hurried one, and after damage.
//!
//! A hurried end is made by copying the folder while the engine runs: that is what a killed process leaves.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise, in its helpers too")]

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tricast_feed::{
    Addressing, After, ConflationKey, Draft, EventType, GapReason, Interest, Member, Millis, Namespace,
    Offset, ReadLimit, Retention, Room, RoomSet,
};
use tricast_hub::{
    Appended, Batch, Durability, Engine as _, EngineError, Feed, Feeds, Health, IdempotencyKey, system_now,
};
use tricast_store::{DurableEngine, StoreOptions};

/// An engine with one namespace.
struct World {
    engine: Arc<DurableEngine>,
    feed: Arc<Feed>,
}

fn options(path: &Path, durability: Durability) -> StoreOptions {
    StoreOptions {
        path: path.into(),
        durability,
        flush: Duration::from_millis(5),
        queue_bytes_max: 1 << 20,
        window: Millis(60_000),
        keys_max: 1000,
        clock: system_now,
    }
}

fn default() -> Namespace {
    Namespace::new("default").unwrap()
}

fn open_with(options: StoreOptions, retention: Retention) -> World {
    let engine = Arc::new(DurableEngine::open(options).unwrap());
    let declared = [(default(), retention.into())];
    let feeds = Feeds::over(Arc::<DurableEngine>::clone(&engine), &declared, retention.into(), false, 10);
    let feed = feeds.unwrap().find(&default()).unwrap();
    World { engine, feed }
}

fn open(path: &Path, durability: Durability) -> World {
    open_with(options(path, durability), Retention::default())
}

fn draft(data: &str) -> Draft {
    Draft {
        kind: EventType::message(),
        addressing: Addressing::default(),
        key: None,
        from: None,
        data: Bytes::from(data.to_owned()),
    }
}

impl World {
    fn append(&self, batch: Batch) -> Result<Appended, EngineError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.engine.append(&self.feed, batch, system_now()))
    }

    fn publish(&self, data: &[&str]) -> Appended {
        let drafts = data.iter().map(|data| draft(data)).collect();
        self.append(Batch { drafts, idempotency: None }).unwrap()
    }

    fn with_key(&self, key: &str, data: &str) -> Result<Offset, EngineError> {
        let idempotency = IdempotencyKey::new(key);
        self.append(Batch { drafts: vec![draft(data)], idempotency }).map(|appended| appended.first)
    }

    /// Every event as text, and every hole.
    fn history(&self) -> (Vec<String>, Vec<(u64, u64)>) {
        let (mut events, mut holes, mut at) = (vec![], vec![], self.feed.start(After::Earliest).offset);
        let limit = ReadLimit { events: 1000, bytes: 1 << 30 };
        let all = Interest::everything();
        while at < self.feed.last() {
            let read = self.feed.read(at, self.feed.last(), &all, limit);
            let lost = read.gaps.iter().filter(|gap| gap.reason == GapReason::Engine);
            holes.extend(lost.map(|gap| (gap.from.0, gap.to.0)));
            let text = |json: Bytes| String::from_utf8(json.to_vec()).unwrap();
            events.extend(read.entries.iter().map(|entry| text(entry.payload.json())));
            at = read.upto;
        }
        (events, holes)
    }

    fn data(&self) -> Vec<String> {
        let data = |json: String| {
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            value["data"].to_string()
        };
        self.history().0.into_iter().map(data).collect()
    }
}

/// What a process that is killed now would leave.
fn killed(dir: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    found.sort();
    found
}

/// Waits until a segment holds these bytes.
fn until_on_disk(path: &Path, bytes: &[u8]) {
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    while !segments(path).iter().any(holds) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

const BOTH: [Durability; 2] = [Durability::Async, Durability::Sync];

#[test]
fn everything_of_an_event_is_there_after_a_clean_end() {
    for durability in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), durability);
        let full = Draft {
            kind: EventType::new("order.shipped").unwrap(),
            addressing: Addressing {
                rooms: RoomSet::new(vec![Room::new("b").unwrap(), Room::new("a").unwrap()]),
                except: Some(Member(3)),
                to: None,
            },
            key: Some(ConflationKey::new("k\"é").unwrap()),
            from: Some(Member(4)),
            data: Bytes::from_static(b"{\"n\":1.50}"),
        };
        let appended = world.append(Batch { drafts: vec![full], idempotency: None }).unwrap();
        assert_eq!(appended.durability, Some(durability));
        world.publish(&["2", "3"]);
        let (before, epoch) = (world.history(), world.feed.epoch());
        world.engine.close();
        assert!(matches!(world.with_key("k", "4"), Err(EngineError::Away(_))), "it is closed");
        drop(world);
        let world = open(dir.path(), durability);
        assert_eq!((world.history(), world.feed.epoch()), (before, epoch));
        assert_eq!(world.feed.state().events, 3);
        assert_eq!(world.publish(&["4"]).first, Offset(4));
        let except = Interest::of(Member(3), RoomSet::new(vec![Room::new("a").unwrap()]));
        let read = world.feed.read(Offset(0), Offset(4), &except, ReadLimit { events: 9, bytes: 1 << 20 });
        assert_eq!(read.entries.len(), 3, "the addressing holds");
    }
}

#[test]
fn under_sync_a_hurried_end_leaves_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), Durability::Sync);
    world.publish(&["1", "2"]);
    world.publish(&["3"]);
    let copy = killed(&dir);
    let again = open(copy.path(), Durability::Sync);
    assert_eq!(again.history(), world.history());
    assert_eq!(again.publish(&["4"]).first, Offset(4));
    assert_eq!(again.feed.epoch(), world.feed.epoch());
}

#[test]
fn under_async_a_hurried_end_leaves_a_hole_that_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let slow = StoreOptions { flush: Duration::from_secs(3600), ..options(dir.path(), Durability::Async) };
    let world = open_with(slow, Retention::default());
    world.publish(&["\"first\""]);
    // This ends the gathering at once.
    world.engine.tick(system_now());
    until_on_disk(dir.path(), b"first");
    world.publish(&["2"]);
    let copy = killed(&dir);
    let again = open(copy.path(), Durability::Async);
    assert_eq!(again.data(), ["\"first\""]);
    let (_, holes) = again.history();
    let [(2, end)] = holes[..] else { panic!("{holes:?}") };
    assert!(end >= 2);
    assert_eq!(again.publish(&["\"next\""]).first, Offset(end + 1), "no offset is used twice");
    assert_eq!(again.feed.epoch(), world.feed.epoch());
    drop(again);
    for _ in 0..2 {
        let later = open(copy.path(), Durability::Sync);
        assert_eq!(
            (later.data(), later.history().1),
            (vec!["\"first\"".to_owned(), "\"next\"".to_owned()], vec![(2, end)])
        );
    }
}

#[test]
fn nothing_on_disk_is_a_hole_from_the_first_offset_on() {
    let dir = tempfile::tempdir().unwrap();
    let slow = StoreOptions { flush: Duration::from_secs(3600), ..options(dir.path(), Durability::Async) };
    let world = open_with(slow, Retention::default());
    world.publish(&["1"]);
    let copy = killed(&dir);
    for durability in [Durability::Async, Durability::Sync, Durability::Async] {
        let again = open(copy.path(), durability);
        assert_eq!((again.feed.epoch(), again.data()), (world.feed.epoch(), vec![]));
        let holes = again.history().1;
        assert!(holes.len() == 1 && holes[0].0 == 1, "{holes:?}");
        assert_eq!(holes[0].1, again.feed.last().0);
    }
}

#[test]
fn keys_are_known_after_the_end() {
    for durability in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), durability);
        world.publish(&["0"]);
        assert_eq!(world.with_key("k", "1"), Ok(Offset(2)));
        assert_eq!(world.with_key("k", "1"), Ok(Offset(2)));
        drop(world);
        let world = open(dir.path(), durability);
        assert_eq!(world.with_key("k", "1"), Ok(Offset(2)));
        assert_eq!(world.with_key("k", "2"), Err(EngineError::KeyReused));
        assert_eq!(world.with_key("other", "1"), Ok(Offset(3)));
    }
}

#[test]
fn twins_with_one_key_append_once() {
    for durability in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), durability);
        let offsets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| world.with_key("k", "1"))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(offsets.iter().all(|offset| *offset == Ok(Offset(1))), "{offsets:?}");
        assert_eq!(world.data(), ["1"]);
    }
}

#[test]
fn many_publishers_keep_one_order() {
    for durability in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), durability);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let world = &world;
                scope.spawn(move || {
                    for n in 0..200 {
                        world.publish(&[&format!("{}", thread * 1000 + n)]);
                    }
                });
            }
        });
        let before = world.history();
        assert_eq!(before.0.len(), 1600);
        drop(world);
        assert_eq!(open(dir.path(), durability).history(), before);
    }
}

#[test]
fn a_torn_tail_is_cut_and_no_offset_is_used_again() {
    for durability in BOTH {
        for cut in [1, 30] {
            let dir = tempfile::tempdir().unwrap();
            let world = open(dir.path(), durability);
            world.publish(&["\"first\""]);
            until_on_disk(dir.path(), b"first");
            world.publish(&["2"]);
            world.engine.close();
            let copy = killed(&dir);
            // As if the machine had gone before the end was marked as clean.
            fs::write(copy.path().join("reserve"), reserve_of(dir.path(), durability, 50)).unwrap();
            let newest = segments(copy.path()).pop().unwrap();
            let length = fs::metadata(&newest).unwrap().len();
            let file = OpenOptions::new().write(true).open(&newest).unwrap();
            file.set_len(length - cut).unwrap();
            let again = open(copy.path(), durability);
            assert_eq!((again.data(), again.history().1), (vec!["\"first\"".to_owned()], vec![(2, 50)]));
            assert!(fs::metadata(&newest).unwrap().len() < length - cut, "the rest of the group is gone");
            assert_eq!(again.publish(&["3"]).first, Offset(51));
        }
    }
}

/// What `reserve` says with this ceiling.
fn reserve_of(path: &Path, durability: Durability, ceiling: u64) -> String {
    let text = fs::read_to_string(path.join("reserve")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[0] = format!("tricast-reserve {}", durability.name());
    let (front, _) = lines[1].rsplit_once(' ').unwrap();
    lines[1] = format!("{front} {ceiling}");
    let body = format!("{}\n{}\n", lines[0], lines[1]);
    format!("{body}sum {:08x}\n", crc32fast::hash(body.as_bytes()))
}

#[test]
fn damage_in_the_middle_is_a_hole_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), Durability::Sync);
    for data in ["1", "22222222", "3"] {
        world.publish(&[data]);
    }
    drop(world);
    let newest = segments(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let place = bytes.windows(8).position(|window| window == b"22222222").unwrap();
    bytes[place] = b'x';
    fs::write(&newest, bytes).unwrap();
    let world = open(dir.path(), Durability::Sync);
    assert_eq!((world.data(), world.history().1), (vec!["1".to_owned(), "3".to_owned()], vec![(2, 2)]));
    assert_eq!(world.publish(&["4"]).first, Offset(4));
}

#[test]
fn one_bad_byte_loses_no_more_than_its_group_and_tells_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), Durability::Sync);
    let all = ["\"one\"", "\"two\"", "\"three\""];
    all.iter().for_each(|data| assert!(world.append(just(data)).is_ok()));
    let copy = killed(&dir);
    let segment = segments(copy.path()).pop().unwrap();
    let reserve = copy.path().join("reserve");
    let (good, reserved) = (fs::read(&segment).unwrap(), fs::read(&reserve).unwrap());
    for place in (0..good.len()).step_by(3) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x20;
        fs::write(&segment, bytes).unwrap();
        fs::write(&reserve, &reserved).unwrap();
        let again = open(copy.path(), Durability::Sync);
        assert_eq!(again.feed.epoch(), world.feed.epoch());
        let (data, (_, holes)) = (again.data(), again.history());
        assert!(data.len() >= 2, "{place}: {data:?}");
        let is_lost = |offset: u64| holes.iter().any(|(from, to)| (*from..=*to).contains(&offset));
        let first = again.feed.first().0;
        let expected: Vec<&str> =
            (1..=3).zip(all).filter(|(at, _)| !is_lost(*at) && *at >= first).map(|(_, data)| data).collect();
        assert_eq!(data, expected, "{place}: {holes:?}");
        assert!(again.publish(&["4"]).first > Offset(3), "{place}: {holes:?}");
        drop(again);
        segments(copy.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
    }
}

fn just(data: &str) -> Batch {
    Batch { drafts: vec![draft(data)], idempotency: None }
}

#[test]
fn old_segments_go_with_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { events_max: 100, ..Retention::default() };
    let mut options = options(dir.path(), Durability::Async);
    options.window = Millis(0);
    options.queue_bytes_max = 8 << 20;
    let world = open_with(options, retention);
    let text = format!("\"{}\"", "x".repeat(100_000));
    for _ in 0..40 {
        world.publish(&[text.as_str(); 20]);
        world.engine.tick(system_now());
    }
    world.engine.tick(system_now());
    let (before, last) = (world.history(), world.feed.last());
    drop(world);
    let bytes: u64 = segments(dir.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 45 << 20, "of 80 MB published, 10 are retained and {bytes} bytes are on disk");
    let world = open_with(self::options(dir.path(), Durability::Async), retention);
    assert_eq!((world.history(), world.feed.last()), (before, last));
}

#[test]
fn a_quiet_namespace_does_not_pin_the_segments_of_a_busy_one() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { events_max: 10, ..Retention::default() };
    let engine = Arc::new(DurableEngine::open(options(dir.path(), Durability::Sync)).unwrap());
    let quiet = Namespace::new("quiet").unwrap();
    let declared = [(default(), retention.into()), (quiet.clone(), retention.into())];
    let over = || Arc::<DurableEngine>::clone(&engine);
    let feeds = Feeds::over(over(), &declared, retention.into(), false, 10).unwrap();
    let busy = World { engine: over(), feed: feeds.find(&default()).unwrap() };
    let calm = World { engine: over(), feed: feeds.find(&quiet).unwrap() };
    assert_eq!(calm.with_key("k", "7"), Ok(Offset(1)));
    let text = format!("\"{}\"", "x".repeat(500_000));
    for _ in 0..60 {
        busy.publish(&[&text]);
        engine.tick(system_now());
    }
    let (busy_before, calm_before) = (busy.history(), calm.history());
    engine.close();
    drop((feeds, busy, calm, engine));
    let bytes: u64 = segments(dir.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 35 << 20, "of 30 MB published, 5 are retained and {bytes} bytes are on disk");
    let engine = Arc::new(DurableEngine::open(options(dir.path(), Durability::Sync)).unwrap());
    let over = || Arc::<DurableEngine>::clone(&engine);
    let feeds = Feeds::over(over(), &declared, retention.into(), false, 10).unwrap();
    let busy = World { engine: over(), feed: feeds.find(&default()).unwrap() };
    let calm = World { engine: over(), feed: feeds.find(&quiet).unwrap() };
    assert_eq!((busy.history(), calm.history()), (busy_before, calm_before));
    assert_eq!(calm.with_key("k", "7"), Ok(Offset(1)), "the key went along");
}

#[test]
fn a_batch_beyond_what_is_reserved_waits_and_goes_through() {
    for durability in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), durability);
        for _ in 0..3 {
            world.publish(&["1"; 10_000]);
        }
        assert_eq!(world.feed.last(), Offset(30_000));
        drop(world);
        assert_eq!(open(dir.path(), durability).feed.last(), Offset(30_000));
    }
}

#[test]
fn dynamic_namespaces_are_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let over = |engine: &Arc<DurableEngine>, dynamic| {
        let retention = Retention::default();
        Feeds::over(Arc::<DurableEngine>::clone(engine), &[], retention.into(), dynamic, 10).unwrap()
    };
    let engine = Arc::new(DurableEngine::open(options(dir.path(), Durability::Sync)).unwrap());
    let world = World { feed: over(&engine, true).find(&default()).unwrap(), engine };
    world.publish(&["1"]);
    drop(world);
    let engine = Arc::new(DurableEngine::open(options(dir.path(), Durability::Sync)).unwrap());
    let feeds = over(&engine, false);
    assert!(feeds.all().is_empty() && feeds.find(&default()).is_err());
    drop((feeds, engine));
    let engine = Arc::new(DurableEngine::open(options(dir.path(), Durability::Sync)).unwrap());
    let world = World { feed: over(&engine, true).all().pop().unwrap(), engine };
    assert_eq!(world.data(), ["1"], "what nobody served was kept");
}

#[test]
fn a_path_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused =
        |path: &Path| DurableEngine::open(options(path, Durability::Async)).unwrap_err().to_string();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(refused(&file), format!("store.path: {} is no folder", file.display()));
    assert!(
        refused(&file.join("below")).contains("below: Not a directory"),
        "{}",
        refused(&file.join("below"))
    );
    let told = refused(dir.path());
    assert!(told.contains("holds something else (file); a store needs a folder of its own"), "{told}");
    let store = dir.path().join("store");
    let world = open(&store, Durability::Sync);
    assert_eq!(world.engine.health(), Health::Ready);
    assert_eq!(refused(&store), format!("store.path: {} is used by another process", store.display()));
    drop(world);
    fs::write(store.join("tricast-store"), "tricast-store 99\n").unwrap();
    let told = refused(&store);
    assert!(told.ends_with("holds format 99; this program reads format 1"), "{told}");
}
