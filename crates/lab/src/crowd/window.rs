//! The measured window of a crowd: latency by transport, and the length of every event's pass.

use crate::result::{Latency, Transport};

/// Passes that a window remembers; later events are counted, but their passes are not.
const PASSES_MAX: u64 = 1 << 20;

/// What arrived while the window was open.
#[derive(Debug)]
pub(super) struct Window {
    /// Intended time of the window's first event; earlier ones are not recorded.
    from_us: u64,
    latency: [Latency; 3],
    pub(super) deliveries: u64,
    passes: Passes,
}

/// First and last receipt of each event.
#[derive(Debug, Default)]
struct Passes {
    /// The offset of the first event. No later one can come first anywhere, since each subscriber gets them in order.
    base: Option<u64>,
    seen: Vec<Pass>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pass {
    first_us: u64,
    last_us: u64,
    receipts: u64,
}

fn index(transport: Transport) -> usize {
    match transport {
        Transport::Poll => 0,
        Transport::Sse => 1,
        Transport::Websocket => 2,
    }
}

impl Window {
    /// An empty window of the events intended for this time and later.
    pub(super) fn open(from_us: u64) -> Self {
        let latency = std::array::from_fn(|_| Latency::new());
        Self { from_us, latency, deliveries: 0, passes: Passes::default() }
    }

    /// Enters one delivery.
    pub(super) fn delivery(&mut self, transport: Transport, offset: u64, intended_us: u64, now_us: u64) {
        if intended_us < self.from_us {
            return;
        }
        self.latency[index(transport)].record(now_us.saturating_sub(intended_us));
        self.deliveries += 1;
        self.passes.enter(offset, now_us);
    }

    /// Latency of one transport.
    pub(super) fn of(&self, transport: Transport) -> &Latency {
        &self.latency[index(transport)]
    }

    /// Latency of all.
    pub(super) fn all(&self) -> Latency {
        let mut all = Latency::new();
        self.latency.iter().for_each(|one| all.merge(one));
        all
    }

    /// The lengths of all passes that reached `audience` subscribers.
    pub(super) fn passes(&self, audience: u64) -> Latency {
        let mut lengths = Latency::new();
        let whole = self.passes.seen.iter().filter(|pass| pass.receipts == audience);
        whole.for_each(|pass| lengths.record(pass.last_us - pass.first_us));
        lengths
    }
}

impl Passes {
    fn enter(&mut self, offset: u64, now_us: u64) {
        let Some(index) = offset.checked_sub(*self.base.get_or_insert(offset)) else { return };
        if index >= PASSES_MAX {
            return;
        }
        let index = index as usize;
        if self.seen.len() <= index {
            self.seen.resize(index + 1, Pass::default());
        }
        let pass = &mut self.seen[index];
        if pass.receipts == 0 {
            pass.first_us = now_us;
        }
        pass.last_us = pass.last_us.max(now_us);
        pass.receipts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_lasts_from_the_first_receipt_to_the_last() {
        let mut window = Window::open(1000);
        window.delivery(Transport::Sse, 4, 900, 1100);
        for (transport, offset, now_us) in [
            (Transport::Sse, 5, 1200),
            (Transport::Poll, 5, 1900),
            (Transport::Sse, 6, 2000),
            (Transport::Poll, 6, 2300),
            (Transport::Sse, 7, 3000),
        ] {
            window.delivery(transport, offset, 1000 * (offset - 4), now_us);
        }
        let passes = window.passes(2);
        assert_eq!((passes.count(), passes.at(0.0), passes.max()), (2, 300, 700));
        assert_eq!((window.deliveries, window.of(Transport::Poll).count(), window.all().count()), (5, 2, 5));
        assert_eq!(window.of(Transport::Websocket).count(), 0);
    }
}
