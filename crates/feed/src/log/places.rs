//! Where a reader's events may lie.

use crate::{Interest, Log, Offset};

/// The offsets that may be a reader's, in order and without doubles: a merge of the index lists of its rooms, of the
/// broadcasts and of what is addressed to it alone.
pub(super) enum Places<'a> {
    All(std::ops::RangeInclusive<u64>),
    Lists { lists: Vec<std::collections::vec_deque::Iter<'a, u64>>, heads: Vec<u64>, upto: u64 },
}

impl<'a> Places<'a> {
    pub(super) fn new<P>(log: &'a Log<P>, after: Offset, upto: Offset, interest: &Interest) -> Self {
        let Some(rooms) = &interest.rooms else { return Self::All(after.next().0..=upto.0) };
        let addressed = interest.member.and_then(|member| log.by_addressee.get(&member));
        let by_room = rooms.iter().filter_map(|room| log.by_room.get(room));
        let mut lists = Vec::new();
        let mut heads = Vec::new();
        for list in std::iter::once(&log.broadcasts).chain(addressed).chain(by_room) {
            let mut rest = list.range(list.partition_point(|offset| *offset <= after.0)..);
            if let Some(head) = rest.next() {
                heads.push(*head);
                lists.push(rest);
            }
        }
        Self::Lists { lists, heads, upto: upto.0 }
    }

    pub(super) fn next(&mut self) -> Option<u64> {
        match self {
            Self::All(range) => range.next(),
            Self::Lists { lists, heads, upto } => {
                let least = *heads.iter().min()?;
                if least > *upto {
                    return None;
                }
                let mut place = 0;
                while place < heads.len() {
                    if heads[place] != least {
                        place += 1;
                    } else if let Some(next) = lists[place].next() {
                        heads[place] = *next;
                        place += 1;
                    } else {
                        heads.swap_remove(place);
                        lists.swap_remove(place);
                    }
                }
                Some(least)
            }
        }
    }
}
