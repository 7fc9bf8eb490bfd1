//! For tests only: what reads requests, as functions of any bytes. Each holds what must be true for all input.

use crate::net;
use crate::query::Query;

/// A query of a subscription or a history page.
///
/// # Panics
/// If what is read breaks a bound.
pub fn query(text: &str) {
    const KNOWN: [&str; 7] = ["rooms", "after", "session", "label", "wait", "max", "limit"];
    const ROOMS_MAX: usize = 8;
    let Ok(query) = Query::of(text, &KNOWN) else { return };
    if let Ok(Some(rooms)) = query.rooms(ROOMS_MAX) {
        assert!(rooms.len() <= ROOMS_MAX);
    }
    if let Ok(wait) = query.number("wait", 0..=60, 25) {
        assert!(wait <= 60);
    }
    let _ = (query.after(tricast_feed::After::Tip), query.session(), query.label());
}

/// The head of a request, as the door, the gate and a line of polls look at it.
///
/// # Panics
/// If two of them see another length, or a poll that is alike is not itself.
pub fn heads(input: &[u8]) {
    net::fuzz::heads(input);
}
