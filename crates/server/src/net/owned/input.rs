//! What clients send on owned connections: one read at a time, and what it asks for.

use bytes::Bytes;
use tricast_feed::After;

use crate::net::owned::conn::{Conn, Flow, Role};
use crate::net::owned::polls::{Next, Phase};
use crate::net::owned::talk::Heard;
use crate::net::owned::{AHEAD_BYTES_MAX, Owned, READ_BYTES};

/// Bytes that the client of an SSE stream may send, none of which mean anything.
const EVENTS_INPUT_MAX: u32 = 64 << 10;

/// What a look at a connection's input asks for.
pub(super) enum Wanted {
    Nothing,
    /// The connection is over.
    Drop,
    /// There may be more to read, after others had their turn.
    Again,
    /// A poll from another place.
    Poll(After),
    /// The rest of a request, in time.
    Rest,
    /// A first request for the door.
    Enter,
    /// A request for the door.
    GiveBack,
    /// A command, and whether more was read behind it.
    Command(String),
    /// The connection ends with these bytes.
    End(Bytes),
}

impl Owned {
    /// Reads once, and looks at what came.
    pub(super) fn read(&self, seat: u32) -> Wanted {
        let mut table = self.table.borrow_mut();
        let Some(conn) = table.get_mut(seat as usize) else { return Wanted::Nothing };
        let mut scratch = self.scratch.borrow_mut();
        if conn.ends() {
            return read_out(conn, &mut scratch);
        }
        match &conn.role {
            Role::Hall(_) => Wanted::Enter,
            Role::Events(_) => read_events(conn, &mut scratch),
            Role::Polls(_) => self.read_polls(conn, &mut scratch),
            Role::Frames(_) => self.read_frames(conn, &mut scratch),
        }
    }

    fn read_polls(&self, conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
        let Role::Polls(polls) = &conn.role else { return Wanted::Nothing };
        let room = (AHEAD_BYTES_MAX + 1).saturating_sub(polls.ahead.len()).min(scratch.len());
        let count = match read_into(conn, &mut scratch[..room]) {
            _ if room == 0 => 0,
            Ok(count) => count,
            Err(()) => return Wanted::Drop,
        };
        let stands = conn.stands();
        let is_held = conn.role.is_waiting() || stands;
        let has_more = count > 0 && conn.reads_on();
        let Role::Polls(polls) = &mut conn.role else { return Wanted::Nothing };
        let was_empty = polls.ahead.is_empty();
        if is_held || !was_empty {
            polls.ahead.extend_from_slice(&scratch[..count]);
        }
        // Most requests come whole and alone, and are never copied.
        let input = if was_empty { &scratch[..count] } else { &polls.ahead[..] };
        let next = if is_held { Next::Nothing } else { polls.next(input) };
        let (used, wanted) = match next {
            Next::Again(after, used) => (used, Wanted::Poll(after)),
            Next::Other => (0, Wanted::GiveBack),
            // Its answers are there, and it has not read them yet: it may be writing still. No more is read until it has.
            Next::Nothing if polls.ahead.len() > AHEAD_BYTES_MAX && stands => (0, Wanted::Nothing),
            // A client that sends so much before it has its answer is up to no good.
            Next::Nothing if polls.ahead.len() > AHEAD_BYTES_MAX => return Wanted::Drop,
            // Also of a head that began behind the request before it, and of one that TLS gave by records.
            Next::Nothing if !is_held && !input.is_empty() && !polls.is_timed => {
                polls.is_timed = true;
                (0, Wanted::Rest)
            }
            Next::Nothing if has_more => (0, Wanted::Again),
            Next::Nothing => (0, Wanted::Nothing),
        };
        if !is_held && was_empty {
            polls.ahead.extend_from_slice(&scratch[used..count]);
        } else if used > 0 {
            polls.ahead.drain(..used);
        }
        if used > 0 {
            polls.phase = Phase::Waiting;
            polls.is_timed = false;
        }
        if polls.ahead.is_empty() {
            polls.ahead = Vec::new();
        }
        wanted
    }

    fn read_frames(&self, conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
        let has_room = conn.has_room(self.settings.hub.replies_max);
        let key = conn.key;
        let Role::Frames(talk) = &mut conn.role else { return Wanted::Nothing };
        if talk.is_busy || !has_room {
            return Wanted::Nothing;
        }
        let ahead = std::mem::take(&mut talk.ahead);
        // Behind what was read ahead more may have come.
        let mut has_more = true;
        let mut input = &ahead[..];
        if ahead.is_empty() {
            let Ok(count) = read_into(conn, scratch) else { return Wanted::Drop };
            has_more = count == scratch.len() || conn.reads_on();
            input = &scratch[..count];
        }
        if input.is_empty() {
            return Wanted::Nothing;
        }
        if let Some(key) = key {
            self.hub.heard(key);
        }
        let mut pong = None;
        let Role::Frames(talk) = &mut conn.role else { return Wanted::Nothing };
        let heard = talk.hear(&mut input, self.settings.message_bytes_max, &mut pong);
        talk.ahead = input.to_vec();
        if let Some(pong) = pong
            && conn.pong(pong) == Flow::Over
        {
            return Wanted::Drop;
        }
        match heard {
            Heard::Nothing if has_more => Wanted::Again,
            Heard::Nothing => Wanted::Nothing,
            Heard::Command(text) => Wanted::Command(text),
            Heard::Last(last) => Wanted::End(last),
        }
    }
}

/// Reads once. An error is the end of the connection, by whatever side.
fn read_into(conn: &mut Conn, into: &mut [u8]) -> Result<usize, ()> {
    match conn.io().map(|io| io.read(into)) {
        Some(Ok(Some(0)) | Err(_)) => Err(()),
        Some(Ok(Some(count))) => Ok(count),
        Some(Ok(None)) | None => Ok(0),
    }
}

/// Reads what a client still sends on a connection that ends, to see it close.
fn read_out(conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
    match read_into(conn, scratch) {
        Err(()) => Wanted::Drop,
        Ok(count) if count == READ_BYTES || (count > 0 && conn.reads_on()) => Wanted::Again,
        Ok(_) => Wanted::Nothing,
    }
}

fn read_events(conn: &mut Conn, scratch: &mut [u8]) -> Wanted {
    let Ok(count) = read_into(conn, scratch) else { return Wanted::Drop };
    let reads_on = conn.reads_on();
    let Role::Events(input) = &mut conn.role else { return Wanted::Nothing };
    // A read takes far less than the range.
    *input = input.saturating_add(count as u32);
    match count {
        _ if *input > EVENTS_INPUT_MAX => Wanted::Drop,
        READ_BYTES => Wanted::Again,
        1.. if reads_on => Wanted::Again,
        _ => Wanted::Nothing,
    }
}
