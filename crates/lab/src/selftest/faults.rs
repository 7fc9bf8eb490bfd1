//! The faults that the faulty server has, as its arguments say: `name=number`, each left out where it has none of it.

use crate::error::{LabError, Result};

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
    /// Every so manieth publish request is refused.
    pub(crate) refuse_every: u64,
    /// Publish requests are answered so late, milliseconds, while their events are delivered at once.
    pub(crate) answer_ms: u64,
}

impl Faults {
    /// Reads arguments.
    ///
    /// # Errors
    /// A name that is none, or a value that is no number.
    pub(crate) fn read<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut faults = Self::default();
        for argument in arguments {
            let wrong = || LabError::Role(format!("`{argument}` is no fault of the form name=number"));
            let (name, value) = argument.split_once('=').ok_or_else(wrong)?;
            let value = value.parse().map_err(|_| wrong())?;
            *faults.field(name).ok_or_else(wrong)? = value;
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
            "refuse_every" => &mut self.refuse_every,
            "answer_ms" => &mut self.answer_ms,
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
        for wrong in ["delay_ms", "delay=3", "delay_ms=x"] {
            assert!(Faults::read([wrong]).unwrap_err().to_string().contains(wrong));
        }
    }
}
