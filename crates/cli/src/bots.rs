//! `tricast demo-bots`: the subscribers of the demo, in a process of their own. It is started by the demo and ends with it.
//!
//! Each line on stdin is how many there shall be. Twice a second it tells one line of JSON: how many are connected by which
//! transport, what they received, and of the first few what each received last.

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tricast_client::{Client, EventMsg, State, Transport, Update};

/// The rooms of the demo's source; each bot is in one of them.
const ROOMS: [&str; 5] = ["kitchen", "builds", "comments", "payments", "alerts"];

const TRANSPORTS: [(&str, Transport); 3] =
    [("poll", Transport::Poll), ("sse", Transport::Sse), ("ws", Transport::Ws)];

/// The bots that the page shows one by one.
const TILES_MAX: usize = 60;

/// What each of those remembers.
const RECENT_MAX: usize = 12;

/// New bots in a tick: a thousand a second, so that their arrival is a ramp and no blow.
const STEP: usize = 50;
const TICK: Duration = Duration::from_millis(50);
/// Every tenth tick the bots tell.
const TELLING_TICKS: u64 = 10;

/// Updates that a bot's client holds for it.
const BUFFERED_UPDATES: usize = 16;

/// One bot as others see it.
#[derive(Default)]
struct Seat {
    is_live: AtomicBool,
    received: AtomicU64,
    /// What others may address it by, once the server has named it.
    member: Mutex<Option<String>>,
    /// Offset, and milliseconds since it was published.
    recent: Mutex<VecDeque<(u64, f64)>>,
}

impl Seat {
    fn name(&self, member: String) {
        *self.member.lock().unwrap_or_else(PoisonError::into_inner) = Some(member);
    }
}

struct Bot {
    seat: Arc<Seat>,
    task: JoinHandle<()>,
}

#[derive(Serialize)]
struct Report<'a> {
    count: usize,
    live: [usize; TRANSPORTS.len()],
    received: u64,
    tiles: Vec<Tile<'a>>,
}

#[derive(Serialize)]
struct Tile<'a> {
    way: &'a str,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    live: bool,
    received: u64,
    recent: Vec<(u64, f64)>,
}

/// Subscribes as many bots as it is told to, until stdin ends or nobody reads.
///
/// # Errors
/// An address that is none.
pub(crate) async fn bots(url: String) -> anyhow::Result<()> {
    let (sender, mut wanted) = watch::channel(0);
    std::thread::Builder::new().name("wishes".to_owned()).spawn(move || listen(&sender))?;
    let mut bots: Vec<Bot> = Vec::new();
    let mut tick = tokio::time::interval(TICK);
    let mut ticks = 0_u64;
    loop {
        tick.tick().await;
        ticks += 1;
        // Nobody can wish any more: the demo is gone.
        if wanted.has_changed().is_err() {
            return Ok(());
        }
        let count = *wanted.borrow_and_update();
        for gone in bots.drain(count.min(bots.len())..) {
            gone.task.abort();
        }
        for number in bots.len()..count.min(bots.len() + STEP) {
            bots.push(bot(&url, number)?);
        }
        if ticks.is_multiple_of(TELLING_TICKS) && tell(&bots).is_err() {
            return Ok(());
        }
    }
}

/// Takes wishes until stdin ends.
fn listen(wanted: &watch::Sender<usize>) {
    for line in std::io::stdin().lock().lines() {
        match line.map(|line| line.trim().parse()) {
            Ok(Ok(count)) => drop(wanted.send_replace(count)),
            _ => return,
        }
    }
}

fn transport(number: usize) -> (&'static str, Transport) {
    TRANSPORTS[number % TRANSPORTS.len()]
}

fn room(number: usize) -> &'static str {
    ROOMS[number / TRANSPORTS.len() % ROOMS.len()]
}

fn bot(url: &str, number: usize) -> anyhow::Result<Bot> {
    let client = Client::builder(url)
        .transport(transport(number).1)
        .rooms([room(number)])
        .buffer_updates(BUFFERED_UPDATES)
        .build()?;
    let seat = Arc::new(Seat::default());
    let is_shown = number < TILES_MAX;
    let task = tokio::spawn(receive(client, Arc::clone(&seat), is_shown));
    Ok(Bot { seat, task })
}

async fn receive(client: Client, seat: Arc<Seat>, is_shown: bool) {
    let mut subscription = client.subscribe();
    while let Some(Ok(update)) = subscription.next().await {
        match update {
            Update::State(State::Open { .. }) => seat.is_live.store(true, Ordering::Relaxed),
            Update::Sync(sync) => seat.name(sync.member),
            Update::State(State::Waiting { .. }) => seat.is_live.store(false, Ordering::Relaxed),
            Update::Event(event) => {
                seat.received.fetch_add(1, Ordering::Relaxed);
                if is_shown {
                    remember(&seat, &event);
                }
            }
            _ => {}
        }
    }
    seat.is_live.store(false, Ordering::Relaxed);
}

fn remember(seat: &Seat, event: &EventMsg) {
    let mut recent = seat.recent.lock().unwrap_or_else(PoisonError::into_inner);
    if recent.len() == RECENT_MAX {
        recent.pop_front();
    }
    recent.push_back((event.id.offset.0, age_ms(event.data.get())));
}

/// How long ago the event says that it was published, in milliseconds; 0 where it does not say.
fn age_ms(data: &str) -> f64 {
    let digits = data.split_once("\"at_us\":").map(|(_, rest)| rest);
    let at_us = digits.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok());
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let age_us = at_us.map_or(0, |at| now_us.saturating_sub(u128::from(at)));
    (age_us / 10) as f64 / 100.0
}

fn tell(bots: &[Bot]) -> std::io::Result<()> {
    let mut report = Report { count: bots.len(), live: [0; 3], received: 0, tiles: Vec::new() };
    for (number, bot) in bots.iter().enumerate() {
        let is_live = bot.seat.is_live.load(Ordering::Relaxed);
        let received = bot.seat.received.load(Ordering::Relaxed);
        report.live[number % TRANSPORTS.len()] += usize::from(is_live);
        report.received += received;
        if number < TILES_MAX {
            let recent = bot.seat.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let recent = recent.iter().copied().collect();
            let (way, room) = (transport(number).0, room(number));
            let member = bot.seat.member.lock().unwrap_or_else(PoisonError::into_inner).clone();
            report.tiles.push(Tile { way, room, member, live: is_live, received, recent });
        }
    }
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, &report)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_read_from_the_event() {
        assert_eq!(age_ms("{}"), 0.0);
        assert_eq!(age_ms(r#"{"at_us":"soon"}"#), 0.0);
        assert!(age_ms(r#"{"n":1,"at_us":1000,"text":"x"}"#) > 1e9);
        assert_eq!(age_ms(r#"{"at_us":18446744073709551615}"#), 0.0, "from the future");
    }

    #[test]
    fn bots_are_spread_over_transports_and_rooms() {
        let pairs: std::collections::HashSet<_> = (0..15).map(|n| (transport(n).0, room(n))).collect();
        assert_eq!(pairs.len(), 15);
    }
}
