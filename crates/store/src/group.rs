//! A group of records: what one write and one flush bring to disk, whole or not at all.
//!
//! `TCG1`, the body's length, a CRC-32 of length and body, the body. A group that a process or a machine has not
//! finished fails its sum, and so does one that the disk has damaged.

use std::ops::Range;

use crate::record::{self, Record};

const MAGIC: &[u8; 4] = b"TCG1";

/// Bytes before the body.
pub(crate) const HEAD_LEN: usize = 12;

/// Begins a group; its records are pushed behind.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; 8]);
    start
}

/// Ends a group that began at `start`, or takes it back where nothing was pushed.
pub(crate) fn end(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start - HEAD_LEN;
    if length == 0 {
        return out.truncate(start);
    }
    // What is gathered for a group is bounded far below the range.
    let length = (length as u32).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&length);
    let sum = sum(&length, &out[start + HEAD_LEN..]);
    out[start + 8..start + HEAD_LEN].copy_from_slice(&sum.to_le_bytes());
}

fn sum(length: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(length);
    sum.update(body);
    sum.finalize()
}

/// The group at the start of these bytes: its records, and its length with the head.
fn whole(bytes: &[u8]) -> Option<(Vec<Record>, usize)> {
    let head = bytes.get(..HEAD_LEN).filter(|head| head.starts_with(MAGIC))?;
    let length: [u8; 4] = head[4..8].try_into().ok()?;
    let end = HEAD_LEN.checked_add(u32::from_le_bytes(length) as usize)?;
    let body = bytes.get(HEAD_LEN..end)?;
    let told = u32::from_le_bytes(head[8..].try_into().ok()?);
    (sum(&length, body) == told).then_some(())?;
    Some((record::read_all(body)?, end))
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Its records in order.
    pub(crate) records: Vec<Record>,
    /// Bytes in the middle that are no group.
    pub(crate) damaged: Vec<Range<usize>>,
    /// Where the last whole group ends. What stands behind was not finished.
    pub(crate) end: usize,
}

/// Reads a segment. Damage in the middle is stepped over: what stands behind it is good.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        let next = (at..bytes.len()).find_map(|place| Some((place, whole(&bytes[place..])?)));
        let Some((place, (records, length))) = next else { break };
        if place > at {
            scan.damaged.push(at..place);
        }
        scan.records.extend(records);
        at = place + length;
        scan.end = at;
    }
    scan
}

#[cfg(test)]
mod tests {
    use tricast_feed::{Millis, Namespace, Offset};
    use tricast_hub::IdempotencyKey;

    use super::*;
    use crate::record::{Remembered, key, push};

    fn numbered(out: &mut Vec<u8>, number: u64) {
        let remembered = Remembered {
            key: IdempotencyKey::new("k").unwrap(),
            fingerprint: 0,
            first: Offset(number),
            count: 1,
            time: Millis(0),
        };
        let start = begin(out);
        push(out, &key(&Namespace::new("n").unwrap(), &remembered));
        end(out, start);
    }

    fn numbers(scan: &Scan) -> Vec<u64> {
        let number = |record: &Record| match record {
            Record::Key(_, remembered) => remembered.first.0,
            other => panic!("{other:?}"),
        };
        scan.records.iter().map(number).collect()
    }

    fn three() -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        (1..=3).for_each(|number| numbered(&mut bytes, number));
        let one = bytes.len() / 3;
        (bytes, one)
    }

    #[test]
    fn an_empty_group_is_none() {
        let mut bytes = Vec::new();
        let start = begin(&mut bytes);
        end(&mut bytes, start);
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_torn_tail_ends_where_the_last_whole_group_does() {
        let (bytes, one) = three();
        for cut in 0..=bytes.len() {
            let scan = scan(&bytes[..cut]);
            assert_eq!((scan.end, numbers(&scan).len()), (cut / one * one, cut / one), "{cut}");
            assert!(scan.damaged.is_empty());
        }
        let zeros = [&bytes[..2 * one + 20], &[0; 50]].concat();
        assert_eq!(scan(&zeros).end, 2 * one);
    }

    #[test]
    fn damage_in_the_middle_is_stepped_over() {
        let (good, one) = three();
        for place in one..2 * one {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            let scan = scan(&bytes);
            assert_eq!((numbers(&scan), scan.end), (vec![1, 3], bytes.len()), "{place}");
            assert_eq!(scan.damaged, vec![one..2 * one]);
        }
    }
}
