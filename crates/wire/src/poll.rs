//! The answer to a poll, and the page of history, which has nearly the same shape.

use bytes::Bytes;
use tricast_feed::Cursor;

use crate::notice::{Notice, Sync};
use crate::text;

/// Joins the answer to a poll from events that are encoded already.
#[must_use]
pub fn answer<'a>(
    sync: Option<&Sync>,
    events: impl Iterator<Item = &'a [u8]>,
    notices: &[Notice],
    cursor: Cursor,
) -> Bytes {
    let mut out = open(sync);
    push_joined(&mut out, events);
    out.extend_from_slice(b"],\"notices\":[");
    let notices: Vec<Vec<u8>> = notices.iter().map(Notice::json).collect();
    push_joined(&mut out, notices.iter().map(Vec::as_slice));
    out.extend_from_slice(b"],\"cursor\":\"");
    text::push_cursor(&mut out, cursor);
    out.extend_from_slice(b"\"}");
    Bytes::from(out)
}

/// Joins a page of history. `more` tells that another page follows after `cursor`; notices are left out where there are
/// none.
#[must_use]
pub fn history<'a>(
    sync: Option<&Sync>,
    events: impl Iterator<Item = &'a [u8]>,
    notices: &[Notice],
    cursor: Cursor,
    more: bool,
) -> Bytes {
    let mut out = open(sync);
    push_joined(&mut out, events);
    if !notices.is_empty() {
        out.extend_from_slice(b"],\"notices\":[");
        let notices: Vec<Vec<u8>> = notices.iter().map(Notice::json).collect();
        push_joined(&mut out, notices.iter().map(Vec::as_slice));
    }
    out.extend_from_slice(b"],\"cursor\":\"");
    text::push_cursor(&mut out, cursor);
    out.extend_from_slice(if more { b"\",\"more\":true}" } else { b"\",\"more\":false}" });
    Bytes::from(out)
}

fn open(sync: Option<&Sync>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.push(b'{');
    if let Some(sync) = sync {
        out.extend_from_slice(b"\"sync\":");
        out.extend_from_slice(&sync.json());
        out.push(b',');
    }
    out.extend_from_slice(b"\"events\":[");
    out
}

fn push_joined<'a>(out: &mut Vec<u8>, parts: impl Iterator<Item = &'a [u8]>) {
    for (place, part) in parts.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use tricast_feed::{Epoch, Offset, SessionId, StartState};

    use super::*;
    use crate::notice::GapReason;

    #[test]
    fn golden_answers() {
        let cursor = Cursor { epoch: Epoch::from_random(0), offset: Offset(2) };
        let events: [&[u8]; 2] = [b"{\"n\":1}", b"{\"n\":2}"];
        assert_eq!(
            answer(None, events.into_iter(), &[], cursor),
            r#"{"events":[{"n":1},{"n":2}],"notices":[],"cursor":"aaaaaaaa-2"}"#
        );
        let sync = Sync { session: Some(SessionId(0)), cursor, state: StartState::New, beat_secs: 15 };
        let gap = Notice::Gap { from: Offset(1), to: cursor, reason: GapReason::Slow };
        assert_eq!(
            answer(Some(&sync), std::iter::empty(), &[gap], cursor),
            concat!(
                r#"{"sync":{"session":"s_AAAAAAAAAAAAAAAAAAAAAA","member":"p_3cEC_ffcdW9leicdVzm0oA","cursor":"aaaaaaaa-2","state":"new","missed":0,"beat":15},"#,
                r#""events":[],"notices":[{"notice":"gap","from":1,"to":2,"reason":"slow","cursor":"aaaaaaaa-2"}],"#,
                r#""cursor":"aaaaaaaa-2"}"#
            )
        );
        assert_eq!(
            history(None, events.into_iter(), &[], cursor, true),
            r#"{"events":[{"n":1},{"n":2}],"cursor":"aaaaaaaa-2","more":true}"#
        );
        let gap = Notice::Gap { from: Offset(1), to: cursor, reason: GapReason::Engine };
        assert_eq!(
            history(None, std::iter::empty(), &[gap], cursor, false),
            concat!(
                r#"{"events":[],"notices":[{"notice":"gap","from":1,"to":2,"reason":"engine","cursor":"aaaaaaaa-2"}],"#,
                r#""cursor":"aaaaaaaa-2","more":false}"#
            )
        );
    }
}
