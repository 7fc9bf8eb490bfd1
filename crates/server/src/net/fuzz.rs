//! For tests only: how the parts of this module look at the same bytes.

use super::front::{head_len, is_stream, may_be_stream};
use super::gate::body_len;
use super::owned::check_likeness;

/// What must hold for any first bytes of a connection.
pub(crate) fn heads(input: &[u8]) {
    let Some(len) = head_len(input) else { return };
    let (head, rest) = input.split_at(len);
    assert_eq!(head_len(head), Some(len), "a head ends where it ends, whatever follows");
    assert!(!is_stream(head) || may_be_stream(head), "the door keeps no stream out");
    // A stream never carries a body, or the gate would take it for one more request.
    let _ = body_len(head);
    check_likeness(head, rest);
}
