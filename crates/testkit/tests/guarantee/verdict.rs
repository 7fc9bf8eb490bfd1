//! What a session must be given and told: the promise as a plain model, which knows nothing of how it is kept.
//!
//! A [`Life`] is everything that was published in one epoch. A [`Witness`] is one session: it is told what is published,
//! which rooms are joined and left, and then everything that the session was given; and it says what is wrong with that.
//! Every event that the session has to get comes once and in order, or stands in a gap or before a reset that was told.
//!
//! The tests of the hub read this file too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An event as the model keeps it. Its offset is its place in the log and one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    /// Rooms by their number; none is a broadcast.
    pub(crate) rooms: Vec<usize>,
    pub(crate) except: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) has_key: bool,
}

/// Everything that was published in one epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    pub(crate) epoch: String,
    pub(crate) log: Vec<Published>,
}

impl Life {
    pub(crate) fn last(&self) -> u64 {
        self.log.len() as u64
    }
}

/// Where a session asked to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Tip,
    Earliest,
    Cursor { epoch: String, offset: u64 },
}

/// What `sync` told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) session: String,
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    pub(crate) state: String,
    pub(crate) missed: Option<u64>,
}

/// What is wrong, in a sentence.
pub(crate) type Verdict = Result<(), String>;

/// One session, and what it has to be given.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) session: String,
    /// Its rooms, each with the offset from which on it counts.
    pub(crate) rooms: BTreeMap<usize, u64>,
    /// It was given everything up to here, or told why not.
    pub(crate) upto: u64,
    pub(crate) epoch: String,
    /// What must come next, in order.
    due: VecDeque<u64>,
    /// What of it need not come: its room was left while it was on its way.
    maybe: BTreeSet<u64>,
    /// Events that were told as lost.
    pub(crate) lost: u64,
}

impl Witness {
    fn covers(&self, offset: u64, event: &Published) -> bool {
        if let Some(to) = &event.to {
            return *to == self.session;
        }
        let counts = |room: &usize| self.rooms.get(room).is_some_and(|since| offset > *since);
        event.except.as_ref() != Some(&self.session)
            && (event.rooms.is_empty() || event.rooms.iter().any(counts))
    }

    /// Something was published while it is subscribed.
    pub(crate) fn published(&mut self, offset: u64, event: &Published) {
        if self.covers(offset, event) {
            self.due.push_back(offset);
        }
    }

    /// A room was joined while it is subscribed: it counts from the tip on.
    pub(crate) fn joined(&mut self, room: usize, tip: u64) {
        self.rooms.entry(room).or_insert(tip);
    }

    /// A room was left: what is on its way may still come or not.
    pub(crate) fn left(&mut self, room: usize, life: &Life) {
        self.rooms.remove(&room);
        let due: Vec<u64> = self.due.iter().copied().collect();
        let open = due.into_iter().filter(|offset| !self.covers(*offset, &life.log[*offset as usize - 1]));
        self.maybe.extend(open.collect::<Vec<_>>());
    }

    /// A stream was opened and told this. `rooms` are those that were asked for, where some were; `first` is the oldest
    /// retained offset.
    pub(crate) fn synced(
        &mut self,
        asked: &Asked,
        told: &Told,
        rooms: Option<&BTreeSet<usize>>,
        life: &Life,
        first: u64,
    ) -> Verdict {
        let (offset, state, missed) = honoured(asked, life, first);
        let expected = (life.epoch.as_str(), offset, state, missed);
        let found = (told.epoch.as_str(), told.offset, told.state.as_str(), told.missed);
        if found != expected {
            return Err(format!("{asked:?} was answered by {told:?}, and not by {expected:?}"));
        }
        let is_known = told.session == self.session;
        let asked_for: BTreeSet<usize> = rooms.cloned().unwrap_or_default();
        let has_others = rooms.is_some() && self.rooms.keys().copied().ne(asked_for.iter().copied());
        if !is_known || has_others {
            // Rooms that are named at the start count from wherever it starts.
            self.rooms = asked_for.into_iter().map(|room| (room, 0)).collect();
        }
        self.lost += missed.unwrap_or(0);
        (self.session, self.epoch, self.upto) = (told.session.clone(), told.epoch.clone(), told.offset);
        self.maybe.clear();
        self.owe(life);
        Ok(())
    }

    /// It was given an event.
    pub(crate) fn given(&mut self, offset: u64) -> Verdict {
        if offset <= self.upto {
            return Err(format!("{offset} came, and it had everything up to {}", self.upto));
        }
        self.passed(offset - 1)?;
        if self.due.pop_front() != Some(offset) {
            return Err(format!("{offset} came, and is not for it; due: {:?}", self.due));
        }
        self.upto = offset;
        Ok(())
    }

    /// It was told that it has everything up to here.
    pub(crate) fn passed(&mut self, offset: u64) -> Verdict {
        while let Some(due) = self.due.front().copied().filter(|due| *due <= offset) {
            if !self.maybe.contains(&due) {
                return Err(format!("{due} never came: it is past {offset} already"));
            }
            self.due.pop_front();
        }
        self.upto = self.upto.max(offset);
        Ok(())
    }

    /// It was told that these will not come. Only what is gone may be told as gone: what is retained starts at `first`.
    pub(crate) fn gap(&mut self, from: u64, to: u64, cursor: u64, first: u64) -> Verdict {
        if from > to || cursor != to || from <= self.upto || to >= first {
            return Err(format!(
                "a gap {from}-{to}, cursor {cursor}, after {}, retained from {first}",
                self.upto
            ));
        }
        self.passed(from - 1)?;
        self.due.retain(|due| *due > to);
        self.lost += to - from + 1;
        self.upto = to;
        Ok(())
    }

    /// A poll came too late for its cursor, for its session, or for both: it was answered from the oldest event on, or to
    /// another session, which has no rooms yet.
    pub(crate) fn synced_between(&mut self, told: &Told, life: &Life, first: u64) -> Verdict {
        let is_known = told.session == self.session;
        let asked = told.missed.and_then(|missed| told.offset.checked_sub(missed));
        let is_honest = match told.state.as_str() {
            "reset" => told.offset < first,
            "resumed" => !is_known && told.missed == Some(0),
            _ => false,
        };
        let fits = |asked: &u64| is_honest && told.epoch == self.epoch && *asked >= self.upto;
        let Some(asked) = asked.filter(fits) else {
            return Err(format!("{told:?} between two polls, after {}, retained from {first}", self.upto));
        };
        self.passed(asked)?;
        if !is_known {
            self.session.clone_from(&told.session);
            self.rooms.clear();
            self.maybe.clear();
        }
        self.lost += told.offset - asked;
        self.upto = told.offset;
        if is_known {
            self.due.retain(|due| *due > told.offset);
        } else {
            self.owe(life);
        }
        Ok(())
    }

    /// Everything behind where it stands that is for it.
    fn owe(&mut self, life: &Life) {
        let numbered =
            (1..).zip(&life.log).filter(|(place, event)| *place > self.upto && self.covers(*place, event));
        self.due = numbered.map(|(place, _)| place).collect();
    }

    /// It was told, by a namespace with a policy for those that lag, that these will not come, though they may be there.
    /// Where they are conflated, the newest event with the key is not among them.
    pub(crate) fn passed_over(&mut self, from: u64, to: u64, reason: &str, life: &Life) -> Verdict {
        let newest = (1..)
            .zip(&life.log)
            .filter(|(offset, event)| event.has_key && self.covers(*offset, event))
            .last();
        let newest = newest.map(|(offset, _)| offset).filter(|offset| (from..=to).contains(offset));
        if let Some(newest) = newest.filter(|newest| reason == "conflated" && self.due.contains(newest)) {
            return Err(format!("{newest} is the newest of its key, and was conflated in {from}-{to}"));
        }
        self.gap(from, to, to, u64::MAX)
    }

    /// Nothing comes any more.
    pub(crate) fn settled(&self) -> Verdict {
        let missing: Vec<u64> = self.due.iter().copied().filter(|due| !self.maybe.contains(due)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} never came")) }
    }
}

/// Where a start is honoured, with which state, and how many events are gone.
fn honoured(asked: &Asked, life: &Life, first: u64) -> (u64, &'static str, Option<u64>) {
    let (oldest, last) = (first - 1, life.last());
    match asked {
        Asked::Tip => (last, "new", Some(0)),
        Asked::Earliest => (oldest, "new", Some(0)),
        Asked::Cursor { epoch, .. } if *epoch != life.epoch => (oldest, "reset", None),
        Asked::Cursor { offset, .. } if *offset > last => (last, "reset", None),
        Asked::Cursor { offset, .. } if *offset < oldest => (oldest, "reset", Some(oldest - offset)),
        Asked::Cursor { offset, .. } => (*offset, "resumed", Some(0)),
    }
}
