//! What a segment holds, as bytes: whole publishes, remembered idempotency keys, and what is known of each namespace.
//!
//! All numbers are little-endian. A record is written as its length and its bytes; see [`push`].

use bytes::Bytes;
use tricast_feed::{
    Addressing, ConflationKey, Draft, Epoch, EventType, Hole, Member, Millis, Namespace, Offset, Room,
    RoomSet,
};
use tricast_hub::IdempotencyKey;

const STATE: u8 = 1;
const BATCH: u8 = 2;
const KEY: u8 = 3;

/// What is known of a namespace when a segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) namespace: Namespace,
    pub(crate) epoch: Epoch,
    /// The newest offset that was given.
    pub(crate) last: Offset,
    /// Nothing before this offset is retained.
    pub(crate) floor: Offset,
    pub(crate) holes: Vec<Hole>,
}

/// The answer to a publish with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) key: IdempotencyKey,
    pub(crate) fingerprint: u64,
    pub(crate) first: Offset,
    pub(crate) count: u32,
    pub(crate) time: Millis,
}

/// A publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) namespace: Namespace,
    pub(crate) first: Offset,
    pub(crate) time: Millis,
    pub(crate) idempotency: Option<(IdempotencyKey, u64)>,
    pub(crate) drafts: Vec<Draft>,
}

impl Batch {
    /// The answer that a repetition gets.
    pub(crate) fn remembered(&self) -> Option<Remembered> {
        let (key, fingerprint) = self.idempotency.clone()?;
        let count = u32::try_from(self.drafts.len()).unwrap_or(u32::MAX);
        Some(Remembered { key, fingerprint, first: self.first, count, time: self.time })
    }

    /// The newest of its offsets.
    pub(crate) fn last(&self) -> Offset {
        Offset(self.first.0 + (self.drafts.len() as u64).saturating_sub(1))
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    State(State),
    Batch(Batch),
    Key(Namespace, Remembered),
}

/// Appends a record to a group's body.
pub(crate) fn push(body: &mut Vec<u8>, record: &[u8]) {
    body.extend_from_slice(&(record.len() as u32).to_le_bytes());
    body.extend_from_slice(record);
}

/// Reads a group's body. `None` if it is not what this program writes.
pub(crate) fn read_all(mut body: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let length = take_u32(&mut body)? as usize;
        records.push(read(take(&mut body, length)?)?);
    }
    Some(records)
}

/// A state as bytes.
pub(crate) fn state(state: &State) -> Vec<u8> {
    let mut out = begin(STATE, &state.namespace);
    out.extend_from_slice(state.epoch.as_bytes());
    out.extend_from_slice(&state.last.0.to_le_bytes());
    out.extend_from_slice(&state.floor.0.to_le_bytes());
    out.extend_from_slice(&(state.holes.len() as u32).to_le_bytes());
    for hole in &state.holes {
        out.extend_from_slice(&hole.from.0.to_le_bytes());
        out.extend_from_slice(&hole.to.0.to_le_bytes());
    }
    out
}

/// A remembered key as bytes.
pub(crate) fn key(namespace: &Namespace, remembered: &Remembered) -> Vec<u8> {
    let mut out = begin(KEY, namespace);
    out.extend_from_slice(&remembered.first.0.to_le_bytes());
    out.extend_from_slice(&remembered.time.0.to_le_bytes());
    push_short(&mut out, remembered.key.as_str());
    out.extend_from_slice(&remembered.fingerprint.to_le_bytes());
    out.extend_from_slice(&remembered.count.to_le_bytes());
    out
}

/// A publish as bytes, whose place is not known yet; see [`place`].
pub(crate) fn batch(
    namespace: &Namespace,
    idempotency: Option<(&IdempotencyKey, u64)>,
    drafts: &[Draft],
) -> Vec<u8> {
    let mut out = begin(BATCH, namespace);
    out.extend_from_slice(&[0; 16]);
    out.push(u8::from(idempotency.is_some()));
    if let Some((key, fingerprint)) = idempotency {
        push_short(&mut out, key.as_str());
        out.extend_from_slice(&fingerprint.to_le_bytes());
    }
    out.extend_from_slice(&(drafts.len() as u32).to_le_bytes());
    drafts.iter().for_each(|draft| push_draft(&mut out, draft));
    out
}

/// Writes the place of a publish into its bytes.
pub(crate) fn place(record: &mut [u8], first: Offset, time: Millis) {
    let at = 2 + usize::from(record[1]);
    record[at..at + 8].copy_from_slice(&first.0.to_le_bytes());
    record[at + 8..at + 16].copy_from_slice(&time.0.to_le_bytes());
}

fn begin(kind: u8, namespace: &Namespace) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(kind);
    push_short(&mut out, namespace.as_str());
    out
}

/// Names are at most 255 bytes long, by their grammar.
fn push_short(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn push_draft(out: &mut Vec<u8>, draft: &Draft) {
    let Addressing { rooms, except, to } = &draft.addressing;
    push_short(out, draft.kind.as_str());
    let sessions = [*except, *to, draft.from];
    let flags = sessions.iter().enumerate().map(|(bit, session)| u8::from(session.is_some()) << bit);
    out.push(flags.sum::<u8>() | u8::from(draft.key.is_some()) << 3);
    for session in sessions.into_iter().flatten() {
        out.extend_from_slice(&session.0.to_le_bytes());
    }
    out.extend_from_slice(&(rooms.len() as u16).to_le_bytes());
    rooms.iter().for_each(|room| push_short(out, room.as_str()));
    if let Some(key) = &draft.key {
        out.extend_from_slice(&(key.as_str().len() as u16).to_le_bytes());
        out.extend_from_slice(key.as_str().as_bytes());
    }
    out.extend_from_slice(&(draft.data.len() as u32).to_le_bytes());
    out.extend_from_slice(&draft.data);
}

fn read(mut from: &[u8]) -> Option<Record> {
    let from = &mut from;
    let kind = take_u8(from)?;
    let namespace = Namespace::new(take_short(from)?).ok()?;
    let record = match kind {
        STATE => Record::State(read_state(namespace, from)?),
        BATCH => Record::Batch(read_batch(namespace, from)?),
        KEY => {
            let (first, time) = (Offset(take_u64(from)?), Millis(take_u64(from)?));
            let key = IdempotencyKey::new(take_short(from)?)?;
            let (fingerprint, count) = (take_u64(from)?, take_u32(from)?);
            Record::Key(namespace, Remembered { key, fingerprint, first, count, time })
        }
        _ => return None,
    };
    from.is_empty().then_some(record)
}

fn read_state(namespace: Namespace, from: &mut &[u8]) -> Option<State> {
    let epoch = Epoch::new(take(from, 8)?).ok()?;
    let (last, floor) = (Offset(take_u64(from)?), Offset(take_u64(from)?));
    let count = take_u32(from)?;
    let hole = |_| Some(Hole { from: Offset(take_u64(from)?), to: Offset(take_u64(from)?) });
    let holes = (0..count).map(hole).collect::<Option<Vec<_>>>()?;
    Some(State { namespace, epoch, last, floor, holes })
}

fn read_batch(namespace: Namespace, from: &mut &[u8]) -> Option<Batch> {
    let (first, time) = (Offset(take_u64(from)?), Millis(take_u64(from)?));
    let idempotency = match take_u8(from)? {
        0 => None,
        _ => Some((IdempotencyKey::new(take_short(from)?)?, take_u64(from)?)),
    };
    let count = take_u32(from)?;
    let drafts = (0..count).map(|_| read_draft(from)).collect::<Option<Vec<_>>>()?;
    Some(Batch { namespace, first, time, idempotency, drafts })
}

fn read_draft(from: &mut &[u8]) -> Option<Draft> {
    let kind = EventType::new(take_short(from)?).ok()?;
    let flags = take_u8(from)?;
    let mut session = |bit: u8| -> Option<Option<Member>> {
        if flags & (1 << bit) == 0 {
            return Some(None);
        }
        Some(Some(Member(u128::from_le_bytes(take(from, 16)?.try_into().ok()?))))
    };
    let (except, to, author) = (session(0)?, session(1)?, session(2)?);
    let rooms = take_u16(from)?;
    let rooms = (0..rooms).map(|_| Room::new(take_short(from)?).ok()).collect::<Option<Vec<_>>>()?;
    let key = if flags & 8 == 0 {
        None
    } else {
        let length = take_u16(from)?;
        Some(ConflationKey::new(std::str::from_utf8(take(from, length.into())?).ok()?).ok()?)
    };
    let length = take_u32(from)? as usize;
    let data = Bytes::copy_from_slice(take(from, length)?);
    let addressing = Addressing { rooms: RoomSet::new(rooms), except, to };
    Some(Draft { kind, addressing, key, from: author, data })
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(taken)
}

fn take_short<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let length = take_u8(from)?;
    std::str::from_utf8(take(from, length.into())?).ok()
}

fn take_u8(from: &mut &[u8]) -> Option<u8> {
    take(from, 1).map(|bytes| bytes[0])
}

fn take_u16(from: &mut &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(take(from, 2)?.try_into().ok()?))
}

fn take_u32(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(from, 4)?.try_into().ok()?))
}

fn take_u64(from: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(from, 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(data: &str, full: bool) -> Draft {
        let rooms = if full { vec![Room::new("a").unwrap(), Room::new("b:1@x").unwrap()] } else { vec![] };
        Draft {
            kind: EventType::new("order.shipped").unwrap(),
            addressing: Addressing {
                rooms: RoomSet::new(rooms),
                except: full.then_some(Member(7)),
                to: (!full).then_some(Member(u128::MAX)),
            },
            key: full.then(|| ConflationKey::new(&"é".repeat(128)).unwrap()),
            from: full.then_some(Member(1)),
            data: Bytes::from(data.to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let namespace = Namespace::new("default").unwrap();
        let key = IdempotencyKey::new(&"k".repeat(255)).unwrap();
        let drafts = vec![draft("{\"a\":1}", true), draft("null", false)];
        let mut written = batch(&namespace, Some((&key, 9)), &drafts);
        place(&mut written, Offset(41), Millis(1000));
        let states = State {
            namespace: namespace.clone(),
            epoch: Epoch::from_random(3),
            last: Offset(40),
            floor: Offset(2),
            holes: vec![Hole { from: Offset(5), to: Offset(9) }],
        };
        let mut body = Vec::new();
        push(&mut body, &state(&states));
        push(&mut body, &written);
        let expected = Batch {
            namespace: namespace.clone(),
            first: Offset(41),
            time: Millis(1000),
            idempotency: Some((key, 9)),
            drafts,
        };
        let remembered = expected.remembered().unwrap();
        push(&mut body, &super::key(&namespace, &remembered));
        let expected =
            vec![Record::State(states), Record::Batch(expected), Record::Key(namespace, remembered)];
        assert_eq!(read_all(&body), Some(expected));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..100) {
            let _ = read_all(&bytes);
            let mut body = Vec::new();
            let namespace = Namespace::new("n").unwrap();
            push(&mut body, &batch(&namespace, None, &[draft("[1,2,3]", true)]));
            let cut = cut.min(body.len() - 1);
            prop_assert_eq!(read_all(&body[..cut]).is_some(), cut == 0);
            bytes.truncate(body.len());
            body[..bytes.len()].copy_from_slice(&bytes);
            let _ = read_all(&body);
        }
    }
}
