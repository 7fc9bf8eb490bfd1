//! The order in which transports are visited: shuffled by the seed, then rotated from repetition to repetition, so
//! that each stands first, second and third equally often.

use crate::result::Transport;

/// The order of one repetition's way there; the way back is its reverse.
pub(super) fn of(transports: &[Transport], seed: u64, repetition: u32) -> Vec<Transport> {
    let mut order = transports.to_vec();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    if !order.is_empty() {
        let by = repetition as usize % order.len();
        order.rotate_left(by);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_stands_everywhere_equally_often() {
        let orders: Vec<_> = (0..3).map(|repetition| of(&Transport::ALL, 7, repetition)).collect();
        for place in 0..3 {
            let mut seen: Vec<_> = orders.iter().map(|order| order[place]).collect();
            seen.sort();
            assert_eq!(seen, Transport::ALL);
        }
        assert_eq!(orders[0], of(&Transport::ALL, 7, 3));
    }
}
