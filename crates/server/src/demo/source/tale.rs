//! What a story is about, and the words and fields for each of its notifications.

use fastrand::Rng;
use serde_json::{Value, json};

use super::life::Trade;
use super::words::{
    BRANCHES, DISHES, METHODS, MISHAPS, PEOPLE, PLACES, PROJECTS, REMARKS, STEPS, TOPICS, TROUBLES,
};

/// The facts of a story, drawn once and kept to its end. What `thing`, `place`, `count` and `cents` mean is the
/// trade's affair.
#[derive(Debug)]
pub(super) struct Tale {
    trade: Trade,
    number: u32,
    person: &'static str,
    place: &'static str,
    thing: &'static str,
    /// What goes wrong, for an alert.
    trouble: &'static str,
    count: u32,
    cents: u32,
    critical: bool,
    /// How many notifications the story has had.
    told: u32,
}

/// One notification's words and fields.
#[derive(Debug)]
pub(super) struct Telling {
    /// A sentence for people, without characters that JSON must escape.
    pub(super) text: String,
    /// The type's own fields.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// Whether it concerns everybody, whatever the stage's rooms.
    pub(super) to_everyone: bool,
}

impl Tale {
    /// Draws the facts of a new story.
    pub(super) fn draw(trade: Trade, number: u32, rng: &mut Rng) -> Self {
        let (thing, trouble) = match trade {
            Trade::Order | Trade::Payment => (one_of(&DISHES, rng), ""),
            Trade::Build => (one_of(&PROJECTS, rng), ""),
            Trade::Comment => (one_of(&TOPICS, rng), ""),
            Trade::Alert => one_of(&TROUBLES, rng),
        };
        let place = if trade == Trade::Build { one_of(&BRANCHES, rng) } else { one_of(&PLACES, rng) };
        let count = rng.u32(1..=6);
        let cents = count * rng.u32(7..=40) * 50;
        let critical = rng.u8(0..3) == 0;
        Self {
            trade,
            number,
            person: one_of(&PEOPLE, rng),
            place,
            thing,
            trouble,
            count,
            cents,
            critical,
            told: 0,
        }
    }

    /// Tells the story's next notification, which is of this type.
    pub(super) fn tell(&mut self, kind: &str, rng: &mut Rng) -> Telling {
        self.told += 1;
        let (text, fields) = match self.trade {
            Trade::Order => self.order(kind),
            Trade::Build => self.build(kind, rng),
            Trade::Comment => self.comment(kind, rng),
            Trade::Payment => self.payment(kind, rng),
            Trade::Alert => self.alert(kind, rng),
        };
        Telling { text, fields, to_everyone: self.critical && kind == "alert.raised" }
    }

    fn order(&self, kind: &str) -> (String, Fields) {
        let Self { number, person, place, thing, count, .. } = self;
        let price = euros(self.cents);
        let text = match kind {
            "order.created" => format!("{person} in {place} ordered {count} × {thing}"),
            "order.paid" => format!("Order {number} is paid: {price} from {person}"),
            "order.packed" => format!("Order {number} is packed: {count} × {thing}"),
            "order.shipped" => format!("Order {number} is on its way to {place}"),
            "order.delivered" => format!("Order {number} has reached {person} in {place}"),
            _ => format!("{person} cancelled order {number}, {count} × {thing}"),
        };
        let fields = vec![
            ("order", json!(number)),
            ("customer", json!(person)),
            ("city", json!(place)),
            ("item", json!(thing)),
            ("count", json!(count)),
            ("total_cents", json!(self.cents)),
        ];
        (text, fields)
    }

    fn build(&self, kind: &str, rng: &mut Rng) -> (String, Fields) {
        let Self { number, person, place: branch, thing: project, count, .. } = self;
        let seconds = count * 31 + rng.u32(4..60);
        let step = one_of(&STEPS, rng);
        let mut fields = vec![
            ("build", json!(number)),
            ("project", json!(project)),
            ("branch", json!(branch)),
            ("author", json!(person)),
        ];
        let text = match kind {
            "build.queued" => format!("Build {number} of {project} waits: {person} pushed to {branch}"),
            "build.started" => format!("Build {number} of {project} runs on runner {count}"),
            "build.finished" => {
                fields.push(("seconds", json!(seconds)));
                format!("Build {number} of {project} is green after {seconds} s")
            }
            _ => {
                fields.push(("step", json!(step)));
                format!("Build {number} of {project} failed in {step}")
            }
        };
        (text, fields)
    }

    /// Everybody may add to a thread, so the author is drawn anew for each comment.
    fn comment(&self, kind: &str, rng: &mut Rng) -> (String, Fields) {
        let (topic, author, remark) = (self.thing, one_of(&PEOPLE, rng), one_of(&REMARKS, rng));
        let text = match kind {
            "comment.added" => format!("{author} on “{topic}”: {remark}"),
            _ => {
                let comments = self.told - 1;
                format!(
                    "{author} closed “{topic}” after {comments} comment{}",
                    if comments == 1 { "" } else { "s" }
                )
            }
        };
        let fields = vec![
            ("thread", json!(self.number)),
            ("topic", json!(topic)),
            ("author", json!(author)),
            ("place", json!(self.told)),
        ];
        (text, fields)
    }

    fn payment(&self, kind: &str, rng: &mut Rng) -> (String, Fields) {
        let Self { number, person, thing, .. } = self;
        let (price, method) = (euros(self.cents), METHODS[self.count as usize % METHODS.len()]);
        let text = match kind {
            "payment.authorised" => format!("{person} may pay {price} by {method}"),
            "payment.captured" => format!("{price} from {person} arrived by {method}"),
            "payment.refunded" => {
                format!("{person} gets {price} back: the {thing} came {}", one_of(&MISHAPS, rng))
            }
            _ => format!("The payment of {price} by {person} was dropped"),
        };
        let fields = vec![
            ("payment", json!(number)),
            ("customer", json!(person)),
            ("amount_cents", json!(self.cents)),
            ("currency", json!("EUR")),
            ("method", json!(method)),
        ];
        (text, fields)
    }

    fn alert(&self, kind: &str, rng: &mut Rng) -> (String, Fields) {
        let Self { number, person, place, thing: service, trouble, .. } = self;
        let text = match kind {
            "alert.raised" => format!("{service} in {place}: {trouble}"),
            "alert.acknowledged" => format!("{person} looks after {service} in {place}"),
            _ => format!("{service} in {place} is well again after {} min", rng.u32(2..50)),
        };
        let fields = vec![
            ("alert", json!(number)),
            ("service", json!(service)),
            ("site", json!(place)),
            ("severity", json!(if self.critical { "critical" } else { "warning" })),
            ("trouble", json!(trouble)),
        ];
        (text, fields)
    }
}

type Fields = Vec<(&'static str, Value)>;

fn one_of<T: Copy>(words: &[T], rng: &mut Rng) -> T {
    words[rng.usize(..words.len())]
}

fn euros(cents: u32) -> String {
    format!("€{}.{:02}", cents / 100, cents % 100)
}
