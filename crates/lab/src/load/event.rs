//! What the laboratory needs of an event: its offset, and the time for which its publishing was intended.
//!
//! Only the laboratory publishes into its namespaces, so the shape of `data` is known: `t` comes first. A full JSON
//! parser in the reading thread would cost more than the rest of the reading.

use memchr::memmem;

/// The start of an event's JSON, as in the protocol.
const ID: &[u8] = b"{\"id\":\"";
/// The start of what [`data`] makes, with the member's name before it.
const TIME: &[u8] = b"\"data\":{\"t\":";
/// What [`stamped`] puts behind it.
const SENT: &[u8] = b",\"s\":";
const EPOCH_BYTES: usize = 8;

/// An event as a subscriber saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) epoch: [u8; EPOCH_BYTES],
    pub(crate) offset: u64,
    /// Intended publish time, microseconds of the monotonic clock.
    pub(crate) intended_us: u64,
    /// When the publish request left; the intended time where the event does not say.
    pub(crate) sent_us: u64,
}

impl Sighting {
    /// Reads an event's JSON; `None` where it is not one that the laboratory published.
    pub(crate) fn read(event: &[u8]) -> Option<Self> {
        let rest = event.strip_prefix(ID)?;
        let (epoch, rest) = rest.split_first_chunk::<EPOCH_BYTES>()?;
        let (offset, rest) = number(rest.strip_prefix(b"-")?)?;
        let at = memmem::find(rest, TIME)?;
        let (intended_us, rest) = number(&rest[at + TIME.len()..])?;
        let sent = rest.strip_prefix(SENT).and_then(number);
        let sent_us = sent.map_or(intended_us, |(sent_us, _)| sent_us);
        Some(Self { epoch: *epoch, offset, intended_us, sent_us })
    }
}

/// The decimal number at the start of the bytes, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    Some((value, &bytes[digits..]))
}

/// Appends an event's `data`: the intended time, and padding to exactly `bytes` bytes.
pub(crate) fn data(out: &mut Vec<u8>, intended_us: u64, bytes: usize) {
    let start = out.len();
    out.extend_from_slice(format!("{{\"t\":{intended_us}").as_bytes());
    pad(out, start, bytes);
}

/// The same with the time at which the request leaves.
pub(super) fn stamped(out: &mut Vec<u8>, intended_us: u64, sent_us: u64, bytes: usize) {
    let start = out.len();
    out.extend_from_slice(format!("{{\"t\":{intended_us},\"s\":{sent_us}").as_bytes());
    pad(out, start, bytes);
}

fn pad(out: &mut Vec<u8>, start: usize, bytes: usize) {
    out.extend_from_slice(b",\"pad\":\"");
    let end = start + bytes.saturating_sub(2);
    out.resize(end.max(out.len()), b'x');
    out.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_the_size_asked_for_and_is_found_again() {
        for bytes in [64, 100, 4000] {
            let mut json =
                br#"{"id":"k3f4a2bq-1042","type":"message","time":"2026-11-22T13:20:11.042Z","data":"#
                    .to_vec();
            let head = json.len();
            data(&mut json, 987_654_321_000, bytes);
            assert_eq!(json.len() - head, bytes);
            json.push(b'}');
            let seen = Sighting::read(&json).unwrap();
            assert_eq!((&seen.epoch, seen.offset, seen.intended_us), (b"k3f4a2bq", 1042, 987_654_321_000));
            assert_eq!(seen.sent_us, seen.intended_us);
        }
    }

    #[test]
    fn the_time_of_sending_is_found_where_it_is_told() {
        for bytes in [64, 100] {
            let mut json = br#"{"id":"k3f4a2bq-7","data":"#.to_vec();
            let head = json.len();
            stamped(&mut json, 9_987_654_321_000, 9_987_654_321_042, bytes);
            assert_eq!(json.len() - head, bytes);
            let seen = Sighting::read(&json).unwrap();
            assert_eq!((seen.intended_us, seen.sent_us), (9_987_654_321_000, 9_987_654_321_042));
        }
    }

    #[test]
    fn strangers_are_not_read() {
        for event in [&b"{}"[..], b"{\"id\":\"k3f4a2bq-x\"}", b"{\"id\":\"k3f4a2bq-1\",\"data\":{}}"] {
            assert_eq!(Sighting::read(event), None);
        }
    }
}
