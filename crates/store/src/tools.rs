//! Looking at a store that no server uses: is it whole, what is in it, and how it is moved.
//!
//! An export is one JSON object a line: each namespace first, then its events, then the idempotency keys that it
//! remembers.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tricast_feed::{
    Addressing, ConflationKey, Draft, Epoch, EventType, Hole, Member, Millis, Namespace, Offset, Room,
    RoomSet,
};
use tricast_hub::{Durability, IdempotencyKey};
use tricast_wire::text;

use crate::StoreError;
use crate::folder::Folder;
use crate::group;
use crate::journal::{Journal, encode};
use crate::load::{Found, Kept, load};
use crate::record::{self, Batch, Record, Remembered, State};
use crate::reserve::{Reserve, Reserved};

/// What a look at a store has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// By name.
    pub namespaces: Vec<CheckedNamespace>,
    /// Parts of files that are not as they were written, in words. The end of the newest file may be one: it was being
    /// written when its process ended.
    pub damage: Vec<String>,
    /// Segments.
    pub segments: usize,
    /// Bytes of all segments.
    pub bytes: u64,
}

/// What a store holds of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedNamespace {
    /// Its name.
    pub namespace: Namespace,
    /// The life of its log, if it is known.
    pub epoch: Option<Epoch>,
    /// Its events.
    pub events: usize,
    /// The oldest event's offset; one more than `last` where there is none.
    pub first: Offset,
    /// The newest offset that may have been given.
    pub last: Offset,
    /// Offsets that no event has.
    pub holes: Vec<Hole>,
    /// Remembered idempotency keys.
    pub keys: usize,
}

/// Looks at a whole store and changes nothing.
///
/// # Errors
/// [`StoreError`], also where a server uses the store.
pub fn check(path: &Path) -> Result<Checked, StoreError> {
    let folder = Folder::open(path, false)?;
    let loaded = load(&folder, false)?;
    let checked = |(namespace, found): (Namespace, Found)| CheckedNamespace {
        namespace,
        epoch: found.epoch,
        events: found.events.len(),
        first: found.events.first().map_or(found.last.next(), |event| event.offset),
        last: found.last,
        holes: found.holes,
        keys: found.keys.len(),
    };
    Ok(Checked {
        namespaces: loaded.namespaces.into_iter().map(checked).collect(),
        damage: loaded.damage.iter().map(ToString::to_string).collect(),
        segments: loaded.segments.len(),
        bytes: loaded.segments.iter().map(|segment| segment.bytes).sum(),
    })
}

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holes: Option<Vec<(u64, u64)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
}

impl Line<'_> {
    fn of(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.to_string(),
            epoch: None,
            last: None,
            holes: None,
            offset: None,
            time: None,
            kind: None,
            rooms: Vec::new(),
            except: None,
            to: None,
            key: None,
            from: None,
            data: None,
            idempotency_key: None,
            fingerprint: None,
            count: None,
        }
    }
}

/// Writes everything that a store holds, and gives the number of events.
///
/// # Errors
/// [`StoreError`], also where a server uses the store, and where `out` cannot be written.
pub fn export(path: &Path, out: &mut dyn Write) -> Result<usize, StoreError> {
    let folder = Folder::open(path, false)?;
    let loaded = load(&folder, false)?;
    let mut count = 0;
    for (namespace, found) in &loaded.namespaces {
        let Some(epoch) = found.epoch else { continue };
        let head = Line {
            epoch: Some(epoch.to_string()),
            last: Some(found.last.0),
            holes: Some(found.holes.iter().map(|hole| (hole.from.0, hole.to.0)).collect()),
            ..Line::of(namespace)
        };
        put(out, &head)?;
        for event in &found.events {
            put(out, &event_line(namespace, epoch, event)?)?;
            count += 1;
        }
        for key in &found.keys {
            put(out, &key_line(namespace, key))?;
        }
    }
    out.flush().map_err(StoreError::at("the export"))?;
    Ok(count)
}

fn put(out: &mut dyn Write, line: &Line<'_>) -> Result<(), StoreError> {
    let written = serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from);
    written.and_then(|()| out.write_all(b"\n")).map_err(StoreError::at("the export"))
}

fn event_line<'a>(namespace: &Namespace, epoch: Epoch, event: &'a Kept) -> Result<Line<'a>, StoreError> {
    let Draft { kind, addressing, key, from, data } = &event.draft;
    let broken =
        |error: serde_json::Error| StoreError::Line { line: 0, detail: format!("{}: {error}", event.offset) };
    Ok(Line {
        epoch: Some(epoch.to_string()),
        offset: Some(event.offset.0),
        time: Some(event.time.0),
        kind: Some(kind.to_string()),
        rooms: addressing.rooms.iter().map(ToString::to_string).collect(),
        except: addressing.except.map(text::member),
        to: addressing.to.map(text::member),
        key: key.as_ref().map(ToString::to_string),
        from: from.map(text::member),
        data: Some(serde_json::from_slice(data).map_err(broken)?),
        ..Line::of(namespace)
    })
}

fn key_line(namespace: &Namespace, key: &Remembered) -> Line<'static> {
    Line {
        idempotency_key: Some(key.key.as_str().to_owned()),
        fingerprint: Some(format!("{:016x}", key.fingerprint)),
        offset: Some(key.first.0),
        count: Some(key.count),
        time: Some(key.time.0),
        ..Line::of(namespace)
    }
}

/// Records that are written together.
const GROUP_RECORDS: usize = 1000;

/// Fills an empty store from an export, and gives the number of events.
///
/// # Errors
/// [`StoreError`]: the store is not empty or cannot be written, or a line is wrong, which is named. What was taken in
/// until then stays, and the store is not fit for use.
pub fn import(path: &Path, from: &mut dyn BufRead) -> Result<usize, StoreError> {
    let folder = Folder::open(path, true)?;
    if !folder.segments()?.is_empty() || Reserve::read(&folder)?.is_some() {
        return Err(StoreError::NotEmpty(path.into()));
    }
    let mut filling =
        Filling { journal: Journal::new(folder, Vec::new()), states: BTreeMap::new(), records: vec![] };
    let (mut text, mut number, mut events) = (String::new(), 0, 0);
    loop {
        text.clear();
        number += 1;
        if from.read_line(&mut text).map_err(StoreError::at("the import"))? == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let wrong = |detail| StoreError::Line { line: number, detail };
        let line: Line<'_> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let record = filling.read(&line).map_err(wrong)?;
        events += usize::from(matches!(record, Record::Batch(_)));
        filling.records.push(record);
        if filling.records.len() >= GROUP_RECORDS {
            filling.flush().map_err(StoreError::at(path))?;
        }
    }
    filling.finish().map_err(StoreError::at(path))?;
    Ok(events)
}

/// A store that is being filled.
struct Filling {
    journal: Journal,
    states: BTreeMap<Namespace, State>,
    records: Vec<Record>,
}

impl Filling {
    /// Reads a line, which must fit what came before.
    fn read(&mut self, line: &Line<'_>) -> Result<Record, String> {
        let namespace = Namespace::new(&line.namespace).map_err(|error| format!("namespace: {error}"))?;
        if let Some(holes) = &line.holes {
            let state = head(namespace, line, holes)?;
            self.states.insert(state.namespace.clone(), state.clone());
            // What is known so far; the end is known from the events.
            return Ok(Record::State(State { last: Offset::ZERO, holes: Vec::new(), ..state }));
        }
        let state = self.states.get(&namespace).ok_or("the line that tells of the namespace comes first")?;
        let offset = Offset(
            line.offset
                .filter(|offset| (1..=state.last.0).contains(offset))
                .ok_or("offset: missing, or behind last")?,
        );
        let time = Millis(line.time.ok_or("time: missing")?);
        if line.idempotency_key.is_some() {
            return Ok(Record::Key(namespace, remembered(line, offset, time)?));
        }
        if line.epoch.as_deref() != Some(state.epoch.as_str()) {
            return Err("epoch: not the namespace's".to_owned());
        }
        let drafts = vec![draft(line)?];
        Ok(Record::Batch(Batch { namespace, first: offset, time, idempotency: None, drafts }))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        let start = group::begin(&mut bytes);
        self.records.iter().for_each(|record| record::push(&mut bytes, &encode(record)));
        group::end(&mut bytes, start);
        if bytes.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.records);
        self.journal.append(&bytes, &Vec::new, Millis(0), |segment| {
            records.iter().for_each(|record| segment.count(record));
        })
    }

    /// Writes how each namespace ends, and that nothing is missing.
    fn finish(mut self) -> std::io::Result<()> {
        self.records.extend(self.states.values().cloned().map(Record::State));
        self.flush()?;
        let reserved = |state: &State| {
            (state.namespace.clone(), Reserved { epoch: state.epoch, base: state.last, ceiling: state.last })
        };
        let namespaces: BTreeMap<_, _> = self.states.values().map(reserved).collect();
        Reserve { mode: Durability::Sync, namespaces }.write(self.journal.folder())
    }
}

fn head(namespace: Namespace, line: &Line<'_>, holes: &[(u64, u64)]) -> Result<State, String> {
    let epoch = line.epoch.as_deref().unwrap_or_default();
    let epoch = Epoch::new(epoch.as_bytes()).map_err(|error| format!("epoch: {error}"))?;
    let last = Offset(line.last.ok_or("last: missing")?);
    let mut before = 0;
    let mut hole = |(from, to): &(u64, u64)| {
        let fits = before < *from && from <= to && *to <= last.0;
        before = *to;
        fits.then_some(Hole { from: Offset(*from), to: Offset(*to) }).ok_or("holes: not in order")
    };
    let holes = holes.iter().map(&mut hole).collect::<Result<_, _>>()?;
    Ok(State { namespace, epoch, last, floor: Offset(1), holes })
}

fn remembered(line: &Line<'_>, first: Offset, time: Millis) -> Result<Remembered, String> {
    let key = line.idempotency_key.as_deref().and_then(IdempotencyKey::new);
    let key = key.ok_or("idempotency_key: not a key")?;
    let fingerprint = line.fingerprint.as_deref().unwrap_or_default();
    let fingerprint =
        u64::from_str_radix(fingerprint, 16).map_err(|error| format!("fingerprint: {error}"))?;
    Ok(Remembered { key, fingerprint, first, count: line.count.ok_or("count: missing")?, time })
}

fn draft(line: &Line<'_>) -> Result<Draft, String> {
    let member = |field: &str, name: &Option<String>| -> Result<Option<Member>, String> {
        let parsed = name.as_deref().map(text::parse_member).transpose();
        parsed.map_err(|fault| format!("{field}: {fault}"))
    };
    let kind = EventType::new(line.kind.as_deref().unwrap_or("message"))
        .map_err(|error| format!("type: {error}"))?;
    let rooms = line.rooms.iter().map(|room| Room::new(room)).collect::<Result<Vec<_>, _>>();
    let rooms = RoomSet::new(rooms.map_err(|error| format!("rooms: {error}"))?);
    let key =
        line.key.as_deref().map(ConflationKey::new).transpose().map_err(|error| format!("key: {error}"))?;
    let data = line.data.ok_or("data: missing")?.get();
    Ok(Draft {
        kind,
        addressing: Addressing {
            rooms,
            except: member("except", &line.except)?,
            to: member("to", &line.to)?,
        },
        key,
        from: member("from", &line.from)?,
        data: Bytes::copy_from_slice(data.as_bytes()),
    })
}
