//! The section on other servers: the claims, a table a measure, what was measured with which configuration, and what
//! was not. The page and the Markdown print the same tables.

use std::fmt::Write as _;

use super::metric;
use super::page::doubt_in_words;
use super::text::{Language, THIN, Words};
use super::void;
use crate::peers::result::{Measure, Peers};
use crate::peers::summary::{Bound, Judged, Spread, Standing, band, figure, musts, ratio};
use crate::result::Transport;

/// The order of the columns.
const TRANSPORTS: [Transport; 3] = [Transport::Websocket, Transport::Sse, Transport::Poll];
/// The measures that have a table, and those that stand beside each as a ratio's other half.
const MEASURES: [Measure; 8] = [
    Measure::Single,
    Measure::Raw,
    Measure::Saturated,
    Measure::RawJoined,
    Measure::Memory,
    Measure::HalfRate,
    Measure::EqualRate,
    Measure::Connects,
];
/// Rounds below which a median is little more than one value.
const ROUNDS_MIN: u32 = 3;

/// Characters of a commit's name that are shown.
const COMMIT: usize = 12;

/// A titled table of text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    pub(crate) title: String,
    pub(crate) lead: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A server's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The section in one language.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// What stands under the title of a report that has this section: not all of it is one run.
    pub(crate) subtitle: String,
    pub(crate) lead: Vec<String>,
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) configurations_title: String,
    pub(crate) configurations: Vec<Configuration>,
    pub(crate) doubts_title: String,
    pub(crate) doubts: Vec<String>,
    pub(crate) void_title: String,
    pub(crate) void: Vec<String>,
    pub(crate) limits_title: String,
    pub(crate) limits: Vec<String>,
}

/// Builds the section from a stored comparison.
pub(crate) fn section(peers: &Peers, language: Language) -> Section {
    let w = Words(language);
    let mut sheets = vec![claims(peers, w)];
    sheets.extend(MEASURES.iter().map(|measure| table(peers, *measure, w)).filter(|s| !s.rows.is_empty()));
    sheets.push(servers(peers, w));
    let there = peers.servers.iter().filter(|server| server.absent.is_none());
    Section {
        title: w.get("peers.title").to_owned(),
        subtitle: subtitle(peers, w),
        lead: lead(peers, w),
        sheets,
        configurations_title: w.get("peers.configurations").to_owned(),
        configurations: there
            .map(|server| Configuration { name: server.name.clone(), text: server.configuration.clone() })
            .collect(),
        doubts_title: w.get("doubts.title").to_owned(),
        doubts: doubts(peers, w),
        void_title: w.get("doubts.void").to_owned(),
        void: voids(peers, w),
        limits_title: w.get("limits.title").to_owned(),
        limits: ["peers.limit.tls", "peers.limit.crowd", "peers.limit.kernel", "peers.limit.polls"]
            .map(|key| w.get(key).to_owned())
            .to_vec(),
    }
}

fn subtitle(peers: &Peers, w: Words) -> String {
    let commit = peers.environment.git_commit.as_deref().unwrap_or("?");
    let values = [
        ("title", w.get("peers.title")),
        ("date", peers.started.split('T').next().unwrap_or_default()),
        ("commit", &commit[..commit.floor_char_boundary(COMMIT)]),
    ];
    w.fill("subtitle.peers", &values)
}

fn lead(peers: &Peers, w: Words) -> Vec<String> {
    let extent = &peers.extent;
    let number = |value: u32| w.digits(f64::from(value), 0);
    let values = [
        ("rounds", number(extent.rounds)),
        ("few", number(extent.few)),
        ("many", number(extent.many)),
        ("bytes", number(extent.payload_bytes)),
        ("k", number(extent.in_flight)),
        ("date", peers.started.clone()),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    ["peers.lead", "peers.method"].map(|key| w.fill(key, &values)).to_vec()
}

fn doubts(peers: &Peers, w: Words) -> Vec<String> {
    let mut all: Vec<String> = peers.doubts.iter().map(|doubt| doubt_in_words(doubt, w)).collect();
    if peers.extent.rounds < ROUNDS_MIN {
        let rounds = w.digits(f64::from(peers.extent.rounds), 0);
        all.push(w.fill("peers.few_rounds", &[("rounds", &rounds)]));
    }
    all
}

fn claims(peers: &Peers, w: Words) -> Sheet {
    let head = ["claim", "must", "measured", "band", "nchan", "other", "outcome"];
    Sheet {
        title: w.get("peers.claims").to_owned(),
        lead: w.get("peers.claims.lead").to_owned(),
        head: head.map(|key| w.get(&format!("peers.head.{key}")).to_owned()).to_vec(),
        rows: musts().into_iter().map(|must| claim(&must.judge(peers), w)).collect(),
    }
}

fn claim(judged: &Judged, w: Words) -> Vec<String> {
    let must = &judged.must;
    let share = |value: f64| w.digits(value, 2);
    let bound = match must.bound {
        Bound::OfRaw(least) => w.fill("peers.must.raw", &[("value", &share(least))]),
        Bound::TimesNchan(least) => w.fill("peers.must.nchan", &[("value", &w.digits(least, 0))]),
        Bound::AtMost(most) => format!("≤ {}", with_unit(must.measure, most, w)),
        Bound::BelowEveryPeer => w.get("peers.must.below").to_owned(),
    };
    let in_ratio = matches!(must.bound, Bound::OfRaw(_) | Bound::TimesNchan(_));
    let told = |spread: Spread| {
        if in_ratio { spread_in(spread, share) } else { spread_in(spread, |v| with_unit(must.measure, v, w)) }
    };
    let optional = |spread: Option<Spread>| spread.map_or_else(|| not_measured(w), told);
    let standing = match judged.standing {
        Standing::Holds => "outcome.pass",
        Standing::Fails => "outcome.fail",
        Standing::WithinNoise => "peers.within_noise",
        Standing::NotMeasured => "peers.not_measured",
    };
    let other = judged.best_other.as_ref().map(|(name, spread)| format!("{name}: {}", told(*spread)));
    vec![
        format!("{} · {}", metric::transport(must.transport, w), w.get(&measure_key(must.measure))),
        bound,
        optional(judged.measured),
        judged
            .band
            .map_or_else(|| "–".to_owned(), |band| format!("{}–{}", share(band.low), share(band.high))),
        optional(judged.nchan),
        other.unwrap_or_else(|| "–".to_owned()),
        w.get(standing).to_owned(),
    ]
}

fn not_measured(w: Words) -> String {
    w.get("peers.not_measured").to_owned()
}

fn measure_key(measure: Measure) -> String {
    format!("peers.measure.{}", measure.key())
}

/// The median, and from where to where the rounds went.
fn spread_in(spread: Spread, print: impl Fn(f64) -> String) -> String {
    let Spread { median, low, high, rounds } = spread;
    if rounds < 2 { print(median) } else { format!("{} ({}–{})", print(median), print(low), print(high)) }
}

fn with_unit(measure: Measure, value: f64, w: Words) -> String {
    match measure {
        Measure::Memory => format!("{}{THIN}{}", w.number(value), w.get("unit.kib")),
        Measure::HalfRate | Measure::EqualRate => format!("{}{THIN}{}", w.number(value), w.get("unit.ms")),
        _ => w.number(value),
    }
}

/// One measure: a row a server, a column a transport.
fn table(peers: &Peers, measure: Measure, w: Words) -> Sheet {
    let mut head = vec![w.get("peers.head.server").to_owned()];
    head.extend(TRANSPORTS.map(|transport| metric::transport(transport, w).to_owned()));
    let mut rows = Vec::new();
    for server in peers.servers.iter().filter(|server| server.absent.is_none()) {
        let cells = TRANSPORTS.map(|transport| one(peers, &server.key, transport, measure, w));
        if cells.iter().any(Option::is_some) {
            let cells = cells.map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            rows.push(std::iter::once(server.name.clone()).chain(cells).collect());
        }
    }
    if !rows.is_empty() {
        rows.push(band_row(peers, measure, w));
    }
    Sheet {
        title: w.get(&measure_key(measure)).to_owned(),
        lead: w.get(&format!("peers.about.{}", measure.key())).to_owned(),
        head,
        rows,
    }
}

fn band_row(peers: &Peers, measure: Measure, w: Words) -> Vec<String> {
    let told = |band: Spread| format!("× {}–{}", w.digits(band.low, 2), w.digits(band.high, 2));
    let bands =
        TRANSPORTS.map(|transport| band(peers, transport, measure).map_or_else(|| "–".to_owned(), told));
    std::iter::once(w.get("peers.head.band").to_owned()).chain(bands).collect()
}

/// A figure with its spread and, where there is a reference, the ratio to it.
fn one(peers: &Peers, server: &str, transport: Transport, measure: Measure, w: Words) -> Option<String> {
    let mut text = spread_in(figure(peers, server, transport, measure)?, |v| with_unit(measure, v, w));
    let reference = match measure {
        Measure::Single => Some((server, Measure::Raw, "peers.of_raw")),
        Measure::Saturated | Measure::Connects => Some(("nchan", measure, "peers.of_nchan")),
        _ => None,
    };
    let known = reference
        .and_then(|(under, of, key)| Some((ratio(peers, transport, (server, measure), (under, of))?, key)));
    if let Some((ratio, key)) = known {
        let ratio = w.fill(key, &[("value", &w.digits(ratio.median, 2))]);
        write!(text, "; {ratio}").expect("writing to a string does not fail");
    }
    if let Some(rate) = rate(peers, server, transport, measure) {
        let rate = w.fill("peers.at_rate", &[("value", &w.number(rate))]);
        write!(text, "; {rate}").expect("writing to a string does not fail");
    }
    Some(text)
}

/// The median rate of an open loop, events a second.
fn rate(peers: &Peers, server: &str, transport: Transport, measure: Measure) -> Option<f64> {
    let cells = peers.cells.iter().filter(|cell| {
        cell.server == server && cell.transport == transport && cell.measure == measure && cell.rate > 0.0
    });
    crate::summary::median(&cells.map(|cell| cell.rate).collect::<Vec<_>>())
}

fn servers(peers: &Peers, w: Words) -> Sheet {
    let row = |server: &crate::peers::result::ServerRecord| {
        let transports = server.transports.iter().map(|t| metric::transport(*t, w)).collect::<Vec<_>>();
        let state = match &server.absent {
            None => w.get("peers.measured").to_owned(),
            Some(reason) => format!("{}: {reason}", not_measured(w)),
        };
        vec![server.name.clone(), server.version.clone(), transports.join(", "), state]
    };
    Sheet {
        title: w.get("peers.servers").to_owned(),
        lead: w.get("peers.servers.lead").to_owned(),
        head: ["server", "version", "transports", "state"]
            .map(|key| w.get(&format!("peers.head.{key}")).to_owned())
            .to_vec(),
        rows: peers.servers.iter().map(row).collect(),
    }
}

/// Void cells with their reasons.
fn voids(peers: &Peers, w: Words) -> Vec<String> {
    let void = peers.cells.iter().filter(|cell| !cell.void.is_empty());
    let told = void.map(|cell| {
        let transport = metric::transport(cell.transport, w);
        let measure = w.get(&measure_key(cell.measure)).to_owned();
        format!(
            "{} · {transport} · {measure} · {}: {}",
            cell.server,
            cell.round + 1,
            void::reasons(&cell.void, w)
        )
    });
    told.collect()
}

impl Section {
    /// The section in Markdown; configurations are left to the page.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n", self.title, self.lead.join("\n\n"));
        self.sheets.iter().for_each(|sheet| text.push_str(&sheet.markdown()));
        for (title, lines) in [
            (&self.doubts_title, &self.doubts),
            (&self.void_title, &self.void),
            (&self.limits_title, &self.limits),
        ] {
            if !lines.is_empty() {
                text.push_str(&format!("\n### {title}\n\n- {}\n", lines.join("\n- ")));
            }
        }
        text
    }
}

impl Sheet {
    fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = vec!["---".to_owned(); self.head.len()];
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("\n### {}\n\n{}\n\n{}{}{rows}", self.title, self.lead, line(&self.head), line(&rule))
    }
}

/// One line a cell, for other tools.
pub(super) fn csv(peers: &Peers) -> String {
    let mut text =
        "server,transport,measure,round,void,value,units,answers,cpu_s,wall_s,load_busy,rate,send_bytes\n"
            .to_owned();
    for cell in &peers.cells {
        let value = crate::peers::summary::value(cell).map(|value| value.to_string()).unwrap_or_default();
        writeln!(
            text,
            "{},{},{},{},{},{value},{},{},{},{},{},{},{}",
            cell.server,
            cell.transport.key(),
            cell.measure.key(),
            cell.round,
            !cell.void.is_empty(),
            cell.units,
            cell.answers,
            cell.cpu_s,
            cell.wall_s,
            cell.load_busy,
            cell.rate,
            cell.send_bytes
        )
        .expect("writing to a string does not fail");
    }
    text
}
