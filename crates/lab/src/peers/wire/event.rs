//! The event that every server under comparison carries: a JSON object of 256 bytes with the event's number and the
//! time it was meant for. The names stand in the order of the alphabet, which a peer that sorts them keeps.

use memchr::memmem;

/// Bytes of every published event.
pub(crate) const PAYLOAD_BYTES: usize = 256;

const NUMBER: &[u8] = b"{\"a\":";
const TIME: &[u8] = b",\"b\":";

/// An event as a subscriber saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Counts from 1 over the life of a server.
    pub(crate) number: u64,
    /// Intended publish time, microseconds of the monotonic clock.
    pub(crate) intended_us: u64,
}

impl Sighting {
    /// Finds number and time in whatever a server has put round them; `None` where they are not there.
    pub(crate) fn read(event: &[u8]) -> Option<Self> {
        let at = memmem::find(event, NUMBER)?;
        let (number, rest) = decimal(&event[at + NUMBER.len()..])?;
        let (intended_us, _) = decimal(rest.strip_prefix(TIME)?)?;
        Some(Self { number, intended_us })
    }
}

fn decimal(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    Some((value, &bytes[digits..]))
}

/// Appends an event of exactly [`PAYLOAD_BYTES`].
pub(crate) fn data(out: &mut Vec<u8>, number: u64, intended_us: u64) {
    numbered(out, number, intended_us, PAYLOAD_BYTES);
}

/// Appends an event of so many bytes, or as few as hold its number and its time.
pub(crate) fn numbered(out: &mut Vec<u8>, number: u64, intended_us: u64, bytes: usize) {
    let end = out.len() + bytes.saturating_sub(2);
    out.extend_from_slice(format!("{{\"a\":{number},\"b\":{intended_us},\"pad\":\"").as_bytes());
    out.resize(end.max(out.len()), b'x');
    out.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_found_again_inside_anything() {
        for (number, intended_us) in [(1, 7), (42, 987_654_321_000), (u64::MAX, u64::MAX)] {
            let mut event = Vec::new();
            data(&mut event, number, intended_us);
            assert_eq!(event.len(), PAYLOAD_BYTES);
            serde_json::from_slice::<serde_json::Value>(&event).unwrap();
            let wrapped = [b"[\"event\",".as_slice(), &event, b"]"].concat();
            for seen in [event, wrapped] {
                assert_eq!(Sighting::read(&seen), Some(Sighting { number, intended_us }));
            }
        }
    }

    #[test]
    fn strangers_are_not_read() {
        for event in [&b"{}"[..], b"{\"a\":x,\"b\":1}", b"{\"a\":1}", b"{\"a\":99999999999999999999,\"b\":1}"]
        {
            assert_eq!(Sighting::read(event), None);
        }
    }
}
