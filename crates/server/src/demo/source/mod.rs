//! The built-in event source: believable notifications, the same for the same seed. Pure: the publish time is an
//! argument.
//!
//! A handful of stories are under way at any time (an order, a build, a thread of comments, a payment, an alert), and
//! each notification takes one of them a step further along its life cycle, so that a reader can follow them.

mod body;
mod life;
mod tale;
mod words;

use fastrand::Rng;

use body::compose;
use life::{Stage, Trade};
use tale::Tale;

/// The rooms that the source publishes to.
pub(crate) const ROOMS: [&str; 5] = ["kitchen", "builds", "comments", "payments", "alerts"];

/// The smallest payload that can be asked for, in bytes. Number, time and a few words need as much.
pub(crate) const PAYLOAD_BYTES_MIN: usize = 64;

/// The largest payload that can be asked for: 64 KiB.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Stories that are always under way, so that the notifications mix.
const STORIES_MIN: usize = 3;

/// The most stories at once: few enough that each goes on while somebody watches.
const STORIES_MAX: usize = 12;

/// The number of the first story: a shop that has been open for a while.
const FIRST_NUMBER: u32 = 4_200;

/// One made notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    /// Its type, for example `order.created`.
    pub(crate) kind: &'static str,
    /// Who it is for; none is a broadcast.
    pub(crate) rooms: &'static [&'static str],
    /// A JSON object with `n`, `at_us`, `text`, the type's own fields, and `pad`.
    pub(crate) data: String,
}

/// A story under way: what it is about, and the stage that its next notification tells.
#[derive(Debug)]
struct Story {
    tale: Tale,
    stage: &'static Stage,
}

/// The generator.
#[derive(Debug)]
pub(crate) struct Source {
    rng: Rng,
    made: u64,
    /// Numbers the stories, so that no two orders or builds share a number.
    begun: u32,
    stories: Vec<Story>,
}

impl Source {
    /// A source that has made nothing yet. The same seed gives the same notifications.
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), made: 0, begun: FIRST_NUMBER, stories: Vec::new() }
    }

    /// The next notification, published at `at_us` (microseconds since the Unix epoch), with `data` of
    /// `payload_bytes`, held within [`PAYLOAD_BYTES_MIN`] and [`PAYLOAD_BYTES_MAX`]. Neither argument changes what is
    /// told, only how long the text and the padding are.
    pub(crate) fn next(&mut self, at_us: u64, payload_bytes: usize) -> Notification {
        self.made += 1;
        let place = self.pick();
        let story = &mut self.stories[place];
        let stage = story.stage;
        let telling = story.tale.tell(stage.kind, &mut self.rng);
        match stage.follow(&mut self.rng) {
            Some(next) => story.stage = next,
            None => drop(self.stories.swap_remove(place)),
        }
        let payload_bytes = payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX);
        Notification {
            kind: stage.kind,
            rooms: if telling.to_everyone { &[] } else { stage.rooms },
            data: compose(self.made, at_us, &telling, payload_bytes),
        }
    }

    /// The place of the story to go on with, which may be a new one.
    fn pick(&mut self) -> usize {
        let under_way = self.stories.len();
        let begin = under_way < STORIES_MIN || (under_way < STORIES_MAX && self.rng.u8(0..3) == 0);
        if !begin {
            return self.rng.usize(..under_way);
        }
        let trade = Trade::draw(&mut self.rng);
        let tale = Tale::draw(trade, self.begun, &mut self.rng);
        self.begun = self.begun.wrapping_add(1);
        self.stories.push(Story { tale, stage: trade.first() });
        under_way
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use serde_json::Value;

    use super::*;

    const AT_US: u64 = 1_795_353_611_042_000;

    fn made(seed: u64, count: usize, payload_bytes: usize) -> Vec<Notification> {
        let mut source = Source::with_seed(seed);
        (0..count as u64).map(|n| source.next(AT_US + n, payload_bytes)).collect()
    }

    fn data(notification: &Notification) -> Value {
        serde_json::from_str(&notification.data).unwrap()
    }

    #[test]
    fn the_same_seed_tells_the_same() {
        assert_eq!(made(7, 500, 256), made(7, 500, 256));
        assert_ne!(made(7, 20, 256), made(8, 20, 256));
        let kinds = |payload| made(7, 300, payload).iter().map(|made| made.kind).collect::<Vec<_>>();
        assert_eq!(kinds(64), kinds(4096), "the payload size does not change the story");
    }

    #[test]
    fn every_size_is_met_to_the_byte() {
        let mut source = Source::with_seed(1);
        for payload in (64..700).chain([1024, 4096, 65_535, 65_536]) {
            let made = source.next(AT_US, payload);
            assert_eq!(made.data.len(), payload, "{}", made.data);
            assert_eq!(data(&made)["at_us"], AT_US);
        }
        assert_eq!(source.next(AT_US, 0).data.len(), PAYLOAD_BYTES_MIN);
        assert_eq!(source.next(AT_US, usize::MAX).data.len(), PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn data_is_an_object_with_number_time_and_sentence() {
        for (place, made) in made(3, 3000, 512).iter().enumerate() {
            let data = data(made);
            assert_eq!(data["n"], place as u64 + 1);
            assert_eq!(data["at_us"], AT_US + place as u64);
            let text = data["text"].as_str().unwrap();
            assert!(text.len() > 12 && text.len() < 160, "{text}");
            assert!(data.as_object().unwrap().len() >= 6, "the type's own fields and pad: {data}");
            assert!(!made.data.contains('\\'), "nothing needs an escape: {}", made.data);
        }
    }

    #[test]
    fn every_room_every_type_and_now_and_then_a_broadcast_or_two_rooms() {
        let made = made(4, 5000, 256);
        let rooms: HashSet<&str> = made.iter().flat_map(|made| made.rooms).copied().collect();
        assert_eq!(rooms, ROOMS.into_iter().collect());
        let kinds: HashSet<&str> = made.iter().map(|made| made.kind).collect();
        assert_eq!(kinds, LEGAL.iter().map(|(_, kind)| *kind).collect());
        let share =
            |count: usize| made.iter().filter(|made| made.rooms.len() == count).count() * 100 / made.len();
        assert!((1..=10).contains(&share(0)), "broadcasts {} %", share(0));
        assert!((3..=25).contains(&share(2)), "two rooms {} %", share(2));
    }

    /// What may come after what; `""` is the start. Written apart from the table that drives the source.
    const LEGAL: [(&str, &str); 20] = [
        ("", "order.created"),
        ("order.created", "order.paid"),
        ("order.created", "order.cancelled"),
        ("order.paid", "order.packed"),
        ("order.packed", "order.shipped"),
        ("order.shipped", "order.delivered"),
        ("", "build.queued"),
        ("build.queued", "build.started"),
        ("build.started", "build.finished"),
        ("build.started", "build.failed"),
        ("", "comment.added"),
        ("comment.added", "comment.added"),
        ("comment.added", "comment.resolved"),
        ("", "payment.authorised"),
        ("payment.authorised", "payment.captured"),
        ("payment.authorised", "payment.voided"),
        ("payment.captured", "payment.refunded"),
        ("", "alert.raised"),
        ("alert.raised", "alert.acknowledged"),
        ("alert.acknowledged", "alert.resolved"),
    ];

    #[test]
    fn life_cycles_are_legal_and_keep_their_facts() {
        let mut latest: HashMap<(String, u64), (&str, Value)> = HashMap::new();
        for made in &made(5, 10_000, 1024) {
            let (subject, data) = (made.kind.split_once('.').unwrap().0, data(made));
            let number = data[if subject == "comment" { "thread" } else { subject }].as_u64().unwrap();
            let fact = match subject {
                "order" => &data["customer"],
                "build" => &data["project"],
                "comment" => &data["topic"],
                "payment" => &data["amount_cents"],
                _ => &data["service"],
            };
            let before = latest.insert((subject.to_owned(), number), (made.kind, fact.clone()));
            let (from, known) = before.unwrap_or(("", fact.clone()));
            assert!(LEGAL.contains(&(from, made.kind)), "{from:?} → {}", made.kind);
            assert_eq!(&known, fact, "{} {number} changed its facts", made.kind);
            assert!(!fact.is_null());
        }
    }
}
