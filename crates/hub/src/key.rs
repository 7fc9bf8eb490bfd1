//! The name of a subscriber within its worker.

/// Names a subscriber for as long as it is there. No other one of the process ever has its serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) index: usize,
    pub(crate) serial: u64,
}

#[cfg(test)]
impl Key {
    pub(crate) fn for_test(index: usize) -> Self {
        Self { index, serial: index as u64 }
    }
}
