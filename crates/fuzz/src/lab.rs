//! What the laboratory reads: streams and answers by its lean readers, and a client's side by its tap.

use crate::split::pieces;

pub(crate) fn streams(input: &[u8]) {
    let (whole, pieces) = pieces(input);
    for reader in [tricast_lab::fuzz::sse, tricast_lab::fuzz::ws, tricast_lab::fuzz::ws_peers] {
        same(reader, whole, &pieces);
    }
}

pub(crate) fn answers(input: &[u8]) {
    let (whole, pieces) = pieces(input);
    same(tricast_lab::fuzz::poll, whole, &pieces);
    tricast_lab::fuzz::sighting(whole);
}

pub(crate) fn tap(input: &[u8]) {
    let (whole, pieces) = pieces(input);
    let (heads, passed) = tricast_lab::fuzz::tap(&[whole]);
    assert!(passed <= whole.len(), "nothing is told twice");
    let (split_heads, split_passed) = tricast_lab::fuzz::tap(&pieces);
    assert_eq!((split_heads, split_passed), (heads, passed), "it reads the same however it is split");
}

/// What was found, in words, and whether it was read to the end.
type Reader = fn(&[&[u8]]) -> (Vec<String>, bool);

/// A reader finds the same however its input is split. One that breaks off may have told less by then.
fn same(reader: Reader, whole: &[u8], pieces: &[&[u8]]) {
    let (at_once, good) = reader(&[whole]);
    let (split, split_good) = reader(pieces);
    assert_eq!(good, split_good, "a fault is one however the input is split");
    if good {
        assert_eq!(split, at_once, "it reads the same however it is split");
    }
}
