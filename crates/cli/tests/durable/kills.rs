//! A server that is killed again and again under load, and what must hold each time.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::server::{Peer, Server};

const ROUNDS: usize = 50;
const PUBLISHERS: usize = 4;

/// A publish and its answer, if one came: the id of its first event.
#[derive(Debug, Clone)]
struct Publish {
    key: String,
    data: Vec<String>,
    id: Option<String>,
}

impl Publish {
    fn new(key: String, count: usize) -> Self {
        let data = (0..count).map(|place| format!("{key}.{place}")).collect();
        Self { key, data, id: None }
    }

    fn send(&mut self, peer: &mut Peer) -> std::io::Result<()> {
        let events: Vec<String> = self.data.iter().map(|data| format!("{{\"data\":\"{data}\"}}")).collect();
        let header = format!("Idempotency-Key: {}\r\n", self.key);
        let answer = peer.publish(&header, &format!("[{}]", events.join(",")))?;
        // A server that is being killed may answer anything but a success that is none.
        if answer.status == 201 {
            let id = answer.json()["events"][0]["id"].as_str().unwrap().to_owned();
            if let Some(before) = &self.id {
                assert_eq!(*before, id, "a repeated publish is answered as at first");
            }
            self.id = Some(id);
        }
        Ok(())
    }
}

fn offset(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// Publishes until the server is gone.
fn publish_until_the_end(address: SocketAddr, name: &str) -> Vec<Publish> {
    let mut sent = Vec::new();
    let Ok(mut peer) = Peer::connect(address) else { return sent };
    for number in 0.. {
        let mut publish = Publish::new(format!("{name}-{number}"), 1 + number % 3);
        let done = publish.send(&mut peer);
        sent.push(publish);
        if done.is_err() {
            break;
        }
    }
    sent
}

/// Reads events until the server is gone: their ids and data.
fn read_until_the_end(address: SocketAddr, after: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let Ok(mut peer) = Peer::connect(address) else { return seen };
    if peer.stream(after).is_err() {
        return seen;
    }
    while let Ok(line) = peer.line() {
        let event = line.strip_prefix("data: ").and_then(|json| serde_json::from_str::<Value>(json).ok());
        if let Some(event) = event.filter(|event| event["id"].is_string() && !event["data"].is_null()) {
            seen.push(id_and_data(&event));
        }
    }
    seen
}

fn id_and_data(event: &Value) -> (String, String) {
    (event["id"].as_str().unwrap().to_owned(), event["data"].as_str().unwrap().to_owned())
}

/// Everything that is known of the feed over all its lives.
#[derive(Default)]
struct Book {
    /// What each offset was seen to name, by whomever.
    names: HashMap<u64, String>,
    /// Where each payload stands in the history.
    places: HashMap<String, u64>,
    lost: HashSet<u64>,
    /// Up to here the history was read.
    cursor: String,
    acknowledged: usize,
}

impl Book {
    fn name(&mut self, id: &str, data: &str) {
        let before = self.names.insert(offset(id), data.to_owned());
        assert!(before.as_deref().is_none_or(|before| before == data), "{id} was {before:?} and is {data}");
    }

    /// Notes what an answer said.
    fn note(&mut self, publish: &Publish) {
        let Some(id) = &publish.id else { return };
        let epoch = id.split_once('-').unwrap().0;
        for (at, data) in (offset(id)..).zip(&publish.data) {
            self.name(&format!("{epoch}-{at}"), data);
        }
    }

    /// Reads what is new in the history.
    fn read(&mut self, server: &Server) {
        let (events, gaps) = server.history(&self.cursor);
        let mut expected = offset(&self.cursor);
        let mut gaps = gaps.into_iter().peekable();
        let mut take_gaps = |book: &mut Self, expected: &mut u64| {
            while let Some(gap) = gaps.next_if(|gap| gap["from"].as_u64() == Some(*expected + 1)) {
                assert_eq!(gap["reason"], "engine");
                let to = gap["to"].as_u64().unwrap();
                book.lost.extend(*expected + 1..=to);
                *expected = to;
            }
        };
        for event in events {
            let (id, data) = id_and_data(&event);
            take_gaps(self, &mut expected);
            expected += 1;
            assert_eq!(offset(&id), expected, "what is missing is told");
            assert_eq!(id.split_once('-').unwrap().0, self.cursor.split_once('-').unwrap().0, "one epoch");
            self.name(&id, &data);
            let before = self.places.insert(data, expected);
            assert_eq!(before, None, "{id} is there twice");
        }
        take_gaps(self, &mut expected);
        let state = server.get("/v1/feeds/default").json();
        assert_eq!(state["last"], expected, "nothing is missing at the end");
        state["cursor"].as_str().unwrap().clone_into(&mut self.cursor);
    }

    /// Holds what was acknowledged against the history.
    fn check(&mut self, publishes: &[Publish], may_lose: bool) {
        for publish in publishes {
            let Some(id) = &publish.id else { continue };
            self.acknowledged += 1;
            for (at, data) in (offset(id)..).zip(&publish.data) {
                let is_lost = may_lose && self.lost.contains(&at);
                assert!(is_lost || self.places.get(data) == Some(&at), "{at} is {data}, as was acknowledged");
            }
        }
    }
}

fn kill_again_and_again(durability: &str) {
    let store = tempfile::tempdir().unwrap();
    let mode = format!("store.durability={durability}");
    let settings =
        [mode.as_str(), "history.events=1000000", "history.bytes=1000000000", "history.age_secs=0"];
    let is_async = durability == "async";
    let mut book = Book::default();
    let mut sent: Vec<Publish> = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for round in 0..=ROUNDS {
        let server = Server::start(store.path(), &settings);
        if round == 0 {
            server.get("/v1/feeds/default").json()["cursor"].as_str().unwrap().clone_into(&mut book.cursor);
        }
        book.read(&server);
        book.check(&sent, is_async);
        let is_there = |(_, data): &(String, String)| book.places.contains_key(data);
        assert!(is_async || seen.iter().all(is_there), "what was seen is on disk");
        send_again(&mut book, &server, &mut sent, is_async);
        if round == ROUNDS {
            // What was just sent again is not killed once more.
            server.stop();
            break;
        }
        // From a moment after the start to a good while later.
        let time = Duration::from_millis(20 + (round as u64 * 37) % 110);
        (sent, seen) = load_and_kill(server, &round.to_string(), &book.cursor, time);
        seen.iter().for_each(|(id, data)| book.name(id, data));
        sent.iter().for_each(|publish| book.note(publish));
    }
    let everywhere = format!("{durability}: {} acknowledged, {} lost", book.acknowledged, book.lost.len());
    assert!(book.acknowledged > 10 * ROUNDS, "there was load: {everywhere}");
    // Once more from the start, in one piece.
    let server = Server::start(store.path(), &settings);
    let (events, gaps) = server.history("earliest");
    let is_told = |at: u64| {
        gaps.iter().any(|gap| (gap["from"].as_u64() <= Some(at)) && (Some(at) <= gap["to"].as_u64()))
    };
    let kept: HashMap<String, u64> =
        events.iter().map(id_and_data).map(|(id, data)| (data, offset(&id))).collect();
    assert_eq!(kept.len(), events.len(), "nothing is there twice");
    for (data, at) in &book.places {
        let is_there = kept.get(data) == Some(at);
        assert!(is_there || is_async && is_told(*at), "{at} is {data}: {everywhere}");
    }
    assert!(gaps.iter().all(|gap| gap["reason"] == "engine"), "{gaps:?}");
}

/// What was never answered is sent again: it must not be there twice. What was answered last is answered alike.
fn send_again(book: &mut Book, server: &Server, sent: &mut Vec<Publish>, is_async: bool) {
    let mut peer = Peer::connect(server.address).unwrap();
    let is_known = |publish: &Publish| publish.id.as_ref().is_none_or(|id| !book.lost.contains(&offset(id)));
    let mut again: Vec<Publish> = std::mem::take(sent);
    let answered = again.iter().rposition(|publish| publish.id.is_some() && is_known(publish));
    let mut place = 0;
    again.retain(|publish| {
        place += 1;
        publish.id.is_none() || Some(place - 1) == answered
    });
    for publish in &mut again {
        publish.send(&mut peer).unwrap();
        assert!(publish.id.is_some(), "{publish:?}");
        book.note(publish);
    }
    book.read(server);
    book.check(&again, is_async);
}

/// Publishes and reads for a while, and kills the server meanwhile. Gives what was sent, and what was seen.
fn load_and_kill(
    server: Server,
    name: &str,
    after: &str,
    time: Duration,
) -> (Vec<Publish>, Vec<(String, String)>) {
    let address = server.address;
    std::thread::scope(|scope| {
        let publisher =
            |thread| scope.spawn(move || publish_until_the_end(address, &format!("{name}-{thread}")));
        let publishers: Vec<_> = (0..PUBLISHERS).map(publisher).collect();
        let reader = scope.spawn(|| read_until_the_end(address, after));
        std::thread::sleep(time);
        server.kill();
        let sent = publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect();
        (sent, reader.join().unwrap())
    })
}

#[test]
fn under_sync_every_acknowledged_event_survives_fifty_kills() {
    kill_again_and_again("sync");
}

#[test]
fn under_async_every_acknowledged_event_is_there_or_told_over_fifty_kills() {
    kill_again_and_again("async");
}
