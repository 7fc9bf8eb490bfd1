//! What an operator sees of a namespace: its connections and its rooms.
//!
//! Nothing is kept for it. Each worker looks through its own subscribers when it is asked, and the parts are put
//! together.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddr;

use tricast_feed::{Member, Millis, Namespace, Room};
use tricast_wire::Fault;

use crate::ask::Ask;
use crate::{Shared, Way};

/// How a connection takes what is there for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stance {
    /// It has everything, or the next pass gives it.
    Live,
    /// It reads the log by itself.
    Behind,
    /// It takes no bytes at the moment.
    Stalled,
    /// A poll that was answered, before its client's next one.
    Resting,
}

impl Stance {
    /// The name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Behind => "behind",
            Self::Stalled => "stalled",
            Self::Resting => "resting",
        }
    }
}

/// One subscriber, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its session's public name.
    pub member: Member,
    /// Its transport.
    pub way: Way,
    /// Its rooms by name.
    pub rooms: Vec<Room>,
    /// Since when it reads on from where it began.
    pub since: Millis,
    /// Offsets of the namespace that it does not have yet, whoever they are for.
    pub lag: u64,
    /// How it takes them.
    pub stance: Stance,
    /// What its carrier knows of it; nothing where actix carries it.
    pub link: Option<LinkFacts>,
}

/// What a [`Carrier`](crate::Carrier) knows of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFacts {
    /// The address of its client, if there still is one.
    pub peer: Option<SocketAddr>,
    /// Bytes that were written to it, heads and notices included, before encryption.
    pub sent: u64,
}

/// Which connections are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Those of this transport; all without.
    pub way: Option<Way>,
    /// Those in this room; all without.
    pub room: Option<Room>,
    /// At most so many are given.
    pub limit: usize,
}

/// Some of what there is: those that lag most, or the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<T>,
}

/// A room, and how many connections are in it.
pub type RoomCount = (Room, usize);

/// Puts the parts of all workers together: who lags most comes first, then who is here longest.
fn first_connections(parts: Vec<Listing<Connection>>, limit: usize) -> Listing<Connection> {
    let count = parts.iter().map(|part| part.count).sum();
    let mut first: Vec<Connection> = parts.into_iter().flat_map(|part| part.first).collect();
    keep_first(&mut first, limit, |found| (Reverse(found.lag), found.since, found.member));
    Listing { count, first }
}

/// Puts the counts of all workers together: the largest room comes first, then by name.
fn first_rooms(parts: Vec<HashMap<Room, usize>>, limit: usize) -> Listing<RoomCount> {
    let mut counts: HashMap<Room, usize> = HashMap::new();
    for (room, count) in parts.into_iter().flatten() {
        *counts.entry(room).or_default() += count;
    }
    let mut first: Vec<RoomCount> = counts.into_iter().collect();
    let count = first.len();
    keep_first(&mut first, limit, |(room, count)| (Reverse(*count), room.clone()));
    Listing { count, first }
}

/// Keeps the first `limit` in this order, without putting the others in order too.
pub(crate) fn keep_first<T, K: Ord>(found: &mut Vec<T>, limit: usize, key: impl Fn(&T) -> K) {
    if found.len() > limit {
        found.select_nth_unstable_by_key(limit, &key);
        found.truncate(limit);
    }
    found.sort_by_key(key);
}

impl Shared {
    /// The connections of a namespace that are chosen: how many, and first those that lag most.
    ///
    /// # Errors
    /// [`Reason::NotFound`] for a namespace that is not there; [`Reason::Internal`] if a worker does not answer.
    ///
    /// [`Reason::NotFound`]: tricast_feed::Reason::NotFound
    /// [`Reason::Internal`]: tricast_feed::Reason::Internal
    pub async fn connections(
        &self,
        namespace: &Namespace,
        choice: &Choice,
    ) -> Result<Listing<Connection>, Fault> {
        self.feeds.find(namespace)?;
        let ask = |reply| Ask::Connections(namespace.clone(), choice.clone(), reply);
        Ok(first_connections(self.ask_workers(ask).await?, choice.limit))
    }

    /// The rooms of a namespace in which somebody is: how many, and first the largest.
    ///
    /// # Errors
    /// As [`Shared::connections`].
    pub async fn rooms(&self, namespace: &Namespace, limit: usize) -> Result<Listing<RoomCount>, Fault> {
        self.feeds.find(namespace)?;
        let parts = self.ask_workers(|reply| Ask::Rooms(namespace.clone(), reply)).await?;
        Ok(first_rooms(parts, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Room {
        Room::new(name).unwrap()
    }

    #[test]
    fn the_largest_rooms_of_all_workers_come_first() {
        let part = |counts: &[(&str, usize)]| -> HashMap<Room, usize> {
            counts.iter().map(|(name, count)| (room(name), *count)).collect()
        };
        let parts = vec![part(&[("a", 1), ("b", 2)]), part(&[("b", 3), ("c", 1), ("d", 4)])];
        let listing = first_rooms(parts, 3);
        assert_eq!(listing.count, 4);
        assert_eq!(listing.first, [(room("b"), 5), (room("d"), 4), (room("a"), 1)]);
    }

    #[test]
    fn who_lags_most_comes_first() {
        let connection = |member: u128, lag: u64, since: u64| Connection {
            member: Member(member),
            way: Way::Sse,
            rooms: vec![],
            since: Millis(since),
            lag,
            stance: Stance::Live,
            link: None,
        };
        let part = |first: Vec<Connection>| Listing { count: 10, first };
        let parts = vec![
            part(vec![connection(1, 0, 5), connection(2, 7, 9)]),
            part(vec![connection(3, 0, 4), connection(4, 0, 4)]),
        ];
        let listing = first_connections(parts, 3);
        let members: Vec<u128> = listing.first.iter().map(|found| found.member.0).collect();
        assert_eq!((listing.count, members), (20, vec![2, 3, 4]));
    }
}
