//! The faults that the faulty server has, as its arguments say: `name=number`, each left out where it has none of it.

use std::ops::RangeInclusive;

use crate::error::{LabError, Result};

/// What every transport can pad an event by: a header line takes nine bytes, a control frame 127 at most.
const PADDING: RangeInclusive<u64> = 9..=127;

/// Everything that is wrong with a server. Zero is "not at all", and events are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faults {
    /// Every event is held back for so long, milliseconds.
    pub(crate) delay_ms: u64,
    /// The first subscriber never gets every so manieth event.
    pub(crate) drop_every: u64,
    /// The first subscriber gets this event twice.
    pub(crate) twice_at: u64,
    /// …the second time so much later, milliseconds.
    pub(crate) again_ms: u64,
    /// The first subscriber gets this event after the next one.
    pub(crate) swap_at: u64,
    /// Nothing moves in the whole server, from this event on…
    pub(crate) stall_at: u64,
    /// …for so long, milliseconds.
    pub(crate) stall_ms: u64,
    /// All streams end where this event would have come.
    pub(crate) die_at: u64,
    /// Whoever comes back never gets the so many events that come next…
    pub(crate) forget: u64,
    /// …and is told so, if this is not zero.
    pub(crate) tell: u64,
    /// Every so manieth event goes to all rooms.
    pub(crate) astray_every: u64,
    /// Every so manieth publish request is refused.
    pub(crate) refuse_every: u64,
    /// Publish requests are answered so late, milliseconds, while their events are delivered at once.
    pub(crate) answer_ms: u64,
    /// Every event costs so much CPU time more, microseconds.
    pub(crate) burn_us: u64,
    /// Every delivery is so many bytes longer, outside of the event.
    pub(crate) pad_bytes: u64,
}

impl Faults {
    /// Reads arguments.
    ///
    /// # Errors
    /// A name that is none, a value that is no number, or a padding that not every transport can have.
    pub(crate) fn read<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut faults = Self::default();
        for argument in arguments {
            let wrong = || LabError::Role(format!("`{argument}` is no fault of the form name=number"));
            let (name, value) = argument.split_once('=').ok_or_else(wrong)?;
            let value = value.parse().map_err(|_| wrong())?;
            *faults.field(name).ok_or_else(wrong)? = value;
        }
        if faults.pad_bytes > 0 && !PADDING.contains(&faults.pad_bytes) {
            let (least, most) = (PADDING.start(), PADDING.end());
            return Err(LabError::Role(format!(
                "`pad_bytes={}` is not within {least} to {most}",
                faults.pad_bytes
            )));
        }
        Ok(faults)
    }

    fn field(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "delay_ms" => &mut self.delay_ms,
            "drop_every" => &mut self.drop_every,
            "twice_at" => &mut self.twice_at,
            "again_ms" => &mut self.again_ms,
            "swap_at" => &mut self.swap_at,
            "stall_at" => &mut self.stall_at,
            "stall_ms" => &mut self.stall_ms,
            "die_at" => &mut self.die_at,
            "forget" => &mut self.forget,
            "tell" => &mut self.tell,
            "astray_every" => &mut self.astray_every,
            "refuse_every" => &mut self.refuse_every,
            "answer_ms" => &mut self.answer_ms,
            "burn_us" => &mut self.burn_us,
            "pad_bytes" => &mut self.pad_bytes,
            _ => return None,
        })
    }
}

/// Whether `number` is one of every so many.
pub(super) fn is_nth(number: u64, every: u64) -> bool {
    every > 0 && number.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_mistakes_named() {
        let faults = Faults::read(["delay_ms=20", "drop_every=10"]).unwrap();
        assert_eq!(faults, Faults { delay_ms: 20, drop_every: 10, ..Faults::default() });
        for wrong in ["delay_ms", "delay=3", "delay_ms=x", "pad_bytes=8", "pad_bytes=128"] {
            assert!(Faults::read([wrong]).unwrap_err().to_string().contains(wrong));
        }
    }
}
