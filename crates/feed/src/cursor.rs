//! Places in a log: offset, epoch and cursor.

use std::fmt;

/// An event's place in its namespace, from 1 and without holes. Offset 0 stands before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The next place.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one life of a log: 40 bits, shown as 8 characters of lowercase base32 (RFC 4648, section 6, in lower case).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 8]);

/// The text is not an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochError;

impl fmt::Display for EpochError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an epoch: expected 8 characters of a-z and 2-7")
    }
}

impl std::error::Error for EpochError {}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl Epoch {
    /// The epoch of the low 40 of these random bits.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        let mut text = [0; 8];
        for (place, byte) in text.iter_mut().enumerate() {
            *byte = BASE32[(bits >> (5 * place)) as usize & 31];
        }
        Self(text)
    }

    /// Reads the 8 characters.
    ///
    /// # Errors
    /// [`EpochError`] for another length or alphabet.
    pub fn new(text: &[u8]) -> Result<Self, EpochError> {
        let text: [u8; 8] = text.try_into().map_err(|_| EpochError)?;
        if text.iter().all(|byte| BASE32.contains(byte)) { Ok(Self(text)) } else { Err(EpochError) }
    }

    /// The 8 ASCII characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The 8 characters as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// "I have everything up to and including this offset of this epoch."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The log's life that the offset counts in.
    pub epoch: Epoch,
    /// The last offset that the holder has.
    pub offset: Offset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_eight_base32_characters() {
        assert_eq!(Epoch::from_random(0).as_str(), "aaaaaaaa");
        assert_eq!(Epoch::from_random(u64::MAX).as_str(), "77777777");
        assert_ne!(Epoch::from_random(1), Epoch::from_random(2));
        let epoch = Epoch::from_random(0x12_3456_789a);
        assert_eq!(Epoch::new(epoch.as_bytes()), Ok(epoch));
        for bad in ["", "aaaaaaa", "aaaaaaaaa", "AAAAAAAA", "aaaaaaa1", "aaaaaaa-"] {
            assert_eq!(Epoch::new(bad.as_bytes()), Err(EpochError), "{bad}");
        }
    }
}
