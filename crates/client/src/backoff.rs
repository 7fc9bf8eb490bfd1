//! How long to stay away after a failure.

use std::time::Duration;

/// The longest wish of a server that is followed. A longer one is taken as this: a mistaken header must not put a
/// client to sleep for a day.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// The delays of one subscription: full jitter under a ceiling that doubles. With the whole range to draw from, the
/// clients of a server that restarts come back spread out instead of in waves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// The ceiling after the first failure.
    pub(crate) base: Duration,
    /// The ceiling of all ceilings.
    pub(crate) cap: Duration,
}

impl Backoff {
    /// The delay after this many failures in a row (at least one). The server's wish is kept to, and jitter comes on
    /// top, since it may have told everybody the same.
    pub(crate) fn delay(self, failures: u32, wish: Option<Duration>, random: u64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let ceiling = match wish {
            Some(_) => self.base,
            None => self.base.saturating_mul(doubled),
        };
        wish.unwrap_or_default().min(RETRY_AFTER_MAX) + ceiling.min(self.cap).mul_f64(fraction(random))
    }
}

/// The upper 53 bits as a number from 0 up to, and without, 1.
fn fraction(random: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
    let upper = (random >> 11) as f64;
    upper / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(30) };

    fn check(
        failures: u32,
        wish_secs: Option<u64>,
        random: u64,
        expected_ms: std::ops::RangeInclusive<u128>,
    ) {
        let delay = BACKOFF.delay(failures, wish_secs.map(Duration::from_secs), random).as_millis();
        assert!(expected_ms.contains(&delay), "{failures} failures: {delay} ms, not in {expected_ms:?}");
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        for (failures, ceiling) in
            [(1, 250), (2, 500), (3, 1000), (7, 16_000), (8, 30_000), (32, 30_000), (u32::MAX, 30_000)]
        {
            check(failures, None, u64::MAX, ceiling - 1..=ceiling);
            check(failures, None, u64::MAX / 2, ceiling / 2 - 1..=ceiling / 2);
        }
    }

    #[test]
    fn the_whole_range_is_drawn_from() {
        check(8, None, 0, 0..=0);
    }

    #[test]
    fn a_wish_of_the_server_is_never_undercut() {
        check(1, Some(7), 0, 7000..=7000);
        check(20, Some(7), u64::MAX, 7249..=7250);
        check(1, Some(86_400), 0, 300_000..=300_000);
    }
}
